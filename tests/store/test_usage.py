"""What people see of their quota: bars, balances and lots, and whose they are (K6, K8, SEM-41)."""

from __future__ import annotations

import asyncio

import pytest

from quotasvc.domain.faults import Corrupt, NotFound
from quotasvc.domain.lot import LotPlace
from quotasvc.domain.team import KeyState, Role
from quotasvc.domain.unit import Usage
from quotasvc.planes.usage import Subject
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, HOUR, Clock
from tests.support.people import key, member, seat, team
from tests.support.quota import OWNER_KEY, TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")


async def test_the_bars_of_a_seat_show_every_allowance(quota: Quota, clock: Clock) -> None:
    # given a seat with usage and a hold
    await quota.team()
    await quota.grant("lot", 10)
    await quota.commit(await quota.reserve(25))
    await quota.reserve(10)
    # when it is asked for
    remains = await quota.remains()
    # then plan, windows and Credits are there
    assert (remains.plan, remains.seat_id, remains.catalog_version) == ("plus", "s1", "testtest")
    general, images, video, vlm = remains.allowances
    assert (general.allowance_id, general.unit, general.resources) == (
        "general",
        "cost",
        ("clip/tiered", "text/a"),
    )
    assert (general.percent_used, general.status) == (35, "ok")
    five_hour, week = general.windows
    assert (five_hour.limit, five_hour.used, five_hour.held, five_hour.remaining) == (
        100 * CREDIT,
        25 * CREDIT,
        10 * CREDIT,
        65 * CREDIT,
    )
    assert five_hour.reset_ms == (clock() // 150_000 + 1) * 150_000 + 5 * HOUR
    assert week.reset_ms == clock() - 7 * HOUR + 7 * DAY
    assert (images.percent_used, images.status) == (0, "ok")
    assert (video.percent_used, video.status) == (100, "not_in_plan")
    assert vlm.windows[0].limit == 10
    assert remains.credits is not None
    assert remains.credits.available == 10 * CREDIT
    # and a subscription key sees no wallet
    assert remains.wallet is None


@pytest.mark.parametrize(
    ("used", "percent", "status"), [(0, 0, "ok"), (99, 99, "ok"), (100, 100, "exhausted")]
)
async def test_percent_and_status_follow_the_fullest_window(
    quota: Quota, used: int, percent: int, status: str
) -> None:
    await quota.team(access=False)
    if used:
        await quota.commit(await quota.reserve(used))
    general = (await quota.remains()).allowances[0]
    assert (general.percent_used, general.status) == (percent, status)


async def test_an_overrun_shows_as_100_percent(quota: Quota) -> None:
    await quota.team(access=False)
    await quota.commit(await quota.reserve(100), 150)
    general = (await quota.remains()).allowances[0]
    assert (general.percent_used, general.status) == (100, "exhausted")


async def test_an_unlimited_allowance_has_no_percent(quota: Quota) -> None:
    await quota.team(plan="unlimited")
    await quota.commit(await quota.reserve(10_000))
    general = (await quota.remains()).allowances[0]
    assert (general.percent_used, general.status) == (0, "ok")
    assert (general.windows[0].limit, general.windows[0].used) == (None, 10_000 * CREDIT)


async def test_an_empty_window_has_nothing_that_could_leave(quota: Quota) -> None:
    await quota.team()
    five_hour, week = (await quota.remains()).allowances[0].windows
    assert five_hour.reset_ms is None
    assert week.reset_ms is not None


async def test_without_a_seat_there_are_no_bars(quota: Quota) -> None:
    # given a member with Credits only
    await quota.team(plan=None)
    await quota.grant("lot", 10)
    remains = await quota.remains()
    assert (remains.plan, remains.seat_id, remains.allowances) == ("", "", ())
    assert remains.credits is not None


async def test_a_balance_that_is_not_theirs_to_use_is_not_shown(quota: Quota) -> None:
    # given a member whose access is off
    await quota.team(access=False)
    assert (await quota.remains()).credits is None
    # and a pay-as-you-go key, which has no seat and no Credits
    await quota.team(payg=True)
    await quota.top_up_wallet(7)
    remains = await quota.remains()
    assert (remains.allowances, remains.credits) == ((), None)
    assert remains.wallet is not None
    assert remains.wallet.available == 7 * CREDIT


async def test_a_member_asked_for_by_team_sees_both_balances(quota: Quota) -> None:
    await quota.team()
    await quota.top_up_wallet(7)
    subject = Subject(team_id=TEAM, actor_user_id="ann")
    remains = await quota.usage.remains(subject, quota.deadline)
    assert remains.plan == "plus"
    assert remains.credits is not None
    assert remains.wallet is not None


@pytest.mark.parametrize(
    "subject",
    [
        Subject(),
        Subject(key_id="acme_k9"),
        Subject(key_id="nobody_k1"),
        Subject(key_id=""),
        Subject(api_key="qsk_acme_k1_made-up"),
        Subject(team_id=TEAM, actor_user_id="bob"),
        Subject(team_id=TEAM),
        Subject(team_id="nobody", actor_user_id="ann"),
        Subject(team_id="BAD TEAM", actor_user_id="ann"),
    ],
)
async def test_unknown_and_foreign_look_alike(quota: Quota, subject: Subject) -> None:
    await quota.team()
    for call in (quota.usage.remains, quota.usage.balance):
        with pytest.raises(NotFound):
            await call(subject, quota.deadline)
    with pytest.raises(NotFound):
        await quota.usage.lots(subject, 1, LotPlace(), quota.deadline)


async def test_a_key_proves_itself_by_its_secret(quota: Quota) -> None:
    await quota.team()
    subject = Subject(api_key=quota.api_key().text)
    assert (await quota.usage.remains(subject, quota.deadline)).plan == "plus"


async def test_a_deleted_key_shows_nothing_and_a_disabled_one_does(quota: Quota) -> None:
    # a disabled key still tells what there is; a deleted one is as good as gone (SEM-45)
    await quota.team(state=KeyState.DISABLED)
    assert (await quota.remains()).plan == "plus"
    await quota.team(state=KeyState.DELETED)
    with pytest.raises(NotFound):
        await quota.remains()


async def test_the_key_of_a_removed_member_shows_nothing(quota: Quota) -> None:
    await quota.put(team((member("ann", Role.OWNER),), keys=(key(2, "bob"),)))
    with pytest.raises(NotFound):
        await quota.usage.remains(Subject(key_id="acme_k2"), quota.deadline)


async def test_bars_follow_the_seat_to_its_new_holder(quota: Quota) -> None:
    # given usage of one member (F10)
    people = (member("ann"), member("bob"))
    keys = (key(1, "ann"), key(2, "bob"))
    await quota.put(team(people, seats=(seat("s1", "ann"),), keys=keys))
    await quota.commit(await quota.reserve(30))
    # when the seat is reassigned
    await quota.put(team(people, seats=(seat("s1", "bob"),), keys=keys))
    # then its bars are the other's
    assert (await quota.remains()).allowances == ()
    other = await quota.usage.remains(Subject(key_id="acme_k2"), quota.deadline)
    assert other.allowances[0].windows[0].used == 30 * CREDIT


async def test_bars_asked_for_while_the_team_changes_are_those_of_one_version(
    quota: Quota,
) -> None:
    # given a reader between whose two looks the team is changed
    await quota.team()
    await quota.commit(await quota.reserve(30))
    remains, _ = await asyncio.gather(quota.remains(), quota.team(plan="max"))
    # then it shows the new one, whole
    assert remains.plan == "max"
    assert remains.allowances[0].windows[0].limit == 500 * CREDIT
    assert remains.allowances[0].windows[0].used == 30 * CREDIT


async def test_looking_writes_nothing(quota: Quota, clock: Clock) -> None:
    # given usage that has partly left its window
    await quota.team()
    await quota.grant("lot", 10, days=1)
    await quota.commit(await quota.reserve(105))
    clock.advance(2 * DAY)
    await quota.reap()
    before = await quota.dump()
    # when everything is looked at
    await quota.remains()
    await quota.lots()
    await quota.usage.balance(Subject(key_id=OWNER_KEY), quota.deadline)
    # then nothing has changed
    assert await quota.dump() == before


async def test_images_are_shown_in_images(quota: Quota) -> None:
    await quota.team()
    await quota.commit(await quota.reserve(resource="image/a", usage=Usage.of(images=4)))
    images = (await quota.remains()).allowances[1]
    assert (images.unit, images.windows[0].used, images.percent_used) == ("images", 4, 40)


async def test_a_seat_on_a_plan_that_the_catalog_lacks_is_corrupt(quota: Quota) -> None:
    # given a seat that no catalog should have allowed (SEM-18)
    await quota.put(
        team((member("ann"),), seats=(seat("s1", "ann", "gone"),), keys=(key(1, "ann"),))
    )
    with pytest.raises(Corrupt, match="seat s1 has plan gone"):
        await quota.decide(quota.ask(1))
    with pytest.raises(Corrupt, match="seat s1 has plan gone"):
        await quota.remains()

"""RecordUsage: what was used without a hold is charged, whoever has it (SEM-34, S7)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Conflict, FailedPrecondition, Fault, NotFound
from quotasvc.domain.outcome import DenialReason, Denied, Recorded
from quotasvc.domain.reservation import ReservationId
from quotasvc.domain.team import KeyState, Role
from quotasvc.domain.unit import AMOUNT_MAX, Usage
from quotasvc.planes.ask import GiveBack
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, by_the_nano, catalog
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, Clock
from tests.support.gates import PEAK_FROM_MS, gated, limit, row
from tests.support.lots import shares
from tests.support.people import key, member, seat, team
from tests.support.quota import OWNER_KEY, SECRETS, Quota

pytestmark = pytest.mark.usefixtures("conserved")


def paid(recorded: Recorded) -> tuple[dict[str, int], int]:
    """Whole credits by source, and what nobody paid."""
    answer = recorded.committed
    assert sum(leg.nanos for leg in answer.legs) + answer.written_off_nanos == answer.actual_nanos
    return shares(answer.legs), answer.written_off_nanos // CREDIT


async def denied(quota: Quota, **changes: object) -> Denied:
    """A report that is refused, after which nothing has moved (SEM-6)."""
    report = quota.report(5, **changes)
    before = await quota.dump()
    answer = await quota.decisions.record_usage(report, quota.deadline)
    assert isinstance(answer, Denied)
    assert await quota.dump() == before
    return answer


async def at_fault(quota: Quota, kind: type[Fault], tokens: int = 5, **changes: object) -> str:
    """A report that is a mistake, after which nothing has moved; its reason."""
    before = await quota.dump()
    with pytest.raises(kind) as refused:
        await quota.record(tokens, **changes)
    assert await quota.dump() == before
    return refused.value.reason


# Who pays.


@pytest.mark.parametrize(
    ("plan", "access", "lot", "used", "expected"),
    [
        ("plus", True, 50, 0, ({"s1/general": 60}, 0)),  # the plan first
        ("plus", True, 50, 70, ({"s1/general": 30, "lot": 30}, 0)),  # split, as a hold would
        ("plus", True, 10, 70, ({"s1/general": 50, "lot": 10}, 0)),  # absorbed
        ("plus", False, 50, 70, ({"s1/general": 60}, 0)),  # not theirs to use
        ("strict", True, 70, 70, ({"lot": 60}, 0)),  # whole to the pool, as a hold would
        ("strict", True, 40, 70, ({"s1/general": 30, "lot": 30}, 0)),  # both only together
        ("strict", True, 20, 70, ({"s1/general": 40, "lot": 20}, 0)),
        ("strict", True, 20, 100, ({"s1/general": 40, "lot": 20}, 0)),
        ("absorb", True, 50, 99, ({"s1/general": 60}, 0)),  # any room admits it
        ("absorb", True, 50, 100, ({"s1/general": 10, "lot": 50}, 0)),
        ("deny", True, 50, 70, ({"s1/general": 60}, 0)),  # a plan without overflow
        ("unlimited", True, 50, 70, ({"s1/general": 60}, 0)),
        (None, True, 70, 0, ({"lot": 60}, 0)),
        (None, True, 20, 0, ({"lot": 20}, 40)),  # nobody absorbs it
        (None, False, 70, 0, ({}, 60)),
    ],
)
async def test_who_pays_what_was_used(
    quota: Quota,
    plan: str | None,
    access: bool,
    lot: int,
    used: int,
    expected: tuple[dict[str, int], int],
) -> None:
    # given a plan of 100 of which some is used, and a lot
    await quota.team(plan=plan, access=access)
    if used:
        await quota.commit(await quota.reserve(used))
    await quota.grant("lot", lot)
    # when 60 more were used (SEM-34)
    recorded = await quota.record(60)
    # then they are paid like a hold; else by the plan's room, the pool, and the plan's patience
    assert paid(recorded) == expected
    if plan is not None:
        assert (await quota.window())[0] == used + expected[0].get("s1/general", 0)
    assert await quota.available() == {"lot": lot - expected[0].get("lot", 0)}
    # and a refund gives every source back what it paid (SEM-29)
    back = GiveBack(refund_id="f1")
    refunded = await quota.decisions.refund(recorded.reservation_id, back, quota.deadline)
    assert shares(refunded.refunded) == expected[0]
    assert await quota.available() == {"lot": lot}


@pytest.mark.parametrize(
    ("wallet", "expected"), [(100, ({"wallet": 60}, 0)), (25, ({"wallet": 25}, 35))]
)
async def test_a_wallet_pays_for_its_key_alone(
    quota: Quota, wallet: int, expected: tuple[dict[str, int], int]
) -> None:
    # given a pay-as-you-go key of a member with a seat and Credits in plenty (B12)
    await quota.team(payg=True)
    await quota.grant("lot", 1_000)
    await quota.top_up_wallet(wallet)
    # then the wallet pays what it has, and the rest is written off
    assert paid(await quota.record(60)) == expected
    assert await quota.available() == {"lot": 1_000}


async def test_what_counts_units_absorbs_them_all(quota: Quota) -> None:
    # given a plan of 10 images a day, 8 of them used, and a lot that would pay one
    await quota.team()
    await quota.grant("lot", 5)
    images: dict[str, Any] = {"resource": "image/a", "usage": Usage.of(images=8)}
    await quota.record(**images)
    # when 8 more were made
    recorded = await quota.record(**images)
    # then the day has all of them (SEM-34)
    [leg] = recorded.committed.legs
    assert (leg.unit, leg.amount, leg.nanos) == ("images", 8, 24 * CREDIT)
    assert await quota.window("images/day") == (16, 0)
    assert await quota.available() == {"lot": 5}


async def test_units_without_room_are_paid_by_credits_that_suffice(quota: Quota) -> None:
    # given a plan of 10 images a day, 10 of them used, and a lot that would pay one and more
    await quota.team()
    await quota.grant("lot", 5)
    await quota.record(resource="image/a", usage=Usage.of(images=10))
    # when one more was made, then it is paid as a reservation would be (SEM-34)
    image = await quota.record(resource="image/a", usage=Usage.of(images=1))
    assert paid(image) == ({"lot": 3}, 0)
    assert await quota.window("images/day") == (10, 0)


async def test_no_window_absorbs_more_than_it_can_count(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    """SEM-3, SEM-34."""
    # given a plan that has absorbed nearly as much as a number can hold
    policy = by_the_nano(catalog(version="fullfull"))
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team(access=False)
    await quota.record(AMOUNT_MAX - 5)
    # when more was used than it can count beside that, then the rest is written off
    recorded = await quota.record(12)
    [leg] = recorded.committed.legs
    assert (leg.nanos, recorded.committed.written_off_nanos) == (5, 7)
    assert (await quota.status("general/five_hour")).used == AMOUNT_MAX
    # and no more than that comes back (SEM-49)
    back = GiveBack(refund_id="f1")
    refunded = await quota.decisions.refund(recorded.reservation_id, back, quota.deadline)
    assert [leg.nanos for leg in refunded.refunded] == [5]


async def test_one_image_is_the_plans(quota: Quota) -> None:
    await quota.team()
    await quota.grant("lot", 5)
    await quota.record(resource="image/a", usage=Usage.of(images=1))
    assert await quota.window("images/day") == (1, 0)


async def test_what_the_plan_does_not_show_is_paid_by_credits(quota: Quota) -> None:
    # given a plan with no videos, and a lot for one and a half
    await quota.team()
    await quota.grant("lot", 45)
    videos = await quota.record(resource="video/a", usage=Usage.of(clips=2))
    assert paid(videos) == ({"lot": 45}, 15)


async def test_free_usage_is_recorded_and_charged_nothing(quota: Quota) -> None:
    # given a key that nobody pays for (SEM-46)
    await quota.team(plan=None, access=False)
    recorded = await quota.record(resource="music/free", usage=Usage.of(songs=3))
    assert paid(recorded) == ({}, 0)


async def test_it_is_charged_as_sent_and_not_as_estimated(quota: Quota) -> None:
    # given a resource whose estimate is 5 output tokens (S7)
    await quota.team()
    recorded = await quota.record(usage=Usage.of(input_tokens=2))
    assert paid(recorded) == ({"s1/general": 2}, 0)
    assert paid(await quota.record()) == ({}, 0)


# Whose keys are still good.


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (KeyState.DELETED, DenialReason.KEY_INVALID),
        (KeyState.DISABLED, DenialReason.KEY_DISABLED),
    ],
)
async def test_a_key_that_ended_is_good_for_a_day(
    quota: Quota, clock: Clock, state: KeyState, reason: DenialReason
) -> None:
    # given a key that ends now, after use that nobody has reported yet
    ended = replace(key(1, "ann"), state=state, ended_ms=clock())
    people = (member("ann", Role.OWNER),)
    await quota.put(team(people, seats=(seat("s1", "ann"),), keys=(ended,)))
    # when it is reported 23 hours later, then the seat pays (SEM-34)
    clock.advance(23 * HOUR)
    assert paid(await quota.record(5)) == ({"s1/general": 5}, 0)
    # and nobody is admitted by it
    assert (await quota.denied(5)).denial.reason is reason
    # and after 25 it is refused
    clock.advance(2 * HOUR)
    assert (await denied(quota)).denial.reason is reason


async def test_a_key_that_ended_some_unknown_time_ago_is_not_good(quota: Quota) -> None:
    await quota.team(state=KeyState.DISABLED)
    assert (await denied(quota)).denial.reason is DenialReason.KEY_DISABLED


@pytest.mark.parametrize(
    ("access", "expected"), [(True, ({"lot": 5}, 0)), (False, ({}, 5))], ids=["access", "none"]
)
async def test_a_removed_members_use_is_never_paid_by_a_seat(
    quota: Quota, clock: Clock, access: bool, expected: tuple[dict[str, int], int]
) -> None:
    # given a member who leaves, whose seat is another's now, and their key
    gone = replace(member("ann", access=access), removed_ms=clock())
    people = (gone, member("bob", Role.OWNER))
    keys = (key(1, "ann"), key(2, "bob"))
    await quota.put(team(people, seats=(seat("s1", "bob"),), keys=keys))
    await quota.grant("lot", 50)
    # when their use is reported 23 hours later, then the pool pays, if they had access (S7)
    clock.advance(23 * HOUR)
    assert paid(await quota.record(5)) == expected
    assert (await quota.denied(5)).denial.reason is DenialReason.KEY_DISABLED
    # and after 25 it is refused
    clock.advance(2 * HOUR)
    assert (await denied(quota)).denial.reason is DenialReason.KEY_DISABLED


# The old reservation.


async def test_an_old_reservation_that_was_forged_or_is_another_teams_is_not_found(
    quota: Quota,
) -> None:
    # given a genuine reservation of another team (SEM-44)
    await quota.team()
    known = await quota.reserve(5)
    rid = ReservationId.verify(known.reservation_id, SECRETS.mac_key)
    assert rid is not None
    foreign = replace(rid, team_id="beta").sign(SECRETS.mac_key)
    # then it looks like one that nobody has made
    for text in (foreign, known.reservation_id[:-1] + "!", "", "r1.x"):
        assert await at_fault(quota, NotFound, reservation_id=text) == "NOT_FOUND"


@pytest.mark.parametrize("end", ["held", "committed", "released", "expired"])
async def test_an_old_reservation_that_is_in_the_store_is_to_be_committed(
    quota: Quota, clock: Clock, end: str
) -> None:
    await quota.team()
    old = await quota.reserve(5)
    if end == "expired":
        clock.advance(10 * MINUTE)
        await quota.reap()
    elif end != "held":
        await (quota.commit(old) if end == "committed" else quota.refund(old))
    reason = await at_fault(quota, FailedPrecondition, reservation_id=old.reservation_id)
    assert reason == "RESERVATION_EXISTS"


async def test_of_fifty_reports_of_one_old_reservation_one_is_charged(quota: Quota) -> None:
    # given a genuine reservation that the store does not know any more
    await quota.team()
    old = await unknown(quota)
    # when fifty replicas report it, each under a request id of its own
    reports = [quota.report(5, reservation_id=old) for _ in range(50)]
    calls = [quota.decisions.record_usage(report, quota.deadline) for report in reports]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    # then it is charged once (SEM-31)
    assert sum(isinstance(answer, Recorded) for answer in answers) == 1
    assert sum(isinstance(answer, Conflict) for answer in answers) == 49
    assert await quota.window() == (5, 0)


async def unknown(quota: Quota) -> str:
    """A genuine reservation of the team that is not in the store."""
    known = await quota.reserve(5, check_only=False, request_id="known")
    await quota.refund(known)
    rid = ReservationId.verify(known.reservation_id, SECRETS.mac_key)
    assert rid is not None
    return replace(rid, admit_ms=rid.admit_ms - DAY).sign(SECRETS.mac_key)


async def test_the_old_reservation_is_part_of_what_was_reported(quota: Quota) -> None:
    # given a report with an old reservation (SEM-50, S7)
    await quota.team()
    old = await unknown(quota)
    first = await quota.record(5, request_id="r", reservation_id=old)
    # then the same again is a replay, and without it, it is another report
    again = await quota.record(5, request_id="r", reservation_id=old)
    assert (again.committed.replayed, again.reservation_id) == (True, first.reservation_id)
    assert await at_fault(quota, Conflict, request_id="r") == "REQUEST_ID_CONFLICT"
    # and so is the same through CheckAndReserve
    before = await quota.dump()
    with pytest.raises(Conflict):
        await quota.decide(quota.ask(5, request_id="r"))
    assert await quota.dump() == before


# Limits.


async def test_it_counts_for_rates_and_is_stopped_by_none(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given two requests and 20 tokens a minute, half of that at peak, and one agent
    policy = gated(row(rpm=2, tpm=20, connections=1, peak_permille=500), cap=1)
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team()
    clock.now_ms = PEAK_FROM_MS
    # when use is reported beyond all of them (SEM-34, R5)
    for tokens in (5, 25, 10):
        await quota.record(tokens)
    # then it counts, takes neither slot nor connection, and holds up who asks
    answer = await quota.denied(1)
    found = {status.limit_id: (status.limit, status.used) for status in answer.limits}
    assert found["rate/text/rpm"] == (1, 3)
    assert found["rate/text/tpm"] == (10, 40)
    assert found["rate/text/connections"] == (1, 0)
    assert found["concurrency"] == (1, 0)
    assert answer.denial.reason is DenialReason.RATE_LIMITED
    clock.advance(60_500)
    assert limit(await quota.reserve(1), "rate/text/rpm").used == 1


async def test_keys_are_told_apart_from_secrets(quota: Quota) -> None:
    # given the id of a key, or its secret, or another one's
    await quota.team()
    await quota.record(5, api_key=Quota.api_key().text, key_id=None)
    await quota.record(5, key_id=OWNER_KEY)
    wrong = Quota.api_key().text[:-1] + "!"
    answer = await denied(quota, api_key=wrong, key_id=None)
    assert answer.denial.reason is DenialReason.KEY_INVALID


async def test_expired_holds_are_not_in_its_way(quota: Quota, clock: Clock) -> None:
    # given a hold that keeps all of a plan, and is over (SEM-30)
    await quota.team(access=False)
    await quota.reserve(100, hold_ms=SECOND)
    clock.advance(SECOND)
    # then the plan's room is there for what is reported
    assert paid(await quota.record(60)) == ({"s1/general": 60}, 0)
    assert await quota.window() == (60, 0)

"""Commits above the hold: room in the plan, then the pool, then the last leg (SEM-27)."""

from __future__ import annotations

import pytest

from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.outcome import Committed, DenialReason
from quotasvc.domain.unit import AMOUNT_MAX, Usage
from tests.support.books import Books
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, HOUR, Clock
from tests.support.lots import drawn
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")


def written_off(committed: Committed) -> int:
    """What nobody paid, in whole credits."""
    return committed.written_off_nanos // CREDIT


async def test_more_than_held_takes_the_room_of_the_plan_first(quota: Quota) -> None:
    # given 40 held of 100, and Credits
    await quota.team()
    await quota.grant("lot", 100)
    reservation = await quota.reserve(40)
    # when 70 were used
    committed = await quota.commit(reservation, 70)
    # then the plan pays it all
    assert drawn(committed) == [("s1/general", 70)]
    assert await quota.window() == (70, 0)
    assert await quota.available() == {"lot": 100}


async def test_then_the_pool_though_the_plan_alone_was_held(quota: Quota) -> None:
    # given 40 held of 100, another 50 used, and Credits
    await quota.team()
    await quota.grant("lot", 100)
    reservation = await quota.reserve(40)
    await quota.commit(await quota.reserve(50))
    # when 70 were used
    committed = await quota.commit(reservation, 70)
    # then the last 10 of the window and 20 of the lot pay the difference
    assert drawn(committed) == [("s1/general", 50), ("lot", 20)]
    assert await quota.window() == (100, 0)
    assert await quota.available() == {"lot": 80}


async def test_then_the_plan_absorbs_what_nobody_has(quota: Quota) -> None:
    # given a plan leg only, and too few Credits
    await quota.team()
    await quota.grant("lot", 5)
    reservation = await quota.reserve(100)
    # when 130 were used
    committed = await quota.commit(reservation, 130)
    # then the pool gives what it has and the window exceeds its limit; nothing is written off
    assert drawn(committed) == [("s1/general", 125), ("lot", 5)]
    assert written_off(committed) == 0
    status = (await quota.remains()).allowances[0].windows[0]
    assert (status.used // CREDIT, status.remaining, status.over // CREDIT) == (125, 0, 25)
    # and the next request is denied
    assert (await quota.denied(1)).denial.reason is DenialReason.WINDOW_EXHAUSTED


async def test_a_lot_leg_writes_off_what_nobody_has(quota: Quota) -> None:
    # given a hold over plan and pool that takes all of both
    await quota.team()
    await quota.grant("lot", 20)
    reservation = await quota.reserve(120)
    # when 150 were used
    committed = await quota.commit(reservation, 150)
    # then the last leg is the pool's: 30 are a loss, told in answer and ledger
    assert drawn(committed) == [("s1/general", 100), ("lot", 20)]
    assert written_off(committed) == 30
    assert committed.actual_nanos == 150 * CREDIT
    entry = (await Books.read(quota.executor)).team(TEAM).entries[-1]
    assert int(entry.first["written_off"]) == 30 * CREDIT


async def test_lots_alone_draw_on_more_lots_then_write_off(quota: Quota) -> None:
    # given a hold of one lot, partly, and another lot
    await quota.team(plan=None)
    await quota.grant("first", 30, days=1)
    await quota.grant("second", 10, days=2)
    reservation = await quota.reserve(20)
    # when 50 were used
    committed = await quota.commit(reservation, 50)
    # then the rest of the first and the second pay, each lot in one leg
    assert drawn(committed) == [("first", 30), ("second", 10)]
    assert written_off(committed) == 10
    assert await quota.available() == {"first": 0, "second": 0}


async def test_without_access_at_reserve_no_pool_is_asked(quota: Quota) -> None:
    # given a hold of a member without Credits access, who gets it later (SEM-27, SEM-32)
    await quota.team(access=False)
    await quota.grant("lot", 100)
    reservation = await quota.reserve(100)
    await quota.team(access=True)
    # when more was used
    committed = await quota.commit(reservation, 130)
    # then the plan absorbs it
    assert drawn(committed) == [("s1/general", 130)]
    assert await quota.available() == {"lot": 100}


async def test_access_at_reserve_is_enough(quota: Quota) -> None:
    # given a hold of a member whose access is switched off later
    await quota.team(access=True)
    await quota.grant("lot", 100)
    reservation = await quota.reserve(100)
    await quota.team(access=False)
    committed = await quota.commit(reservation, 130)
    assert drawn(committed) == [("s1/general", 100), ("lot", 30)]


async def test_an_absorbing_plan_asks_no_pool(quota: Quota) -> None:
    await quota.team(plan="absorb")
    await quota.grant("lot", 100)
    reservation = await quota.reserve(90)
    committed = await quota.commit(reservation, 130)
    assert drawn(committed) == [("s1/general", 130)]
    assert await quota.available() == {"lot": 100}


async def test_an_absorbing_plan_that_credits_stood_in_for_draws_on_them(quota: Quota) -> None:
    # given an absorbing plan without room, so that Credits hold the request
    await quota.team(plan="absorb")
    await quota.grant("lot", 100)
    await quota.commit(await quota.reserve(100))
    reservation = await quota.reserve(20)
    # when more was used, Credits pay that as well
    assert drawn(await quota.commit(reservation, 50)) == [("lot", 50)]


async def test_a_counted_leg_absorbs_every_unit(quota: Quota) -> None:
    # given 8 images held of 10 a day, and Credits
    await quota.team()
    await quota.grant("lot", 100)
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=8))
    # when 13 were made
    committed = await quota.settle(reservation, Usage.of(images=13))
    # then all count in the plan, at their price, and nothing spills
    assert [(leg.source, leg.amount, leg.nanos // CREDIT) for leg in committed.legs] == [
        ("s1/images", 13, 39)
    ]
    assert await quota.window("images/day") == (13, 0)
    assert await quota.available() == {"lot": 100}


async def test_the_limits_of_the_reserve_hold_for_its_overrun(quota: Quota) -> None:
    # given a hold on a plan of 100, and an upgrade to 500 after it (SEM-27)
    await quota.team(plan="plus", access=False)
    reservation = await quota.reserve(60)
    await quota.team(plan="max", access=True)
    await quota.grant("lot", 100)
    await quota.reserve(300)
    # when more was used
    committed = await quota.commit(reservation, 150)
    # then the recorded plan has no room, its pool was not to be asked, and it absorbs
    assert drawn(committed) == [("s1/general", 150)]
    assert await quota.available() == {"lot": 100}


async def test_a_lot_that_expired_gives_no_more_than_it_held(quota: Quota, clock: Clock) -> None:
    # given a hold on a lot that ends before the commit
    await quota.team(plan=None)
    clock.advance(-DAY)
    await quota.grant("lot", 100, days=1)
    clock.advance(DAY - 1_000)
    reservation = await quota.reserve(40)
    clock.advance(1_000)
    # when more was used
    committed = await quota.commit(reservation, 70)
    # then what it held is charged, and the rest is a loss: expired Credits cannot be spent
    assert drawn(committed) == [("lot", 40)]
    assert written_off(committed) == 30
    assert (await quota.lots())["lot"].expired == 60 * CREDIT


async def test_an_overrun_is_refunded_with_the_rest(quota: Quota) -> None:
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await quota.reserve(40)
    await quota.commit(reservation, 130)
    refunded = await quota.refund(reservation, "f1")
    assert [(leg.source, leg.nanos // CREDIT) for leg in refunded.refunded] == [
        ("s1/general", 100),
        ("lot", 30),
    ]
    assert await quota.window() == (0, 0)
    assert await quota.available() == {"lot": 50}


async def test_an_overrun_belongs_to_the_slice_of_its_admission(quota: Quota, clock: Clock) -> None:
    # given a request that is committed an hour after its admission (SEM-15)
    await quota.team(access=False)
    reservation = await quota.reserve(40, hold_ms=HOUR)
    leaves_ms = (clock() // 150_000 + 1) * 150_000 + 5 * HOUR
    clock.advance(HOUR - 1)
    await quota.commit(reservation, 100)
    # then all of it leaves when its admission does
    clock.now_ms = leaves_ms - 1
    assert await quota.window() == (100, 0)
    clock.now_ms = leaves_ms
    assert await quota.window() == (0, 0)


# 2^53.


async def test_a_commit_above_two_to_the_53_is_refused_and_changes_nothing(quota: Quota) -> None:
    await quota.team(plan="unlimited")
    reservation = await quota.reserve(50)
    before = await quota.dump()
    with pytest.raises(InvalidArgument) as refused:
        await quota.commit(reservation, AMOUNT_MAX)
    assert refused.value.reason == "USAGE_TOO_LARGE"
    assert await quota.dump() == before


async def test_a_commit_that_no_window_can_count_is_counted_as_far_as_it_goes(
    quota: Quota,
) -> None:
    # given a window with nearly 2^53 in it
    await quota.team(plan="plus", access=False)
    most = AMOUNT_MAX // CREDIT
    first, second = await quota.reserve(50), await quota.reserve(50)
    await quota.commit(first, most - 100)
    # when a commit would absorb as much again (SEM-27: never refused for its amount)
    charged = await quota.commit(second, most - 100)
    # then the window holds what can be counted, and the rest is written off
    assert (await quota.window())[0] == AMOUNT_MAX // CREDIT
    assert charged.written_off_nanos == charged.actual_nanos - sum(c.nanos for c in charged.legs)
    assert charged.written_off_nanos > (most - 1_000) * CREDIT
    # and refunds take back exactly what was counted
    await quota.refund(second, "f1")
    await quota.refund(first, "f2")
    assert await quota.window() == (0, 0)

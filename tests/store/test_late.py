"""Commits after the hold has expired: charged when they arrive, as an overrun (SEM-31)."""

from __future__ import annotations

import pytest

from quotasvc.domain.outcome import Allowed
from quotasvc.domain.reservation import State
from quotasvc.domain.unit import Usage
from quotasvc.store import keys
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, HOUR, MINUTE, START_MS, Clock
from tests.support.lots import drawn
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

MIDNIGHT_MS = START_MS - 7 * HOUR + DAY


async def expired(quota: Quota, clock: Clock, tokens: int, *, is_reaped: bool = True) -> Allowed:
    """A reservation whose time is over."""
    reservation = await quota.reserve(tokens)
    clock.advance(10 * MINUTE)
    if is_reaped:
        await quota.reap()
    return reservation


@pytest.mark.parametrize("is_reaped", [True, False])
async def test_a_late_commit_is_charged_as_if_nothing_were_held(
    quota: Quota, clock: Clock, *, is_reaped: bool
) -> None:
    # given an expired hold of plan and pool, reaped or not
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await expired(quota, clock, 120, is_reaped=is_reaped)
    # when its usage arrives
    committed = await quota.commit(reservation, 110)
    # then plan and pool pay what they have room for now
    assert committed.late
    assert drawn(committed) == [("s1/general", 100), ("lot", 10)]
    assert committed.written_off_nanos == 0
    assert await quota.window() == (100, 0)
    found = await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)
    assert (found.state, found.late) == (State.COMMITTED, True)
    # and the same again is a replay, just as late
    again = await quota.commit(reservation, 110)
    assert (again.replayed, again.late, again.legs) == (True, True, committed.legs)


async def test_a_late_commit_belongs_to_the_slice_in_which_it_arrives(
    quota: Quota, clock: Clock
) -> None:
    # given a hold that expired an hour ago
    await quota.team(access=False)
    reservation = await expired(quota, clock, 40)
    clock.advance(HOUR)
    # when it is committed
    await quota.commit(reservation, 100)
    # then its usage leaves five hours after that
    leaves_ms = (clock() // 150_000 + 1) * 150_000 + 5 * HOUR
    clock.now_ms = leaves_ms - 1
    assert await quota.window() == (100, 0)
    clock.now_ms = leaves_ms
    assert await quota.window() == (0, 0)


async def test_a_late_commit_belongs_to_the_day_on_which_it_arrives(
    quota: Quota, clock: Clock
) -> None:
    # given images of yesterday whose hold expired
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - HOUR
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    clock.now_ms = MIDNIGHT_MS + HOUR
    # when they are committed
    committed = await quota.settle(reservation, Usage.of(images=3))
    # then they count today, and can be refunded there
    assert [(leg.amount, leg.window_gone) for leg in committed.legs] == [(3, False)]
    assert await quota.window("images/day") == (3, 0)
    refunded = await quota.refund(reservation, "f1")
    assert [(leg.amount, leg.window_gone) for leg in refunded.refunded] == [(3, False)]
    assert await quota.window("images/day") == (0, 0)


async def test_a_late_commit_is_refused_by_no_limit(quota: Quota, clock: Clock) -> None:
    # given an expired hold, and others that have used everything up since
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await expired(quota, clock, 80)
    await quota.commit(await quota.reserve(150))
    # when its usage arrives, the plan, as the last leg, absorbs it
    committed = await quota.commit(reservation, 80)
    assert drawn(committed) == [("s1/general", 80)]
    assert await quota.window() == (180, 0)


async def test_a_late_commit_of_lots_is_written_off_where_they_are_empty(
    quota: Quota, clock: Clock
) -> None:
    # given an expired hold of lots, which others have spent since
    await quota.team(plan=None)
    await quota.grant("lot", 50)
    reservation = await expired(quota, clock, 40)
    await quota.commit(await quota.reserve(45))
    # when its usage arrives
    committed = await quota.commit(reservation, 40)
    # then the lots pay what is left
    assert drawn(committed) == [("lot", 5)]
    assert committed.written_off_nanos == 35 * CREDIT


async def test_a_late_commit_as_reserved_charges_what_had_been_held(
    quota: Quota, clock: Clock
) -> None:
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await expired(quota, clock, 120)
    committed = await quota.commit(reservation)
    assert committed.late
    assert drawn(committed) == [("s1/general", 100), ("lot", 20)]


async def test_a_late_counted_commit_counts_its_units(quota: Quota, clock: Clock) -> None:
    await quota.team()
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    clock.advance(HOUR)
    committed = await quota.commit(reservation)
    assert [(leg.amount, leg.nanos // CREDIT) for leg in committed.legs] == [(4, 12)]
    assert await quota.window("images/day") == (4, 0)


async def test_a_late_commit_touches_no_lot_that_pays_nothing_of_it(
    quota: Quota, clock: Clock
) -> None:
    # given a hold of two lots that went back at its expiry
    await quota.team(plan=None)
    await quota.grant("first", 50)
    await quota.grant("second", 50)
    reservation = await expired(quota, clock, 80)
    # and a second one that somebody has spoiled since
    consumed = keys.team_keys(TEAM).credits.consumed
    await quota.executor.call("HSET", consumed, "second", "spoiled", deadline=quota.deadline)
    # when a usage arrives that the first one pays
    committed = await quota.commit(reservation, 30)
    # then it is paid
    assert drawn(committed) == [("first", 30)]
    await quota.executor.call("HDEL", consumed, "second", deadline=quota.deadline)


async def test_a_lot_that_ended_pays_nothing_late(quota: Quota, clock: Clock) -> None:
    # given an expired hold of a lot that has ended since, and a lot granted after that
    await quota.team(plan=None)
    await quota.grant("old", 50, days=1)
    reservation = await expired(quota, clock, 40)
    clock.advance(23 * HOUR + 50 * MINUTE)
    await quota.grant("new", 30)
    # when its usage arrives, within 24 h of its expiry
    committed = await quota.commit(reservation, 40)
    # then the lots of today pay
    assert drawn(committed) == [("new", 30)]
    assert committed.written_off_nanos == 10 * CREDIT
    assert (await quota.lots())["old"].expired == 50 * CREDIT

"""A reservation is charged to a bounded number of lots, to the last of them (SEM-24, SEM-27)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from quotasvc.domain.outcome import Allowed
from quotasvc.domain.reservation import Leg
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.scripts import ScriptSet
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, MINUTE, START_MS, Clock
from tests.support.embedded import soon
from tests.support.lots import drawn, grant, scripts_of_small_pools
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")

LEGS_MAX = 20
"""Lots of one reservation here: more than are read at once, and no whole number of such pages."""


@pytest.fixture
async def executor(endpoint: Endpoint, clock: Clock) -> AsyncIterator[Executor]:
    """The road to an empty store whose scripts take few lots."""
    scripts = ScriptSet(scripts_of_small_pools(1_000, 900, LEGS_MAX), clock_ms=clock)
    executor = Executor(endpoint, scripts, chance=random.Random(1))
    await executor.start(soon())
    await executor.call("FLUSHALL", deadline=soon())
    yield executor
    await executor.close()


async def fill(quota: Quota, credits: int = 1) -> None:
    """A member without a seat, and twice as many open lots as one reservation can have."""
    await quota.team(plan=None)
    for name in lots(0, 2 * LEGS_MAX):
        await grant(quota, name, credits, purchase_ms=START_MS, expire_ms=START_MS + DAY)


def lots(first: int, end: int) -> list[str]:
    """Their ids, in the order of drawing."""
    return [f"lot{number:02d}" for number in range(first, end)]


def sources(legs: tuple[Leg, ...]) -> list[str]:
    """The lots of some legs."""
    return [leg.source for leg in legs]


async def expired(quota: Quota, clock: Clock, tokens: int) -> Allowed:
    """A hold that went back at its expiry."""
    reservation = await quota.reserve(tokens)
    clock.advance(10 * MINUTE)
    await quota.reap()
    return reservation


async def test_a_draw_takes_exactly_as_many_lots_as_it_may(quota: Quota) -> None:
    """SEM-24: the bound of a script is no more and no less."""
    # given more lots than one reservation takes
    await fill(quota)
    # when one credit more is asked for than they have, then that is denied, and nothing is held
    denied = await quota.denied(LEGS_MAX + 1)
    assert denied.denial.obstacles[0].remaining == LEGS_MAX * CREDIT
    # and as much as they have is allowed
    assert sources((await quota.reserve(LEGS_MAX)).legs) == lots(0, LEGS_MAX)


async def test_reported_use_takes_exactly_as_many_lots_as_it_may(quota: Quota) -> None:
    """SEM-24, SEM-34: what it may not take is written off."""
    await fill(quota)
    committed = (await quota.record(LEGS_MAX + 1)).committed
    assert sources(committed.legs) == lots(0, LEGS_MAX)
    assert committed.written_off_nanos == CREDIT


async def test_an_overrun_takes_as_many_lots_as_the_hold_has_left_it(quota: Quota) -> None:
    """SEM-24, SEM-27: the legs of the hold count, each once."""
    # given a hold of some lots
    await fill(quota)
    reservation = await quota.reserve(5)
    # when it is committed at more than a reservation can be charged to
    committed = await quota.commit(reservation, LEGS_MAX + 3)
    # then it has as many legs as it may
    assert sources(committed.legs) == lots(0, LEGS_MAX)
    assert committed.written_off_nanos == 3 * CREDIT


@pytest.mark.parametrize(("more", "written_off"), [(1, 0), (2, 1)])
async def test_what_its_own_lots_still_have_is_no_further_leg(
    quota: Quota, more: int, written_off: int
) -> None:
    """SEM-24, SEM-27: a balance that suffices is not refused for being in small pieces."""
    # given a hold of as many lots as it may have, of which the last is held by half
    await fill(quota, credits=2)
    held = 2 * LEGS_MAX - 1
    reservation = await quota.reserve(held)
    # when it is committed at what they have, and at more
    committed = await quota.commit(reservation, held + more)
    # then the last lot gives the rest of it, and no further lot is drawn on
    assert drawn(committed) == [(name, 2) for name in lots(0, LEGS_MAX)]
    assert committed.written_off_nanos == written_off * CREDIT


async def test_a_late_commit_is_not_bounded_by_what_has_gone_back(
    quota: Quota, clock: Clock
) -> None:
    """SEM-31: as if nothing were held; the lots that it had held are legs of nothing."""
    # given an expired hold of as many lots as it may have, which others have spent since
    await fill(quota)
    reservation = await expired(quota, clock, LEGS_MAX)
    await quota.use(LEGS_MAX)
    # when its usage arrives
    committed = await quota.commit(reservation, LEGS_MAX)
    # then as many others pay all of it
    assert committed.written_off_nanos == 0
    assert sources(committed.legs) == lots(LEGS_MAX, 2 * LEGS_MAX)
    # and what it had held is still told
    found = await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)
    assert (found.held_legs, found.charged_legs) == (reservation.legs, committed.legs)
    # and a refund gives back what was charged
    refunded = await quota.refund(reservation, "f1")
    assert refunded.refunded == committed.legs


async def test_a_late_commit_counts_a_lot_that_it_draws_on_again_once(
    quota: Quota, clock: Clock
) -> None:
    """SEM-24, SEM-31: such a leg carries something again."""
    # given an expired hold, of whose lots others have spent the first
    await fill(quota)
    reservation = await expired(quota, clock, LEGS_MAX)
    await quota.use(1)
    # when more of its usage arrives than it may have lots
    committed = await quota.commit(reservation, LEGS_MAX + 5)
    # then it is charged to as many as it may have
    assert sources(committed.legs) == lots(1, LEGS_MAX + 1)
    assert committed.written_off_nanos == 5 * CREDIT

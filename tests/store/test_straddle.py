"""Requests that fit only in part into the plan: strict, split and absorb (N1, B13, SEM-11)."""

from __future__ import annotations

import pytest

from quotasvc.domain.catalog import Straddle
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.reservation import Payer
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, FIVE_HOURS, TEXT, allowance, catalog, plan
from tests.support.clock import Clock
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")


async def shares(quota: Quota, tokens: int) -> list[tuple[Payer, int]]:
    """Who holds how many credits of a request."""
    reservation = await quota.reserve(tokens)
    return [(leg.payer, leg.nanos // CREDIT) for leg in reservation.legs]


async def test_strict_goes_whole_to_the_next_payer(quota: Quota) -> None:
    # given a strict plan with room for 40
    await quota.team(plan="strict")
    await quota.grant("lot", 100)
    await quota.use(60)
    # then 40 fit into it, and 41 go whole to Credits
    assert await shares(quota, 41) == [(Payer.CREDITS, 41)]
    assert await shares(quota, 40) == [(Payer.PLAN, 40)]
    assert await quota.window() == (60, 40)


async def test_strict_does_not_take_what_only_both_could_pay(quota: Quota) -> None:
    # given room for 40 and Credits of 40
    await quota.team(plan="strict")
    await quota.grant("lot", 40)
    await quota.use(60)
    # then 50 are denied, though together they would do
    denial = (await quota.denied(50)).denial
    assert denial.reason is DenialReason.WINDOW_EXHAUSTED


async def test_split_takes_the_room_of_the_plan_and_lots_pay_the_rest(quota: Quota) -> None:
    # given a split plan with room for 40
    await quota.team()
    await quota.grant("lot", 100)
    await quota.use(60)
    assert await shares(quota, 50) == [(Payer.PLAN, 40), (Payer.CREDITS, 10)]
    # and none at all once that is held
    assert await shares(quota, 50) == [(Payer.CREDITS, 50)]


async def test_split_takes_the_least_room_of_all_windows(quota: Quota, clock: Clock) -> None:
    # given 995 of the week's 1,000 used up, 5 hours at a time (C7, C10)
    await quota.team()
    for _ in range(9):
        await quota.use(100)
        clock.advance(6 * 3_600_000)
    await quota.use(95)
    clock.advance(6 * 3_600_000)
    await quota.grant("lot", 100)
    # then the empty 5-hour window does not help beyond the week's last 5
    assert await shares(quota, 50) == [(Payer.PLAN, 5), (Payer.CREDITS, 45)]


async def test_split_does_not_make_a_partial_leg_below_its_minimum(
    executor: Executor, clock: Clock, conserved: list[object]
) -> None:
    # given a plan that splits off 10 credits at least
    general = allowance(
        "general", "cost", TEXT, FIVE_HOURS, straddle=Straddle.SPLIT, split_min=10 * CREDIT
    )
    policy = catalog(version="tenormor", plans=(plan("plus", general),))
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team()
    await quota.grant("lot", 1_000)
    await quota.use(91)
    # then room for 9 is left alone by a bigger request, but used by one that fits
    assert await shares(quota, 20) == [(Payer.CREDITS, 20)]
    assert await shares(quota, 4) == [(Payer.PLAN, 4)]


async def test_absorb_lets_one_request_overshoot_and_denies_the_next(quota: Quota) -> None:
    # given a plan that absorbs, with room for 1 (N1)
    await quota.team(plan="absorb")
    await quota.use(99)
    # then any room at all admits the whole request
    assert await shares(quota, 80) == [(Payer.PLAN, 80)]
    status = next(w for w in (await quota.remains()).allowances[0].windows)
    assert (status.used, status.held, status.remaining) == (99 * CREDIT, 80 * CREDIT, 0)
    assert status.over == 79 * CREDIT
    # and the next one finds none
    denial = (await quota.denied(1)).denial
    assert denial.reason is DenialReason.WINDOW_EXHAUSTED


async def test_absorb_goes_whole_to_credits_when_there_is_no_room(quota: Quota) -> None:
    await quota.team(plan="absorb")
    await quota.grant("lot", 50)
    await quota.use(100)
    assert await shares(quota, 20) == [(Payer.CREDITS, 20)]

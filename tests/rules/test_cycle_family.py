"""Billing cycles: what a seat leaves unused is gone with its cycle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.catalog import Catalog, Window, WindowKind
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.team import Role
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, TEXT, allowance, catalog, plan
from tests.support.clock import DAY, Clock
from tests.support.people import key, member, seat, team
from tests.support.quota import Quota

MONTH = 30 * DAY
CYCLE = Window(window_id="cycle", kind=WindowKind.CYCLE, length_ms=0, limit=100 * CREDIT)


@pytest.mark.parametrize("used", [0, 40, 100])
async def test_unused_quota_is_not_carried_into_the_next_cycle(
    executor: Executor, clock: Clock, conserved: list[Catalog], used: int
) -> None:
    # given a plan of 100 credits a cycle, of which some are left when the cycle ends (C8, M8)
    policy = catalog(
        version="cyclical", plans=(plan("plus", allowance("general", "cost", TEXT, CYCLE)),)
    )
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    first = replace(seat("s1", "ann"), cycle_start_ms=clock(), paid_until_ms=clock() + MONTH)
    people, keys = (member("ann", Role.OWNER, access=False),), (key(1, "ann"),)
    await quota.put(team(people, seats=(first,), keys=keys))
    if used:
        await quota.commit(await quota.reserve(used))
    # when the next cycle has begun
    clock.advance(MONTH)
    second = replace(first, cycle_start_ms=clock(), paid_until_ms=clock() + MONTH)
    await quota.put(team(people, seats=(second,), keys=keys))
    # then it has its own 100, and nothing on top
    assert (await quota.denied(101)).denial.reason is DenialReason.WINDOW_EXHAUSTED
    await quota.commit(await quota.reserve(100))
    assert (await quota.denied(1)).denial.retry_after_ms is None

"""A hold ends before its slice leaves any sliding window that it counts in (SEM-51)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.outcome import Allowed
from quotasvc.store.executor import Executor
from tests.support.catalogs import FIVE_HOURS, TEXT, WEEK, allowance, catalog, plan
from tests.support.clock import HOUR, MINUTE, START_MS, Clock
from tests.support.quota import Quota
from tests.support.scene import ROW

SHORT = replace(FIVE_HOURS, length_ms=HOUR, slices=60)


def policy() -> Catalog:
    """A plan with a window of an hour, beside a week that bounds nothing, and a minute's rates."""
    general = allowance("general", "cost", TEXT, SHORT, WEEK)
    made = catalog(version="shortwin", plans=(plan("plus", general),))
    return replace(made, rate_limits=(ROW,))


async def last_end(quota: Quota, clock: Clock, hold: Allowed) -> int:
    """The end of a hold that is extended half an hour after its admission, from then on."""
    clock.advance(30 * MINUTE)
    return (await quota.extend(hold, HOUR)).expire_ms - START_MS


@pytest.fixture
async def quota(executor: Executor, clock: Clock) -> Quota:
    """A team on that plan, with Credits."""
    quota = Quota(executor, clock, policy())
    await quota.team()
    await quota.grant("lot", 1_000)
    return quota


async def test_a_hold_that_the_plan_pays_ends_a_slice_before_its_window(
    quota: Quota, clock: Clock
) -> None:
    hold = await quota.reserve(40, hold_ms=50 * MINUTE)
    assert await last_end(quota, clock, hold) == HOUR - MINUTE


async def test_a_hold_that_credits_pay_is_bounded_by_no_window(quota: Quota, clock: Clock) -> None:
    # given a request that does not fit into the plan, which does not split
    hold = await quota.reserve(500, hold_ms=50 * MINUTE)
    assert await last_end(quota, clock, hold) == 90 * MINUTE

"""Prices with dates: the card of the reserve settles it, and an edge compiles anew (SEM-2, 16)."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.unit import Usage
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, catalog, price, resource
from tests.support.clock import HOUR, MINUTE, SECOND, START_MS, Clock
from tests.support.exact import assert_exact
from tests.support.quota import Quota

EDGE_MS = START_MS + 2 * HOUR


def dated() -> Catalog:
    """1 credit a token until the edge, 3 from it on; and 7 in the "fast" tier from then on."""
    text = resource(
        "text/a",
        replace(price(output_tokens=CREDIT), until_ms=EDGE_MS),
        replace(price(output_tokens=3 * CREDIT), from_ms=EDGE_MS, attributes=(("tier", "slow"),)),
        replace(price(output_tokens=7 * CREDIT), from_ms=EDGE_MS, attributes=(("tier", "fast"),)),
        measures=("output_tokens",),
        default={"output_tokens": 5},
    )
    policy = catalog(version="dated001")
    return replace(policy, resources=MappingProxyType({**policy.resources, "text/a": text}))


SLOW, FAST = (("tier", "slow"),), (("tier", "fast"),)


@pytest.fixture
def quota(executor: Executor, clock: Clock, conserved: list[Catalog]) -> Quota:
    """A service with dated prices, a minute before they change."""
    conserved.append(dated())
    clock.now_ms = EDGE_MS - MINUTE
    return Quota(executor, clock, dated())


async def test_a_commit_is_priced_as_of_its_reserve(quota: Quota, clock: Clock) -> None:
    # given a hold at the old price
    await quota.team()
    reservation = await quota.reserve(10, attributes=SLOW)
    # when the new price is in force, and the commit repeats its attributes
    clock.advance(2 * MINUTE)
    committed = await quota.settle(reservation, Usage.of(output_tokens=8), SLOW)
    # then the old one counts
    assert committed.actual_nanos == 8 * CREDIT
    assert not committed.attributes_unmatched


async def test_a_reserve_is_priced_as_of_the_edge(quota: Quota, clock: Clock) -> None:
    await quota.team()
    clock.now_ms = EDGE_MS - 1
    assert (await quota.reserve(10, attributes=SLOW)).cost_nanos == 10 * CREDIT
    clock.now_ms = EDGE_MS
    slow = await quota.reserve(10, attributes=SLOW)
    assert slow.cost_nanos == 30 * CREDIT
    # and other attributes at commit choose among the prices of that time
    committed = await quota.settle(slow, Usage.of(output_tokens=2), FAST)
    assert committed.actual_nanos == 14 * CREDIT


@pytest.mark.parametrize("by_ms", [10 * SECOND, -10 * SECOND])
async def test_the_stores_clock_chooses_the_price(
    executor: Executor, clock: Clock, quota: Quota, by_ms: int
) -> None:
    # given a service whose clock is on the other side of the edge
    await quota.team()
    await quota.grant("lot", 100)
    off = Quota(executor, lambda: clock() - by_ms, dated())
    clock.now_ms = EDGE_MS + by_ms // 2
    # when it reserves, then its order is compiled anew for the store's time
    reservation = await off.reserve(10, attributes=SLOW)
    assert reservation.cost_nanos == (30 if by_ms > 0 else 10) * CREDIT
    # and the commit knows which price that was
    committed = await off.settle(reservation, Usage.of(output_tokens=1), SLOW)
    assert committed.actual_nanos == (3 if by_ms > 0 else 1) * CREDIT


# What a denial foresees of them (SEM-8, D4).


def by_the_hour(*credits: int | None) -> Catalog:
    """So many credits a token in the first hour from the start on, in the second, and so on; None:
    there is no price then. The last one stays."""
    rows = []
    for number, dear in enumerate(credits):
        if dear is None:
            continue
        is_last = number == len(credits) - 1
        rows.append(
            replace(
                price(output_tokens=dear * CREDIT),
                from_ms=START_MS + number * HOUR,
                until_ms=None if is_last else START_MS + (number + 1) * HOUR,
            )
        )
    text = resource("text/a", *rows, measures=("output_tokens",), default={"output_tokens": 5})
    policy = catalog(version="hourly01")
    return replace(policy, resources=MappingProxyType({**policy.resources, "text/a": text}))


@pytest.mark.parametrize(
    ("credits", "hours"),
    [
        ((9, 1), 1),
        ((9, 8, 7, 2), 3),
        ((9, 2, 9), 1),
        ((9, 8), None),
        (range(9, 0, -1), 7),  # at 2 a token
        ((*[9] * 8, 1), 8),
        ((*[9] * 9, 1), None),  # no further ahead than eight steps
        ((9, None, 1), None),  # nor beyond an hour in which there is no price
    ],
)
async def test_a_denial_waits_for_a_price_that_can_be_paid(
    executor: Executor,
    clock: Clock,
    conserved: list[Catalog],
    credits: tuple[int | None, ...],
    hours: int | None,
) -> None:
    # given a pool that pays 2 a token, and prices that change every hour
    policy = by_the_hour(*credits)
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team(plan=None)
    await quota.grant("lot", 20)
    # when the present price is too high
    denied = await quota.denied(10)
    # then the wait is until the first that is not, exactly
    if hours is None:
        assert denied.denial.retry_after_ms is None
    else:
        assert await assert_exact(quota, clock, denied, quota.ask(10)) == hours * HOUR

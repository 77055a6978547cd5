"""Slots and tokens per minute: what a request keeps of them, and for how long (SEM-19, SEM-20)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from quotasvc.domain.catalog import Catalog, PeakMode, RateLimit
from quotasvc.domain.outcome import Allowed, DenialReason, Denied
from quotasvc.store.executor import Executor
from quotasvc.store.keys import team_keys
from tests.support.catalogs import PLANS, catalog
from tests.support.clock import MINUTE, Clock
from tests.support.quota import TEAM, Quota

AGENTS = 2
"""The cap on agents at work at peak."""

ROW = RateLimit(
    rate_limit_id="text",
    resources=frozenset(("text/a",)),
    rpm=None,
    tpm=1_000,
    connections=100,
    peak_permille=1_000,
)


def policy(mode: PeakMode) -> Catalog:
    """Plans with a cap, and one row of rate limits; peak hours always or never."""
    plans = tuple(replace(p, peak_concurrency=AGENTS) for p in PLANS)
    made = replace(catalog(plans=plans), rate_limits=(ROW,))
    return replace(made, peak=replace(made.peak, mode=mode))


@pytest.fixture
def quota_at(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> Callable[[PeakMode], Quota]:
    """The service by this policy."""
    # Of one version: the schedule has no part in what is checked.
    conserved.append(policy(PeakMode.ON))
    return lambda mode: Quota(executor, clock, policy(mode))


async def leases(quota: Quota) -> tuple[int, int]:
    """How many slots of the seat and connections of the team are remembered, ended or not."""
    keys = team_keys(TEAM)
    counts = []
    for key in (keys.slots("s1"), keys.rate("text", "connections")):
        count = await quota.executor.call("ZCARD", key, deadline=quota.deadline)
        assert isinstance(count, int)
        counts.append(count)
    return counts[0], counts[1]


def tokens(answer: Allowed | Denied) -> int:
    """Tokens of the last minute, as an answer shows them."""
    [status] = [status for status in answer.limits if status.limit_id == "rate/text/tpm"]
    return status.used


async def test_leases_that_ended_are_forgotten(
    quota_at: Callable[[PeakMode], Quota], clock: Clock
) -> None:
    # SEM-20: given gateways that crashed with a request each
    quota = quota_at(PeakMode.OFF)
    await quota.team()
    for _ in range(3):
        await quota.reserve(1)
    assert await leases(quota) == (3, 3)
    # then their leases leave with the next admission
    clock.advance(MINUTE)
    await quota.reserve(1)
    assert await leases(quota) == (1, 1)


@pytest.mark.parametrize("end", ["commit", "release", "expiry"])
async def test_what_has_ended_keeps_no_slot(
    quota_at: Callable[[PeakMode], Quota], clock: Clock, end: str
) -> None:
    # SEM-20
    quota = quota_at(PeakMode.OFF)
    await quota.team()
    reservation = await quota.reserve(1, hold_ms=1_000)
    if end == "commit":
        await quota.commit(reservation)
    elif end == "release":
        await quota.refund(reservation)
    else:
        clock.advance(1_000)
        await quota.reap()
    assert await leases(quota) == (0, 0)


@pytest.mark.parametrize("end", ["commit", "refund", "reap"])
async def test_a_seat_that_is_no_longer_used_keeps_no_leases(
    quota_at: Callable[[PeakMode], Quota], clock: Clock, end: str
) -> None:
    # SEM-20: given requests of a seat, whose leases have long ended, and the last ones of it
    quota = quota_at(PeakMode.OFF)
    await quota.team()
    held = [await quota.reserve(1) for _ in range(3)]
    names = [name for name in await quota.dump() if b"slots" in name or b"connections" in name]
    assert len(names) == 2
    clock.advance(2 * MINUTE)
    # when each of them has come to its end, whichever
    for reservation in held:
        if end == "commit":
            await quota.commit(reservation)
        elif end == "refund":
            await quota.refund(reservation)
    clock.advance(10 * MINUTE)
    await quota.reap()
    # then nothing is left of the leases: the sets are gone, without another admission
    assert not set(names) & (await quota.dump()).keys()


async def test_a_slot_is_free_when_enough_leases_have_ended(
    quota_at: Callable[[PeakMode], Quota], clock: Clock
) -> None:
    # given four agents that began one after the other, before peak hours allowed but two
    quota = quota_at(PeakMode.OFF)
    await quota.team()
    for _ in range(4):
        await quota.reserve(1)
        clock.advance(10_000)
    quota = quota_at(PeakMode.ON)
    # then a fifth has to wait for the third to end, 60 s after it began (SEM-20, R7)
    denied = await quota.denied(1, request_id="fifth")
    assert denied.denial.reason is DenialReason.CONCURRENCY_LIMITED
    assert denied.denial.retry_after_ms == 40_000
    clock.advance(39_999)
    await quota.denied(1, request_id="fifth")
    clock.advance(1)
    assert isinstance(await quota.decide(quota.ask(1, request_id="fifth")), Allowed)


async def test_tokens_that_were_not_used_leave_the_slice_of_their_admission(
    quota_at: Callable[[PeakMode], Quota], clock: Clock
) -> None:
    # SEM-19, R4: given 50 tokens that were estimated, and 10 half a minute later
    quota = quota_at(PeakMode.OFF)
    await quota.team()
    first = await quota.reserve(50)
    clock.advance(MINUTE // 2)
    assert tokens(await quota.reserve(10)) == 60
    # when 20 of the 50 were used
    await quota.commit(first, 20)
    assert tokens(await quota.reserve(1)) == 31
    # then after a minute those are gone, and no others
    clock.advance(MINUTE // 2 + 500)
    assert tokens(await quota.reserve(1)) == 12


async def test_a_commit_as_reserved_leaves_the_tokens_that_were_estimated(
    quota_at: Callable[[PeakMode], Quota],
) -> None:
    # SEM-19: given 50 tokens that were estimated, and nobody who says how many were used
    quota = quota_at(PeakMode.OFF)
    await quota.team()
    await quota.commit(await quota.reserve(50))
    # then they count as estimated
    assert tokens(await quota.reserve(1)) == 51


async def test_tokens_beyond_the_estimate_count_when_they_are_known(
    quota_at: Callable[[PeakMode], Quota], clock: Clock
) -> None:
    # SEM-19, R4: given 5 tokens that were estimated, of which 20 were used
    quota = quota_at(PeakMode.OFF)
    await quota.team()
    first = await quota.reserve(5)
    clock.advance(MINUTE // 2)
    await quota.commit(first, 20)
    # then the 15 more count from then on
    clock.advance(MINUTE // 2 + 500)
    assert tokens(await quota.reserve(1)) == 16

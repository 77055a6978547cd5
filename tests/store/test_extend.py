"""Extend: a hold lives longer, within bounds, and amounts stay as they are (SEM-30, SEM-33, S6)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from quotasvc.domain.faults import FailedPrecondition, Unavailable
from quotasvc.domain.reservation import EXTENDED_MS_MAX, HOLD_MS_DEFAULT
from quotasvc.domain.unit import Usage
from quotasvc.store.executor import Executor
from tests.support.books import Books
from tests.support.catalogs import catalog
from tests.support.clock import HOUR, MINUTE, SECOND, START_MS, Clock
from tests.support.conservation import check
from tests.support.quota import TEAM, Quota


@pytest.fixture(autouse=True)
async def extensions(executor: Executor) -> AsyncIterator[list[int]]:
    """How often the test extended; after it everything adds up (SEM-40)."""
    times: list[int] = []
    yield times
    await check(executor, catalog(), extensions=len(times))


async def scripts_run(quota: Quota) -> int:
    """How many scripts the store has run."""
    found = await quota.executor.call("INFO", "commandstats", deadline=quota.deadline)
    assert isinstance(found, bytes)
    [line] = [line for line in found.splitlines() if line.startswith(b"cmdstat_fcall:")]
    return int(line.partition(b"calls=")[2].partition(b",")[0])


async def test_a_hold_lives_until_so_long_from_now(
    quota: Quota, clock: Clock, extensions: list[int]
) -> None:
    # given a hold, and some time
    await quota.team()
    reservation = await quota.reserve(40)
    clock.advance(3 * MINUTE)
    # when it is extended, in one script (SEM-5)
    before = await scripts_run(quota)
    extended = await quota.extend(reservation)
    assert await scripts_run(quota) == before + 1
    extensions.append(1)
    # then it ends later, and nothing else has changed but one count (S8)
    assert extended.expire_ms == clock() + HOLD_MS_DEFAULT
    team = (await Books.read(quota.executor)).team(TEAM)
    assert team.counters["seq"] == extended.seq
    assert await quota.window() == (0, 40)
    # and is not reaped before
    clock.now_ms = extended.expire_ms - 1
    await quota.reap()
    assert await quota.window() == (0, 40)
    clock.advance(1)
    assert await quota.window() == (0, 0)


async def test_it_never_shortens_and_repeating_it_is_harmless(
    quota: Quota, extensions: list[int]
) -> None:
    await quota.team()
    reservation = await quota.reserve(40, hold_ms=HOUR)
    for hold_ms in (SECOND, MINUTE, HOUR, HOUR):
        assert (await quota.extend(reservation, hold_ms)).expire_ms == START_MS + HOUR
        extensions.append(hold_ms)


async def test_it_ends_four_hours_after_the_admission(
    quota: Quota, clock: Clock, extensions: list[int]
) -> None:
    # given a hold of credits only, which no window bounds
    await quota.team(plan=None)
    await quota.grant("lot", 50)
    reservation = await quota.reserve(10, hold_ms=HOUR)
    # when it is extended as often as it can be
    ends = []
    while clock.now_ms + 50 * MINUTE < START_MS + EXTENDED_MS_MAX:
        clock.advance(50 * MINUTE)
        ends.append((await quota.extend(reservation, HOUR)).expire_ms - START_MS)
        extensions.append(HOUR)
    # then it lives up to there, and is over then
    assert ends == [110 * MINUTE, 160 * MINUTE, 210 * MINUTE, EXTENDED_MS_MAX]
    clock.now_ms = START_MS + EXTENDED_MS_MAX
    with pytest.raises(FailedPrecondition) as refused:
        await quota.extend(reservation)
    assert refused.value.reason == "EXPIRED"


@pytest.mark.parametrize(("end", "reason"), [("commit", "COMMITTED"), ("refund", "RELEASED")])
async def test_what_is_settled_is_not_extended(quota: Quota, end: str, reason: str) -> None:
    await quota.team()
    reservation = await quota.reserve(40)
    await getattr(quota, end)(reservation)
    before = await quota.dump()
    with pytest.raises(FailedPrecondition) as refused:
        await quota.extend(reservation)
    assert refused.value.reason == f"ALREADY_{reason}"
    assert await quota.dump() == before


async def test_an_extended_hold_shows_its_new_end_and_its_replay_the_first(
    quota: Quota, clock: Clock, extensions: list[int]
) -> None:
    # given an extended hold
    await quota.team()
    reservation = await quota.reserve(40, request_id="r1")
    clock.advance(MINUTE)
    extended = await quota.extend(reservation)
    extensions.append(1)
    # then reading it tells when it ends, and the same request again what it was told first (SEM-35)
    found = await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)
    assert found.expire_ms == extended.expire_ms
    replay = await quota.reserve(40, request_id="r1")
    assert (replay.replayed, replay.expire_ms) == (True, reservation.expire_ms)


async def test_clocks_that_differ_too_much_extend_nothing(
    executor: Executor, quota: Quota, clock: Clock
) -> None:
    # given a hold, and a service whose clock is more than 30 s behind the store's (SEM-37)
    await quota.team()
    reservation = await quota.reserve(40)
    off = Quota(executor, lambda: clock() - 30 * SECOND - 1)
    before = await quota.dump()
    with pytest.raises(Unavailable) as refused:
        await off.extend(reservation)
    assert refused.value.reason == "CLOCK_SKEW"
    assert await quota.dump() == before


@pytest.mark.parametrize("by_ms", [10 * SECOND, -10 * SECOND])
async def test_extending_beside_midnight_goes_by_the_stores_clock(
    executor: Executor, clock: Clock, extensions: list[int], by_ms: int
) -> None:
    # given a hold of images, and a service for which it is the other day (SEM-16)
    quota = Quota(executor, lambda: clock() - by_ms)
    await quota.team(access=False)
    midnight_ms = START_MS + 17 * HOUR
    clock.now_ms = midnight_ms - MINUTE
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    clock.now_ms = midnight_ms + by_ms // 2
    # then it lives on by the store's clock, and belongs to the day of its admission
    extended = await quota.extend(reservation)
    extensions.append(1)
    assert extended.expire_ms == clock() + HOLD_MS_DEFAULT
    clock.now_ms = midnight_ms + 20 * SECOND
    assert await quota.window("images/day") == (0, 0)

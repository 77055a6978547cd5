"""first_use windows: an instance opens with the first charge and ends its length later (SEM-14)."""

from __future__ import annotations

import pytest

from quotasvc.domain.catalog import Catalog, Overflow, Straddle, Window, WindowKind
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.unit import COST
from quotasvc.store.executor import Executor
from tests.support.books import Books
from tests.support.catalogs import CREDIT, TEXT, allowance, catalog, plan
from tests.support.clock import HOUR, MINUTE, START_MS, Clock
from tests.support.exact import assert_exact
from tests.support.quota import TEAM, Quota

USE_ID = "general/use"
USE = Window(window_id="use", kind=WindowKind.FIRST_USE, length_ms=5 * HOUR, limit=100 * CREDIT)
SHORT_ID = "general/short"
SHORT = Window(window_id="short", kind=WindowKind.FIRST_USE, length_ms=HOUR, limit=60 * CREDIT)


def policy(*windows: Window, straddle: Straddle = Straddle.STRICT) -> Catalog:
    """A plan whose texts are counted by these windows, and by nothing else."""
    general = allowance("general", COST, TEXT, *windows, straddle=straddle)
    plans = (plan("plus", general), plan("deny", general, overflow=Overflow.DENY))
    return catalog(version="firstuse", plans=plans)


@pytest.fixture
def quota(executor: Executor, clock: Clock, conserved: list[Catalog]) -> Quota:
    """A plan with one window of 5 hours that the first use opens."""
    made = policy(USE)
    conserved.append(made)
    return Quota(executor, clock, made)


async def test_a_window_that_nobody_has_used_is_not_open(quota: Quota, clock: Clock) -> None:
    # given a team that has asked for nothing yet, for days
    await quota.team(access=False)
    clock.advance(50 * HOUR)
    # then nothing runs and nothing resets (W4), even if somebody looks or is denied
    await quota.denied(101)
    await quota.reserve(1, check_only=True, request_id="")
    status = await quota.status(USE_ID)
    assert (status.used, status.held, status.reset_ms) == (0, 0, None)


async def test_the_first_hold_opens_it_and_later_use_does_not_move_its_end(
    quota: Quota, clock: Clock
) -> None:
    # given a hold, which opens the window (SEM-51)
    await quota.team(access=False)
    first = await quota.reserve(10)
    assert (await quota.status(USE_ID)).reset_ms == START_MS + 5 * HOUR
    # when it is committed and more is used, while the window is open
    clock.advance(MINUTE)
    await quota.commit(first)
    clock.advance(HOUR)
    await quota.use(20)
    # then it ends when it would have ended
    status = await quota.status(USE_ID)
    assert (status.used, status.reset_ms) == (30 * CREDIT, START_MS + 5 * HOUR)


@pytest.mark.parametrize("way", ["refund", "expiry", "commit of nothing", "refund of a commit"])
async def test_it_closes_when_all_of_it_has_returned(quota: Quota, clock: Clock, way: str) -> None:
    # given a window that one request has opened
    await quota.team(access=False)
    reservation = await quota.reserve(40)
    clock.advance(MINUTE)
    # when all that is in it comes back, in any way (SEM-51)
    if way == "expiry":
        clock.advance(9 * MINUTE)
        await quota.reap()
    elif way == "commit of nothing":
        await quota.commit(reservation, 0)
    elif way == "refund":
        await quota.refund(reservation)
    else:
        await quota.commit(reservation)
        await quota.refund(reservation, "f1")
    # then it is closed, and opens anew with the next use
    assert (await quota.status(USE_ID)).reset_ms is None
    clock.advance(HOUR)
    await quota.reserve(1)
    assert (await quota.status(USE_ID)).reset_ms == clock() + 5 * HOUR


async def test_it_stays_open_while_anything_of_it_is_held(quota: Quota, clock: Clock) -> None:
    # given a window that one of two holds has opened
    await quota.team(access=False)
    opener = await quota.reserve(40)
    clock.advance(MINUTE)
    await quota.reserve(1)
    # when the one that opened it returns
    await quota.refund(opener)
    # then the other one keeps it open, from its first moment
    status = await quota.status(USE_ID)
    assert (status.held, status.reset_ms) == (CREDIT, START_MS + 5 * HOUR)


async def test_when_it_is_over_it_is_fresh(quota: Quota, clock: Clock) -> None:
    # given a window that is used up
    await quota.team(access=False)
    await quota.use(100)
    # when its time is nearly over, it is still used up
    clock.now_ms = START_MS + 5 * HOUR - 1
    denied = await quota.denied(1)
    assert denied.denial.reason is DenialReason.WINDOW_EXHAUSTED
    # then a millisecond later all of it is there again, and runs from that use on (W4)
    clock.advance(1)
    assert (await quota.status(USE_ID)).reset_ms is None
    clock.advance(HOUR)
    await quota.use(100)
    status = await quota.status(USE_ID)
    assert (status.used, status.reset_ms) == (100 * CREDIT, clock() + 5 * HOUR)


@pytest.mark.parametrize("need", [1, 41, 100])
async def test_the_time_to_wait_is_until_its_end(quota: Quota, clock: Clock, need: int) -> None:
    # given a window that is used up, some hours after it opened at an odd moment
    await quota.team(access=False)
    clock.advance(12_345)
    opened_ms = clock()
    for tokens in (59, 41):
        await quota.use(tokens)
        clock.advance(77 * MINUTE + 1)
    # then the wait that is named is the shortest: its whole use ends at once (SEM-8)
    denied = await quota.denied(need)
    waited = await assert_exact(quota, clock, denied, quota.ask(need))
    assert clock() + waited == opened_ms + 5 * HOUR
    [obstacle] = (o for o in denied.denial.obstacles if o.limit_id)
    assert (obstacle.limit_id, obstacle.reset_ms) == (USE_ID, opened_ms + 5 * HOUR)


async def test_a_request_above_its_limit_never_fits(quota: Quota) -> None:
    await quota.team(access=False)
    await quota.use(50)
    assert (await quota.denied(101)).denial.retry_after_ms is None


async def test_holds_that_fill_it_are_in_flight(quota: Quota) -> None:
    # given a window that is full of a hold alone
    await quota.team(access=False)
    hold = await quota.reserve(100)
    # then asking again in a second may do (SEM-8), and does once the hold has gone
    denied = await quota.denied(100)
    assert (denied.denial.only_in_flight, denied.denial.retry_after_ms) == (True, 1_000)
    await quota.refund(hold)
    await quota.reserve(100)


async def test_a_hold_of_an_instance_that_is_over_returns_nothing_to_the_next(
    quota: Quota, clock: Clock
) -> None:
    # given a hold on an instance that ends before the hold does, and a new instance
    await quota.team(access=False)
    await quota.use(10)
    clock.now_ms = START_MS + 5 * HOUR - MINUTE
    hold = await quota.reserve(30)
    clock.advance(2 * MINUTE)
    await quota.use(50)
    # when the hold is released
    refunded = await quota.refund(hold)
    # then its window is gone, and what the next one counts stays (SEM-15, SEM-51)
    assert [leg.window_gone for leg in refunded.released] == [True]
    assert await quota.window(USE_ID) == (50, 0)


@pytest.mark.parametrize(("actual", "used"), [(30, 50), (20, 50), (37, 57)])
async def test_a_commit_of_an_instance_that_is_over_adds_only_what_is_more(
    quota: Quota, clock: Clock, actual: int, used: int
) -> None:
    # given a hold of 30 whose instance is over, and a new one with 50 in it
    await quota.team(access=False)
    await quota.use(10)
    clock.now_ms = START_MS + 5 * HOUR - MINUTE
    hold = await quota.reserve(30)
    clock.advance(2 * MINUTE)
    await quota.use(50)
    # when it is committed at as much, less or more
    committed = await quota.commit(hold, actual)
    # then only what is beyond the hold belongs to the present (SEM-27)
    assert await quota.window(USE_ID) == (used, 0)
    assert sum(leg.nanos for leg in committed.legs) == actual * CREDIT
    assert [leg.window_gone for leg in committed.legs] == [actual < 30]


async def test_an_instance_closed_and_opened_anew_is_not_the_one_that_was_charged(
    quota: Quota, clock: Clock
) -> None:
    # given a commit that was refunded in part, whose window closed since and opened anew
    await quota.team(access=False)
    first = await quota.reserve(30)
    await quota.commit(first)
    clock.advance(5 * HOUR)
    await quota.use(7)
    # when the rest goes back
    refunded = await quota.refund(first, "f1")
    # then it goes to no window (W4)
    assert [leg.window_gone for leg in refunded.refunded] == [True]
    assert await quota.window(USE_ID) == (7, 0)


async def test_a_late_commit_opens_it(quota: Quota, clock: Clock) -> None:
    # given a hold that has expired, so that its window is closed
    await quota.team(access=False)
    reservation = await quota.reserve(30)
    clock.advance(HOUR)
    await quota.reap()
    assert (await quota.status(USE_ID)).reset_ms is None
    # when it is committed late (SEM-31)
    assert (await quota.commit(reservation)).late
    # then that is the first use
    status = await quota.status(USE_ID)
    assert (status.used, status.reset_ms) == (30 * CREDIT, clock() + 5 * HOUR)


async def test_two_of_them_open_and_end_each_on_its_own(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given windows of an hour and of five, which the same use opens
    made = policy(SHORT, USE)
    conserved.append(made)
    quota = Quota(executor, clock, made)
    await quota.team(access=False)
    await quota.use(60)
    clock.advance(HOUR)
    # when the short one is over, the next use opens it anew, and the long one runs on
    assert await quota.window(SHORT_ID) == (0, 0)
    await quota.use(40)
    assert (await quota.status(SHORT_ID)).reset_ms == START_MS + 2 * HOUR
    assert (await quota.status(USE_ID)).reset_ms == START_MS + 5 * HOUR
    # then the latest end of those that are full counts (SEM-8)
    denied = await quota.denied(21)
    assert await assert_exact(quota, clock, denied, quota.ask(21)) == 4 * HOUR
    denied_by = [o.limit_id for o in denied.denial.obstacles if o.limit_id]
    assert denied_by == [SHORT_ID, USE_ID]


async def test_split_waits_for_what_the_pool_cannot_pay(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given a split plan that is used up, and a pool that pays a part
    made = policy(USE, straddle=Straddle.SPLIT)
    conserved.append(made)
    quota = Quota(executor, clock, made)
    await quota.team()
    await quota.use(100)
    clock.advance(HOUR)
    await quota.grant("lot", 10)
    # then what is more waits for the end, exactly (SEM-47)
    denied = await quota.denied(11)
    assert await assert_exact(quota, clock, denied, quota.ask(11)) == 4 * HOUR


async def test_reported_use_opens_it_too(quota: Quota, clock: Clock) -> None:
    # given usage that had no hold (SEM-34)
    await quota.team(access=False)
    clock.advance(HOUR)
    await quota.record(150)
    # then the window runs from its report on, above its limit
    status = await quota.status(USE_ID)
    assert (status.used, status.over) == (150 * CREDIT, 50 * CREDIT)
    assert status.reset_ms == clock() + 5 * HOUR
    await quota.denied(1)


async def test_its_counter_holds_one_instance_whatever_the_traffic(
    quota: Quota, clock: Clock
) -> None:
    # given uses over many instances
    await quota.team(access=False)
    for _ in range(12):
        await quota.use(3)
        clock.advance(3 * HOUR)
    # then the store keeps three numbers of them
    [window] = (await Books.read(quota.executor)).team(TEAM).windows.values()
    assert len(window) == 3

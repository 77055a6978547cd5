"""`retry_after` is exact: then the request passes, a millisecond before it does not (SEM-8, 47)."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from quotasvc.domain.catalog import AlignedPeriod, Catalog, Straddle, Window, WindowKind
from quotasvc.domain.outcome import Allowed, DenialReason
from quotasvc.domain.team import Role
from quotasvc.domain.unit import Usage
from quotasvc.store.answer import Answer
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, FIVE_HOURS, TEXT, WEEK, allowance, catalog, plan
from tests.support.clock import DAY, HOUR, MINUTE, Clock
from tests.support.exact import assert_exact
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")


@pytest.mark.parametrize("need", [1, 30, 31, 60, 61, 100])
async def test_a_sliding_window_has_room_when_enough_slices_have_left(
    quota: Quota, clock: Clock, need: int
) -> None:
    # given usage of 30, 30 and 40 at different times, one of them mid-slice
    await quota.team(plan="strict", access=False)
    for tokens, pause_ms in ((30, HOUR + 1), (30, 70 * MINUTE + 12_345), (40, 1)):
        await quota.use(tokens)
        clock.advance(pause_ms)
    # when a request needs some of it to leave
    ask = quota.ask(need)
    denied = await quota.denied(need)
    # then the time is that of the last slice that must
    assert denied.denial.reason is DenialReason.WINDOW_EXHAUSTED
    await assert_exact(quota, clock, denied, ask)


async def test_an_aligned_window_has_room_when_its_instance_ends(
    quota: Quota, clock: Clock
) -> None:
    await quota.team(access=False)
    await quota.commit(await quota.reserve(resource="image/a", usage=Usage.of(images=10)))
    ask = quota.ask(resource="image/a", usage=Usage.of(images=1))
    denied = await quota.denied(resource="image/a", usage=Usage.of(images=1))
    assert await assert_exact(quota, clock, denied, ask) == 17 * HOUR


async def test_an_instance_that_a_clock_ahead_has_opened_is_waited_for_to_its_own_end(
    quota: Quota, clock: Clock
) -> None:
    """SEM-8, SEM-37."""
    # given a day's images that were used up by a clock that was two minutes ahead, over midnight
    await quota.team(access=False)
    clock.advance(17 * HOUR + MINUTE)
    await quota.commit(await quota.reserve(resource="image/a", usage=Usage.of(images=10)))
    clock.now_ms -= 2 * MINUTE
    # when a request is denied before that day has begun
    ask = quota.ask(resource="image/a", usage=Usage.of(images=1))
    denied = await quota.denied(resource="image/a", usage=Usage.of(images=1))
    # then it waits for the end of that day, and not for its beginning
    assert await assert_exact(quota, clock, denied, ask) == DAY + MINUTE


async def test_a_wait_whose_end_is_known_is_not_asked_for_again(
    quota: Quota, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEM-5, SEM-8."""
    # given a plan that is used up, and a member whom nobody tells of larger ones
    await quota.team(access=False, role=Role.READER)
    await quota.use(100)
    reserve, asked = quota.store.reserve, []

    async def counted(*words: Any, **options: Any) -> Answer:
        asked.append(options)
        return await reserve(*words, **options)

    monkeypatch.setattr(quota.store, "reserve", counted)
    # when a request is denied, then the script that says so has said how long
    assert (await quota.denied(1)).denial.retry_after_ms is not None
    assert len(asked) == 1


async def test_all_windows_must_have_room(quota: Quota, clock: Clock) -> None:
    # given a week and a 5-hour window that are both used up, the week nearly over (C7)
    await quota.team(plan="strict", access=False)
    for _ in range(9):
        await quota.use(100)
        clock.advance(6 * HOUR)
    clock.now_ms += 4 * DAY
    for tokens, at_ms in ((60, 0), (40, 2 * HOUR)):
        clock.advance(at_ms)
        await quota.use(tokens)
    for need in (1, 61):
        # when a request is denied by both
        denied = await quota.denied(need)
        resets = [o.reset_ms for o in denied.denial.obstacles if o.limit_id]
        assert len(resets) == 2
        # then it is the latest of them that counts
        retry_after_ms = await assert_exact(quota, clock, denied, quota.ask(need))
        latest = max(reset for reset in resets if reset is not None)
        assert retry_after_ms == latest - clock()


async def test_a_request_above_the_limit_never_fits(quota: Quota) -> None:
    # given an empty window of 100
    await quota.team(plan="strict", access=False)
    denied = await quota.denied(101)
    # then time alone cures nothing
    assert denied.denial.retry_after_ms is None
    assert denied.denial.obstacles[0].reset_ms is None
    assert not denied.denial.only_in_flight


async def test_time_fills_no_pool(quota: Quota) -> None:
    # given no seat, and too few Credits
    await quota.team(plan=None)
    await quota.grant("lot", 5)
    denied = await quota.denied(6)
    assert denied.denial.reason is DenialReason.CREDITS_EXHAUSTED
    assert denied.denial.retry_after_ms is None


async def test_a_lot_that_will_expire_meanwhile_is_ignored(quota: Quota, clock: Clock) -> None:
    # given a split plan and a pool that would pay a part, if it lived long enough (SEM-47)
    await quota.team()
    await quota.grant("lot", 20, days=1)
    clock.advance(DAY - HOUR)
    await quota.use(50)
    clock.advance(HOUR // 2)
    await quota.use(50)
    denied = await quota.denied(60)
    # then the time is still that of the plan's room for what the pool has now
    assert denied.denial.retry_after_ms is not None
    assert denied.denial.retry_after_ms < 5 * HOUR


@pytest.mark.parametrize(("pool", "need"), [(0, 60), (20, 60), (45, 60), (59, 60), (20, 100)])
async def test_a_split_plan_needs_room_for_what_the_pool_cannot_pay(
    quota: Quota, clock: Clock, pool: int, need: int
) -> None:
    # given a split plan whose window is used up, ten at a time, and a pool (SEM-47)
    await quota.team(access=pool > 0)
    for _ in range(10):
        await quota.use(10)
        clock.advance(11 * MINUTE)
    if pool:
        await quota.grant("lot", pool)
    # when a request needs both
    denied = await quota.denied(need)
    # then it passes as soon as the plan has room for the difference
    assert denied.denial.reason is DenialReason.WINDOW_EXHAUSTED
    await assert_exact(quota, clock, denied, quota.ask(need))


@pytest.mark.parametrize("straddle", Straddle)
@pytest.mark.parametrize("seed", range(3))
async def test_it_is_exact_in_any_state(
    executor: Executor, clock: Clock, conserved: list[Catalog], straddle: Straddle, seed: int
) -> None:
    # given two sliding windows and a day, random usage, and a pool that may pay a part
    hour = Window(window_id="hour", kind=WindowKind.SLIDING, length_ms=HOUR, limit=40 * CREDIT)
    day = Window(
        window_id="day",
        kind=WindowKind.ALIGNED,
        length_ms=DAY,
        limit=150 * CREDIT,
        period=AlignedPeriod.DAY,
    )
    general = allowance(
        "general", "cost", TEXT, hour, FIVE_HOURS, day, straddle=straddle, split_min=3 * CREDIT
    )
    policy = catalog(version="anystate", plans=(plan("plus", general),))
    conserved.append(policy)
    quota, chance, exact = Quota(executor, clock, policy), Random(seed), 0
    await quota.team()
    await quota.grant("lot", 15, days=None)
    for _ in range(60):
        ask = quota.ask(chance.randint(1, 50))
        answer = await quota.decide(ask)
        if isinstance(answer, Allowed):
            if any(leg.source == "lot" for leg in answer.legs):
                await quota.refund(answer)
            else:
                await quota.commit(answer)
        elif answer.denial.retry_after_ms is not None:
            # then every time that is named is exact
            await assert_exact(quota, clock, answer, ask)
            exact += 1
        clock.advance(chance.choice((0, 1_000, 7 * MINUTE, 31 * MINUTE)))
    assert exact > 5


# Holds.


async def test_holds_that_alone_are_in_the_way_are_named_as_such(
    quota: Quota, clock: Clock
) -> None:
    # given a window that is full of holds
    await quota.team(access=False)
    await quota.use(40)
    await quota.reserve(60)
    # when a request would fit without them
    denied = await quota.denied(60)
    # then asking again in a second may do (SEM-8)
    assert denied.denial.only_in_flight
    assert denied.denial.retry_after_ms == 1_000
    obstacle = denied.denial.obstacles[0]
    assert (obstacle.used // CREDIT, obstacle.held // CREDIT) == (40, 60)
    # and one that would not is told when the usage leaves, holds counted as committed
    denied = await quota.denied(61)
    assert not denied.denial.only_in_flight
    assert denied.denial.retry_after_ms is not None
    assert denied.denial.retry_after_ms > HOUR


@pytest.mark.parametrize(
    ("plan_id", "held", "need", "in_flight"),
    [
        (None, 20, 30, True),  # the pool alone, once the hold is back
        (None, 20, 31, False),
        ("plus", 120, 130, True),  # both together
        ("plus", 120, 131, False),
        ("strict", 100, 100, True),
        ("strict", 100, 101, False),
        ("absorb", 100, 500, True),  # any room at all
        ("deny", 100, 100, True),
    ],
)
async def test_it_is_in_flight_if_it_would_pass_with_all_holds_released(
    quota: Quota, plan_id: str | None, held: int, need: int, *, in_flight: bool
) -> None:
    # given holds on a plan of 100, where there is one, and on a pool of 30
    await quota.team(plan=plan_id)
    await quota.grant("lot", 30)
    holds = [await quota.reserve(held)]
    if plan_id in ("strict", "absorb"):
        holds.append(await quota.reserve(30))
    # when a request does not fit
    denied = await quota.denied(need)
    assert denied.denial.only_in_flight is in_flight
    # then releasing them shows whether that was true
    for reservation in holds:
        await quota.refund(reservation)
    assert isinstance(await quota.decide(quota.ask(need)), Allowed) is in_flight


async def test_a_week_that_begins_soon_does_not_help_a_full_five_hours(
    quota: Quota, clock: Clock
) -> None:
    # given a full 5-hour window an hour before the week ends
    await quota.team(access=False)
    clock.now_ms += 7 * DAY - 8 * HOUR
    await quota.use(100)
    denied = await quota.denied(100)
    # then the sliding window decides, though the week has room then
    retry_after_ms = await assert_exact(quota, clock, denied, quota.ask(100))
    assert 5 * HOUR < retry_after_ms <= 5 * HOUR + FIVE_HOURS.slice_ms
    assert WEEK.limit == 1_000 * CREDIT

"""Whose clock decides, and what happens when clocks differ, step or cross a boundary (SEM-37)."""

from __future__ import annotations

import asyncio

import pytest

from quotasvc.domain.faults import Corrupt, Fault, Unavailable
from quotasvc.domain.outcome import Denied
from quotasvc.domain.reservation import State
from quotasvc.domain.unit import Usage
from quotasvc.planes.patience import Patience
from quotasvc.store.answer import Answer
from quotasvc.store.code import Code
from quotasvc.store.executor import Executor
from tests.support.books import Books
from tests.support.catalogs import FIVE_HOURS
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, START_MS, Clock
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

MIDNIGHT_MS = START_MS - 7 * HOUR + DAY
SKEW_MS = 30 * SECOND


class Behind:
    """The clock of a service that differs from the store's."""

    def __init__(self, store: Clock, by_ms: int) -> None:
        self.store = store
        self.by_ms = by_ms

    def __call__(self) -> int:
        return self.store() - self.by_ms


def service(executor: Executor, clock: Clock, by_ms: int) -> Quota:
    """A service whose clock is `by_ms` behind the store's."""
    return Quota(executor, Behind(clock, by_ms))


@pytest.mark.parametrize("by_ms", [SKEW_MS + 1, -SKEW_MS - 1])
async def test_clocks_that_differ_too_much_stop_everything_that_writes(
    executor: Executor, clock: Clock, by_ms: int
) -> None:
    # given reservations in two states, and a service whose clock is more than 30 s off
    good = Quota(executor, clock)
    await good.team()
    await good.grant("lot", 100)
    held, committed = await good.reserve(10), await good.reserve(10)
    await good.commit(committed)
    bad = service(executor, clock, by_ms)
    before = await good.dump()
    # when it is asked for anything
    calls = (
        lambda: bad.reserve(10, request_id="new"),
        lambda: bad.reserve(10, request_id="", check_only=True),
        lambda: bad.commit(held),
        lambda: bad.refund(held),
        lambda: bad.refund(committed, "f1"),
        lambda: bad.extend(held),
        lambda: bad.record(5, request_id="used"),
        bad.remains,
    )
    # then it says so, and nothing moves
    for call in calls:
        with pytest.raises(Unavailable) as refused:
            await call()
        assert refused.value.reason == "CLOCK_SKEW"
    assert await good.dump() == before


@pytest.mark.parametrize("by_ms", [SKEW_MS, -SKEW_MS])
async def test_the_stores_clock_decides_within_the_bound(
    executor: Executor, clock: Clock, by_ms: int
) -> None:
    # given a service whose clock is 30 s off
    quota = service(executor, clock, by_ms)
    await quota.team()
    # then its holds begin and end by the store's clock
    reservation = await quota.reserve(10)
    assert reservation.expire_ms == clock() + 10 * MINUTE
    clock.advance(10 * MINUTE - 1)
    found = await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)
    assert found.state is State.HELD
    clock.advance(1)
    found = await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)
    assert found.state is State.EXPIRED
    found = await quota.decisions.find_reservation(TEAM, "r1", quota.deadline)
    assert found.state is State.EXPIRED
    assert (await quota.commit(reservation)).late


async def test_a_replay_does_not_look_at_clocks(executor: Executor, clock: Clock) -> None:
    # given a record, and a service whose clock is far off (SEM-35)
    good = Quota(executor, clock)
    await good.team()
    first = await good.reserve(10, request_id="same")
    await good.commit(first)
    bad = service(executor, clock, DAY)
    # then what is already decided is answered
    assert (await bad.reserve(10, request_id="same")).replayed
    assert (await bad.commit(first)).replayed


@pytest.mark.parametrize("by_ms", [10 * SECOND, -10 * SECOND])
async def test_an_order_compiled_on_the_wrong_side_of_midnight_is_compiled_anew(
    executor: Executor, clock: Clock, by_ms: int
) -> None:
    # given a day that is used up, and a service whose clock is 10 s behind or ahead (SEM-16)
    quota = service(executor, clock, by_ms)
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - MINUTE
    await quota.reserve(resource="image/a", usage=Usage.of(images=10))
    # when it is yesterday by the store's clock, then there is no room
    clock.now_ms = MIDNIGHT_MS - 5 * SECOND
    image = quota.ask(resource="image/a", usage=Usage.of(images=10))
    assert isinstance(await quota.decide(image), Denied)
    # and when it is today by the store's clock, there is, whatever the service thinks
    clock.now_ms = MIDNIGHT_MS + 5 * SECOND
    answer = await quota.reserve(resource="image/a", usage=Usage.of(images=10))
    assert answer.limits[0].reset_ms == MIDNIGHT_MS + DAY
    assert await quota.window("images/day") == (0, 10)


@pytest.mark.parametrize("by_ms", [10 * SECOND, -10 * SECOND])
async def test_settling_beside_midnight_goes_by_the_stores_clock(
    executor: Executor, clock: Clock, by_ms: int
) -> None:
    # given holds of yesterday, and one of today, by the store's clock
    quota = service(executor, clock, by_ms)
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - 5 * SECOND
    commit, refund = [
        await quota.reserve(resource="image/a", usage=Usage.of(images=4)) for _ in range(2)
    ]
    late_in_the_day = await quota.settle(commit, Usage.of(images=3))
    assert not late_in_the_day.legs[0].window_gone
    assert await quota.window("images/day") == (3, 4)
    clock.now_ms = MIDNIGHT_MS + 5 * SECOND
    today = await quota.reserve(resource="image/a", usage=Usage.of(images=9))
    # when what belongs to yesterday is given back, then today stays as it is
    assert (await quota.refund(refund)).released[0].window_gone
    assert (await quota.refund(commit, "f1")).refunded[0].window_gone
    assert await quota.window("images/day") == (0, 9)
    assert not (await quota.refund(today)).released[0].window_gone
    assert await quota.window("images/day") == (0, 0)


async def test_reaping_beside_midnight_goes_by_the_stores_clock(
    executor: Executor, clock: Clock
) -> None:
    # given a hold that ends just before midnight, and a sweeper for which it is tomorrow already
    quota = service(executor, clock, -10 * SECOND)
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - 10 * MINUTE - 8 * SECOND
    await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    # when it reaps, before midnight by the store's clock
    clock.now_ms = MIDNIGHT_MS - 5 * SECOND
    assert await quota.reaper.reap(TEAM, quota.clock(), quota.deadline) == 1
    # then the images are back in the day that they came from
    assert await quota.window("images/day") == (0, 0)


async def test_reaping_a_hold_of_yesterday_leaves_today_alone(
    executor: Executor, clock: Clock
) -> None:
    # given two holds over midnight
    quota = service(executor, clock, 5 * SECOND)
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - 10 * MINUTE + 2 * SECOND
    first = await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    clock.advance(MINUTE)
    other = await quota.reserve(resource="image/a", usage=Usage.of(images=1))
    # and usage of today, by the other's commit
    clock.now_ms = MIDNIGHT_MS + SECOND
    await quota.settle(other, Usage.of(images=3))
    # when a sweeper for which it is yesterday still reaps the first
    clock.now_ms = MIDNIGHT_MS + 3 * SECOND
    assert quota.clock() < MIDNIGHT_MS
    await quota.reaper._expire(first.reservation_id, quota.clock(), quota.deadline)
    # then today's stays as it is
    found = await quota.decisions.get_reservation(first.reservation_id, quota.deadline)
    assert found.state is State.EXPIRED
    assert (await Books.read(executor)).team(TEAM).holds == {}
    assert await quota.window("images/day") == (2, 0)


async def test_a_sweeper_with_a_wrong_clock_reaps_nothing(executor: Executor, clock: Clock) -> None:
    # given a hold, and a sweeper for which it ended long ago
    quota = service(executor, clock, -DAY)
    good = Quota(executor, clock)
    await good.team()
    await good.reserve(10)
    clock.advance(11 * MINUTE)
    before = await good.dump()
    # then it is told so, and writes nothing
    with pytest.raises(Unavailable) as refused:
        await quota.reap()
    assert refused.value.reason == "CLOCK_SKEW"
    assert await good.dump() == before


async def test_a_clock_that_steps_back_a_little_does_not_move_state_back(
    quota: Quota, clock: Clock
) -> None:
    # given a decision
    await quota.team()
    first = await quota.reserve(10)
    # when the store's clock steps back by up to 30 s
    clock.advance(-SKEW_MS)
    second = await quota.reserve(10)
    # then time stands still for this team until the clock has caught up
    assert second.expire_ms == first.expire_ms
    clock.advance(SKEW_MS + 1)
    third = await quota.reserve(10)
    assert first.expire_ms is not None
    assert third.expire_ms == first.expire_ms + 1


async def test_a_stored_time_far_ahead_is_ignored(quota: Quota, clock: Clock) -> None:
    # given decisions taken while the clock ran an hour ahead
    await quota.team()
    clock.advance(HOUR)
    await quota.reserve(10)
    # when it is put right
    clock.advance(-HOUR)
    reservation = await quota.reserve(10)
    # then the right time counts, and what is in newer slices counts as well
    assert reservation.expire_ms == clock() + 10 * MINUTE
    assert await quota.window() == (0, 20)


@pytest.mark.parametrize("ahead_ms", [FIVE_HOURS.slice_ms, HOUR, 30 * HOUR, 30 * DAY])
async def test_usage_from_a_clock_far_ahead_counts_until_that_time_has_passed(
    quota: Quota, clock: Clock, ahead_ms: int
) -> None:
    # given usage that a clock ahead has put into slices to come
    await quota.team(access=False, plan="max")
    await quota.commit(await quota.reserve(100))
    clock.advance(ahead_ms)
    await quota.commit(await quota.reserve(100))
    clock.advance(-ahead_ms)
    # when the window is asked for, it all counts, as far as the first has not left
    used = (await quota.window())[0]
    assert used == (200 if ahead_ms < 5 * HOUR else 100)
    # and a denial can still say when there will be room
    assert (await quota.denied(500)).denial.retry_after_ms is not None
    # and with time everything leaves, also after a long silence
    await quota.commit(await quota.reserve(100))
    clock.advance(ahead_ms + 6 * HOUR)
    assert await quota.window() == (0, 0)
    await quota.commit(await quota.reserve(500))
    assert await quota.window() == (500, 0)
    leaves_ms = (clock() // FIVE_HOURS.slice_ms + 1) * FIVE_HOURS.slice_ms + 5 * HOUR
    assert (await quota.denied(1)).denial.retry_after_ms == leaves_ms - clock()


async def test_a_calendar_that_never_agrees_is_given_up(quota: Quota) -> None:
    # given answers that ask for another compile again and again (SEM-16)
    patience = Patience()
    stale = Answer(code=Code.STALE, now_ms=7, seq=0)
    # then three are granted, and the fourth is refused
    for _ in range(3):
        assert await patience.go_on(quota.reaper, TEAM, stale, quota.deadline) == 7
    with pytest.raises(Unavailable) as refused:
        await patience.go_on(quota.reaper, TEAM, stale, quota.deadline)
    assert refused.value.reason == "CHANGING"


async def test_a_store_that_always_asks_for_a_reap_is_given_up(quota: Quota) -> None:
    # given a store that never gets done, because holds keep ending while others are reaped
    await quota.team()
    patience = Patience()
    reap = Answer(code=Code.REAP, now_ms=START_MS, seq=0)
    enter = Answer(code=Code.ENTER, now_ms=START_MS, seq=0)
    # then it is asked again 32 times (SEM-16), whatever it asks for
    for number in range(32):
        answer = enter if number % 5 == 0 else reap
        assert await patience.go_on(quota.reaper, TEAM, answer, quota.deadline) == START_MS
    for answer in (reap, enter):
        with pytest.raises(Unavailable) as refused:
            await patience.go_on(quota.reaper, TEAM, answer, quota.deadline)
        assert refused.value.reason == "CHANGING"
    # and less often where the call's time is over (SEM-16: within the deadline)
    over = asyncio.get_running_loop().time() - 1
    with pytest.raises(Fault):
        await Patience().go_on(quota.reaper, TEAM, reap, over)


async def test_a_hold_whose_calendar_never_agrees_is_given_up(
    quota: Quota, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEM-16."""
    # given a store that always sees a hold's end in another instance
    await quota.team()
    reservation = await quota.reserve(10)
    asked = []

    async def boundary(*words: object, **more: object) -> Answer:
        asked.append((words, more))
        return Answer(code=Code.BOUNDARY, now_ms=START_MS, seq=0)

    monkeypatch.setattr(quota.store, "expire", boundary)
    # then it is compiled anew three times
    with pytest.raises(Unavailable) as refused:
        await quota.reaper._expire(reservation.reservation_id, START_MS, quota.deadline)
    assert (refused.value.reason, len(asked)) == ("CHANGING", 4)


async def test_an_answer_that_no_script_gives_is_corrupt(quota: Quota) -> None:
    answer = Answer(code=Code.PURGED, now_ms=START_MS, seq=0)
    with pytest.raises(Corrupt, match="PURGED"):
        await Patience().go_on(quota.reaper, TEAM, answer, quota.deadline)

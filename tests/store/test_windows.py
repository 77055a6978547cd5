"""Windows in the store: sliding and aligned, over time and at their edges (C, SEM-14 … SEM-18)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from quotasvc.domain.catalog import AlignedPeriod, Catalog, Window, WindowKind
from quotasvc.domain.outcome import Allowed, DenialReason, Denied
from quotasvc.domain.reservation import Payer
from quotasvc.domain.unit import Usage
from quotasvc.store.executor import Executor
from quotasvc.store.table import RING
from tests.support.books import Books
from tests.support.catalogs import CREDIT, FIVE_HOURS, TEXT, WEEK, allowance, catalog, plan
from tests.support.clock import DAY, HOUR, START_MS, Clock
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

SLICE_MS = FIVE_HOURS.slice_ms
MIDNIGHT_MS = START_MS - 7 * HOUR + DAY
MONDAY_MS = START_MS - 7 * HOUR + 7 * DAY


def with_windows(*windows: Window, version: str = "windowed") -> Catalog:
    """A catalog whose plan "plus" has these windows over text."""
    return catalog(
        version=version, plans=(plan("plus", allowance("general", "cost", TEXT, *windows)),)
    )


@pytest.fixture
def policy(request: pytest.FixtureRequest, conserved: list[Catalog]) -> Catalog:
    """The catalog of the test's parameter."""
    found: Catalog = request.param
    conserved.append(found)
    return found


# Sliding.


@pytest.mark.parametrize("offset_ms", [0, 1, SLICE_MS // 2, SLICE_MS - 1])
async def test_usage_leaves_a_sliding_window_when_its_whole_slice_is_older(
    quota: Quota, clock: Clock, offset_ms: int
) -> None:
    # given usage at some moment of a slice (C1, SEM-14)
    await quota.team(access=False)
    clock.advance(offset_ms)
    await quota.use(100)
    leaves_ms = (clock() // SLICE_MS + 1) * SLICE_MS + FIVE_HOURS.length_ms
    # then it counts until the last millisecond of its slice is older than five hours
    clock.now_ms = leaves_ms - 1
    assert await quota.window() == (100, 0)
    assert isinstance(await quota.decide(quota.ask(1)), Denied)
    # and is gone then, without a reset and without a call to make it so (C2)
    clock.now_ms = leaves_ms
    assert await quota.window() == (0, 0)
    await quota.reserve(100)
    assert 0 < leaves_ms - (START_MS + offset_ms) - FIVE_HOURS.length_ms <= SLICE_MS


@pytest.mark.parametrize("seed", range(4))
async def test_no_interval_as_long_as_the_window_admits_more_than_its_limit(
    executor: Executor, clock: Clock, conserved: list[Catalog], seed: int
) -> None:
    # given a window of 10 minutes in slices of 7 seconds, and requests of any size at any time
    window = Window(
        window_id="w", kind=WindowKind.SLIDING, length_ms=600_000, limit=50 * CREDIT, slices=90
    )
    policy = with_windows(window)
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team(access=False)
    chance, admitted = Random(seed), [(0, 0)]
    for _ in range(150):
        clock.advance(chance.choice((0, 1, 500, 7_000, 30_000, 90_000)))
        amount = chance.randint(1, 20)
        answer = await quota.decide(quota.ask(amount))
        recent = sum(n for at, n in admitted if clock() - at <= window.length_ms)
        surely = sum(n for at, n in admitted if clock() - at <= window.length_ms + window.slice_ms)
        # then what is admitted keeps any interval of that length within the limit (SEM-14)
        if isinstance(answer, Allowed):
            admitted.append((clock(), amount))
            assert recent + amount <= 50
            await quota.commit(answer)
        else:
            # and is denied only for what is in the window, or left it a slice ago at most
            assert surely + amount > 50


async def test_a_long_idle_window_is_empty(quota: Quota, clock: Clock) -> None:
    # given usage in several slices
    await quota.team(access=False)
    for _ in range(4):
        await quota.use(25)
        clock.advance(SLICE_MS)
    # when nothing happens for a year
    clock.advance(365 * DAY)
    # then all of the window is free, and the old slices leave the store with the next use
    await quota.reserve(100)
    books = (await Books.read(quota.executor)).team(TEAM)
    sliding = next(fields for name, fields in books.windows.items() if ":s:" in name)
    assert set(sliding) == {"t", "h", "o", str(clock() // SLICE_MS % RING)}


async def test_a_full_window_stays_small_whatever_the_traffic(quota: Quota, clock: Clock) -> None:
    # given usage in every slice for longer than the window, several times in each
    await quota.team(plan="unlimited")
    for _ in range(130):
        for _ in range(2):
            await quota.use(7)
        clock.advance(SLICE_MS)
    await quota.reserve(7)
    # then its key is one small compact hash (SEM-14)
    books = (await Books.read(quota.executor)).team(TEAM)
    [(name, fields)] = books.windows.items()
    size = await quota.executor.call("MEMORY", "USAGE", name, deadline=quota.deadline)
    assert isinstance(size, int)
    assert size <= 1_664
    assert len(fields) <= 128
    encoding = await quota.executor.call("OBJECT", "ENCODING", name, deadline=quota.deadline)
    assert encoding == b"listpack"


FIVE_HOURS_OF_REQUESTS = replace(FIVE_HOURS, limit=3)


async def test_requests_are_counted_one_by_one_over_five_hours(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given the old plan model: 3 requests in any 5 hours (C1, D1)
    counted = allowance("text", "requests", ("text/a",), FIVE_HOURS_OF_REQUESTS)
    policy = catalog(version="requests", plans=(plan("plus", counted),))
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team(access=False)
    # when requests of any size are made, an hour apart
    for tokens in (1, 500, 20):
        await quota.commit(await quota.reserve(tokens), tokens)
        clock.advance(HOUR)
    # then each counts as one, and comes back as one
    assert await quota.window("text/five_hour") == (3, 0)
    denied = await quota.denied(1)
    leaves_ms = (START_MS // SLICE_MS + 1) * SLICE_MS + 5 * HOUR
    assert denied.denial.retry_after_ms == leaves_ms - clock()
    clock.now_ms = leaves_ms
    reservation = await quota.reserve(1)
    assert await quota.window("text/five_hour") == (2, 1)
    # and a released one leaves no trace in its slice
    await quota.refund(reservation)
    assert await quota.window("text/five_hour") == (2, 0)
    books = (await Books.read(executor)).team(TEAM)
    [fields] = books.windows.values()
    assert [n for name, n in fields.items() if name.isdigit()] == ["1", "1"]
    # and retries that one commit reports count one by one as well
    reservation = await quota.reserve(1)
    await quota.settle(reservation, Usage.of(requests=2, output_tokens=1))
    assert await quota.window("text/five_hour") == (4, 0)


# Several windows.


async def test_every_window_must_have_room(quota: Quota, clock: Clock) -> None:
    # given a week that is used up, 100 at a time, and a 5-hour window that is empty (C7, C10)
    await quota.team(access=False)
    for _ in range(10):
        await quota.use(100)
        clock.advance(6 * HOUR)
    assert await quota.window("general/five_hour") == (0, 0)
    # then the week alone denies
    denied = await quota.denied(1)
    assert denied.denial.reason is DenialReason.WINDOW_EXHAUSTED
    assert [o.limit_id for o in denied.denial.obstacles][:1] == ["general/week"]
    assert {s.limit_id: s.denied for s in denied.limits} == {
        "general/five_hour": False,
        "general/week": True,
    }
    # and when it begins anew, the 5-hour window alone does
    clock.now_ms = MONDAY_MS
    await quota.use(100)
    denied = await quota.denied(1)
    assert [o.limit_id for o in denied.denial.obstacles][:1] == ["general/five_hour"]


# Aligned.


async def test_a_day_begins_anew_at_midnight_exactly(quota: Quota, clock: Clock) -> None:
    # given a daily quota that is used up (C3)
    await quota.team(access=False)
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=10))
    await quota.commit(reservation)
    # then the last millisecond of the day has none
    clock.now_ms = MIDNIGHT_MS - 1
    denied = await quota.denied(resource="image/a", usage=Usage.of(images=1))
    assert denied.denial.retry_after_ms == 1
    # and the first of the next has all of it
    clock.now_ms = MIDNIGHT_MS
    await quota.reserve(resource="image/a", usage=Usage.of(images=10))
    assert await quota.window("images/day") == (0, 10)


async def test_a_week_begins_anew_on_its_first_day(quota: Quota, clock: Clock) -> None:
    await quota.team(access=False)
    await quota.use(40)
    clock.now_ms = MONDAY_MS - 1
    assert await quota.window("general/week") == (40, 0)
    clock.now_ms = MONDAY_MS
    assert await quota.window("general/week") == (0, 0)


BLOCKS = Window(
    window_id="block",
    kind=WindowKind.ALIGNED,
    length_ms=5 * HOUR,
    limit=10 * CREDIT,
    period=AlignedPeriod.BLOCK,
)
SHANGHAI = Window(
    window_id="day",
    kind=WindowKind.ALIGNED,
    length_ms=DAY,
    limit=10 * CREDIT,
    period=AlignedPeriod.DAY,
    zone="Asia/Shanghai",
)


@pytest.mark.parametrize(
    ("policy", "end_ms"),
    [
        (with_windows(BLOCKS), START_MS - 7 * HOUR + 10 * HOUR),
        (with_windows(SHANGHAI), START_MS - 7 * HOUR + 16 * HOUR),
    ],
    ids=["blocks from midnight", "day in Shanghai"],
    indirect=["policy"],
)
async def test_an_aligned_window_ends_with_its_instance(
    executor: Executor, clock: Clock, policy: Catalog, end_ms: int
) -> None:
    quota = Quota(executor, clock, policy)
    await quota.team(access=False)
    await quota.use(10)
    clock.now_ms = end_ms - 1
    assert (await quota.denied(1)).denial.retry_after_ms == 1
    clock.now_ms = end_ms
    await quota.reserve(10)


# What applies to whom, and changes of the limit.


CUTOFF_MS = 1_774_195_200_000  # 2026-03-23T00:00 in Shanghai
SINCE_CUTOFF = Window(
    window_id="week",
    kind=WindowKind.ALIGNED,
    length_ms=7 * DAY,
    limit=10 * CREDIT,
    period=AlignedPeriod.WEEK,
    purchased_from_ms=CUTOFF_MS,
)


@pytest.mark.parametrize(("purchased_ms", "is_exempt"), [(CUTOFF_MS - 1, True), (CUTOFF_MS, False)])
@pytest.mark.parametrize("policy", [with_windows(SINCE_CUTOFF)], indirect=True)
async def test_a_window_may_spare_older_purchases(
    executor: Executor, clock: Clock, policy: Catalog, purchased_ms: int, *, is_exempt: bool
) -> None:
    # given a seat bought at the cutoff, or a moment before it (C6, J6, J7)
    quota = Quota(executor, clock, policy)
    await quota.team(access=False, purchased_ms=purchased_ms)
    answer = await quota.decide(quota.ask(11))
    if not is_exempt:
        assert isinstance(answer, Denied)
        return
    # then the older one is not limited, and what it uses is not counted
    assert isinstance(answer, Allowed)
    assert answer.limits == ()
    committed = await quota.commit(answer, 20)
    assert [(leg.payer, leg.nanos // CREDIT) for leg in committed.legs] == [(Payer.PLAN, 20)]
    assert (await quota.remains()).allowances[0].windows == ()
    assert (await quota.refund(answer, "f1")).refunded == committed.legs


async def test_another_plan_keeps_what_was_used_and_has_its_own_limit(quota: Quota) -> None:
    # given 90 of 100 used on a plan (I1, I2, SEM-17)
    await quota.team(plan="plus", access=False)
    await quota.use(90)
    # when the seat is upgraded to 500
    await quota.team(plan="max", access=False)
    # then the new limit holds on the next decision, and the usage is still there
    await quota.use(410)
    assert (await quota.denied(1)).denial.reason is DenialReason.WINDOW_EXHAUSTED
    # and back on the smaller plan nothing is left, not less than nothing
    await quota.team(plan="plus", access=False)
    status = (await quota.remains()).allowances[0].windows[0]
    assert (status.used, status.remaining, status.over) == (500 * CREDIT, 0, 400 * CREDIT)


async def test_an_unlimited_window_counts_and_denies_nothing(quota: Quota) -> None:
    await quota.team(plan="unlimited", access=False)
    await quota.use(1_000_000)
    status = (await quota.remains()).allowances[0].windows[0]
    assert (status.limit, status.used) == (None, 1_000_000 * CREDIT)
    await quota.reserve(1_000_000)


async def test_counters_of_one_name_are_one_counter(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given usage under one catalog
    quota = Quota(executor, clock)
    await quota.team(access=False)
    await quota.use(60)
    # when a new version has the same window with another limit, and a new one (SEM-18)
    narrow = Window(window_id="h", kind=WindowKind.SLIDING, length_ms=HOUR, limit=50 * CREDIT)
    policy = with_windows(FIVE_HOURS, narrow, WEEK, version="newer")
    conserved.append(policy)
    newer = Quota(executor, clock, policy)
    # then the known counter goes on, and the new one starts empty
    statuses = (await newer.remains()).allowances[0].windows
    assert [s.used // CREDIT for s in statuses] == [60, 0, 60]

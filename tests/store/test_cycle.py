"""Billing cycles: a window that lasts as long as the seat's cycle, and ends with it (SEM-14)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.catalog import Catalog, Overflow, Straddle, Window, WindowKind
from quotasvc.domain.outcome import DenialReason, Denied, RemedyKind
from quotasvc.domain.team import Role, Seat
from quotasvc.domain.unit import COST
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, FIVE_HOURS, TEXT, allowance, catalog, plan
from tests.support.clock import DAY, HOUR, MINUTE, START_MS, Clock
from tests.support.exact import assert_exact
from tests.support.people import key, member, seat, team
from tests.support.quota import Quota

MONTH = 30 * DAY
GRACE = DAY
"""A seat due to renew pays so long beyond its cycle (SEM-42)."""

CYCLE_ID = "general/cycle"
CYCLE = Window(window_id="cycle", kind=WindowKind.CYCLE, length_ms=0, limit=100 * CREDIT)
HOURS = replace(FIVE_HOURS, limit=80 * CREDIT)


def policy(*windows: Window, straddle: Straddle = Straddle.STRICT) -> Catalog:
    """A plan whose texts are counted by these windows; others that change what follows."""
    general = allowance("general", COST, TEXT, *windows, straddle=straddle)
    return catalog(
        version="cyclical",
        plans=(plan("plus", general), plan("deny", general, overflow=Overflow.DENY)),
    )


@pytest.fixture
def quota(executor: Executor, clock: Clock, conserved: list[Catalog]) -> Quota:
    """100 credits a cycle."""
    made = policy(CYCLE)
    conserved.append(made)
    return Quota(executor, clock, made)


async def subscribe(
    quota: Quota,
    start_ms: int = START_MS,
    until_ms: int | None = START_MS + MONTH,
    *,
    renews: bool = True,
    access: bool = False,
) -> Seat:
    """Ann's seat, in this cycle from now on."""
    made = replace(
        seat("s1", "ann"), cycle_start_ms=start_ms, paid_until_ms=until_ms, renews=renews
    )
    people = (member("ann", Role.OWNER, access=access),)
    await quota.put(team(people, seats=(made,), keys=(key(1, "ann"),)))
    return made


async def test_use_counts_until_the_cycle_ends(quota: Quota, clock: Clock) -> None:
    # given use at the beginning, in the middle and at the end of a cycle that does not renew
    await subscribe(quota, renews=False)
    await quota.use(40)
    clock.advance(MONTH // 2)
    await quota.use(40)
    clock.now_ms = START_MS + MONTH - 1
    # then all of it counts, up to the last millisecond (W5)
    assert await quota.window(CYCLE_ID) == (80, 0)
    assert (await quota.denied(21)).denial.reason is DenialReason.WINDOW_EXHAUSTED
    await quota.use(20)


async def test_a_cycle_shows_when_it_ends(quota: Quota) -> None:
    await subscribe(quota)
    assert (await quota.status(CYCLE_ID)).reset_ms == START_MS + MONTH
    await quota.use(1)
    assert (await quota.status(CYCLE_ID)).reset_ms == START_MS + MONTH


async def test_a_cycle_without_end_never_resets(quota: Quota, clock: Clock) -> None:
    # given a seat that is paid for ever (W5)
    await subscribe(quota, until_ms=None)
    await quota.use(60)
    clock.advance(400 * DAY)
    # then what was used a year ago still counts, and no reset is named
    status = await quota.status(CYCLE_ID)
    assert (status.used, status.reset_ms) == (60 * CREDIT, None)
    denied = await quota.denied(41)
    assert (denied.denial.retry_after_ms, denied.denial.obstacles[0].reset_ms) == (None, None)
    await quota.use(40)


async def test_in_the_grace_the_old_cycle_still_counts(quota: Quota, clock: Clock) -> None:
    # given a seat that renews and is 70 into its cycle
    await subscribe(quota)
    await quota.use(70)
    # when the cycle is over and nobody has renewed it yet (SEM-42)
    for at_ms in (START_MS + MONTH, START_MS + MONTH + GRACE - 1):
        clock.now_ms = at_ms
        # then it still pays, and no more than what was left
        assert await quota.window(CYCLE_ID) == (70, 0)
        await quota.denied(31)
        await quota.refund(await quota.reserve(30))


@pytest.mark.parametrize(("renews", "ends_ms"), [(True, MONTH + GRACE), (False, MONTH)])
async def test_after_its_end_it_is_no_seat(
    quota: Quota, clock: Clock, *, renews: bool, ends_ms: int
) -> None:
    # given a seat that renews, or was cancelled, with room in its cycle (W8)
    await subscribe(quota, renews=renews)
    await quota.use(10)
    clock.now_ms = START_MS + ends_ms - 1
    await quota.reserve(1, check_only=True, request_id="")
    # when its time is over
    clock.advance(1)
    # then there is nobody to pay, and no bar is shown
    denied = await quota.denied(1)
    assert denied.denial.reason is DenialReason.NO_RESOURCES
    remains = await quota.remains()
    assert (remains.plan, remains.seat_id, remains.allowances) == ("", "", ())


async def test_after_its_end_credits_pay_alone(quota: Quota, clock: Clock) -> None:
    # given a seat with access to Credits, whose grace is over
    await subscribe(quota, access=True)
    await quota.grant("lot", 50, days=100)
    clock.now_ms = START_MS + MONTH + GRACE
    # then what the seat would have paid, the pool pays (A8)
    reservation = await quota.reserve(10)
    assert [leg.source for leg in reservation.legs] == ["lot"]


async def test_a_full_cycle_has_a_reset_and_no_time_to_wait(quota: Quota, clock: Clock) -> None:
    # given a cycle that is used up
    await subscribe(quota)
    await quota.use(100)
    clock.advance(HOUR)
    denied = await quota.denied(1)
    # then time cures nothing: it needs a renewal; but it is shown when that is due (SEM-47)
    assert denied.denial.reason is DenialReason.WINDOW_EXHAUSTED
    assert denied.denial.retry_after_ms is None
    assert RemedyKind.WAIT not in {remedy.kind for remedy in denied.denial.remedies}
    [obstacle] = (o for o in denied.denial.obstacles if o.limit_id)
    assert (obstacle.limit_id, obstacle.reset_ms) == (CYCLE_ID, START_MS + MONTH)


async def test_a_request_above_the_limit_of_a_cycle_has_no_reset(quota: Quota) -> None:
    await subscribe(quota)
    denied = await quota.denied(101)
    [obstacle] = (o for o in denied.denial.obstacles if o.limit_id)
    assert (denied.denial.retry_after_ms, obstacle.reset_ms) == (None, None)


async def test_holds_that_fill_a_cycle_are_in_flight(quota: Quota) -> None:
    await subscribe(quota)
    await quota.reserve(100)
    denied = await quota.denied(1)
    assert (denied.denial.only_in_flight, denied.denial.retry_after_ms) == (True, 1_000)


async def test_another_window_that_is_full_as_well_does_not_bring_a_time(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given a cycle of 100 and 80 in 5 hours
    made = policy(HOURS, CYCLE)
    conserved.append(made)
    quota = Quota(executor, clock, made)
    await subscribe(quota)
    await quota.use(80)
    # when only the hours are full, their time is named, exactly
    denied = await quota.denied(15)
    await assert_exact(quota, clock, denied, quota.ask(15))
    # and when both are, none is: the cycle does not clear by time (SEM-47)
    denied = await quota.denied(21)
    full = [o.limit_id for o in denied.denial.obstacles if o.limit_id]
    assert full == ["general/five_hour", CYCLE_ID]
    assert denied.denial.retry_after_ms is None


@pytest.mark.parametrize(("pool", "ends"), [(50, True), (49, False)])
async def test_the_end_of_a_seat_may_let_credits_pay(
    quota: Quota, clock: Clock, pool: int, *, ends: bool
) -> None:
    # given a plan without overflow that is used up, of a seat that will not be renewed, and a pool
    people = (member("ann", Role.OWNER),)
    until_ms = START_MS + MONTH
    made = replace(seat("s1", "ann", "deny"), cycle_start_ms=START_MS, paid_until_ms=until_ms)
    keys = (key(1, "ann"),)
    await quota.put(team(people, seats=(replace(made, renews=False),), keys=keys))
    await quota.use(100)
    await quota.grant("lot", pool, days=100)
    # when a request is denied, then it passes once there is no plan in the way, if at all (D4)
    denied = await quota.denied(50)
    assert denied.denial.reason is DenialReason.WINDOW_EXHAUSTED
    if ends:
        assert await assert_exact(quota, clock, denied, quota.ask(50)) == MONTH
    else:
        assert denied.denial.retry_after_ms is None


async def test_a_split_plan_waits_for_no_renewal(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given a split plan whose cycle is used up, and a pool that could pay a part
    made = policy(CYCLE, straddle=Straddle.SPLIT)
    conserved.append(made)
    quota = Quota(executor, clock, made)
    await subscribe(quota, access=True)
    await quota.use(100)
    await quota.grant("lot", 10)
    # then no time is named for what is more
    assert (await quota.denied(11)).denial.retry_after_ms is None
    await quota.use(10)


async def test_a_renewed_cycle_starts_fresh(quota: Quota, clock: Clock) -> None:
    # given a cycle that is used up, and its grace
    await subscribe(quota)
    await quota.use(100)
    clock.now_ms = START_MS + MONTH + HOUR
    await quota.denied(1)
    # when it is renewed, from its end on (SEM-42)
    await subscribe(quota, START_MS + MONTH, START_MS + 2 * MONTH)
    # then all of it is there again, and shows the new end
    status = await quota.status(CYCLE_ID)
    assert (status.used, status.reset_ms) == (0, START_MS + 2 * MONTH)
    await quota.use(100)
    await quota.denied(1)


async def test_other_windows_do_not_notice_a_renewal(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given use of 70 shortly before the end of a cycle, counted by the hours too
    made = policy(HOURS, CYCLE)
    conserved.append(made)
    quota = Quota(executor, clock, made)
    await subscribe(quota)
    clock.now_ms = START_MS + MONTH - HOUR
    await quota.use(70)
    # when the next cycle has begun (SEM-42)
    clock.advance(HOUR)
    await subscribe(quota, START_MS + MONTH, START_MS + 2 * MONTH)
    # then only the cycle's counter is new
    assert await quota.window("general/five_hour") == (70, 0)
    assert await quota.window(CYCLE_ID) == (0, 0)
    denied = await quota.denied(11)
    assert [o.limit_id for o in denied.denial.obstacles if o.limit_id] == ["general/five_hour"]


async def test_a_new_plan_in_the_same_cycle_keeps_its_use(quota: Quota) -> None:
    # given a seat that changes its plan in the midst of a cycle (SEM-18)
    made = await subscribe(quota)
    await quota.use(70)
    people = (member("ann", Role.OWNER, access=False),)
    changed = replace(made, plan_id="deny")
    await quota.put(team(people, seats=(changed,), keys=(key(1, "ann"),)))
    # then what was used stays used
    assert await quota.window(CYCLE_ID) == (70, 0)
    await quota.denied(31)


@pytest.mark.parametrize("used", [0, 50])
@pytest.mark.parametrize("way", ["refund", "expiry", "less", "refund of a commit"])
async def test_what_returns_to_a_cycle_that_is_over_returns_nowhere(
    quota: Quota, clock: Clock, way: str, used: int
) -> None:
    # given a hold of 30 that outlives its cycle, and 50 or nothing in the next one
    await subscribe(quota)
    clock.now_ms = START_MS + MONTH - MINUTE
    hold = await quota.reserve(30)
    if way == "refund of a commit":
        await quota.commit(hold)
    clock.advance(2 * MINUTE)
    await subscribe(quota, START_MS + MONTH, START_MS + 2 * MONTH)
    if used:
        await quota.use(used)
    # when it ends, whichever way
    if way == "refund":
        gone = [leg.window_gone for leg in (await quota.refund(hold)).released]
    elif way == "expiry":
        clock.advance(HOUR)
        await quota.reap()
        gone = [True]
    elif way == "less":
        gone = [leg.window_gone for leg in (await quota.commit(hold, 1)).legs]
    else:
        gone = [leg.window_gone for leg in (await quota.refund(hold, "f1")).refunded]
    # then the present cycle counts what it counted (SEM-15)
    assert await quota.window(CYCLE_ID) == (used, 0)
    assert gone == [True]


async def test_an_overrun_belongs_to_the_cycle_of_its_hold(quota: Quota, clock: Clock) -> None:
    # given a hold of a cycle that is in its grace
    await subscribe(quota)
    clock.now_ms = START_MS + MONTH - MINUTE
    hold = await quota.reserve(30)
    clock.advance(2 * MINUTE)
    # when it is committed at more (SEM-27)
    await quota.commit(hold, 37)
    # then the old instance, which still counts, has all of it
    assert await quota.window(CYCLE_ID) == (37, 0)


@pytest.mark.parametrize("used", [0, 50])
async def test_an_overrun_after_the_renewal_belongs_to_the_new_cycle(
    quota: Quota, clock: Clock, used: int
) -> None:
    """SEM-15, SEM-27: the recorded instance is over, hence the one at the commit has it."""
    # given a hold of 30 that outlives its cycle, and 50 or nothing in the next one
    await subscribe(quota)
    clock.now_ms = START_MS + MONTH - MINUTE
    hold = await quota.reserve(30)
    clock.advance(2 * MINUTE)
    await subscribe(quota, START_MS + MONTH, START_MS + 2 * MONTH)
    if used:
        await quota.use(used)
    # when it is committed at more
    committed = await quota.commit(hold, 37)
    # then the cycle that is over keeps the hold, and the new one has what is more, for good
    assert await quota.window(CYCLE_ID) == (used + 7, 0)
    [status] = committed.limits
    assert (status.used, status.reset_ms) == ((used + 7) * CREDIT, START_MS + 2 * MONTH)
    await quota.use(100 - used - 7)
    await quota.denied(1)


async def test_a_late_commit_belongs_to_the_cycle_in_which_it_arrives(
    quota: Quota, clock: Clock
) -> None:
    """SEM-31: it is charged in the current instance, also if nothing was used in that yet."""
    # given a hold that expired, and the renewal of its cycle
    await subscribe(quota)
    clock.now_ms = START_MS + MONTH - HOUR
    hold = await quota.reserve(30)
    clock.advance(HOUR)
    await subscribe(quota, START_MS + MONTH, START_MS + 2 * MONTH)
    # when its usage arrives
    committed = await quota.commit(hold, 37)
    # then the new cycle has it, for good
    assert committed.late
    assert await quota.window(CYCLE_ID) == (37, 0)
    await quota.use(63)
    await quota.denied(1)
    # and a refund gives it back there
    refunded = await quota.refund(hold, "f1")
    assert [leg.window_gone for leg in refunded.refunded] == [False]
    assert await quota.window(CYCLE_ID) == (63, 0)


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_commit_of_a_seat_that_is_gone_belongs_to_its_last_cycle(
    quota: Quota, clock: Clock, *, is_late: bool
) -> None:
    """SEM-32: a removed seat does not move what is settled; no cycle follows on its last."""
    # given a hold of a seat that is removed
    seat_before = await subscribe(quota)
    hold = await quota.reserve(30)
    people = (member("ann", Role.OWNER, access=False),)
    await quota.put(team(people, seats=(), keys=(key(1, "ann"),)))
    # when it is committed, in time or late
    clock.advance(HOUR * is_late)
    committed = await quota.commit(hold, 37)
    # then it is charged all the same, as the seat shows if it comes back
    assert committed.written_off_nanos == 0
    await quota.put(team(people, seats=(seat_before,), keys=(key(1, "ann"),)))
    assert await quota.window(CYCLE_ID) == (37, 0)


async def test_reported_use_counts_in_the_cycle(quota: Quota) -> None:
    await subscribe(quota)
    await quota.record(130)
    status = await quota.status(CYCLE_ID)
    assert (status.used, status.over) == (130 * CREDIT, 30 * CREDIT)
    assert isinstance(await quota.decide(quota.ask(1)), Denied)

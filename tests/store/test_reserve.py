"""Holds: who pays, in which order, and that a denial moves nothing."""

from __future__ import annotations

import pytest

from quotasvc.domain.catalog import Catalog, Window, WindowKind
from quotasvc.domain.faults import InvalidArgument, NotFound
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.reservation import Payer, State
from quotasvc.domain.team import Role
from quotasvc.domain.unit import AMOUNT_MAX, Usage
from quotasvc.planes.ask import GiveBack, Settle
from quotasvc.store.executor import Executor
from tests.support.books import Books
from tests.support.catalogs import CREDIT, TEXT, allowance, catalog, plan
from tests.support.clock import HOUR, MINUTE, SECOND, Clock
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")


async def test_the_plan_pays_first(quota: Quota) -> None:
    # given a seat with room and a pool (B1)
    await quota.team()
    await quota.grant("lot", 100)
    # when a request fits into the plan
    reservation = await quota.reserve(60)
    # then the plan holds it whole, and no lot is touched
    assert [(leg.payer, leg.nanos) for leg in reservation.legs] == [(Payer.PLAN, 60 * CREDIT)]
    assert reservation.state is State.HELD
    assert reservation.may_fail_open
    assert await quota.window() == (0, 60)
    assert await quota.available() == {"lot": 100}


async def test_what_the_plan_cannot_pay_comes_from_the_lot_that_expires_first(
    quota: Quota,
) -> None:
    # given lots bought in one order and expiring in another (SEM-21), and a plan nearly used up
    await quota.team()
    await quota.grant("late", 100, days=365)
    await quota.grant("never", 100, days=None)
    await quota.grant("soon", 30, days=7)
    await quota.commit(await quota.reserve(90))
    # when a request straddles the window (B6, SEM-11 split)
    reservation = await quota.reserve(60)
    # then the plan pays its room, and the lots the rest, first to expire first
    assert [(leg.source, leg.nanos // CREDIT) for leg in reservation.legs] == [
        ("s1/general", 10),
        ("soon", 30),
        ("late", 20),
    ]
    assert not reservation.may_fail_open


async def test_a_hold_says_all_that_it_is(quota: Quota, clock: Clock) -> None:
    # given a request of which the plan pays a part
    await quota.team()
    await quota.grant("lot", 50)
    before = (await Books.read(quota.executor)).team(TEAM).counters
    # when it is held
    reservation = await quota.reserve(120)
    # then the answer tells price, legs, windows, expiry and the number of this change (SEM-39)
    assert reservation.cost_nanos == 120 * CREDIT
    plan_leg, lot_leg = reservation.legs
    assert (plan_leg.unit, plan_leg.amount, plan_leg.expire_ms) == ("cost", 100 * CREDIT, None)
    assert (lot_leg.unit, lot_leg.amount, lot_leg.nanos) == ("cost", 20 * CREDIT, 20 * CREDIT)
    assert lot_leg.expire_ms == clock() + 365 * 24 * HOUR
    assert reservation.expire_ms == clock() + 10 * MINUTE
    assert [(s.limit_id, s.used, s.held // CREDIT) for s in reservation.limits] == [
        ("general/five_hour", 0, 100),
        ("general/week", 0, 100),
    ]
    assert reservation.seq == before["seq"] + 1
    assert not reservation.replayed
    # and looking it up says the same
    found = await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)
    assert found.held_legs == reservation.legs
    assert (found.state, found.charged_legs, found.settle_ms) == (State.HELD, (), None)
    assert (found.admit_ms, found.resource) == (clock(), "text/a")
    by_request = await quota.decisions.find_reservation(TEAM, "r1", quota.deadline)
    assert by_request == found


async def test_a_hold_alone_writes_no_ledger_entry(quota: Quota) -> None:
    # holds move `seq`, never `entry` (SEM-39)
    await quota.team()
    before = (await Books.read(quota.executor)).team(TEAM)
    await quota.reserve(10)
    after = (await Books.read(quota.executor)).team(TEAM)
    assert after.counters["seq"] == before.counters["seq"] + 1
    assert after.counters["entry"] == before.counters["entry"]
    assert after.entries == before.entries


# Estimates (SEM-13).


@pytest.mark.parametrize(
    ("usage", "credits"),
    [
        (Usage.of(), 5),  # nothing named: the default
        (Usage.of(output_tokens=0), 1),  # named: the minimum at least
        (Usage.of(output_tokens=3), 3),
        (Usage.of(input_tokens=7), 12),  # the default of each unit that is not named
    ],
)
async def test_a_hold_is_never_smaller_than_the_catalogs_estimate(
    quota: Quota, usage: Usage, credits: int
) -> None:
    await quota.team()
    assert (await quota.reserve(usage=usage)).cost_nanos == credits * CREDIT


@pytest.mark.parametrize("unit", ["images", "songs", "characters"])
async def test_a_unit_that_is_not_measured_is_named_with_those_that_are(
    quota: Quota, unit: str
) -> None:
    await quota.team()
    with pytest.raises(InvalidArgument, match="requests, input_tokens, output_tokens") as refused:
        await quota.reserve(usage=Usage.of(**{unit: 0}))
    assert (refused.value.reason, refused.value.field) == ("UNMEASURED_UNIT", f"usage.{unit}")


async def test_a_price_above_two_to_the_53_is_refused(quota: Quota) -> None:
    await quota.team()
    with pytest.raises(InvalidArgument) as refused:
        await quota.reserve(AMOUNT_MAX)
    assert refused.value.reason == "USAGE_TOO_LARGE"


async def test_the_largest_price_is_only_short(quota: Quota) -> None:
    # given a price just below 2^53 nanos (SEM-3)
    await quota.team()
    await quota.grant("lot", 10)
    denied = await quota.denied(AMOUNT_MAX // CREDIT)
    assert denied.denial.reason is DenialReason.WINDOW_EXHAUSTED
    assert denied.denial.obstacles[-1].remaining == 10 * CREDIT


async def test_amounts_near_two_to_the_53_are_exact(quota: Quota) -> None:
    # given an unlimited plan and a request of nearly 2^53 nanos
    await quota.team(plan="unlimited")
    most = AMOUNT_MAX // CREDIT
    reservation = await quota.reserve(most)
    # then nothing more fits beside it, and a later smaller commit is exact
    assert (await quota.denied(most)).denial.reason is DenialReason.WINDOW_EXHAUSTED
    committed = await quota.commit(reservation, most - 1)
    assert committed.actual_nanos == (most - 1) * CREDIT
    assert (await quota.remains()).allowances[0].windows[0].used == (most - 1) * CREDIT


# How long a hold lasts (SEM-30, SEM-51).


@pytest.mark.parametrize("hold_ms", [SECOND, MINUTE, HOUR])
async def test_a_hold_lasts_as_long_as_asked(quota: Quota, clock: Clock, hold_ms: int) -> None:
    await quota.team()
    assert (await quota.reserve(1, hold_ms=hold_ms)).expire_ms == clock() + hold_ms


@pytest.mark.parametrize(
    ("length_ms", "expected_ms"), [(5 * MINUTE, 297_500), (20 * MINUTE, 10 * MINUTE)]
)
async def test_a_hold_ends_a_slice_before_the_shortest_sliding_window(
    executor: Executor, clock: Clock, conserved: list[Catalog], length_ms: int, expected_ms: int
) -> None:
    # given a sliding window that may be shorter than a hold
    window = Window(
        window_id="short", kind=WindowKind.SLIDING, length_ms=length_ms, limit=100 * CREDIT
    )
    policy = catalog(
        version="shortest", plans=(plan("plus", allowance("general", "cost", TEXT, window)),)
    )
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team()
    # when a request is held
    reservation = await quota.reserve(10)
    # then its slice is still there when the hold ends: what it kept comes back
    assert reservation.expire_ms == clock() + expected_ms
    clock.advance(expected_ms)
    await quota.reap()
    assert await quota.window("general/short") == (0, 0)
    await quota.reserve(100)


async def test_holds_of_one_second_and_one_hour_end_each_at_its_time(
    quota: Quota, clock: Clock
) -> None:
    # given a long hold, and then a short one
    await quota.team()
    await quota.reserve(10, hold_ms=HOUR)
    await quota.reserve(20, hold_ms=SECOND)
    # then each leaves at its own time
    clock.advance(SECOND - 1)
    assert await quota.window() == (0, 30)
    clock.advance(1)
    assert await quota.window() == (0, 10)
    clock.advance(HOUR - SECOND)
    assert await quota.window() == (0, 0)


# Looking up.


@pytest.mark.parametrize(
    "text", ["", "x", "r1.acme", "r1" + "." * 11, "é" * 20, "r1.acme.s1.2.1.0.0.1.t.x.y.z"]
)
async def test_a_forged_id_is_not_found(quota: Quota, text: str) -> None:
    await quota.team()
    for call in (
        quota.decisions.get_reservation(text, quota.deadline),
        quota.decisions.refund(text, GiveBack(refund_id=""), quota.deadline),
        quota.decisions.extend(text, None, quota.deadline),
        quota.decisions.commit(text, Settle(usage=None, attributes=(), outcome=1), quota.deadline),
    ):
        with pytest.raises(NotFound):
            await call


@pytest.mark.parametrize(
    ("team_id", "request_id"), [(TEAM, "other"), ("beta", "r1"), ("BAD TEAM", "r1"), ("", "r1")]
)
async def test_an_unknown_request_is_not_found(quota: Quota, team_id: str, request_id: str) -> None:
    await quota.team()
    await quota.reserve(1, request_id="r1")
    with pytest.raises(NotFound):
        await quota.decisions.find_reservation(team_id, request_id, quota.deadline)


# One script, one round trip (SEM-5).


async def scripts_run(quota: Quota) -> int:
    """How many scripts the store has run."""
    found = await quota.executor.call("INFO", "commandstats", deadline=quota.deadline)
    assert isinstance(found, bytes)
    [line] = [line for line in found.splitlines() if line.startswith(b"cmdstat_fcall:")]
    return int(line.partition(b"calls=")[2].partition(b",")[0])


async def test_a_decision_is_one_script(quota: Quota) -> None:
    # given a service that knows the team, whose member is told of no upgrades: those are looked for
    await quota.team(role=Role.READER)
    await quota.grant("lot", 50)
    committed, released = await quota.reserve(10), await quota.reserve(10)
    # then each call runs one script, whatever comes of it
    calls = (
        lambda: quota.reserve(50),
        lambda: quota.decide(quota.ask(500)),
        lambda: quota.commit(committed, 5),
        lambda: quota.refund(released),
        lambda: quota.refund(committed, "f1"),
        lambda: quota.record(5),
        lambda: quota.reserve(10, request_id="", check_only=True),
    )
    for call in calls:
        before = await scripts_run(quota)
        await call()
        assert await scripts_run(quota) == before + 1

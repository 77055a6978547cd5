"""UPGRADE names the plans that would admit the request, and no others (SEM-9, D6, SEM-18)."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from quotasvc.domain.catalog import (
    AlignedPeriod,
    Catalog,
    Overflow,
    Plan,
    Straddle,
    Window,
    WindowKind,
)
from quotasvc.domain.outcome import Allowed, DenialReason, Denied, RemedyKind
from quotasvc.domain.team import Role
from quotasvc.domain.unit import COST, Usage
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, DAY_OF_TEN, FIVE_HOURS, TEXT, allowance, plan
from tests.support.clock import DAY, HOUR, START_MS, Clock
from tests.support.gates import PEAK_FROM_MS, gated, row
from tests.support.quota import Quota

DOLLAR = 1_000_000_000
DAYS = Window(
    window_id="day",
    kind=WindowKind.ALIGNED,
    length_ms=DAY,
    limit=140 * CREDIT,
    period=AlignedPeriod.DAY,
)


def hours(limit: int) -> Window:
    """So many credits in five hours: the counter of "small", whatever the limit."""
    return replace(FIVE_HOURS, limit=limit * CREDIT)


def texts(*windows: Window, name: str = "general", straddle: Straddle = Straddle.STRICT) -> Plan:
    """A plan of texts."""
    return plan("", allowance(name, COST, TEXT, *windows, straddle=straddle))


def named(plan_id: str, dollars: int, of: Plan) -> Plan:
    """The plan under this name and price."""
    return replace(of, plan_id=plan_id, price_nanos=dollars * DOLLAR)


PLANS = (
    named("large", 90, texts(hours(500))),
    named("small", 20, texts(hours(100))),
    named("middle", 50, texts(hours(200), straddle=Straddle.SPLIT)),
    named("other", 60, texts(hours(150), name="texts")),  # counters of its own
    named("daily", 70, texts(hours(300), DAYS)),
    named("closed", 40, replace(texts(hours(150)), overflow=Overflow.DENY)),
    named("absorbing", 80, texts(hours(110), straddle=Straddle.ABSORB)),
    named("cheap", 10, texts(hours(900))),
    named("retired", 99, replace(texts(hours(900)), sellable=False)),
    named("pictures", 30, plan("", allowance("images", "images", ("image/a",), DAY_OF_TEN))),
)


@pytest.fixture
def quota(executor: Executor, clock: Clock, conserved: list[Catalog]) -> Quota:
    """The service with these plans."""
    policy = gated(plans=PLANS)
    conserved.append(policy)
    return Quota(executor, clock, policy)


def upgrades(denied: Denied) -> tuple[str, ...]:
    """The plans that are named."""
    found = [r.plans for r in denied.denial.remedies if r.kind is RemedyKind.UPGRADE]
    return found[0] if found else ()


async def admitting(quota: Quota, tokens: int, *, access: bool) -> set[str]:
    """The plans on which the request passes, each tried on the seat itself."""
    found = set()
    for one in PLANS:
        await quota.team(plan=one.plan_id, access=access)
        check = quota.ask(tokens, check_only=True, request_id="")
        if isinstance(await quota.decide(check), Allowed):
            found.add(one.plan_id)
    return found


@pytest.mark.parametrize(
    ("need", "plans"),
    [
        (1, ("closed", "middle", "other", "daily", "absorbing", "large")),
        (40, ("closed", "middle", "other", "daily", "absorbing", "large")),
        (41, ("closed", "middle", "other", "daily", "absorbing", "large")),
        (51, ("middle", "other", "daily", "absorbing", "large")),
        (100, ("middle", "other", "daily", "absorbing", "large")),
        (101, ("other", "daily", "absorbing", "large")),
        (141, ("other", "absorbing", "large")),
        (151, ("absorbing", "large")),
        (401, ("absorbing",)),
    ],
)
async def test_what_was_used_counts_where_the_counter_has_the_same_name(
    quota: Quota, need: int, plans: tuple[str, ...]
) -> None:
    # given a plan whose 100 are used up (SEM-18)
    await quota.team(plan="small", access=False)
    await quota.use(100)
    # when a request is denied
    denied = await quota.denied(need)
    # then those above it are named that have room for it beside the 100, the cheapest first
    assert denied.denial.reason is DenialReason.WINDOW_EXHAUSTED
    assert upgrades(denied) == plans


async def test_none_is_named_where_none_would_do(quota: Quota) -> None:
    # given the largest plan that is for sale, used up
    await quota.team(plan="large", access=False)
    await quota.use(500)
    denied = await quota.denied(1)
    assert RemedyKind.UPGRADE not in {remedy.kind for remedy in denied.denial.remedies}


@pytest.mark.parametrize(
    ("pool", "need", "plans"),
    [
        (0, 110, {"other", "daily", "absorbing", "large"}),
        (9, 110, {"other", "daily", "absorbing", "large"}),
        (10, 110, {"middle", "other", "daily", "absorbing", "large"}),
        (30, 400, {"absorbing", "large"}),
        (30, 500, {"absorbing"}),
    ],
)
async def test_credits_make_up_what_a_split_plan_lacks(
    quota: Quota, pool: int, need: int, plans: set[str]
) -> None:
    # given a plan whose 100 are used up, and a pool that cannot pay alone
    await quota.team(plan="small")
    await quota.use(100)
    if pool:
        await quota.grant("lot", pool)
    denied = await quota.denied(need)
    # then a plan that pays the rest is named too
    assert set(upgrades(denied)) == plans


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_named_is_what_would_pass(quota: Quota, clock: Clock, seed: int) -> None:
    # given any use of any plan, and any pool
    chance = Random(seed)
    prices = {one.plan_id: one.price_nanos for one in PLANS}
    tried = 0
    for number in range(25):
        plan_id, access = chance.choice(("small", "middle", "other")), chance.random() < 0.7
        await quota.team(plan=plan_id, access=access)
        if chance.random() < 0.3:
            await quota.grant(f"lot{number}", chance.randint(1, 60))
        tokens = chance.randint(1, 250)
        answer = await quota.decide(quota.ask(tokens))
        if isinstance(answer, Allowed):
            await quota.commit(answer, chance.randint(0, tokens))
        else:
            # then an upgrade is named exactly if the request passes once it is made
            passing = await admitting(quota, tokens, access=access)
            larger = {name for name in passing if prices[name] > prices[plan_id]} - {"retired"}
            assert list(upgrades(answer)) == sorted(larger, key=lambda name: prices[name])
            tried += 1
        clock.advance(chance.choice((0, 0, HOUR // 2, HOUR)))
    assert tried > 3


async def test_holds_on_the_same_counter_are_inherited_too(quota: Quota) -> None:
    # given a plan that is full of a hold and of use
    await quota.team(plan="small", access=False)
    await quota.use(40)
    await quota.reserve(60)
    # then they are in the way on the plans that have the counter, though they may come back
    denied = await quota.denied(51)
    assert denied.denial.only_in_flight
    assert upgrades(denied) == ("middle", "other", "daily", "absorbing", "large")


# Who is told.


async def test_under_a_rate_limit_none_is_named(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given a rate and a plan that are both used up (SEM-48)
    policy = gated(row(rpm=1), plans=PLANS)
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team(plan="small", access=False)
    await quota.use(100)
    denied = await quota.denied(1)
    # then no plan would admit it now
    assert denied.denial.reason is DenialReason.RATE_LIMITED
    assert [remedy.kind for remedy in denied.denial.remedies] == [RemedyKind.WAIT]


async def test_a_plan_whose_agents_would_all_be_at_work_is_not_named(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given two agents at work at peak on a plan that lets nine, while larger ones let fewer (J5)
    caps = {"small": 9, "middle": 2, "large": 3}
    plans = tuple(replace(one, peak_concurrency=caps.get(one.plan_id)) for one in PLANS[:3])
    policy = replace(gated(), plans={one.plan_id: one for one in plans})
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team(plan="small", access=False)
    clock.now_ms = PEAK_FROM_MS
    for _ in range(2):
        await quota.reserve(50)
    denied = await quota.denied(1)
    # then only what would let a third work is named: the slots are the seat's (SEM-20)
    assert upgrades(denied) == ("large",)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.READER])
async def test_who_may_not_buy_is_told_to_ask(quota: Quota, role: Role) -> None:
    await quota.team(plan="small", access=False, role=role)
    await quota.use(100)
    kinds = {remedy.kind for remedy in (await quota.denied(1)).denial.remedies}
    assert RemedyKind.UPGRADE not in kinds
    assert RemedyKind.ASK_ASSIGNMENT in kinds


async def test_a_wallet_is_not_upgraded(quota: Quota) -> None:
    await quota.team(plan="small", payg=True)
    kinds = [remedy.kind for remedy in (await quota.denied(1)).denial.remedies]
    assert kinds == [RemedyKind.TOP_UP_WALLET]


# New seats.


@pytest.mark.parametrize("pool", [None, 0, 5, 30])
@pytest.mark.parametrize("need", [50, 151, 350, 901])
async def test_a_member_without_a_seat_is_named_those_that_would_do(
    quota: Quota, pool: int | None, need: int
) -> None:
    # given an Owner without a seat, and a pool that is theirs to use or not, and too small
    await quota.team(plan=None, access=pool is not None)
    if pool:
        await quota.grant("lot", pool)
    denied = await quota.denied(need)
    # then any plan is named that would admit the request on a new seat
    seen = upgrades(denied)
    passing = await admitting(quota, need, access=pool is not None) - {"retired"}
    prices = {one.plan_id: one.price_nanos for one in PLANS}
    assert list(seen) == sorted(passing, key=lambda name: prices[name])
    verbs = [r.message for r in denied.denial.remedies if r.kind is RemedyKind.UPGRADE]
    assert verbs == ([f"Buy a seat: {seen[0]}."] if seen else [])


async def test_a_new_seat_has_the_windows_of_one_bought_today(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given a window that only seats have that were bought from yesterday on (J6, J7)
    newer = replace(DAYS, purchased_from_ms=START_MS - DAY)
    one = named("small", 20, texts(hours(500), newer))
    policy = gated(plans=(one,))
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    # then a member without a seat is not promised what only older seats have
    for access in (True, False):
        await quota.team(plan=None, access=access)
        assert upgrades(await quota.denied(141)) == ()
        assert upgrades(await quota.denied(140)) == ("small",)


async def test_images_are_found_by_the_plan_that_has_them(quota: Quota) -> None:
    # given a plan of texts only, and no Credits
    await quota.team(plan="small", access=False)
    denied = await quota.denied(resource="image/a", usage=Usage.of(images=10))
    assert denied.denial.reason is DenialReason.NOT_IN_PLAN
    assert upgrades(denied) == ("pictures",)
    assert upgrades(await quota.denied(resource="image/a", usage=Usage.of(images=11))) == ()


# However many plans are for sale, a denial waits for them once.


async def reads(quota: Quota) -> int:
    """How often the store has read what somebody sent."""
    found = await quota.executor.call("INFO", "stats", deadline=quota.deadline)
    assert isinstance(found, bytes)
    [line] = [line for line in found.splitlines() if line.startswith(b"total_reads_processed:")]
    return int(line.partition(b":")[2])


async def test_all_larger_plans_are_asked_about_in_one_round_trip(
    executor: Executor, clock: Clock
) -> None:
    # given one plan above the seat's, and many (SEM-9)
    counts = []
    for number in (1, 20):
        above = (named(f"above{n}", 10 + n, texts(hours(900))) for n in range(number))
        quota = Quota(executor, clock, gated(plans=(named("small", 5, texts(hours(100))), *above)))
        await quota.team(plan="small", access=False)
        # when a request is denied that each of them would admit
        before = await reads(quota)
        denied = await quota.decide(quota.ask(101))
        counts.append(await reads(quota) - before)
        assert isinstance(denied, Denied)
        assert len(upgrades(denied)) == number
        await executor.call("FLUSHALL", deadline=quota.deadline)
    # then the store has read no more often
    assert counts[0] == counts[1]

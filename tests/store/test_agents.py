"""Agents at work: at peak a seat has so many at once, and no crash locks anybody out (SEM-20)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from quotasvc.domain.catalog import Catalog, PeakMode, RateLimit
from quotasvc.domain.outcome import Allowed, DenialReason, Denied, RemedyKind
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import Role
from quotasvc.domain.unit import Usage
from quotasvc.store.executor import Executor
from tests.support.clock import HOUR, MINUTE, SECOND, START_MS, Clock
from tests.support.conservation import check
from tests.support.exact import assert_exact
from tests.support.gates import PEAK_FROM_MS, PEAK_UNTIL_MS, gated, limit, row
from tests.support.people import key, member, seat, team
from tests.support.quota import Quota

CAP = 2
FREE: dict[str, Any] = {"resource": "music/free", "usage": Usage.of(songs=1)}


@dataclass
class Agents:
    """The service by a catalog with a cap; every extension is noted, for the sums after it."""

    quota: Quota
    catalog: Catalog
    extensions: int = 0

    async def extend(self, reservation: Allowed, hold_ms: int | None = None) -> None:
        """Lets a hold live longer."""
        await self.quota.extend(reservation, hold_ms)
        self.extensions += 1

    async def is_full(self, **changes: object) -> bool:
        """Whether one more would have to wait for a slot; nothing moves."""
        check_only: dict[str, object] = {"check_only": True, "request_id": ""}
        answer = await self.quota.decide(self.quota.ask(1, **{**check_only, **changes}))
        if isinstance(answer, Allowed):
            return False
        assert answer.denial.reason is DenialReason.CONCURRENCY_LIMITED
        return True


Make = Callable[..., Agents]


@pytest.fixture
async def make(executor: Executor, clock: Clock) -> AsyncIterator[Make]:
    """Makes it; after the test everything adds up (SEM-40)."""
    made: list[Agents] = []

    def agents(*rows: RateLimit, cap: int | None = CAP, mode: PeakMode = PeakMode.AUTO) -> Agents:
        policy = gated(*rows, cap=cap, mode=mode)
        made.append(Agents(Quota(executor, clock, policy), policy))
        return made[-1]

    yield agents
    extensions = sum(one.extensions for one in made)
    await check(executor, made[0].catalog, extensions=extensions)


@pytest.fixture
def agents(make: Make) -> Agents:
    """Two agents at peak."""
    return make()


async def test_at_peak_so_many_work_at_once(agents: Agents, clock: Clock) -> None:
    # given as many agents at work as a seat may have at peak (J5)
    quota = agents.quota
    await quota.team()
    await quota.grant("lot", 1_000)
    clock.now_ms = PEAK_FROM_MS
    await quota.reserve(1)
    answer = await quota.reserve(1)
    status = limit(answer, "concurrency")
    assert (status.kind, status.limit, status.used, status.remaining) == ("slots", CAP, CAP, 0)
    assert status.reset_ms == PEAK_FROM_MS + MINUTE
    # then one more has to wait: neither room in the plan nor Credits help (SEM-20)
    denied = await quota.denied(1)
    assert denied.denial.reason is DenialReason.CONCURRENCY_LIMITED
    [obstacle] = denied.denial.obstacles
    assert (obstacle.limit_id, obstacle.payer, obstacle.used) == ("concurrency", None, CAP)
    assert [r.kind for r in denied.denial.remedies] == [RemedyKind.WAIT]
    assert not denied.denial.only_in_flight
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == MINUTE


async def test_off_peak_there_is_no_cap_and_none_is_shown(agents: Agents) -> None:
    quota = agents.quota
    await quota.team()
    answers = [await quota.reserve(1) for _ in range(3 * CAP)]
    assert "concurrency" not in {status.limit_id for status in answers[-1].limits}  # R6


async def test_slots_are_taken_off_peak_too(agents: Agents, clock: Clock) -> None:
    # given three agents that began shortly before peak hours (SEM-52)
    quota = agents.quota
    await quota.team()
    clock.now_ms = PEAK_FROM_MS - 10 * SECOND
    for _ in range(3):
        await quota.reserve(1)
        clock.advance(SECOND)
    # when it is peak, then they all count, and two of them have to end
    clock.now_ms = PEAK_FROM_MS
    denied = await quota.denied(1)
    assert limit(denied, "concurrency").used == 3
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == 51 * SECOND


@pytest.mark.parametrize("before_ms", [1, 20 * SECOND, 59_999])
async def test_the_end_of_peak_hours_opens_it_at_once(
    agents: Agents, clock: Clock, before_ms: int
) -> None:
    # given a seat whose slots are taken shortly before peak hours end
    quota = agents.quota
    await quota.team()
    clock.now_ms = PEAK_UNTIL_MS - before_ms
    for _ in range(CAP):
        await quota.reserve(1)
    # then the wait ends with them, exactly
    denied = await quota.denied(1)
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == before_ms


@pytest.mark.parametrize("way", ["commit", "refund", "expiry", "lease"])
async def test_whatever_ends_an_agent_frees_its_slot(
    agents: Agents, clock: Clock, way: str
) -> None:
    quota = agents.quota  # given a seat with all agents at work at peak
    await quota.team()
    clock.now_ms = PEAK_FROM_MS
    first = await quota.reserve(1, hold_ms=10 * SECOND if way == "expiry" else HOUR)
    clock.advance(SECOND)
    await quota.reserve(1)
    assert await agents.is_full()
    # when one ends, in any way (SEM-20)
    if way == "expiry":
        clock.now_ms = PEAK_FROM_MS + 10 * SECOND - 1
        assert await agents.is_full()
        clock.advance(1)
    elif way == "lease":
        clock.now_ms = PEAK_FROM_MS + MINUTE - 1
        assert await agents.is_full()
        clock.advance(1)
    elif way == "commit":
        await quota.commit(first)
    else:
        await quota.refund(first)
    # then there is room for one, and for no more
    await quota.reserve(1)
    assert await agents.is_full()


async def test_settling_twice_frees_one_slot(agents: Agents, clock: Clock) -> None:
    # given two agents at work, one of whom is done and says so again and again
    quota = agents.quota
    await quota.team()
    clock.now_ms = PEAK_FROM_MS
    first = await quota.reserve(1)
    await quota.reserve(1)
    await quota.commit(first)
    await quota.reserve(1)
    # when it is committed again, and refunded, then the others' slots are theirs
    assert (await quota.commit(first)).replayed
    await quota.refund(first, "f1")
    assert await agents.is_full()


async def test_a_gateway_that_crashed_locks_nobody_out(agents: Agents, clock: Clock) -> None:
    # given gateways that crash in the midst of every request, and holds of an hour
    quota = agents.quota
    await quota.team(plan="unlimited")
    clock.now_ms = PEAK_FROM_MS
    for _ in range(5):
        for _ in range(CAP):
            await quota.reserve(1, hold_ms=HOUR)
        assert await agents.is_full()
        # then after a minute all slots are free again, though the holds live on (SEM-20)
        clock.advance(MINUTE)
        assert not await agents.is_full()


async def test_extend_renews_the_lease(agents: Agents, clock: Clock) -> None:
    # given two agents at work for several minutes, one of which says so every 50 s (SEM-33)
    quota = agents.quota
    await quota.team()
    clock.now_ms = PEAK_FROM_MS
    alive, _ = await quota.reserve(1), await quota.reserve(1)
    for _ in range(4):
        clock.advance(50 * SECOND)
        await agents.extend(alive)
    # then its slot is taken until a minute after the last time, and the other one is free
    await quota.reserve(1)
    clock.advance(MINUTE - 1)
    denied = await quota.denied(1)
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == 1


async def test_extend_takes_a_slot_again_that_had_lapsed(agents: Agents, clock: Clock) -> None:
    # given an agent whose lease has lapsed, and others in all slots
    quota = agents.quota
    await quota.team()
    clock.now_ms = PEAK_FROM_MS
    slow = await quota.reserve(1)
    clock.advance(MINUTE)
    for _ in range(CAP):
        await quota.reserve(1)
    # when it says that it is still at work (R3)
    clock.advance(10 * SECOND)
    await agents.extend(slow)
    # then it counts again, above the cap: whoever is at work is not thrown out
    denied = await quota.denied(1)
    status = limit(denied, "concurrency")
    assert (status.used, status.over) == (CAP + 1, 1)
    # and two have to end before another begins
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == 50 * SECOND
    await quota.commit(slow)
    assert await agents.is_full()


async def test_a_lease_ends_with_its_hold(agents: Agents, clock: Clock) -> None:
    # given an agent whose hold ends in 10 s, and another's in 30 s (R3)
    quota = agents.quota
    await quota.team()
    clock.now_ms = PEAK_FROM_MS
    short = await quota.reserve(1, hold_ms=10 * SECOND)
    await quota.reserve(1, hold_ms=30 * SECOND)
    assert (await quota.denied(1)).denial.retry_after_ms == 10 * SECOND
    # when it is extended to end in 20 s, then so is its lease
    await agents.extend(short, 20 * SECOND)
    denied = await quota.denied(1)
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == 20 * SECOND


async def test_neither_checks_nor_replays_nor_denials_take_a_slot(
    agents: Agents, clock: Clock
) -> None:
    quota = agents.quota  # given one of two slots taken
    await quota.team(plan="strict", access=False)
    clock.now_ms = PEAK_FROM_MS
    await quota.reserve(1, request_id="r")
    # when the same comes again, is only looked at, or cannot be paid
    assert (await quota.reserve(1, request_id="r")).replayed
    await quota.reserve(1, check_only=True, request_id="")
    await quota.denied(101)
    # then the other slot is free
    await quota.reserve(1)
    assert await agents.is_full()


# Whose slots.


async def test_whoever_pays_the_seat_has_its_slots(agents: Agents, clock: Clock) -> None:
    # given a seat whose plan pays one request, while what is not in the plan is paid by Credits
    quota = agents.quota
    await quota.team()
    await quota.grant("lot", 100)
    clock.now_ms = PEAK_FROM_MS
    assert [leg.payer for leg in (await quota.reserve(1)).legs] == [Payer.PLAN]
    video = await quota.reserve(resource="video/a", usage=Usage.of(clips=1))
    assert [leg.payer for leg in video.legs] == [Payer.CREDITS]
    # then both are at work, and free usage has to wait as well
    denied = await quota.denied(**FREE)
    assert denied.denial.reason is DenialReason.CONCURRENCY_LIMITED
    # and takes a slot when there is one (SEM-46)
    await quota.refund(video)
    await quota.reserve(**FREE)
    assert await agents.is_full()


async def test_each_seat_has_its_own_whoever_holds_it(agents: Agents, clock: Clock) -> None:
    # given two seats, of which one is fully at work (J5)
    quota = agents.quota
    people = (member("ann", Role.OWNER), member("bob"))
    keys = (key(1, "ann"), key(2, "bob"), key(3, "ann"))
    seats = (seat("s1", "ann"), seat("s2", "bob"))
    await quota.put(team(people, seats=seats, keys=keys))
    clock.now_ms = PEAK_FROM_MS
    for name in ("acme_k1", "acme_k3"):
        await quota.reserve(1, key_id=name)
    # then its holder's keys have to wait, and the other member's does not
    full = [await agents.is_full(key_id=name) for name in ("acme_k1", "acme_k2", "acme_k3")]
    assert full == [True, False, True]
    # and who is given the seat finds its agents at work (SEM-18)
    swapped = (seat("s1", "bob"), seat("s2", "ann"))
    await quota.put(team(people, seats=swapped, keys=keys))
    full = [await agents.is_full(key_id=name) for name in ("acme_k1", "acme_k2", "acme_k3")]
    assert full == [False, True, False]


@pytest.mark.parametrize("payg", [False, True], ids=["no seat", "pay as you go"])
async def test_keys_that_pay_from_a_pool_have_no_cap(
    agents: Agents, clock: Clock, *, payg: bool
) -> None:
    # given a key without a seat, or a pay-as-you-go key beside one (R3)
    quota = agents.quota
    await quota.team(plan="plus" if payg else None, payg=payg)
    await (quota.top_up_wallet(100) if payg else quota.grant("lot", 100))
    clock.now_ms = PEAK_FROM_MS
    answers = [await quota.reserve(1) for _ in range(3 * CAP)]
    assert answers[-1].limits == ()


async def test_reported_use_takes_no_slot(agents: Agents, clock: Clock) -> None:
    # given a seat whose slots are all taken (SEM-34)
    quota = agents.quota
    await quota.team()
    clock.now_ms = PEAK_FROM_MS
    first = await quota.reserve(1)
    await quota.reserve(1)
    # then use is reported all the same, and is no agent at work
    await quota.record(5)
    await quota.commit(first)
    assert not await agents.is_full()


# Switches, connections, many at once.


@pytest.mark.parametrize(
    ("schedule", "switch", "at_ms", "is_capped"),
    [
        (PeakMode.AUTO, PeakMode.ON, START_MS, True),
        (PeakMode.AUTO, PeakMode.OFF, PEAK_FROM_MS, False),
        (PeakMode.ON, PeakMode.AUTO, START_MS, False),
        (PeakMode.OFF, PeakMode.AUTO, PEAK_FROM_MS, True),
        (PeakMode.ON, None, START_MS, True),
        (PeakMode.OFF, None, PEAK_FROM_MS, False),
    ],
)
async def test_an_operators_switch_overrules_the_catalog(
    make: Make,
    clock: Clock,
    schedule: PeakMode,
    switch: PeakMode | None,
    at_ms: int,
    *,
    is_capped: bool,
) -> None:
    # given all slots taken, at peak or not, and a switch set at run time (J4)
    agents = make(mode=schedule)
    quota = agents.quota
    await quota.team()
    clock.now_ms = at_ms
    for _ in range(CAP):
        await quota.reserve(1)
    quota.switches.peak_mode = switch
    # then the very next decision goes by it
    assert await agents.is_full() is is_capped


async def test_connections_are_leased_like_slots_and_rate_limited(make: Make, clock: Clock) -> None:
    # given three connections of a team, whatever its keys (SEM-52)
    agents = make(row(connections=3), cap=None)
    quota = agents.quota
    people = (member("ann", Role.OWNER), member("bob"))
    await quota.put(team(people, seats=(seat("s1", "ann"),), keys=(key(1, "ann"), key(2, "bob"))))
    await quota.grant("lot", 100)
    first = await quota.reserve(1)
    clock.advance(10 * SECOND)
    await quota.reserve(1, key_id="acme_k2")
    status = limit(await quota.reserve(1), "rate/text/connections")
    assert (status.kind, status.unit, status.limit, status.used) == ("slots", "connections", 3, 3)
    # then one more is throttled until the first lease ends
    denied = await quota.denied(1, key_id="acme_k2")
    assert denied.denial.reason is DenialReason.RATE_LIMITED
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == 50 * SECOND
    # and what is said to be alive keeps its connection
    await agents.extend(first)
    denied = await quota.denied(1)
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == MINUTE
    await quota.commit(first)
    await quota.reserve(1)


async def test_of_fifty_at_once_no_more_work_than_may(agents: Agents, clock: Clock) -> None:
    quota = agents.quota  # given fifty callers at one moment, at peak, again and again
    await quota.team()
    clock.now_ms = PEAK_FROM_MS
    for _ in range(3):
        answers = await asyncio.gather(*(quota.decide(quota.ask(1)) for _ in range(50)))
        # then as many work as may, and the others wait for a slot
        admitted = [answer for answer in answers if isinstance(answer, Allowed)]
        assert len(admitted) == CAP
        reasons = {a.denial.reason for a in answers if isinstance(a, Denied)}
        assert reasons == {DenialReason.CONCURRENCY_LIMITED}
        # and those that are done make room for as many
        await asyncio.gather(*(quota.commit(answer) for answer in admitted))

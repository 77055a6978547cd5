"""Paid lots that find the pool full wait for a place (SEM-24, SEM-53)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Conflict, FailedPrecondition, Unavailable
from quotasvc.domain.lot import LOT_NANOS_MAX, WALLET_LOT, Balance
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.reservation import Payer
from quotasvc.planes.usage import Subject
from quotasvc.store import keys
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.keys import PARTITIONS
from quotasvc.store.scripts import ScriptSet
from quotasvc.sweeper import Sweeper
from tests.support.books import Books
from tests.support.catalogs import CREDIT, by_the_nano, catalog
from tests.support.clock import DAY, HOUR, MINUTE, START_MS, Clock
from tests.support.embedded import soon
from tests.support.lots import buy_large, drawn, grant, large, scripts_of_small_pools
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

LOTS_MAX, UNPAID_LOTS_MAX = 4, 2
"""Open lots of a pool here."""


@pytest.fixture
async def executor(endpoint: Endpoint, clock: Clock) -> AsyncIterator[Executor]:
    """The road to an empty store whose pools have few places."""
    scripts = ScriptSet(scripts_of_small_pools(LOTS_MAX, UNPAID_LOTS_MAX), clock_ms=clock)
    executor = Executor(endpoint, scripts, chance=random.Random(1))
    await executor.start(soon())
    await executor.call("FLUSHALL", deadline=soon())
    yield executor
    await executor.close()


async def fill(quota: Quota) -> None:
    """A member without a seat, and as many open lots of one credit as there can be."""
    await quota.team(plan=None)
    for number in range(LOTS_MAX):
        await buy(quota, f"lot{number}", expire_ms=START_MS + DAY)


async def buy(quota: Quota, lot_id: str, credits: int = 1, expire_ms: int | None = None) -> bool:
    """A lot that is paid for, now."""
    return await grant(quota, lot_id, credits, purchase_ms=quota.clock(), expire_ms=expire_ms)


async def balance(quota: Quota) -> Balance:
    """The Credits."""
    subject = Subject(team_id=TEAM, actor_user_id="ann")
    return (await quota.usage.balance(subject, quota.deadline))[0]


async def waiting(quota: Quota) -> set[str]:
    """The lots that wait, by the store's own list: looking at them lets none in."""
    team = (await Books.read(quota.executor)).team(TEAM)
    return {member[14:] for member in team.waiting(team.keys.credits)}


async def test_what_waits_is_shown_apart_and_cannot_be_spent(quota: Quota, clock: Clock) -> None:
    # given a full pool, and a purchase beyond it
    await fill(quota)
    assert await buy(quota, "more", 10)
    # then it is the team's, and not available yet (SEM-53)
    found = await balance(quota)
    assert (found.available, found.waiting) == (LOTS_MAX * CREDIT, 10 * CREDIT)
    lot = (await quota.lots())["more"]
    assert (lot.waiting, lot.available, lot.grant_ms) == (True, 10 * CREDIT, clock())
    denied = await quota.denied(LOTS_MAX + 1)
    assert denied.denial.reason is DenialReason.CREDITS_EXHAUSTED
    assert denied.denial.obstacles[0].remaining == LOTS_MAX * CREDIT


async def test_what_the_plan_pays_lets_nobody_in(quota: Quota, clock: Clock) -> None:
    # given a member with a plan and the key to a full pool, of which one lot is over by now
    await fill(quota)
    await buy(quota, "more", 10)
    await quota.team()
    clock.now_ms = START_MS + DAY
    # when the plan pays all there is to pay, then the pool is not asked (SEM-5)
    await quota.commit(await quota.reserve(5), 7)
    await quota.record(5)
    assert await waiting(quota) == {"more"}


async def test_who_may_not_draw_on_the_pool_lets_nobody_in(quota: Quota, clock: Clock) -> None:
    # given a member with a plan and no access to a pool in which one lot is over by now
    await fill(quota)
    await buy(quota, "more", 10)
    await quota.team(access=False)
    clock.now_ms = START_MS + DAY
    # when more is reported than the plan has, then the plan absorbs it, and the pool is not asked
    await quota.record(120)
    assert await quota.window() == (120, 0)
    assert await waiting(quota) == {"more"}


async def test_a_report_of_one_nano_lets_it_in(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    """SEM-1, SEM-24."""
    # given a pool in which nothing but what waits is left by now
    policy = by_the_nano(catalog(version="waitnano"))
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await fill(quota)
    await buy(quota, "more", 10)
    clock.now_ms = START_MS + DAY
    # when the least that there is was used, then what waited pays it
    recorded = (await quota.record(1)).committed
    assert [(leg.source, leg.nanos) for leg in recorded.legs] == [("more", 1)]


@pytest.mark.parametrize("way", ["spent", "revoked", "over", "held too long", "late"])
async def test_whatever_closes_a_lot_makes_a_place(quota: Quota, clock: Clock, way: str) -> None:
    # given a full pool and a lot that waits
    await fill(quota)
    await buy(quota, "more", 10)
    # when one of the others is spent, taken back or over
    if way == "spent":
        await quota.commit(await quota.reserve(1))
    elif way == "revoked":
        await quota.revoke("lot2")
    elif way == "over":
        clock.now_ms = START_MS + DAY
    else:  # held over its end, and then given back, or not
        clock.now_ms = START_MS + DAY - MINUTE
        hold = await quota.reserve(LOTS_MAX)
        clock.advance(MINUTE)
        assert await waiting(quota) == {"more"}
        if way == "late":
            await quota.refund(hold)
    # then what waited can be spent
    reservation = await quota.reserve(10)
    assert ("more", 7 if way in ("spent", "revoked") else 10) in drawn(reservation)
    assert await waiting(quota) == set()


async def test_a_lot_that_is_wholly_held_keeps_its_place(quota: Quota) -> None:
    # given a full pool that one hold keeps, and a lot that waits
    await fill(quota)
    await buy(quota, "more", 10)
    hold = await quota.reserve(LOTS_MAX)
    # then it waits on: the hold may come back
    denied = await quota.denied(1)
    assert denied.denial.obstacles[0].remaining == 0
    assert await waiting(quota) == {"more"}
    # and enters when the hold has become a charge of a part
    await quota.commit(hold, 2)
    assert (await balance(quota)).available == 12 * CREDIT


@pytest.mark.parametrize(
    "who", ["reserve", "check", "commit", "report", "balance", "lots", "grant", "sweeper"]
)
async def test_whoever_comes_first_lets_it_in(quota: Quota, who: str) -> None:
    # given a hold, a lot that waits, and a place that has become free since
    await fill(quota)
    await buy(quota, "more", 10)
    hold = await quota.reserve(1)
    await quota.revoke("lot3")
    assert await waiting(quota) == {"more"}
    # when anybody draws on the pool or looks at it, then it is in, and is drawn on at once
    match who:
        case "reserve":
            assert drawn(await quota.reserve(12))[-1] == ("more", 10)
        case "check":
            assert drawn(await quota.reserve(12, check_only=True))[-1] == ("more", 10)
        case "commit":
            assert (await quota.commit(hold, 13)).written_off_nanos == 0
        case "report":
            assert (await quota.record(12)).committed.written_off_nanos == 0
        case "balance":
            found = await balance(quota)
            assert (found.available, found.waiting) == (12 * CREDIT, 0)
        case "lots":
            assert not (await quota.lots())["more"].waiting
        case "grant":
            assert await buy(quota, "last")
            assert await waiting(quota) == {"last"}
        case "sweeper":
            await quota.reaper.enter(TEAM, quota.deadline)
    assert "more" not in await waiting(quota)


async def test_a_lot_of_the_wallet_that_waits_is_let_in(executor: Executor, clock: Clock) -> None:
    """SEM-24: no wallet of ours has more than one lot; what waits there stops nobody."""
    # given a wallet whose lot has no place in its order
    quota = Quota(executor, clock)
    await quota.team(payg=True)
    await quota.top_up_wallet(10)
    pool = keys.team_keys(TEAM).wallet
    member = keys.lot_member(0, WALLET_LOT)
    for words in (
        ("ZREM", pool.order, member),
        ("HDEL", pool.available, WALLET_LOT),
        ("ZADD", pool.waiting, 1, member),
        ("HSET", pool.parked, WALLET_LOT, 10 * CREDIT),
    ):
        await executor.call(*words, deadline=quota.deadline)
    # then the next decision lets it in and draws on it
    assert drawn(await quota.reserve(4)) == [(WALLET_LOT, 4)]
    names = (pool.waiting, pool.parked)
    assert await executor.call("EXISTS", *names, deadline=quota.deadline) == 0


async def test_a_grant_that_is_never_let_in_is_given_up(
    quota: Quota, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a place, a lot that waits for it, and a store that lets nobody in
    await fill(quota)
    await buy(quota, "more", 10)
    await quota.revoke("lot3")
    asked = []

    async def enter(*words: object) -> None:
        asked.append(words)

    monkeypatch.setattr(quota.control._agenda, "enter", enter)
    before = await quota.dump()
    # when another is bought, then it is given up after 32 rounds, and nothing has moved
    with pytest.raises(Unavailable) as refused:
        await buy(quota, "last")
    assert (refused.value.reason, len(asked)) == ("CHANGING", 32)
    assert await quota.dump() == before


async def test_they_enter_in_the_order_in_which_they_were_bought(
    quota: Quota, clock: Clock
) -> None:
    # given three that wait, of which the last one bought ends first
    await fill(quota)
    for name, days in (("b", 30), ("a", 20), ("c", 10)):
        clock.advance(MINUTE)
        await buy(quota, name, 5, START_MS + days * DAY)
    # when places become free one by one
    left = []
    for number in range(3):
        await quota.revoke(f"lot{number}")
        await quota.lots()
        left.append(await waiting(quota))
    # then the oldest purchase enters first, whatever their ends (SEM-53)
    assert left == [{"a", "c"}, {"c"}, set()]
    # and once inside they are drawn on by their ends (SEM-21)
    assert drawn(await quota.reserve(16)) == [("lot3", 1), ("c", 5), ("a", 5), ("b", 5)]


async def test_one_that_ends_while_it_waits_takes_nobodys_place(quota: Quota, clock: Clock) -> None:
    # given two that wait, of which the older one ends before there is a place
    await fill(quota)
    await buy(quota, "short", 5, START_MS + HOUR)
    clock.advance(MINUTE)
    await buy(quota, "long", 7)
    clock.now_ms = START_MS + HOUR
    found = await balance(quota)
    assert (found.available, found.waiting) == (LOTS_MAX * CREDIT, 7 * CREDIT)
    # when there is one place
    await quota.revoke("lot0")
    # then the other one has it, and what ended is expired (SEM-22)
    lots = await quota.lots()
    assert (lots["short"].expired, lots["short"].waiting) == (5 * CREDIT, False)
    assert (lots["long"].available, lots["long"].waiting) == (7 * CREDIT, False)
    assert await waiting(quota) == set()


async def test_the_sweeper_comes_for_those_that_wait(quota: Quota, clock: Clock) -> None:
    # given three that wait, of which the oldest ends in an hour, in a team that was looked at since
    await fill(quota)
    for name, ends_ms in (("short", START_MS + HOUR), ("long", None), ("last", None)):
        await buy(quota, name, 5, ends_ms)
        clock.advance(1)
    sweeper = Sweeper(quota.agenda, quota.reaper, clock_ms=clock, round_s=0.01)
    await quota.reap()
    # when that time has come, then its end is booked though nobody has asked for anything (SEM-22)
    clock.now_ms = START_MS + HOUR
    assert await sweeper.sweep(range(PARTITIONS))
    assert await waiting(quota) == {"long", "last"}
    entry = (await Books.read(quota.executor)).team(TEAM).entries[-1]
    assert [(state, nanos) for _, state, nanos in entry.lots()] == [("expired", 5 * CREDIT)]
    # and when a place has become free since the team was looked at last, then one enters
    await quota.revoke("lot0")
    await quota.reap()
    assert await sweeper.sweep(range(PARTITIONS))
    assert await waiting(quota) == {"last"}
    # and with no place, and no end to come, the team is not due before its lots end
    clock.now_ms = START_MS + DAY - 1
    found = await quota.agenda.due_teams(keys.partition(TEAM), clock(), quota.deadline)
    assert found == ()


async def test_one_that_is_revoked_while_it_waits_never_enters(quota: Quota) -> None:
    # given one that waits, and is taken back
    await fill(quota)
    await buy(quota, "more", 10)
    assert await quota.revoke("more")
    assert (await balance(quota)).waiting == 0
    # when there is a place, then nothing comes
    await quota.revoke("lot0")
    assert (await quota.lots())["more"].revoked == 10 * CREDIT
    assert (await balance(quota)).available == (LOTS_MAX - 1) * CREDIT


async def test_what_nobody_paid_for_is_refused_while_there_are_places(quota: Quota) -> None:
    # given fewer open lots than may be given away (SEM-24)
    await quota.team(plan=None)
    for number in range(UNPAID_LOTS_MAX):
        await grant(quota, f"gift{number}", purchase_ms=START_MS, expire_ms=None, is_paid=False)
    # when one more is given, then it is refused, and a purchase is not
    before = await quota.dump()
    with pytest.raises(FailedPrecondition) as refused:
        await grant(quota, "gift", purchase_ms=START_MS, expire_ms=None, is_paid=False)
    assert refused.value.reason == "TOO_MANY_LOTS"
    assert await quota.dump() == before
    assert await buy(quota, "paid")
    assert await waiting(quota) == set()
    # and it is taken once one of them is spent
    await quota.commit(await quota.reserve(2))
    await grant(quota, "gift", purchase_ms=START_MS, expire_ms=None, is_paid=False)


async def test_the_parts_of_one_gift_count_each(quota: Quota) -> None:
    # given place for one lot more that nobody has paid for (SEM-24)
    await quota.team(plan=None)
    await grant(quota, "gift0", purchase_ms=START_MS, expire_ms=None, is_paid=False)
    before = await quota.dump()
    # when a gift that takes two lots is given, then it is refused
    with pytest.raises(FailedPrecondition) as refused:
        await quota.control.grant_lot(
            *(TEAM, Payer.CREDITS, "gift", large(LOT_NANOS_MAX + 1), quota.deadline), is_paid=False
        )
    assert refused.value.reason == "TOO_MANY_LOTS"
    assert await quota.dump() == before


async def test_a_purchase_that_waits_can_be_repeated(quota: Quota) -> None:
    # given a purchase that waits, reported again by somebody who saw no answer
    await fill(quota)
    await buy(quota, "more", 10)
    before = await quota.dump()
    assert not await buy(quota, "more", 10)
    with pytest.raises(Conflict):
        await buy(quota, "more", 11)
    assert await quota.dump() == before


async def test_of_many_purchases_at_once_each_is_there_once(quota: Quota) -> None:
    # given twenty purchases at one moment, each reported twice
    await quota.team(plan=None)
    names = [f"lot{number:02d}" for number in range(20)] * 2
    granted = await asyncio.gather(*(buy(quota, name) for name in names))
    assert sum(granted) == 20
    found = await balance(quota)
    assert (found.available, found.waiting) == (LOTS_MAX * CREDIT, 16 * CREDIT)
    # when they are spent, a few at a time, then all twenty were worth a credit
    for _ in range(5):
        await quota.commit(await quota.reserve(LOTS_MAX))
    assert (await balance(quota)).settled == 20 * CREDIT
    await quota.denied(1)


async def test_the_parts_of_one_purchase_may_wait(quota: Quota) -> None:
    # given a pool with two places, and a purchase that needs four
    await quota.team(plan=None)
    for name in ("lot0", "lot1"):
        await buy(quota, name, expire_ms=START_MS + DAY)
    total = 3 * LOT_NANOS_MAX + CREDIT
    assert await buy_large(quota, total)
    assert await waiting(quota) == {"big.3", "big.4"}
    found = await balance(quota)
    assert found.available == 2 * LOT_NANOS_MAX + 2 * CREDIT
    assert found.waiting == LOT_NANOS_MAX + CREDIT
    # when others are spent, then the rest enters
    await quota.commit(await quota.reserve(2))
    assert (await balance(quota)).available == total
    assert await waiting(quota) == set()

"""Pools of very many lots: none is refused for being in small pieces, and none grows (SEM-24)."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from quotasvc.domain.faults import FailedPrecondition, InvalidArgument
from quotasvc.domain.lot import LOT_NANOS_MAX, LOTS_MAX, UNPAID_LOTS_MAX
from quotasvc.domain.outcome import Denied
from quotasvc.domain.reservation import Payer
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.planes.usage import Subject
from quotasvc.store.table import BATCH
from quotasvc.store.usage import LotInfo
from tests.support.books import Books
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, HOUR, START_MS, Clock
from tests.support.lots import drawn, grant, grant_many
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

COMMAND_STATS = re.compile(r"^cmdstat_([^:]+):calls=(\d+)", re.MULTILINE)


@pytest.mark.parametrize("lots", [15, 16, 17, 33])
async def test_a_draw_goes_on_over_as_many_lots_as_it_takes(quota: Quota, lots: int) -> None:
    # given more small lots than are read at once
    await quota.team(plan=None)
    for number in range(lots):
        await grant(quota, f"lot{number:02d}", purchase_ms=START_MS, expire_ms=START_MS + DAY)
    # when nearly all are drawn and a part comes back
    reservation = await quota.reserve(lots - 1)
    assert drawn(reservation) == [(f"lot{number:02d}", 1) for number in range(lots - 1)]
    await quota.commit(reservation, lots - 4)
    # then the rest is what was not drawn, and what was drawn last
    left = {name for name, n in (await quota.available()).items() if n}
    assert left == {f"lot{number:02d}" for number in range(lots - 4, lots)}


async def test_a_balance_in_a_thousand_pieces_is_not_refused(quota: Quota) -> None:
    # given as many open lots as a pool may have, of one credit each (SEM-24)
    await quota.team(plan=None)
    await grant_many(quota, LOTS_MAX)
    # when all of them are needed at once
    reservation = await quota.reserve(LOTS_MAX)
    assert len(reservation.legs) == LOTS_MAX
    # then they can be held, committed and refunded
    await quota.commit(reservation, LOTS_MAX - 1)
    assert sum((await quota.available()).values()) == 1
    await quota.refund(reservation, "f1")
    assert sum((await quota.available()).values()) == LOTS_MAX
    # and one more lot waits while they are open, and is not drawn on
    assert await grant(quota, "more", purchase_ms=START_MS, expire_ms=START_MS + DAY)
    assert (await quota.lots())["more"].waiting
    answer = await quota.decide(quota.ask(LOTS_MAX + 1))
    assert isinstance(answer, Denied)
    assert answer.denial.obstacles[0].remaining == LOTS_MAX * CREDIT


async def test_lots_that_are_wholly_held_are_open_too(quota: Quota) -> None:
    # given a thousand lots that two holds keep
    await quota.team(plan=None)
    await grant_many(quota, LOTS_MAX)
    await quota.reserve(LOTS_MAX - 1)
    await quota.reserve(1)
    # then one more waits: they may all come back (SEM-24)
    assert await grant(quota, "more", purchase_ms=START_MS, expire_ms=START_MS + DAY)
    assert (await quota.lots())["more"].waiting
    # and one that nobody paid for is refused
    await refuse_unpaid(quota)


async def refuse_unpaid(quota: Quota) -> None:
    """One lot more that nobody has paid for is refused, and nothing has changed.

    Large hashes are compared by content: the server still moves them about in its memory.
    """
    before = await Books.read(quota.executor)
    with pytest.raises(FailedPrecondition) as refused:
        await grant(quota, "gift", purchase_ms=START_MS, expire_ms=None, is_paid=False)
    assert refused.value.reason == "TOO_MANY_LOTS"
    assert await Books.read(quota.executor) == before


async def test_an_unpaid_lot_is_refused_from_900_open_lots_on(quota: Quota) -> None:
    # given one open lot less than that (SEM-24, L1)
    await quota.team(plan=None)
    await grant_many(quota, UNPAID_LOTS_MAX - 1)
    # when two are given away
    assert await grant(quota, "last", purchase_ms=START_MS, expire_ms=None, is_paid=False)
    await refuse_unpaid(quota)
    # then only what was paid for still comes in
    assert await grant(quota, "paid", purchase_ms=START_MS, expire_ms=None)
    assert not (await quota.lots())["paid"].waiting


async def test_waiting_lots_enter_oldest_first_when_a_place_is_free(
    quota: Quota, clock: Clock
) -> None:
    # given a full pool, and three more that were paid for, one after the other (SEM-24, SEM-53)
    await quota.team(plan=None)
    await grant_many(quota, LOTS_MAX)
    for name in ("second", "first", "third"):
        clock.advance(1)
        await grant(quota, name, 5, purchase_ms=START_MS, expire_ms=None)
    credits, _ = await quota.usage.balance(
        Subject(team_id=TEAM, actor_user_id="ann"), quota.deadline
    )
    assert (credits.available, credits.waiting) == (LOTS_MAX * CREDIT, 15 * CREDIT)
    # when two places become free
    await quota.commit(await quota.reserve(2))
    # then the two oldest grants are in the order, before any draw or listing, and one still waits
    lots = await quota.lots()
    waiting = {name: lots[name].waiting for name in ("second", "first", "third")}
    assert waiting == {"second": False, "first": False, "third": True}
    answer = await quota.reserve(LOTS_MAX + 8)
    assert drawn(answer)[-2:] == [("first", 5), ("second", 5)]
    # and it is an entry of the ledger
    entry = (await Books.read(quota.executor)).team(TEAM).entries[-1]
    assert (entry.kind, [state for _, state, _ in entry.lots()]) == ("enter", ["entered"] * 2)


async def test_a_waiting_lot_that_ends_while_it_waits_is_expired(
    quota: Quota, clock: Clock
) -> None:
    # given a full pool, and a lot that waits and ends before a place is free
    await quota.team(plan=None)
    await grant_many(quota, LOTS_MAX, None)
    await grant(quota, "waits", 5, purchase_ms=START_MS, expire_ms=START_MS + HOUR)
    clock.advance(HOUR)
    lot = (await quota.lots())["waits"]
    assert (lot.available, lot.expired, lot.waiting) == (0, 5 * CREDIT, False)
    # when a place becomes free
    await quota.commit(await quota.reserve(1))
    await quota.reserve(1)
    # then it is booked as expired, and takes no place
    entry = (await Books.read(quota.executor)).team(TEAM).entries[-1]
    assert [(state, nanos) for _, state, nanos in entry.lots()] == [("expired", 5 * CREDIT)]


async def test_spent_and_expired_lots_leave_room_for_new_ones(quota: Quota, clock: Clock) -> None:
    # given a thousand lots of which some are spent and the rest expires
    await quota.team(plan=None)
    await grant_many(quota, LOTS_MAX)
    await quota.commit(await quota.reserve(500))
    assert await grant(quota, "after", purchase_ms=START_MS, expire_ms=START_MS + DAY)
    clock.advance(DAY)
    # then a pool that is full of the past takes new lots
    for number in range(3):
        assert await grant(quota, f"new{number}", purchase_ms=START_MS, expire_ms=None)
    assert drawn(await quota.reserve(2)) == [("new0", 1), ("new1", 1)]


@pytest.mark.parametrize("more", [900, 1_000])
async def test_an_overrun_of_a_thousand_legs_is_written_whole(quota: Quota, more: int) -> None:
    # given a hold of a thousand lots, a thousand returned by refunds, and an overrun of them all
    await quota.team(plan=None)

    async def some(prefix: str, days: int, count: int) -> None:
        expire_ms = START_MS + days * DAY
        names = [f"{prefix}{number:04d}" for number in range(count)]
        grants = [grant(quota, name, purchase_ms=START_MS, expire_ms=expire_ms) for name in names]
        await asyncio.gather(*grants)

    await some("first", 1, LOTS_MAX)
    spent = await quota.reserve(LOTS_MAX)
    await quota.commit(spent)
    await some("second", 2, LOTS_MAX)
    reservation = await quota.reserve(LOTS_MAX)
    await quota.refund(spent, "f1")
    # when it is committed at nearly twice as much, and refunded
    committed = await quota.commit(reservation, LOTS_MAX + more)
    # then every credit is charged once or written off, in answer, lots and ledger
    charged = sum(leg.nanos for leg in committed.legs)
    assert charged + committed.written_off_nanos == (LOTS_MAX + more) * CREDIT
    assert charged >= LOTS_MAX * CREDIT
    refunded = await quota.refund(reservation, "f1")
    assert sum(leg.nanos for leg in refunded.refunded) == charged


async def test_drained_lots_leave_the_order(quota: Quota) -> None:
    # given lots of which most are spent
    await quota.team(plan=None)
    for number in range(20):
        await quota.grant(f"lot{number}", 1)
    await quota.commit(await quota.reserve(19))
    # then the order holds the one with something in it: spent ones cost no decision anything
    team = (await Books.read(quota.executor)).team(TEAM)
    assert len(team.order(team.keys.credits)) == 1
    assert len(team.info(team.keys.credits)) == 20


async def test_a_pool_has_no_size_cap(quota: Quota) -> None:
    # given lots whose sum no double could count (G7, L6, SEM-3)
    await quota.team(plan=None)
    for number in range(3):
        info = LotInfo(
            origin="grant",
            granted=AMOUNT_MAX,
            purchase_ms=START_MS,
            grant_ms=START_MS,
            expire_ms=None,
        )
        await quota.control.grant_lot(TEAM, Payer.CREDITS, f"lot{number}", info, quota.deadline)
    subject = Subject(team_id=TEAM, actor_user_id="ann")
    # when two holds take more than one lot
    most = AMOUNT_MAX // CREDIT
    first, second = await quota.reserve(most), await quota.reserve(most)
    # then every nano is accounted for, and a denial does not overflow
    credits, _ = await quota.usage.balance(subject, quota.deadline)
    assert credits.available == 3 * AMOUNT_MAX - 2 * most * CREDIT
    assert credits.held == 2 * most * CREDIT
    third = await quota.reserve(most)
    denied = await quota.denied(most)
    assert denied.denial.only_in_flight
    for reservation in (first, second, third):
        await quota.commit(reservation, 1)
    credits, _ = await quota.usage.balance(subject, quota.deadline)
    assert (credits.held, credits.settled) == (0, 3 * CREDIT)


async def test_a_grant_of_a_thousand_parts_is_written_whole_and_one_more_is_refused(
    quota: Quota,
) -> None:
    """SEM-3, SEM-6, SEM-24: what one script could not write whole is refused before it begins."""
    # given an amount that is as many lots as a pool may have open, and one nano more
    await quota.team(plan=None)
    most = LotInfo(
        origin="grant",
        granted=LOTS_MAX * LOT_NANOS_MAX,
        purchase_ms=START_MS,
        grant_ms=START_MS,
        expire_ms=START_MS + DAY,
    )
    more = replace(most, granted=most.granted + 1)
    # when the larger one is granted
    before = await quota.dump()
    with pytest.raises(InvalidArgument) as refused:
        await quota.control.grant_lot(TEAM, Payer.CREDITS, "lot", more, quota.deadline)
    # then it is told so, and nothing has moved
    assert refused.value.field == "granted"
    assert await quota.dump() == before
    # and the other one is there, to the last nano
    assert await quota.control.grant_lot(TEAM, Payer.CREDITS, "lot", most, quota.deadline)
    assert sum(lot.available for lot in (await quota.lots()).values()) == most.granted


async def test_the_sums_of_a_pool_are_exact_to_the_last_nano(quota: Quota) -> None:
    # L6, SEM-3: given lots whose sum passes 2^53 while its parts do not
    await quota.team(plan=None)
    granted, lots = 10**15 - 1, 11
    for number in range(lots):
        info = LotInfo(
            origin="grant", granted=granted, purchase_ms=START_MS, grant_ms=START_MS, expire_ms=None
        )
        await quota.control.grant_lot(TEAM, Payer.CREDITS, f"lot{number}", info, quota.deadline)
    # then what was spent is what is missing of their sum
    await quota.commit(await quota.reserve(7))
    subject = Subject(team_id=TEAM, actor_user_id="ann")
    credits, _ = await quota.usage.balance(subject, quota.deadline)
    assert credits.available == lots * granted - 7 * CREDIT
    assert credits.settled == 7 * CREDIT


async def commands(quota: Quota, call: Awaitable[object]) -> dict[str, int]:
    """How often the store runs each command for this call, those of scripts included."""

    async def counts() -> Counter[str]:
        found = await quota.executor.call("INFO", "commandstats", deadline=quota.deadline)
        assert isinstance(found, bytes)
        lines = COMMAND_STATS.findall(found.decode())
        return Counter({name: int(calls) for name, calls in lines if name != "info"})

    before = await counts()
    await call
    return dict(await counts() - before)


async def costs(quota: Quota) -> dict[str, dict[str, int]]:
    """What the calls cost that a pool is for, on two open lots."""
    for name in ("open1", "open2"):
        await quota.grant(name, 20)
    found = {"draw": await commands(quota, quota.reserve(30, request_id="drawn"))}
    drawn = await quota.reserve(30, request_id="drawn")
    found["balance"] = await commands(
        quota, quota.usage.balance(Subject(team_id=TEAM, actor_user_id="ann"), quota.deadline)
    )
    found["lots"] = await commands(quota, quota.lot_page(5))
    found["remains"] = await commands(quota, quota.remains())
    found["denial"] = await commands(quota, quota.decide(quota.ask(50)))
    found["commit"] = await commands(quota, quota.commit(drawn, 35))
    found["report"] = await commands(quota, quota.record(1))
    found["grant"] = await commands(quota, quota.grant("open3", 1))
    found["refund"] = await commands(quota, quota.refund(drawn, "f1"))
    return found


async def test_ten_thousand_spent_lots_cost_no_more_than_ten(
    quota: Quota, make_quota: Callable[[], Quota]
) -> None:
    # given what the calls cost on a pool with ten lots that are spent
    await quota.team(plan=None)
    await spend(quota, 10, "few")
    few = await costs(quota)
    # when there are ten thousand of them (SEM-24)
    await quota.executor.call("FLUSHALL", deadline=quota.deadline)
    quota = make_quota()
    await quota.team(plan=None)
    for round_number in range(10):
        await spend(quota, LOTS_MAX, f"many{round_number}-")
    # then the store runs as many commands for each of them as before
    assert await costs(quota) == few
    assert {"hget", "hset", "fcall"} <= set(few["draw"])
    # and a page of the list reads no HASH as a whole
    assert "hgetall" not in few["lots"]


@pytest.mark.parametrize("size", [100, 130])
async def test_a_page_of_many_open_lots_goes_on_behind_one_that_was_revoked(
    quota: Quota, size: int
) -> None:
    # given a page of many open lots, the last of which is open no more
    await quota.team(plan=None)
    await grant_many(quota, 350)
    shown, place = await quota.lot_page(size)
    found = [lot.lot_id for lot in shown]
    assert place is not None
    await quota.revoke(found[-1])
    # then the next ones have all the others, in the order of drawing, and at last that one
    while place is not None:
        shown, place = await quota.lot_page(size, place)
        found += [lot.lot_id for lot in shown]
    names = [f"lot{number:04d}" for number in range(350)]
    assert found == [*names, names[size - 1]]
    # and a page looks no further than it has to
    counted = await commands(quota, quota.lot_page(5))
    assert counted["zrank"] == 6
    assert counted["zrange"] == 1
    # and when all are spent they are listed in the same order
    await quota.use(349)
    pages = await quota.lot_pages(size)
    assert [lot.lot_id for page in pages for lot in page] == names


async def spend(quota: Quota, count: int, prefix: str) -> None:
    """So many lots of one credit, granted and spent."""
    names = [f"{prefix}{number}" for number in range(count)]
    grants = [grant(quota, name, purchase_ms=START_MS, expire_ms=None) for name in names]
    await asyncio.gather(*grants)
    await quota.commit(await quota.reserve(count))


async def test_a_round_of_the_sweeper_books_so_many_ended_lots_and_the_next_goes_on(
    quota: Quota, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given more lots that have ended than one round books (L3)
    monkeypatch.setattr("quotasvc.planes.reaper.BOOKINGS_MAX", 2)
    await quota.team(plan=None)
    await grant_many(quota, 2 * BATCH + 1)
    clock.advance(DAY)
    left = []
    # when the sweeper comes again and again
    for _ in range(3):
        await quota.reaper.book(TEAM, quota.deadline)
        team = (await Books.read(quota.executor)).team(TEAM)
        left.append(len(team.order(team.keys.credits)))
    # then each round books a part, in entries of a hundred at most, and none is booked twice
    assert left == [1, 0, 0]
    team = (await Books.read(quota.executor)).team(TEAM)
    booked = [len(list(e.lots())) for e in team.entries if e.kind == "expiry"]
    assert booked == [BATCH, BATCH, 1]

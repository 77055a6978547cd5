"""Lots: the order of drawing, many of them, and the balances they make (G, SEM-21 … 24)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.faults import Conflict, InvalidArgument, NotFound
from quotasvc.domain.lot import LOT_NANOS_MAX, LOTS_MAX, WALLET_LOT
from quotasvc.domain.outcome import Allowed, DenialReason
from quotasvc.domain.reservation import Payer
from quotasvc.planes.usage import Subject
from quotasvc.store.usage import LotInfo
from tests.support.books import Books
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, HOUR, START_MS, Clock
from tests.support.lots import drawn, grant
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")


# The order (SEM-21).


async def test_first_to_expire_is_first_drawn_then_purchase_then_id(quota: Quota) -> None:
    # given lots that differ in one thing at a time, granted in another order
    await quota.team(plan=None)
    soon, late = START_MS + DAY, START_MS + 2 * DAY
    for lot_id, purchase_ms, expire_ms in (
        ("never-b", START_MS - 2, None),
        ("never-a", START_MS - 1, None),
        ("late", START_MS - 9, late),
        ("soon-2", START_MS - 1, soon),
        ("soon-10", START_MS - 1, soon),
        ("soon-old", START_MS - 5, soon),
        ("soon-B", START_MS - 1, soon),
    ):
        await grant(quota, lot_id, purchase_ms=purchase_ms, expire_ms=expire_ms)
    # when all are drawn
    reservation = await quota.reserve(7)
    # then by expiry; at the same expiry by purchase; then by the bytes of the id; no expiry last
    assert [leg.source for leg in reservation.legs] == [
        "soon-old",
        "soon-10",
        "soon-2",
        "soon-B",
        "late",
        "never-b",
        "never-a",
    ]
    # and the list of lots is in that order
    assert list(await quota.lots()) == [leg.source for leg in reservation.legs]


async def test_a_new_lot_moves_no_other_lots_expiry(quota: Quota, clock: Clock) -> None:
    # given a top-up (G8, G9, G11)
    await quota.team()
    await quota.grant("first", 10)
    first = (await quota.lots())["first"]
    assert first.expire_ms == clock() + 365 * DAY
    # when another follows a day later
    clock.advance(DAY)
    await quota.grant("second", 10)
    # then each has a year of its own
    lots = await quota.lots()
    assert lots["first"] == first
    assert lots["second"].expire_ms == clock() + 365 * DAY


@pytest.mark.parametrize(("left_ms", "is_usable"), [(1, True), (0, False)])
async def test_a_lot_is_usable_up_to_its_expiry_and_not_at_it(
    quota: Quota, clock: Clock, left_ms: int, *, is_usable: bool
) -> None:
    # given a lot at its end, to the millisecond (SEM-22, G10)
    await quota.team(plan=None)
    await quota.grant("lot", 10, days=1)
    clock.advance(DAY - left_ms)
    # then every answer agrees on whether it is there
    answer = await quota.decide(quota.ask(10))
    assert isinstance(answer, Allowed) is is_usable
    if not is_usable:
        credits, _ = await quota.usage.balance(
            Subject(team_id=TEAM, actor_user_id="ann"), quota.deadline
        )
        assert credits.available == 0
        assert (await quota.lots())["lot"].expired == 10 * CREDIT
        denied = await quota.denied(1)
        assert denied.denial.reason is DenialReason.NO_RESOURCES


async def test_expired_lots_are_skipped(quota: Quota, clock: Clock) -> None:
    # given forty lots that have expired and one that has not
    await quota.team(plan=None)
    for number in range(40):
        await quota.grant(f"old{number}", 10, days=1)
    await quota.grant("new", 5, days=2)
    clock.advance(DAY)
    # then the draw sees only that one
    assert drawn(await quota.reserve(3)) == [("new", 3)]


# Balances.


async def test_a_balance_tells_available_held_and_settled(quota: Quota) -> None:
    # given a pool of 100 of which 30 are spent and 20 held
    await quota.team(plan=None)
    await quota.grant("lot", 100)
    await quota.commit(await quota.reserve(30))
    await quota.reserve(20)
    credits, wallet = await quota.usage.balance(
        Subject(team_id=TEAM, actor_user_id="ann"), quota.deadline
    )
    assert (credits.available, credits.held, credits.settled, credits.waiting) == (
        50 * CREDIT,
        20 * CREDIT,
        30 * CREDIT,
        0,
    )
    assert wallet.available == 0


async def test_closed_lots_are_listed_after_open_ones(quota: Quota, clock: Clock) -> None:
    # given a spent lot, an expired one and two open ones
    await quota.team(plan=None)
    await quota.grant("spent", 1, days=1)
    await quota.commit(await quota.reserve(1))
    await quota.grant("expired", 1, days=1)
    await quota.grant("later", 1, days=9)
    await quota.grant("sooner", 1, days=8)
    clock.advance(DAY + HOUR)
    assert list(await quota.lots()) == ["sooner", "later", "expired", "spent"]


# Grants.


async def test_a_repeated_grant_is_a_replay_and_another_one_a_conflict(quota: Quota) -> None:
    # given a lot
    await quota.team()
    assert await grant(quota, "lot", 5, purchase_ms=START_MS, expire_ms=None)
    before = await quota.dump()
    # when it is granted again, then nothing happens
    assert not await grant(quota, "lot", 5, purchase_ms=START_MS, expire_ms=None)
    # and a lot of that id with other content is refused
    with pytest.raises(Conflict):
        await grant(quota, "lot", 6, purchase_ms=START_MS, expire_ms=None)
    assert await quota.dump() == before


async def test_a_grant_needs_a_team(quota: Quota) -> None:
    with pytest.raises(NotFound):
        await grant(quota, "lot", purchase_ms=START_MS, expire_ms=None)


async def test_a_wallet_has_one_lot(quota: Quota) -> None:
    await quota.team()
    info = LotInfo(origin="x", granted=1, purchase_ms=0, grant_ms=0, expire_ms=None)
    with pytest.raises(ValueError, match="one lot"):
        await quota.control.grant_lot(TEAM, Payer.WALLET, "other", info, quota.deadline)
    assert await quota.control.grant_lot(TEAM, Payer.WALLET, WALLET_LOT, info, quota.deadline)


@pytest.mark.parametrize(
    ("payer", "lot_id", "lots"), [(Payer.WALLET, WALLET_LOT, 1), (Payer.CREDITS, "lot", LOTS_MAX)]
)
async def test_no_grant_comes_as_more_lots_than_there_can_be(
    quota: Quota, payer: Payer, lot_id: str, lots: int
) -> None:
    # given a team, and the most that its wallet, or a purchase of Credits, can be (SEM-3)
    await quota.team()
    most = lots * LOT_NANOS_MAX
    info = LotInfo(origin="x", granted=most + 1, purchase_ms=0, grant_ms=0, expire_ms=None)
    before = await quota.dump()
    # when it is one nano more, then it is refused and nothing has moved
    with pytest.raises(InvalidArgument, match=f"at most {most} nanos"):
        await quota.control.grant_lot(TEAM, payer, lot_id, info, quota.deadline)
    assert await quota.dump() == before
    # and that much is taken, and is one lot of a wallet, in one entry
    info = replace(info, granted=most)
    assert await quota.control.grant_lot(TEAM, payer, lot_id, info, quota.deadline)
    team = (await Books.read(quota.executor)).team(TEAM)
    assert len(team.info(team.keys.pool(payer))) == lots
    # Credits of so many lots are revoked at once as well (SEM-42)
    if payer is Payer.CREDITS:
        assert await quota.revoke(lot_id)
        assert set((await quota.available()).values()) == {0}


async def test_a_grant_is_a_ledger_entry(quota: Quota) -> None:
    await quota.team()
    await grant(quota, "lot", 5, purchase_ms=START_MS, expire_ms=START_MS + DAY)
    entry = (await Books.read(quota.executor)).team(TEAM).entries[-1]
    assert entry.kind == "grant"
    assert entry.first["lot"] == f"{START_MS:013d}:lot"
    assert (entry.first["pool"], entry.first["granted"]) == ("2", str(5 * CREDIT))
    assert entry.first["expire"] == str(START_MS + DAY)

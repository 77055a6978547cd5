"""A revoked lot: what is available goes at once, what comes back later goes as well (SEM-42)."""

from __future__ import annotations

import pytest

from quotasvc.domain.faults import Corrupt, NotFound
from quotasvc.domain.lot import LOT_NANOS_MAX, LOTS_MAX
from quotasvc.domain.reservation import Payer
from quotasvc.planes.usage import Subject
from quotasvc.store import keys
from quotasvc.store.usage import LotInfo
from quotasvc.sweeper import Sweeper
from tests.support.books import Books
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, START_MS, Clock
from tests.support.lots import drawn, grant, grant_many
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")


async def last_moves(quota: Quota) -> tuple[str, list[tuple[str, int]]]:
    """What the last entry of the ledger says: its kind, and (state, whole credits)."""
    entry = (await Books.read(quota.executor)).team(TEAM).entries[-1]
    return entry.kind, [(state, nanos // CREDIT) for _, state, nanos in entry.lots()]


async def test_what_is_available_is_revoked_and_what_is_held_stays_held(quota: Quota) -> None:
    # given a lot of 50 of which 20 are held and 10 spent
    await quota.team(plan=None)
    await quota.grant("lot", 50)
    await quota.commit(await quota.reserve(10))
    reservation = await quota.reserve(20)
    # when it is revoked
    assert await quota.revoke("lot")
    # then only what nobody keeps is gone, and the ledger says so
    lot = (await quota.lots())["lot"]
    assert (lot.available, lot.held, lot.consumed, lot.revoked) == (
        0,
        20 * CREDIT,
        10 * CREDIT,
        20 * CREDIT,
    )
    assert await last_moves(quota) == ("revoke", [("revoked", 20)])
    # and a hold that is on it can still be committed (SEM-32)
    await quota.commit(reservation)
    assert (await quota.lots())["lot"].consumed == 30 * CREDIT


async def test_revoking_again_is_a_replay_that_changes_nothing(quota: Quota) -> None:
    await quota.team(plan=None)
    await quota.grant("lot", 50)
    assert await quota.revoke("lot")
    before = await quota.dump()
    assert not await quota.revoke("lot")
    assert await quota.dump() == before


@pytest.mark.parametrize("team_id", [TEAM, "nobody"])
async def test_a_lot_that_is_not_there_is_not_found(quota: Quota, team_id: str) -> None:
    await quota.team(plan=None)
    before = await quota.dump()
    with pytest.raises(NotFound):
        await quota.control.revoke_lot(team_id, "other", quota.deadline)
    assert await quota.dump() == before


async def test_a_lot_that_had_expired_stays_expired(quota: Quota, clock: Clock) -> None:
    # given a lot that is over, which nobody has booked yet
    await quota.team(plan=None)
    await quota.grant("lot", 50, days=1)
    clock.advance(DAY)
    # when it is revoked, then nothing of it is, and what it had is expired (SEM-22)
    assert await quota.revoke("lot")
    assert await last_moves(quota) == ("revoke", [("revoked", 0)])
    lot = (await quota.lots())["lot"]
    assert (lot.expired, lot.revoked) == (50 * CREDIT, 0)
    # and its end is booked as any other's
    await quota.reaper.book(TEAM, quota.deadline)
    assert await last_moves(quota) == ("expiry", [("expired", 50)])
    assert (await quota.lots())["lot"].expired == 50 * CREDIT


async def test_a_lot_leaves_the_order_whenever_it_was_bought(quota: Quota, clock: Clock) -> None:
    # given two lots that were bought at other times than now
    await quota.team(plan=None)
    for days, name in ((3, "old"), (1, "lot")):
        await grant(quota, name, 5, purchase_ms=clock() - days * DAY, expire_ms=START_MS + DAY)
    # when one of them is revoked, which takes nothing but its name
    assert await quota.control.revoke_lot(TEAM, "lot", quota.deadline)
    # then only the other one is in the order (SEM-42)
    team = (await Books.read(quota.executor)).team(TEAM)
    assert [member[14:] for member in team.order(team.keys.credits)] == ["old"]
    assert await quota.available() == {"old": 5, "lot": 0}
    assert drawn(await quota.reserve(5)) == [("old", 5)]


async def test_a_grant_of_several_lots_is_revoked_as_a_whole(quota: Quota) -> None:
    # given an amount that came as three lots, the first of them partly held (SEM-3, L6)
    await quota.team(plan=None)
    info = LotInfo(
        origin="top_up",
        granted=2 * LOT_NANOS_MAX + 7 * CREDIT,
        purchase_ms=START_MS,
        grant_ms=START_MS,
        expire_ms=None,
    )
    await quota.control.grant_lot(TEAM, Payer.CREDITS, "big", info, quota.deadline)
    hold = await quota.reserve(10)
    # when it is revoked by a part's name, then nothing happens; by its own, all that is left goes
    before = await quota.dump()
    with pytest.raises(NotFound):
        await quota.revoke("big.2")
    assert await quota.dump() == before
    assert await quota.revoke("big")
    lots = await quota.lots()
    revoked = {name: lot.revoked for name, lot in lots.items()}
    assert revoked == {
        "big": LOT_NANOS_MAX - 10 * CREDIT,
        "big.2": LOT_NANOS_MAX,
        "big.3": 7 * CREDIT,
    }
    # and the ledger has one entry for them, and what comes back is revoked (SEM-42)
    kind, moves = await last_moves(quota)
    assert (kind, len(moves)) == ("revoke", 3)
    await quota.refund(hold)
    assert (await quota.lots())["big"].revoked == LOT_NANOS_MAX
    assert not await quota.revoke("big")


async def test_a_waiting_lot_is_revoked_as_well(quota: Quota) -> None:
    # given a full pool, and a lot that waits for a place (SEM-24)
    await quota.team(plan=None)
    await grant_many(quota, LOTS_MAX)
    await grant(quota, "waits", 5, purchase_ms=START_MS, expire_ms=None)
    # when it is revoked
    assert await quota.revoke("waits")
    # then it waits no more, nor does it enter when there is a place
    lot = (await quota.lots())["waits"]
    assert (lot.available, lot.revoked, lot.waiting) == (0, 5 * CREDIT, False)
    await quota.commit(await quota.reserve(1))
    credits, _ = await quota.usage.balance(
        Subject(team_id=TEAM, actor_user_id="ann"), quota.deadline
    )
    assert (credits.available, credits.waiting) == ((LOTS_MAX - 1) * CREDIT, 0)


async def test_a_lot_that_does_not_say_when_it_was_bought_is_corrupt(quota: Quota) -> None:
    # given a lot whose facts cannot be read
    await quota.team(plan=None)
    await quota.grant("lot", 5)
    info = keys.team_keys(TEAM).credits.info
    text = await quota.executor.call("HGET", info, "lot", deadline=quota.deadline)
    assert isinstance(text, bytes)
    await quota.executor.call("HSET", info, "lot", "{}", deadline=quota.deadline)
    # then nothing of it is revoked: its place in the order is not known
    before = await quota.dump()
    with pytest.raises(Corrupt):
        await quota.revoke("lot")
    assert await quota.dump() == before
    await quota.executor.call("HSET", info, "lot", text, deadline=quota.deadline)


async def test_a_revocation_calls_the_sweeper_for_those_that_wait(quota: Quota) -> None:
    """SEM-53: what waits enters though nobody draws on the pool or looks at it."""
    # given a full pool of lots that never end, one that waits, and nothing that is due
    await quota.team(plan=None)
    await grant_many(quota, LOTS_MAX, None)
    await grant(quota, "waits", 5, purchase_ms=START_MS, expire_ms=None)
    partition = keys.partition(TEAM)
    assert await quota.agenda.due_teams(partition, quota.clock(), quota.deadline) == ()
    # when one is revoked, then the sweeper comes, lets the other one in, and is done
    await quota.revoke("lot0000")
    sweeper = Sweeper(quota.agenda, quota.reaper, clock_ms=quota.clock)
    await sweeper.sweep([partition])
    team = (await Books.read(quota.executor)).team(TEAM)
    assert team.waiting(team.keys.credits) == {}
    assert await quota.agenda.due_teams(partition, quota.clock(), quota.deadline) == ()

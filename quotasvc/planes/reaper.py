"""Ends what time has ended: reaps expired holds, lets waiting lots enter, books ended lots, and
purges records whose time is over.

Decisions call it when the store asks for it, the sweeper in the background; both are right
without the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from weakref import WeakValueDictionary

from quotasvc.domain.catalog import Catalog, OnExpiry
from quotasvc.domain.faults import Corrupt, Unavailable
from quotasvc.domain.gate import rows_of, settled_gates
from quotasvc.domain.order import window_term
from quotasvc.domain.reservation import Payer, ReservationId
from quotasvc.domain.secret import Secrets
from quotasvc.planes.catalogs import Catalogs
from quotasvc.store.agenda import AgendaStore
from quotasvc.store.call import Bounds, Target
from quotasvc.store.code import Code
from quotasvc.store.decision import MARK_PREFIX, DecisionStore
from quotasvc.store.team import VersionedTeam

BOOKINGS_MAX = 10
"""Batches of ended lots that one round books."""


RECOMPILES_MAX = 3
"""For a stale team version or a calendar boundary, then UNAVAILABLE (SEM-16)."""


def clock_skew() -> Unavailable:
    """The service's clock and the store's are too far apart for any decision (SEM-37)."""
    text = "the clocks of the service and the store are more than 30 s apart"
    return Unavailable(text, reason="CLOCK_SKEW")


def changing(what: str) -> Unavailable:
    """A call has done what the store asked for as often as it may; its caller may try again."""
    return Unavailable(f"{what} keep changing", reason="CHANGING")


async def _all(calls: Iterable[Awaitable[object]]) -> None:
    """Makes all calls at once, and fails as the first of them that failed, when all have ended.

    What a failed round had begun would else go on beside the next one, after its caller was told.
    """
    for result in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


class _Turn:
    """Whose turn it is to reap a team, and how many rounds have begun."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.rounds = 0


class Reaper:
    """Finds what is due by the store's own lists; each script checks its record again."""

    def __init__(
        self, catalogs: Catalogs, store: DecisionStore, agenda: AgendaStore, secrets: Secrets
    ) -> None:
        self._catalogs = catalogs
        self._store = store
        self._agenda = agenda
        self._secrets = secrets
        self._turns = WeakValueDictionary[str, _Turn]()

    async def reap(self, team_id: str, now_ms: int, deadline: float) -> int:
        """Ends what expired holds of the team keep, pipelined. Returns how many.

        One caller at a time: when many holds expire, many decisions find them at once, and each
        would run all the scripts again. Who has waited while a whole round was made is done.
        """
        turn = self._turns.setdefault(team_id, _Turn())
        rounds = turn.rounds
        async with turn.lock:
            if turn.rounds > rounds:
                return 0
            turn.rounds += 1
            ids = await self._agenda.due_holds(team_id, now_ms, deadline)
            await _all(self._expire(text, now_ms, deadline) for text in ids)
            await self._agenda.settle_due(team_id, deadline)
        return len(ids)

    async def enter(self, team_id: str, deadline: float) -> None:
        """Lets waiting lots of the team into the order of their pool, while there are places."""
        for payer in (Payer.CREDITS, Payer.WALLET):
            await self._agenda.enter(team_id, payer, deadline)

    async def book(self, team_id: str, deadline: float) -> None:
        """Books what ended lots of the team still show as available (SEM-22)."""
        for _ in range(BOOKINGS_MAX):
            if (await self._agenda.book(team_id, deadline)).code is not Code.BOOKED:
                break

    async def purge(self, team_id: str, now_ms: int, deadline: float) -> int:
        """Removes records of the team whose time is over. Returns how many."""
        names = await self._agenda.due_records(team_id, now_ms, deadline)
        digests = [self._digest_of(name) for name in names]
        await _all(
            self._agenda.purge(team_id, name, digest, deadline)
            for name, digest in zip(names, digests, strict=True)
        )
        await self._agenda.settle_due(team_id, deadline)
        return len(names)

    def target(
        self,
        reservation_id: str,
        rid: ReservationId,
        catalog: Catalog,
        now_ms: int,
        found: VersionedTeam | None = None,
    ) -> Target:
        """All that settling a reservation can touch, named from its id alone (05).

        But for the current cycle of the seat, which is in the team's document; without one, or
        where the seat is no more, it is taken to be the one that is counted.
        """
        seat = found.team.seat(rid.seat_id) if found else None
        allowance, plan = rid.allowance(catalog), rid.plan(catalog)
        windows = enumerate(allowance.windows) if allowance else ()
        return Target(
            reservation_id=reservation_id,
            team_id=rid.team_id,
            digest=rid.digest,
            seat_id=rid.seat_id,
            pool=rid.pool,
            plan=plan,
            allowance=allowance,
            windows=tuple(window_term(place, window, now_ms, seat) for place, window in windows),
            gates=settled_gates(rows_of(catalog, rid.scopes), plan),
            team_version=found.version if found else 0,
        )

    async def _expire(self, reservation_id: str, now_ms: int, deadline: float) -> None:
        """Reaps one hold, in the instances that are current by the store's clock."""
        rid = self._verify(reservation_id)
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        for _ in range(1 + RECOMPILES_MAX):
            target = self.target(reservation_id, rid, catalog, now_ms)
            is_charged = target.plan is not None and target.plan.on_expiry is OnExpiry.CHARGE
            bounds = Bounds.of(target.windows, now_ms)
            answer = await self._store.expire(target, bounds, deadline, is_charged=is_charged)
            if answer.code is Code.SKEWED:
                raise clock_skew()
            if answer.code is Code.UNKNOWN:
                # It would stay due for ever, and with it every decision of its team.
                raise Corrupt(f"hold {reservation_id} is due and has no record")
            if answer.code is not Code.BOUNDARY:
                return
            now_ms = answer.now_ms
        raise changing("the instances of a hold that ends")

    def _digest_of(self, name: str) -> str:
        """The request behind a name in the list of purges; a mark has none."""
        return "" if name.startswith(MARK_PREFIX) else self._verify(name).digest

    def _verify(self, reservation_id: str) -> ReservationId:
        rid = ReservationId.verify(reservation_id, self._secrets.mac_key)
        if rid is None:
            raise Corrupt("a list of the store names a reservation that we did not sign")
        return rid

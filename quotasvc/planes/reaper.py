"""Ends what time has ended: reaps expired holds and purges records whose time is over.

Decisions call it when the store asks for it, the sweeper in the background; both are right
without the other.
"""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Corrupt, Unavailable
from quotasvc.domain.order import window_term
from quotasvc.domain.reservation import ReservationId
from quotasvc.domain.secret import Secrets
from quotasvc.planes.catalogs import Catalogs
from quotasvc.store.decision import Bounds, DecisionStore, Target
from quotasvc.store.table import Code


def clock_skew() -> Unavailable:
    """The service's clock and the store's are too far apart for any decision (SEM-37)."""
    text = "the clocks of the service and the store are more than 30 s apart"
    return Unavailable(text, reason="CLOCK_SKEW")


class _Turn:
    """Whose turn it is to reap a team, and how many rounds have begun."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.rounds = 0


class Reaper:
    """Finds what is due by the store's own lists; each script checks its record again."""

    def __init__(self, catalogs: Catalogs, store: DecisionStore, secrets: Secrets) -> None:
        self._catalogs = catalogs
        self._store = store
        self._secrets = secrets
        self._turns = WeakValueDictionary[str, _Turn]()

    async def reap(self, team_id: str, now_ms: int, deadline: float) -> int:
        """Gives back what expired holds of the team keep, pipelined. Returns how many.

        One caller at a time: when many holds expire, many decisions find them at once, and each
        would run all the scripts again. Who has waited while a whole round was made is done.
        """
        turn = self._turns.setdefault(team_id, _Turn())
        rounds = turn.rounds
        async with turn.lock:
            if turn.rounds > rounds:
                return 0
            turn.rounds += 1
            ids = await self._store.due_holds(team_id, now_ms, deadline)
            await asyncio.gather(*(self._expire(text, now_ms, deadline) for text in ids))
            await self._store.settle_due(team_id, deadline)
        return len(ids)

    async def purge(self, team_id: str, now_ms: int, deadline: float) -> int:
        """Removes records of the team whose time is over. Returns how many."""
        ids = await self._store.due_records(team_id, now_ms, deadline)
        targets = [await self._target_of(text, now_ms, deadline) for text in ids]
        await asyncio.gather(*(self._store.purge(target, deadline) for target in targets))
        await self._store.settle_due(team_id, deadline)
        return len(ids)

    def target(
        self, reservation_id: str, rid: ReservationId, catalog: Catalog, now_ms: int
    ) -> Target:
        """All that settling a reservation can touch, named from its id alone (05)."""
        allowance = rid.allowance(catalog)
        windows = enumerate(allowance.windows) if allowance else ()
        return Target(
            reservation_id=reservation_id,
            team_id=rid.team_id,
            digest=rid.digest,
            seat_id=rid.seat_id,
            pool=rid.pool,
            allowance=allowance,
            windows=tuple(window_term(place, window, now_ms) for place, window in windows),
        )

    async def _expire(self, reservation_id: str, now_ms: int, deadline: float) -> None:
        """Reaps one hold, in the instances that are current by the store's clock."""
        target = await self._target_of(reservation_id, now_ms, deadline)
        bounds = Bounds.of(target.windows, now_ms)
        answer = await self._store.expire(target, bounds, deadline)
        if answer.code is Code.SKEWED:
            raise clock_skew()
        if answer.code is Code.UNKNOWN:
            # It would stay due for ever, and with it every decision of its team.
            raise Corrupt(f"hold {reservation_id} is due and has no record")
        if answer.code is Code.BOUNDARY:
            await self._expire(reservation_id, answer.now_ms, deadline)

    async def _target_of(self, reservation_id: str, now_ms: int, deadline: float) -> Target:
        rid = ReservationId.verify(reservation_id, self._secrets.mac_key)
        if rid is None:
            raise Corrupt("a list of the store names a reservation that we did not sign")
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        return self.target(reservation_id, rid, catalog, now_ms)

"""Reads reservations: one by its id or its request, or a team's in one state."""

from __future__ import annotations

import asyncio

from quotasvc.domain.reservation import Reservation, ReservationId, State, request_digest
from quotasvc.domain.secret import Secrets
from quotasvc.domain.team import TEAM_ID
from quotasvc.planes.ask import Listing
from quotasvc.planes.catalogs import Catalogs
from quotasvc.planes.reaper import Reaper
from quotasvc.planes.settlement import find_record, not_found, verify
from quotasvc.store.agenda import AgendaStore
from quotasvc.store.decision import MARK_PREFIX, DecisionStore
from quotasvc.store.record import Record

NO_REQUEST = ""
"""The id of no request: asked for it, the store says what time it is for the team, and no more."""

FINDS_AT_ONCE = 50
"""Records of one page that are looked up together: decisions share the connection."""


class Reservations:
    """Reservations of all teams, on one store."""

    def __init__(
        self,
        *,
        catalogs: Catalogs,
        store: DecisionStore,
        agenda: AgendaStore,
        reaper: Reaper,
        secrets: Secrets,
    ) -> None:
        self._catalogs = catalogs
        self._store = store
        self._agenda = agenda
        self._reaper = reaper
        self._secrets = secrets

    async def get(self, reservation_id: str, deadline: float) -> Reservation:
        """The reservation of this id, as it stands."""
        rid = verify(reservation_id, self._secrets)
        record = await find_record(self._store, reservation_id, rid, deadline)
        if record is None:
            raise not_found()
        return await self._shown(record, rid, deadline)

    async def find(self, team_id: str, request_id: str, deadline: float) -> Reservation:
        """The reservation that a request made, for a caller that lost the answer."""
        if TEAM_ID.fullmatch(team_id) is None:
            raise not_found()
        found = await self._store.find(team_id, request_digest(team_id, request_id), deadline)
        if found.record is None:
            raise not_found()
        rid = verify(found.record.reservation_id, self._secrets)
        return await self._shown(found.record, rid, deadline)

    async def list(
        self, listing: Listing, deadline: float
    ) -> tuple[tuple[Reservation, ...], tuple[int, str] | None]:
        """A page of a team's reservations in one state, and the place after which the next starts.

        Live holds are listed by their end, others by the time at which they leave the store. A
        page may have fewer than asked for, even none, and not be the last.
        """
        now_ms = await self._team_time(listing.team_id, deadline)
        # A hold whose time is over is listed among the expired ones once it is reaped.
        await self._reaper.reap(listing.team_id, now_ms, deadline)
        places = await self._agenda.places(
            listing.team_id,
            listing.after,
            listing.size,
            deadline,
            is_held=listing.state is State.HELD,
        )
        names = [name for _, name in places if not name.startswith(MARK_PREFIX)]
        shown: list[Reservation | None] = []
        for i in range(0, len(names), FINDS_AT_ONCE):
            some = names[i : i + FINDS_AT_ONCE]
            finds = (self._listed(name, listing.state, deadline) for name in some)
            shown += await asyncio.gather(*finds)
        last = places[-1] if len(places) == listing.size else None
        return tuple(found for found in shown if found is not None), last

    async def _team_time(self, team_id: str, deadline: float) -> int:
        """The time by which a team's reservations are judged: our clock may be behind it."""
        if TEAM_ID.fullmatch(team_id) is None:
            raise not_found()
        found = await self._store.find(team_id, request_digest(team_id, NO_REQUEST), deadline)
        if not found.now_ms:
            raise not_found()
        return found.now_ms

    async def _listed(self, name: str, state: State, deadline: float) -> Reservation | None:
        """The reservation, if it is in that state."""
        rid = verify(name, self._secrets)
        record = await find_record(self._store, name, rid, deadline)
        if record is None or record.state is not state:
            return None
        return await self._shown(record, rid, deadline)

    async def _shown(self, record: Record, rid: ReservationId, deadline: float) -> Reservation:
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        return record.reservation(rid, catalog)

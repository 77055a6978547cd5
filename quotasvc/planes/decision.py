"""The decision plane: may this request proceed, and who pays; and what becomes of it afterwards.

Only brings its parts together: admissions, settlements, and reading what there is.
"""

from __future__ import annotations

from collections.abc import Callable

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.outcome import Allowed, Committed, Denied, Extended, Recorded, Refunded
from quotasvc.domain.reservation import Reservation
from quotasvc.domain.secret import Secrets
from quotasvc.planes.admission import Admissions
from quotasvc.planes.ask import Ask, GiveBack, Listing, Report, Settle
from quotasvc.planes.catalogs import Catalogs
from quotasvc.planes.identity import Identities
from quotasvc.planes.reaper import Reaper
from quotasvc.planes.reservations import Reservations
from quotasvc.planes.settlement import Settlements
from quotasvc.planes.switches import Switches
from quotasvc.store.agenda import AgendaStore
from quotasvc.store.decision import DecisionStore
from quotasvc.store.team import TeamDirectory


class DecisionPlane:
    """The decisions of all teams, on one store."""

    def __init__(
        self,
        *,
        catalogs: Catalogs,
        identities: Identities,
        teams: TeamDirectory,
        store: DecisionStore,
        agenda: AgendaStore,
        reaper: Reaper,
        secrets: Secrets,
        switches: Switches,
        clock_ms: Callable[[], int],
    ) -> None:
        self._catalogs = catalogs
        self._admissions = Admissions(
            catalogs=catalogs,
            identities=identities,
            store=store,
            reaper=reaper,
            secrets=secrets,
            switches=switches,
            clock_ms=clock_ms,
        )
        self._settlements = Settlements(
            catalogs=catalogs,
            teams=teams,
            store=store,
            reaper=reaper,
            secrets=secrets,
            clock_ms=clock_ms,
        )
        self._reservations = Reservations(
            catalogs=catalogs,
            store=store,
            agenda=agenda,
            reaper=reaper,
            secrets=secrets,
        )

    @property
    def catalog(self) -> Catalog:
        """The catalog in force."""
        return self._catalogs.current

    async def check_and_reserve(self, ask: Ask, deadline: float) -> Allowed | Denied:
        """Holds what the request will cost, or says why not."""
        return await self._admissions.check_and_reserve(ask, deadline)

    async def record_usage(self, report: Report, deadline: float) -> Recorded | Denied:
        """Charges usage that had no hold."""
        return await self._admissions.record_usage(report, deadline)

    async def commit(self, reservation_id: str, settle: Settle, deadline: float) -> Committed:
        """Turns a hold into spend at the actual usage."""
        return await self._settlements.commit(reservation_id, settle, deadline)

    async def refund(self, reservation_id: str, back: GiveBack, deadline: float) -> Refunded:
        """Gives back a live hold wholly, or of what was charged."""
        return await self._settlements.refund(reservation_id, back, deadline)

    async def extend(self, reservation_id: str, hold_ms: int | None, deadline: float) -> Extended:
        """Lets a live hold live longer."""
        return await self._settlements.extend(reservation_id, hold_ms, deadline)

    async def get_reservation(self, reservation_id: str, deadline: float) -> Reservation:
        """The reservation of this id, as it stands."""
        return await self._reservations.get(reservation_id, deadline)

    async def find_reservation(self, team_id: str, request_id: str, deadline: float) -> Reservation:
        """The reservation that a request made, for a caller that lost the answer."""
        return await self._reservations.find(team_id, request_id, deadline)

    async def list_reservations(
        self, listing: Listing, deadline: float
    ) -> tuple[tuple[Reservation, ...], tuple[int, str] | None]:
        """A page of a team's reservations in one state."""
        return await self._reservations.list(listing, deadline)

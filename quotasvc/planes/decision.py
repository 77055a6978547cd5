"""May this request proceed, and who pays? Then: what did it cost, or take it back.

Loads the team, compiles an order, lets the store run it, and says what came of it. The store
decides in one script; what it asks for instead of deciding (reap first, compile anew) is done
here, a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quotasvc.domain import denial, rate_card
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.denial import Shortage
from quotasvc.domain.faults import Conflict, FailedPrecondition, InvalidArgument, NotFound
from quotasvc.domain.order import Order, Request, compile_order, refuse_unmeasured
from quotasvc.domain.outcome import (
    Allowed,
    Committed,
    DenialReason,
    Denied,
    LimitStatus,
    Refunded,
)
from quotasvc.domain.reservation import Reservation, ReservationId, State, digest, request_digest
from quotasvc.domain.secret import Secrets
from quotasvc.domain.team import TEAM_ID
from quotasvc.domain.unit import Usage
from quotasvc.planes.catalogs import Catalogs
from quotasvc.planes.identity import Claim, Identities, Identity
from quotasvc.planes.limits import limit_statuses
from quotasvc.planes.patience import Patience
from quotasvc.planes.reaper import Reaper
from quotasvc.planes.routes import Routes
from quotasvc.store.decision import Answer, Bounds, DecisionStore, Settlement
from quotasvc.store.record import Record
from quotasvc.store.table import Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request for a decision, as validated. `request_id` is empty for a bare CHECK_ONLY."""

    request_id: str
    api_key: str | None
    key_id: str | None
    resource: str
    usage: Usage
    attributes: tuple[tuple[str, str], ...]
    hold_ms: int | None
    check_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """What to commit at; no usage means exactly what was held."""

    usage: Usage | None
    attributes: tuple[tuple[str, str], ...]
    outcome: int

    @property
    def digest(self) -> str:
        """What makes a settlement the same one; `outcome` is a label and not part (SEM-28)."""
        usage = "as_reserved" if self.usage is None else self.usage.content
        return digest("Commit", usage, str(self.attributes))


class DecisionPlane:
    """The decisions of all teams, on one store."""

    def __init__(
        self,
        *,
        catalogs: Catalogs,
        identities: Identities,
        store: DecisionStore,
        reaper: Reaper,
        secrets: Secrets,
        clock_ms: Callable[[], int],
    ) -> None:
        self._catalogs = catalogs
        self._identities = identities
        self._store = store
        self._reaper = reaper
        self._secrets = secrets
        self._clock_ms = clock_ms
        self._routes = Routes()

    @property
    def catalog(self) -> Catalog:
        """The catalog in force."""
        return self._catalogs.current

    async def check_and_reserve(self, ask: Ask, deadline: float) -> Allowed | Denied:
        """Holds what the request will cost, or says why not."""
        claim = Claim.of(ask.api_key, ask.key_id)
        identity = await self._identities.find(claim, deadline)
        now_ms, patience = self._clock_ms(), Patience()
        while identity is not None:
            request = _request(ask, identity)
            order = await self._compile(identity, request, now_ms, deadline)
            if isinstance(order, Allowed):
                return order
            if not isinstance(order, Order):
                # No script compared versions: a refusal is believed of the present team only.
                if not identity.is_fresh:
                    identity = await self._identities.find(claim, deadline, is_fresh=True)
                    continue
                if isinstance(order, InvalidArgument):
                    raise order
                return order
            rid = self._reservation_id(order, now_ms)
            answer = await self._reserve(order, rid, identity.team_version, deadline)
            match answer.code:
                case Code.GRANTED:
                    return self._allowed(order, rid, answer)
                case Code.SHORT:
                    return self._denied(order, answer)
                case Code.REPLAYED:
                    return await self._replayed(answer.known, deadline)
                case Code.CONFLICT:
                    raise _conflict(request.request_id)
            now_ms = await patience.go_on(self._reaper, identity.team.team_id, answer, deadline)
            if answer.code is Code.STALE:
                identity = await self._identities.find(claim, deadline, is_fresh=True)
        return Denied(denial=denial.early(DenialReason.KEY_INVALID))

    async def commit(self, reservation_id: str, settle: Settle, deadline: float) -> Committed:
        """Turns a hold into spend at the actual usage."""
        rid = self._verify(reservation_id)
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        settlement, is_unmatched = _price(rid, settle, catalog)
        now_ms, patience = self._clock_ms(), Patience()
        while True:
            target = self._reaper.target(reservation_id, rid, catalog, now_ms)
            bounds = Bounds.of(target.windows, self._clock_ms())
            answer = await self._store.commit(target, settlement, bounds, deadline)
            if answer.code in (Code.COMMITTED, Code.REPLAYED):
                reservation = answer.known.reservation(rid, catalog)
                return Committed(
                    legs=reservation.charged_legs,
                    actual_nanos=reservation.actual_nanos,
                    written_off_nanos=reservation.written_off_nanos,
                    late=reservation.late,
                    attributes_unmatched=is_unmatched,
                    limits=limit_statuses(target.allowance, target.windows, answer.levels),
                    replayed=answer.code is Code.REPLAYED,
                    seq=reservation.settle_seq,
                )
            _refuse_settled(answer, rid, catalog)
            now_ms = await patience.go_on(self._reaper, rid.team_id, answer, deadline)

    async def refund(self, reservation_id: str, refund_id: str, deadline: float) -> Refunded:
        """Gives back a live hold wholly, or all that a commit charged."""
        rid = self._verify(reservation_id)
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        refund_digest = digest("Refund", "all", refund_id) if refund_id else ""
        now_ms, patience = self._clock_ms(), Patience()
        while True:
            target = self._reaper.target(reservation_id, rid, catalog, now_ms)
            bounds = Bounds.of(target.windows, self._clock_ms())
            answer = await self._store.refund(target, refund_digest, bounds, deadline)
            if answer.code in (Code.REFUNDED, Code.REPLAYED):
                return _refunded(answer, rid, catalog)
            if answer.code is Code.EXCEEDS:
                raise FailedPrecondition(
                    "all that was charged has been refunded", reason="REFUND_EXCEEDS_CHARGE"
                )
            _refuse_settled(answer, rid, catalog)
            now_ms = await patience.go_on(self._reaper, rid.team_id, answer, deadline)

    async def get_reservation(self, reservation_id: str, deadline: float) -> Reservation:
        """The reservation of this id, as it stands."""
        rid = self._verify(reservation_id)
        record = await self._store.find(rid.team_id, rid.digest, deadline)
        if record is None or record.text(b"id") != reservation_id:
            raise _not_found()
        return record.reservation(rid, await self._catalogs.get(rid.catalog_version, deadline))

    async def find_reservation(self, team_id: str, request_id: str, deadline: float) -> Reservation:
        """The reservation that a request made, for a caller that lost the answer."""
        if TEAM_ID.fullmatch(team_id) is None:
            raise _not_found()
        name = request_digest(team_id, request_id)
        record = await self._store.find(team_id, name, deadline)
        if record is None:
            raise _not_found()
        rid = self._verify(record.text(b"id"))
        return record.reservation(rid, await self._catalogs.get(rid.catalog_version, deadline))

    async def _compile(
        self, identity: Identity, request: Request, now_ms: int, deadline: float
    ) -> Order | Allowed | Denied | InvalidArgument:
        """The order; or what refuses it without a script, unless the id is known (SEM-35)."""
        refusal: Denied | InvalidArgument
        try:
            compiled = self._compile_or_deny(identity, request, now_ms)
            if isinstance(compiled, Order):
                return compiled
            refusal = compiled
        except InvalidArgument as fault:
            refusal = fault
        return await self._known(identity, request, deadline) or refusal

    def _compile_or_deny(self, identity: Identity, request: Request, now_ms: int) -> Order | Denied:
        route = self._routes.find(self.catalog, identity, request.resource)
        if isinstance(route, DenialReason):
            return Denied(denial=denial.early(route))
        order = compile_order(route, request, now_ms)
        if isinstance(order, DenialReason):
            return Denied(denial=denial.no_resources(route, self.catalog))
        return order

    async def _known(self, identity: Identity, request: Request, deadline: float) -> Allowed | None:
        """The first answer to a known request id; the record stands above later refusals."""
        if not request.request_id:
            return None
        team_id = identity.team.team_id
        name = request_digest(team_id, request.request_id)
        record = await self._store.find(team_id, name, deadline)
        if record is None:
            return None
        if record.text(b"content") != request.content:
            raise _conflict(request.request_id)
        return await self._replayed(record, deadline)

    def _reservation_id(self, order: Order, now_ms: int) -> ReservationId:
        route = order.route
        return ReservationId(
            team_id=route.team.team_id,
            seat_id=route.seat.seat_id if route.seat else "",
            pool=order.pool.value if order.pool else 0,
            plan_index=route.plan_index,
            resource_index=route.resource_index,
            scopes=0,
            rates=order.rates,
            catalog_version=self.catalog.version,
            admit_ms=now_ms,
            digest=request_digest(route.team.team_id, order.request.request_id),
        )

    async def _reserve(
        self, order: Order, rid: ReservationId, team_version: int, deadline: float
    ) -> Answer:
        return await self._store.reserve(
            order,
            rid.sign(self._secrets.mac_key),
            rid.digest,
            team_version,
            self._clock_ms(),
            deadline,
        )

    def _allowed(self, order: Order, rid: ReservationId, answer: Answer) -> Allowed:
        reservation = answer.known.reservation(rid, self.catalog)
        is_held = not order.request.check_only
        return Allowed(
            reservation_id=reservation.reservation_id if is_held else "",
            state=reservation.state if is_held else None,
            expire_ms=reservation.expire_ms if is_held else None,
            legs=reservation.held_legs,
            cost_nanos=reservation.cost_nanos,
            limits=_limits(order, answer),
            replayed=False,
            seq=reservation.reserve_seq,
            catalog_version=self.catalog.version,
        )

    def _denied(self, order: Order, answer: Answer) -> Denied:
        limits = _limits(order, answer)
        shortage = Shortage(
            limits=limits,
            fits_ms=tuple(None if lv.fits_ms < 0 else lv.fits_ms for lv in answer.levels),
            pool_available=answer.pool_available,
            pool_held=answer.pool_held,
        )
        why = denial.explain(order, shortage, self.catalog, answer.now_ms)
        return Denied(denial=why, limits=limits, seq=answer.seq)

    async def _replayed(self, record: Record, deadline: float) -> Allowed:
        """The first answer again, with what has become of the reservation since (SEM-35)."""
        rid = self._verify(record.text(b"id"))
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        reservation = record.reservation(rid, catalog)
        return Allowed(
            reservation_id=reservation.reservation_id,
            state=reservation.state,
            expire_ms=reservation.expire_ms,
            legs=reservation.held_legs,
            cost_nanos=reservation.cost_nanos,
            limits=(),
            replayed=True,
            seq=reservation.reserve_seq,
            catalog_version=rid.catalog_version,
        )

    def _verify(self, reservation_id: str) -> ReservationId:
        rid = ReservationId.verify(reservation_id, self._secrets.mac_key)
        if rid is None:
            raise _not_found()
        return rid


def _limits(order: Order, answer: Answer) -> tuple[LimitStatus, ...]:
    if order.plan is None:
        return ()
    return limit_statuses(order.plan.allowance, order.plan.windows, answer.levels)


def _request(ask: Ask, identity: Identity) -> Request:
    return Request(
        request_id=ask.request_id,
        key_id=identity.key.key_id,
        resource=ask.resource,
        usage=ask.usage,
        attributes=ask.attributes,
        hold_ms=ask.hold_ms,
        check_only=ask.check_only,
    )


def _price(rid: ReservationId, settle: Settle, catalog: Catalog) -> tuple[Settlement, bool]:
    """The settlement by the rate card of the reserve, and whether the attributes matched none."""
    resource, allowance = rid.resource(catalog), rid.allowance(catalog)
    rates, is_unmatched = rid.rates, False
    if settle.attributes:
        rates = rate_card.applicable(resource, dict(settle.attributes), rid.admit_ms)
        if rate_card.gaps(resource, rates):
            rates, is_unmatched = rid.rates, True
    actual, plan_amount = 0, 0
    if settle.usage is not None:
        refuse_unmeasured(resource, settle.usage)
        actual = rate_card.price(resource, rates, settle.usage).nanos
        if allowance is not None:
            plan_amount = allowance.amount(resource.resource_id, settle.usage, actual)
    settlement = Settlement(
        digest=settle.digest,
        outcome=settle.outcome,
        is_as_reserved=settle.usage is None,
        actual_nanos=actual,
        plan_amount=plan_amount,
    )
    return settlement, is_unmatched


def _refuse_settled(answer: Answer, rid: ReservationId, catalog: Catalog) -> None:
    """Raises where there is no such reservation, or another call settled it first (SEM-26)."""
    if answer.code is Code.UNKNOWN:
        raise _not_found()
    if answer.code is Code.SETTLED:
        winner = answer.known.reservation(rid, catalog)
        is_committed = winner.state is State.COMMITTED
        raise FailedPrecondition(
            f"the reservation is {winner.state.name} already",
            reason="ALREADY_COMMITTED" if is_committed else "ALREADY_RELEASED",
            winner=winner,
        )


def _refunded(answer: Answer, rid: ReservationId, catalog: Catalog) -> Refunded:
    record = answer.known
    reservation = record.reservation(rid, catalog)
    return Refunded(
        state=reservation.state,
        released=reservation.held_legs if record.is_released_hold else (),
        refunded=reservation.refunded_legs,
        expired_nanos=record.number(b"refund_expired"),
        revoked_nanos=record.number(b"refund_revoked"),
        replayed=answer.code is Code.REPLAYED,
        seq=record.number(b"refund_seq"),
    )


def _conflict(request_id: str) -> Conflict:
    return Conflict(f"request id {request_id!r} was used before with other content")


def _not_found() -> NotFound:
    return NotFound("there is no such reservation")

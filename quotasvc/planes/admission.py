"""Admissions: a request is held or denied, and usage that had no hold is charged.

Both walk the same road: verify the key, compile an order, let the store run it. The store decides
in one script; what it asks for instead of deciding (reap first, compile anew) is done here, a
bounded number of times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from quotasvc.domain import denial
from quotasvc.domain.faults import Conflict, FailedPrecondition, InvalidArgument
from quotasvc.domain.gate import scopes
from quotasvc.domain.order import Order, Request, Route, compile_order, find_route
from quotasvc.domain.outcome import Allowed, DenialReason, Denied, Recorded
from quotasvc.domain.report import GOOD_FOR_MS, compile_report
from quotasvc.domain.reservation import ReservationId, digest, request_digest
from quotasvc.domain.secret import Secrets
from quotasvc.planes.ask import Ask, Report
from quotasvc.planes.catalogs import Catalogs
from quotasvc.planes.foresight import Foresight, order_limits
from quotasvc.planes.identity import Claim, Identities, Identity
from quotasvc.planes.patience import Patience
from quotasvc.planes.reaper import Reaper
from quotasvc.planes.routes import Routes
from quotasvc.planes.settlement import committed, not_found, verify
from quotasvc.planes.switches import Switches
from quotasvc.store.answer import Answer
from quotasvc.store.call import Naming
from quotasvc.store.code import Code
from quotasvc.store.decision import DecisionStore
from quotasvc.store.field import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """An order that a script has run, or one that had run before (code REPLAYED)."""

    order: Order | None  # None: a replay
    rid: ReservationId  # of the record that the answer brings, if it brings one
    answer: Answer
    team_version: int


_Compile = Callable[[Identity, Request, int], Order | Denied]
_Execute = Callable[[Order, Naming, int, float], Awaitable[Answer]]


class Admissions:
    """Admissions of all teams, on one store."""

    def __init__(
        self,
        *,
        catalogs: Catalogs,
        identities: Identities,
        store: DecisionStore,
        reaper: Reaper,
        secrets: Secrets,
        switches: Switches,
        clock_ms: Callable[[], int],
    ) -> None:
        self._catalogs = catalogs
        self._identities = identities
        self._store = store
        self._reaper = reaper
        self._secrets = secrets
        self._switches = switches
        self._clock_ms = clock_ms
        self._routes = Routes()
        self._foresight = Foresight(
            store=store, catalog=lambda: catalogs.current, switches=switches, clock_ms=clock_ms
        )

    async def check_and_reserve(self, ask: Ask, deadline: float) -> Allowed | Denied:
        """Holds what the request will cost, or says why not."""
        claim = Claim.of(ask.api_key, ask.key_id)
        run = await self._admit(
            claim, lambda identity: _request(ask, identity), self._compile, self._reserve, deadline
        )
        if isinstance(run, Denied):
            return run
        if run.answer.code is Code.REPLAYED:
            return await self._allowed(None, run.rid, run.answer, deadline)
        assert run.order is not None, "a script has run it"
        if run.answer.code is Code.GRANTED:
            return await self._allowed(run.order, run.rid, run.answer, deadline)
        return await self._foresight.explain(run.order, run.answer, run.team_version, deadline)

    async def record_usage(self, report: Report, deadline: float) -> Recorded | Denied:
        """Charges usage that had no hold."""
        claim = Claim.of(report.api_key, report.key_id)
        run = await self._admit(
            claim,
            lambda identity: self._report(report, identity),
            self._compile_report,
            self._record,
            deadline,
        )
        if isinstance(run, Denied):
            return run
        record, rid = run.answer.known, run.rid
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        target = self._reaper.target(record.reservation_id, rid, catalog, run.answer.now_ms)
        return Recorded(
            reservation_id=record.reservation_id,
            committed=committed(run.answer, rid, target, catalog, is_unmatched=False),
            catalog_version=rid.catalog_version,
        )

    # The common road.

    async def _admit(
        self,
        claim: Claim | None,
        request_of: Callable[[Identity], Request],
        compile_: _Compile,
        execute: _Execute,
        deadline: float,
    ) -> _Run | Denied:
        """Compiles and runs until the store has decided, or something refuses without a script."""
        identity = await self._identities.find(claim, deadline)
        now_ms, patience = self._clock_ms(), Patience()
        while identity is not None:
            request, version = request_of(identity), identity.team_version
            order = _tried(compile_, identity, request, now_ms)
            if isinstance(order, Order):
                rid = self._rid(order, now_ms)
                naming = Naming(reservation_id=rid.sign(self._secrets.mac_key), digest=rid.digest)
                answer = await execute(order, naming, version, deadline)
                if answer.code in (Code.GRANTED, Code.SHORT, Code.RECORDED):
                    return _Run(order=order, rid=rid, answer=answer, team_version=version)
            else:
                answer = await self._store.confirm(
                    identity.team.team_id, request, version, self._clock_ms(), deadline
                )
                if answer.code is Code.UNKNOWN:
                    now_ms = answer.now_ms
                    # By the store's clock there may be nothing to refuse (SEM-37).
                    refusal = _tried(compile_, identity, request, now_ms)
                    if isinstance(refusal, Order):
                        continue
                    if isinstance(refusal, InvalidArgument):
                        raise refusal
                    return replace(refusal, seq=answer.seq)
            if answer.code is Code.REPLAYED:
                rid = verify(answer.known.reservation_id, self._secrets)
                return _Run(order=None, rid=rid, answer=answer, team_version=version)
            _refuse(answer, request)
            now_ms = await patience.go_on(self._reaper, identity.team.team_id, answer, deadline)
            if answer.code is Code.STALE:
                identity = await self._identities.find(claim, deadline, is_fresh=True)
        return await self._unknown(claim, deadline)

    async def _unknown(self, claim: Claim | None, deadline: float) -> Denied:
        """What presents no key of ours; where it names a team, with that team's `seq` (SEM-39)."""
        seq = 0
        if claim is not None:
            name = request_digest(claim.team_id, "")
            seq = (await self._store.find(claim.team_id, name, deadline)).seq
        return Denied(denial=denial.early(DenialReason.KEY_INVALID), seq=seq)

    def _rid(self, order: Order, now_ms: int) -> ReservationId:
        route = order.route
        return ReservationId(
            team_id=route.team.team_id,
            seat_id=route.seat.seat_id if route.seat else "",
            pool=order.pool_number,
            plan_index=route.plan_index,
            resource_index=route.resource_index,
            scopes=scopes(route.rows),
            rates=order.rates,
            catalog_version=self._catalogs.current.version,
            admit_ms=now_ms,
            digest=request_digest(route.team.team_id, order.request.request_id),
        )

    # Of a request.

    def _compile(self, identity: Identity, request: Request, now_ms: int) -> Order | Denied:
        catalog = self._catalogs.current
        route = self._routes.find(catalog, identity, request.resource, now_ms)
        if isinstance(route, DenialReason):
            return Denied(denial=denial.early(route))
        order = compile_order(route, request, now_ms, self._switches.peak_mode)
        if isinstance(order, DenialReason):
            return Denied(denial=denial.no_resources(route, request, catalog, now_ms))
        return order

    async def _reserve(
        self, order: Order, naming: Naming, team_version: int, deadline: float
    ) -> Answer:
        return await self._store.reserve(order, naming, team_version, self._clock_ms(), deadline)

    async def _allowed(
        self, order: Order | None, rid: ReservationId, answer: Answer, deadline: float
    ) -> Allowed:
        """The answer to an admission; without an order, to a replay, the first answer again with
        what has become of the reservation since (SEM-35)."""
        record = answer.known
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        is_held = order is None or not order.request.check_only
        return Allowed(
            reservation_id=record.reservation_id if is_held else "",
            state=record.state if is_held else None,
            expire_ms=record.first_expire_ms if is_held else None,
            legs=record.held_legs(rid, catalog),
            cost_nanos=record.number(Field.COST),
            limits=order_limits(order, answer) if order else (),
            replayed=order is None,
            seq=record.number(Field.SEQ),
            catalog_version=rid.catalog_version,
        )

    # Of a report.

    def _compile_report(self, identity: Identity, request: Request, now_ms: int) -> Order | Denied:
        catalog = self._catalogs.current
        route = find_route(
            catalog,
            identity.team,
            identity.key,
            request.resource,
            now_ms,
            used_ms=now_ms - GOOD_FOR_MS,
        )
        if isinstance(route, DenialReason):
            return Denied(denial=denial.early(route))
        assert isinstance(route, Route)
        return compile_report(route, request, now_ms)

    async def _record(
        self, order: Order, naming: Naming, team_version: int, deadline: float
    ) -> Answer:
        old_id = order.request.old_id
        if old_id is not None:
            naming = Naming(
                reservation_id=naming.reservation_id,
                digest=naming.digest,
                old_id=old_id,
                old_digest=verify(old_id, self._secrets).digest,
                mark=digest("mark", old_id),
            )
        return await self._store.record_usage(
            order, naming, team_version, self._clock_ms(), deadline
        )

    def _report(self, report: Report, identity: Identity) -> Request:
        """The request of a verified key; the old reservation that it names must have been this
        team's (SEM-44)."""
        old_id = report.reservation_id
        if old_id is not None and verify(old_id, self._secrets).team_id != identity.team.team_id:
            raise not_found()
        return Request(
            request_id=report.request_id,
            key_id=identity.key.key_id,
            resource=report.resource,
            usage=report.usage,
            attributes=report.attributes,
            old_id=old_id,
            is_report=True,
            outcome=report.outcome,
        )


def _tried(
    compile_: _Compile, identity: Identity, request: Request, now_ms: int
) -> Order | Denied | InvalidArgument:
    """The order at `now_ms`, or what refuses the request without a look at any balance."""
    try:
        return compile_(identity, request, now_ms)
    except InvalidArgument as fault:
        return fault


def _refuse(answer: Answer, request: Request) -> None:
    """Raises where the id, or the old reservation, stands in the way; nothing was changed."""
    match answer.code:
        case Code.CONFLICT:
            raise _conflict(request)
        case Code.EXISTS:
            raise FailedPrecondition(
                "the old reservation is still here: commit that one", reason="RESERVATION_EXISTS"
            )
        case Code.TAKEN:
            raise Conflict("the old reservation's usage was recorded under another request id")


def _conflict(request: Request) -> Conflict:
    return Conflict(f"request id {request.request_id!r} was used before with other content")


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

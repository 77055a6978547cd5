"""What a reservation comes to: what did it cost, take it back, or let it live a little longer."""

from __future__ import annotations

from collections.abc import Callable

from quotasvc.domain import rate_card
from quotasvc.domain.catalog import Catalog, WindowKind
from quotasvc.domain.faults import Conflict, FailedPrecondition, InvalidArgument, NotFound
from quotasvc.domain.gate import tokens
from quotasvc.domain.order import refuse_unmeasured
from quotasvc.domain.outcome import Committed, Extended, Refunded
from quotasvc.domain.refund import Refund, refund_of
from quotasvc.domain.reservation import HOLD_MS_DEFAULT, ReservationId, State, digest
from quotasvc.domain.secret import Secrets
from quotasvc.planes.ask import GiveBack, Settle
from quotasvc.planes.catalogs import Catalogs
from quotasvc.planes.limits import limit_statuses
from quotasvc.planes.patience import Patience
from quotasvc.planes.reaper import Reaper
from quotasvc.store.answer import Answer
from quotasvc.store.call import Bounds, Return, Settlement, Target
from quotasvc.store.code import Code, RefundKind
from quotasvc.store.decision import DecisionStore
from quotasvc.store.field import Field
from quotasvc.store.record import Record
from quotasvc.store.team import TeamDirectory


def verify(reservation_id: str, secrets: Secrets) -> ReservationId:
    """What a genuine id says; a forged one is as unknown as one that never was."""
    rid = ReservationId.verify(reservation_id, secrets.mac_key)
    if rid is None:
        raise not_found()
    return rid


async def find_record(
    store: DecisionStore, reservation_id: str, rid: ReservationId, deadline: float
) -> Record | None:
    """The record of this very reservation; another's under the same request is none."""
    record = (await store.find(rid.team_id, rid.digest, deadline)).record
    return record if record is not None and record.reservation_id == reservation_id else None


def not_found() -> NotFound:
    """Unknown, forged, and of another team look alike."""
    return NotFound("there is no such reservation")


class Settlements:
    """Settlements of all teams, on one store."""

    def __init__(
        self,
        *,
        catalogs: Catalogs,
        teams: TeamDirectory,
        store: DecisionStore,
        reaper: Reaper,
        secrets: Secrets,
        clock_ms: Callable[[], int],
    ) -> None:
        self._catalogs = catalogs
        self._teams = teams
        self._store = store
        self._reaper = reaper
        self._secrets = secrets
        self._clock_ms = clock_ms

    async def commit(self, reservation_id: str, settle: Settle, deadline: float) -> Committed:
        """Turns a hold into spend at the actual usage."""
        rid = verify(reservation_id, self._secrets)
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        try:
            settlement, is_unmatched = _price(rid, settle, catalog)
        except InvalidArgument:
            # What is not known is not found, whatever it is to be settled at.
            if await find_record(self._store, reservation_id, rid, deadline) is None:
                raise not_found() from None
            raise
        now_ms, patience = self._clock_ms(), Patience()
        while True:
            target, bounds = await self._target(reservation_id, rid, catalog, now_ms, deadline)
            answer = await self._store.commit(target, settlement, bounds, deadline)
            if answer.code in (Code.COMMITTED, Code.REPLAYED):
                return committed(answer, rid, target, catalog, is_unmatched=is_unmatched)
            _refuse_settled(answer, rid, catalog)
            now_ms = await self._go_on(patience, rid, answer, deadline)

    async def refund(self, reservation_id: str, back: GiveBack, deadline: float) -> Refunded:
        """Gives back a live hold wholly, or what a commit or an expiry charged."""
        rid = verify(reservation_id, self._secrets)
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        request, is_charge = _return(back), bool(back.refund_id)
        now_ms, patience = self._clock_ms(), Patience()
        while True:
            target, bounds = await self._target(reservation_id, rid, catalog, now_ms, deadline)
            if is_charge:
                answer = await self._store.refund(target, request, bounds, deadline)
            else:
                answer = await self._store.release(target, bounds, deadline)
            match answer.code:
                case Code.RELEASED | Code.REFUNDED | Code.REPLAYED:
                    return _refunded(answer, rid, catalog)
                case Code.UNCHARGED:
                    is_charge = False
                    continue
                case Code.CHARGED if back.refund_id or answer.known.is_provisional:
                    is_charge = True
                    continue
                case Code.PRICE:
                    request = _priced(back, request, answer.known, rid, catalog)
                    continue
            _refuse_refund(answer, back)
            _refuse_settled(answer, rid, catalog)
            now_ms = await self._go_on(patience, rid, answer, deadline)

    async def extend(self, reservation_id: str, hold_ms: int | None, deadline: float) -> Extended:
        """Lets a live hold live until so long from now (SEM-33)."""
        rid = verify(reservation_id, self._secrets)
        catalog = await self._catalogs.get(rid.catalog_version, deadline)
        now_ms, patience = self._clock_ms(), Patience()
        while True:
            target, bounds = await self._target(reservation_id, rid, catalog, now_ms, deadline)
            wanted_ms = HOLD_MS_DEFAULT if hold_ms is None else hold_ms
            answer = await self._store.extend(target, wanted_ms, bounds, deadline)
            if answer.code is Code.EXTENDED:
                return Extended(expire_ms=answer.known.expire_ms, seq=answer.seq)
            if answer.code is Code.TOO_LATE:
                raise FailedPrecondition("the hold has expired", reason="EXPIRED")
            _refuse_settled(answer, rid, catalog)
            now_ms = await patience.go_on(self._reaper, rid.team_id, answer, deadline)

    async def _target(
        self,
        reservation_id: str,
        rid: ReservationId,
        catalog: Catalog,
        now_ms: int,
        deadline: float,
    ) -> tuple[Target, Bounds]:
        """With the seat's cycle as this replica knows it, where one counts; the script compares
        versions, for a renewal may be news to us (SEM-16, SEM-42)."""
        allowance = rid.allowance(catalog)
        windows = allowance.windows if allowance else ()
        has_cycle = any(window.kind is WindowKind.CYCLE for window in windows)
        found = await self._teams.get(rid.team_id, deadline) if has_cycle else None
        target = self._reaper.target(reservation_id, rid, catalog, now_ms, found)
        return target, Bounds.of(target.windows, self._clock_ms())

    async def _go_on(
        self, patience: Patience, rid: ReservationId, answer: Answer, deadline: float
    ) -> int:
        if answer.code is Code.STALE:
            await self._teams.load(rid.team_id, deadline)
        return await patience.go_on(self._reaper, rid.team_id, answer, deadline)


def committed(
    answer: Answer, rid: ReservationId, target: Target, catalog: Catalog, *, is_unmatched: bool
) -> Committed:
    """What a commit charged, now or at its first time."""
    record = answer.known
    return Committed(
        legs=record.charged_legs(rid, catalog),
        actual_nanos=record.number(Field.ACTUAL),
        written_off_nanos=record.number(Field.WRITTEN_OFF),
        late=record.number(Field.LATE) == 1,
        attributes_unmatched=is_unmatched,
        limits=limit_statuses((), target.allowance, target.windows, answer.levels),
        replayed=answer.code is Code.REPLAYED,
        seq=record.settle_seq,
    )


def _price(rid: ReservationId, settle: Settle, catalog: Catalog) -> tuple[Settlement, bool]:
    """The settlement by the rate card of the reserve, and whether the attributes matched none."""
    resource, allowance = rid.resource(catalog), rid.allowance(catalog)
    rates, is_unmatched = rid.rates, False
    if settle.attributes:
        rates = rate_card.applicable(resource, dict(settle.attributes), rid.admit_ms)
        if rate_card.gaps(resource, rates):
            rates, is_unmatched = rid.rates, True
    actual, plan_amount, token_count, usage = 0, 0, 0, ""
    if settle.usage is not None:
        refuse_unmeasured(resource, settle.usage)
        actual = rate_card.price(resource, rates, settle.usage).nanos
        token_count, usage = tokens(settle.usage), settle.usage.pack(resource.measures)
        if allowance is not None:
            plan_amount = allowance.amount(resource.resource_id, settle.usage, actual)
    settlement = Settlement(
        digest=settle.digest,
        outcome=settle.outcome,
        is_as_reserved=settle.usage is None,
        actual_nanos=actual,
        plan_amount=plan_amount,
        tokens=token_count,
        rates=0 if rates == rid.rates else rates,
        usage=usage,
    )
    return settlement, is_unmatched


def _return(back: GiveBack) -> Return:
    """The refund before anything is known of the charge; a usage is priced once it is."""
    kind, nanos = RefundKind.ALL, 0
    if back.usage is not None:
        kind = RefundKind.USAGE
    elif back.amount_nanos is not None:
        kind, nanos = RefundKind.AMOUNT, back.amount_nanos
    refund_id = digest("Refund", back.refund_id) if back.refund_id else ""
    unseen = -1  # a usage is priced against the refunds that the record shows
    return Return(refund_id=refund_id, scope=back.digest, kind=kind, nanos=nanos, seen=unseen)


def _priced(
    back: GiveBack, request: Return, record: Record, rid: ReservationId, catalog: Catalog
) -> Return:
    """The refund by usage, against the record as it stands (SEM-29)."""
    resource, allowance = rid.resource(catalog), rid.allowance(catalog)
    assert back.usage is not None, "only a usage is priced"
    refuse_unmeasured(resource, back.usage)
    refund: Refund = refund_of(
        resource=resource,
        rates=record.number(Field.RATES) or rid.rates,
        allowance=allowance,
        actual=record.usage(resource.measures),
        before=record.usage_refunded(resource.measures),
        wanted=back.usage,
        charged=sum(leg.nanos for leg in record.charged_legs(rid, catalog)),
        by_usage=record.number(Field.USAGE_NANOS),
    )
    return Return(
        refund_id=request.refund_id,
        scope=request.scope,
        kind=RefundKind.USAGE,
        nanos=refund.nanos,
        units=refund.units,
        seen=record.number(Field.REFUNDS),
        usage=refund.usage.pack(resource.measures),
    )


def _refuse_refund(answer: Answer, back: GiveBack) -> None:
    """Raises where a refund cannot be (SEM-29); nothing was changed."""
    match answer.code:
        case Code.EXCEEDS:
            raise FailedPrecondition(
                "the refund is more than what is still charged", reason="REFUND_EXCEEDS_CHARGE"
            )
        case Code.TOO_MANY:
            raise FailedPrecondition(
                "the reservation has had as many refunds as it can have", reason="TOO_MANY_REFUNDS"
            )
        case Code.CONFLICT:
            text = f"refund id {back.refund_id!r} was used before with another scope"
            raise Conflict(text)
        case Code.COUNTED:
            raise InvalidArgument(
                "amount_nanos", "the plan counts units here, not money: refund `all` or a `usage`"
            )


def _refuse_settled(answer: Answer, rid: ReservationId, catalog: Catalog) -> None:
    """Raises where there is no such reservation, or another call settled it first (SEM-26)."""
    if answer.code is Code.UNKNOWN:
        raise not_found()
    if answer.code in (Code.SETTLED, Code.CHARGED):
        winner = answer.known.reservation(rid, catalog)
        is_committed = winner.state is State.COMMITTED
        raise FailedPrecondition(
            f"the reservation is {winner.state.name} already",
            reason="ALREADY_COMMITTED" if is_committed else "ALREADY_RELEASED",
            winner=winner,
        )


def _refunded(answer: Answer, rid: ReservationId, catalog: Catalog) -> Refunded:
    record, number = answer.known, answer.refund
    if number:
        return Refunded(
            state=record.state,
            released=(),
            refunded=record.refunded_legs(rid, catalog, number),
            expired_nanos=record.number(Field.REFUND_EXPIRED, number),
            revoked_nanos=record.number(Field.REFUND_REVOKED, number),
            replayed=answer.code is Code.REPLAYED,
            seq=record.number(Field.REFUND_SEQ, number),
        )
    return Refunded(
        state=record.state,
        released=record.released_legs(rid, catalog) if record.is_released_hold else (),
        refunded=(),
        expired_nanos=record.number(Field.RELEASE_EXPIRED),
        revoked_nanos=record.number(Field.RELEASE_REVOKED),
        replayed=answer.code is Code.REPLAYED,
        seq=record.number(Field.RELEASE_SEQ),
    )

"""Writes answers: `to_pb_*` turns domain values into messages and cannot fail.

Amounts are nanos and times epoch milliseconds in the domain; here they get the contract's
types. An absent time stays absent.
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from quotasvc.domain import lot, outcome, reservation
from quotasvc.domain.catalog import Catalog
from quotasvc.planes import usage
from quotasvc.v1 import common_pb2, decision_pb2, usage_pb2

# By name, so that a number that differs between domain and contract cannot slip through.
_PAYERS = {payer: common_pb2.Payer.Value(payer.name) for payer in reservation.Payer}
_STATES = {state: common_pb2.ReservationState.Value(state.name) for state in reservation.State}
_REASONS = {reason: common_pb2.DenialReason.Value(reason.name) for reason in outcome.DenialReason}
_KINDS = {kind: common_pb2.Remedy.Kind.Value(kind.name) for kind in outcome.RemedyKind}

_SHORT_BYTES_MAX = 2_048
"""Of a reservation that shares its message: trailers and pages have bounds."""

_NOBODY = common_pb2.PAYER_UNSPECIFIED
_STATELESS = common_pb2.RESERVATION_STATE_UNSPECIFIED


def to_pb_decision(
    answer: outcome.Allowed | outcome.Denied, catalog: Catalog
) -> decision_pb2.CheckAndReserveResponse:
    """The answer to CheckAndReserve."""
    if isinstance(answer, outcome.Denied):
        return decision_pb2.CheckAndReserveResponse(
            decision=decision_pb2.DENY,
            limits=[_limit(limit) for limit in answer.limits],
            denial=_denial(answer.denial),
            seq=answer.seq,
            catalog_version=catalog.version,
            currency=catalog.currency,
        )
    return decision_pb2.CheckAndReserveResponse(
        decision=decision_pb2.ALLOW,
        reservation_id=answer.reservation_id,
        reservation_state=_STATES[answer.state] if answer.state else _STATELESS,
        expire_time=_time(answer.expire_ms),
        payer=_payer(answer.legs[0].payer if answer.legs else None),
        legs=[_leg(leg) for leg in answer.legs],
        cost_nanos=answer.cost_nanos,
        limits=[_limit(limit) for limit in answer.limits],
        may_fail_open=answer.may_fail_open,
        replayed=answer.replayed,
        seq=answer.seq,
        catalog_version=answer.catalog_version,
        currency=catalog.currency,
    )


def to_pb_commit(answer: outcome.Committed, currency: str) -> decision_pb2.CommitResponse:
    """The answer to Commit."""
    return decision_pb2.CommitResponse(
        legs=[_leg(leg) for leg in answer.legs],
        actual_nanos=answer.actual_nanos,
        charged_nanos=_sum(answer.legs),
        written_off_nanos=answer.written_off_nanos,
        late=answer.late,
        attributes_unmatched=answer.attributes_unmatched,
        limits=[_limit(limit) for limit in answer.limits],
        replayed=answer.replayed,
        seq=answer.seq,
        currency=currency,
    )


def to_pb_record(
    answer: outcome.Recorded | outcome.Denied, catalog: Catalog
) -> decision_pb2.RecordUsageResponse:
    """The answer to RecordUsage."""
    if isinstance(answer, outcome.Denied):
        return decision_pb2.RecordUsageResponse(
            decision=decision_pb2.DENY,
            denial=_denial(answer.denial),
            limits=[_limit(limit) for limit in answer.limits],
            seq=answer.seq,
            currency=catalog.currency,
            catalog_version=catalog.version,
        )
    committed = answer.committed
    return decision_pb2.RecordUsageResponse(
        decision=decision_pb2.ALLOW,
        reservation_id=answer.reservation_id,
        legs=[_leg(leg) for leg in committed.legs],
        actual_nanos=committed.actual_nanos,
        charged_nanos=_sum(committed.legs),
        written_off_nanos=committed.written_off_nanos,
        late=committed.late,
        attributes_unmatched=committed.attributes_unmatched,
        limits=[_limit(limit) for limit in committed.limits],
        replayed=committed.replayed,
        seq=committed.seq,
        currency=catalog.currency,
        catalog_version=answer.catalog_version,
    )


def to_pb_extend(answer: outcome.Extended) -> decision_pb2.ExtendResponse:
    """The answer to Extend."""
    return decision_pb2.ExtendResponse(expire_time=_time(answer.expire_ms), seq=answer.seq)


def to_pb_refund(answer: outcome.Refunded, currency: str) -> decision_pb2.RefundResponse:
    """The answer to Refund."""
    return decision_pb2.RefundResponse(
        state=_STATES[answer.state],
        released=[_leg(leg) for leg in answer.released],
        refunded=[_leg(leg) for leg in answer.refunded],
        released_nanos=_sum(answer.released),
        refunded_nanos=_sum(answer.refunded),
        expired_nanos=answer.expired_nanos,
        revoked_nanos=answer.revoked_nanos,
        replayed=answer.replayed,
        seq=answer.seq,
        currency=currency,
    )


def to_pb_short_reservation(
    found: reservation.Reservation, currency: str
) -> decision_pb2.Reservation:
    """A reservation as part of a page or a fault: without its legs where they are many."""
    short = to_pb_reservation(found, currency)
    if short.ByteSize() > _SHORT_BYTES_MAX:
        short.ClearField("held_legs")
        short.ClearField("charged_legs")
    return short


def to_pb_reservation(found: reservation.Reservation, currency: str) -> decision_pb2.Reservation:
    """A reservation with all its legs."""
    return decision_pb2.Reservation(
        reservation_id=found.reservation_id,
        state=_STATES[found.state],
        resource=found.resource,
        admit_time=_time(found.admit_ms),
        expire_time=_time(found.expire_ms),
        settle_time=_time(found.settle_ms),
        held_legs=[_leg(leg) for leg in found.held_legs],
        charged_legs=[_leg(leg) for leg in found.charged_legs],
        cost_nanos=found.cost_nanos,
        actual_nanos=found.actual_nanos,
        charged_nanos=found.charged_nanos,
        written_off_nanos=found.written_off_nanos,
        refunded_nanos=found.refunded_nanos,
        late=found.late,
        catalog_version=found.catalog_version,
        currency=currency,
    )


def to_pb_remains(answer: usage.Remains, currency: str) -> usage_pb2.GetRemainsResponse:
    """The answer to GetRemains."""
    return usage_pb2.GetRemainsResponse(
        plan=answer.plan,
        seat_id=answer.seat_id,
        allowances=[_allowance(allowance) for allowance in answer.allowances],
        credits=to_pb_balance(answer.credits, currency) if answer.credits else None,
        wallet=to_pb_balance(answer.wallet, currency) if answer.wallet else None,
        catalog_version=answer.catalog_version,
    )


def to_pb_balance(balance: lot.Balance, currency: str) -> common_pb2.Balance:
    """A balance."""
    return common_pb2.Balance(
        available_nanos=balance.available,
        held_nanos=balance.held,
        waiting_nanos=balance.waiting,
        settled_nanos=balance.settled,
        currency=currency,
    )


def to_pb_lot(shown: lot.Lot) -> usage_pb2.Lot:
    """A lot, as ListLots shows it."""
    return usage_pb2.Lot(
        lot_id=shown.lot_id,
        origin=shown.origin,
        granted_nanos=shown.granted,
        available_nanos=shown.available,
        held_nanos=shown.held,
        consumed_nanos=shown.consumed,
        expired_nanos=shown.expired,
        revoked_nanos=shown.revoked,
        purchase_time=_time(shown.purchase_ms),
        grant_time=_time(shown.grant_ms),
        expire_time=_time(shown.expire_ms),
        waiting=shown.waiting,
    )


def _allowance(status: usage.AllowanceStatus) -> usage_pb2.AllowanceStatus:
    return usage_pb2.AllowanceStatus(
        allowance_id=status.allowance_id,
        resources=status.resources,
        unit=status.unit,
        percent_used=status.percent_used,
        status=status.status,
        windows=[_limit(window) for window in status.windows],
    )


def _leg(leg: reservation.Leg) -> common_pb2.Leg:
    return common_pb2.Leg(
        payer=_PAYERS[leg.payer],
        source=leg.source,
        unit=leg.unit,
        amount=leg.amount,
        amount_nanos=leg.nanos,
        expire_time=_time(leg.expire_ms),
        window_gone=leg.window_gone,
    )


def _limit(limit: outcome.LimitStatus) -> common_pb2.LimitStatus:
    return common_pb2.LimitStatus(
        limit_id=limit.limit_id,
        payer=_payer(limit.payer),
        kind=limit.kind,
        unit=limit.unit,
        limit=limit.limit or 0,
        unlimited=limit.limit is None,
        included=limit.limit != 0,
        used=limit.used,
        held=limit.held,
        remaining=limit.remaining,
        over=limit.over,
        reset_time=_time(limit.reset_ms),
        denied=limit.denied,
    )


def _denial(denial: outcome.Denial) -> common_pb2.Denial:
    return common_pb2.Denial(
        reason=_REASONS[denial.reason],
        message=denial.message,
        retry_after=_duration(denial.retry_after_ms),
        only_in_flight=denial.only_in_flight,
        obstacles=[_obstacle(obstacle) for obstacle in denial.obstacles],
        remedies=[_remedy(remedy) for remedy in denial.remedies],
    )


def _obstacle(obstacle: outcome.Obstacle) -> common_pb2.Obstacle:
    return common_pb2.Obstacle(
        payer=_payer(obstacle.payer),
        limit_id=obstacle.limit_id,
        reason=_REASONS[obstacle.reason],
        reset_time=_time(obstacle.reset_ms),
        limit=obstacle.limit,
        used=obstacle.used,
        held=obstacle.held,
        remaining=obstacle.remaining,
        unit=obstacle.unit,
    )


def _remedy(remedy: outcome.Remedy) -> common_pb2.Remedy:
    return common_pb2.Remedy(
        kind=_KINDS[remedy.kind],
        until_time=_time(remedy.until_ms),
        plans=remedy.plans,
        free_seats=remedy.free_seats,
        message=remedy.message,
    )


def _payer(payer: reservation.Payer | None) -> common_pb2.Payer.ValueType:
    return _NOBODY if payer is None else _PAYERS[payer]


def _sum(legs: tuple[reservation.Leg, ...]) -> int:
    return sum(leg.nanos for leg in legs)


def _time(ms: int | None) -> Timestamp | None:
    if ms is None:
        return None
    return Timestamp(seconds=ms // 1_000, nanos=ms % 1_000 * 1_000_000)


def _duration(ms: int | None) -> Duration | None:
    if ms is None:
        return None
    return Duration(seconds=ms // 1_000, nanos=ms % 1_000 * 1_000_000)

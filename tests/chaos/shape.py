"""Replies as plain facts for the journal: whole numbers, and nothing left out that pays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from quotasvc.v1 import common_pb2, usage_pb2
from quotasvc.v1 import decision_pb2 as pb

Facts = dict[str, Any]


def reserve(reply: pb.CheckAndReserveResponse) -> Facts:
    """A decision."""
    if reply.decision == pb.DENY:
        return {
            "allow": False,
            "reason": common_pb2.DenialReason.Name(reply.denial.reason),
            "seq": reply.seq,
            "limits": _limits(reply.limits),
        }
    return {
        "allow": True,
        "id": reply.reservation_id,
        "state": common_pb2.ReservationState.Name(reply.reservation_state),
        "expire_ms": _ms(reply.expire_time),
        "legs": _legs(reply.legs),
        "cost": reply.cost_nanos,
        "limits": _limits(reply.limits),
        "replayed": reply.replayed,
        "seq": reply.seq,
    }


def commit(reply: pb.CommitResponse) -> Facts:
    """A settlement."""
    return {
        "legs": _legs(reply.legs),
        "actual": reply.actual_nanos,
        "charged": reply.charged_nanos,
        "written_off": reply.written_off_nanos,
        "late": reply.late,
        "replayed": reply.replayed,
        "seq": reply.seq,
    }


def refund(reply: pb.RefundResponse) -> Facts:
    """What went back."""
    return {
        "state": common_pb2.ReservationState.Name(reply.state),
        "released": _legs(reply.released),
        "refunded": _legs(reply.refunded),
        "released_nanos": reply.released_nanos,
        "refunded_nanos": reply.refunded_nanos,
        "expired_nanos": reply.expired_nanos,
        "revoked_nanos": reply.revoked_nanos,
        "replayed": reply.replayed,
        "seq": reply.seq,
    }


def look(reply: pb.GetReservationResponse) -> Facts:
    """A reservation as read."""
    return reservation(reply.reservation)


def reservation(it: pb.Reservation) -> Facts:
    """A reservation with its figures."""
    return {
        "id": it.reservation_id,
        "state": common_pb2.ReservationState.Name(it.state),
        "expire_ms": _ms(it.expire_time),
        "settle_ms": _ms(it.settle_time) if it.HasField("settle_time") else 0,
        "held": _legs(it.held_legs),
        "charged_legs": _legs(it.charged_legs),
        "cost": it.cost_nanos,
        "actual": it.actual_nanos,
        "charged": it.charged_nanos,
        "written_off": it.written_off_nanos,
        "refunded_nanos": it.refunded_nanos,
        "late": it.late,
    }


def remains(reply: usage_pb2.GetRemainsResponse) -> Facts:
    """The bars of a seat."""
    return {
        "seat": reply.seat_id,
        "limits": [fact for allowance in reply.allowances for fact in _limits(allowance.windows)],
    }


def balance(reply: usage_pb2.GetBalanceResponse) -> Facts:
    """The pools of a team."""
    return {
        name: {
            "available": pool.available_nanos,
            "held": pool.held_nanos,
            "settled": pool.settled_nanos,
        }
        for name, pool in (("credits", reply.credits), ("wallet", reply.wallet))
    }


def _legs(legs: Iterable[common_pb2.Leg]) -> list[Facts]:
    return [
        {
            "payer": leg.payer,
            "source": leg.source,
            "unit": leg.unit,
            "amount": leg.amount,
            "nanos": leg.amount_nanos,
            "gone": leg.window_gone,
        }
        for leg in legs
    ]


def _limits(limits: Iterable[common_pb2.LimitStatus]) -> list[Facts]:
    return [
        {"limit_id": one.limit_id, "limit": one.limit, "used": one.used, "held": one.held}
        for one in limits
    ]


def _ms(time: Timestamp) -> int:
    return time.ToMilliseconds()

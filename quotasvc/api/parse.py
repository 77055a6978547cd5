"""Reads requests: `from_pb_*` gives a domain value, or InvalidArgument with the field's path.

All that can be judged from the message alone is judged here, before any look at keys or state
(SEM-44). Whether a key, a resource or a unit is known is not: the planes say so. Sizes of texts
are in bytes of UTF-8; that it is UTF-8 has been seen when the message was decoded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from google.protobuf.timestamp_pb2 import Timestamp

from quotasvc.api.page import from_pb_size, from_place_token
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.reservation import (
    HOLD_MS_MAX,
    HOLD_MS_MIN,
    RESERVATION_ID_CHARS_MAX,
    State,
)
from quotasvc.domain.unit import AMOUNT_MAX, COST, UNITS, Usage
from quotasvc.planes.ask import Ask, GiveBack, Listing, Report, Settle
from quotasvc.planes.usage import Subject
from quotasvc.v1 import common_pb2, decision_pb2, usage_pb2

REQUEST_ID_BYTES_MAX = 128
API_KEY_BYTES_MAX = 256
ID_BYTES_MAX = 64
"""Of a key, a team, a user."""
RESOURCE_BYTES_MAX = 128
REASON_BYTES_MAX = 256

CUSTOM_UNITS_MAX = 16
ATTRIBUTES_MAX = 16
NAME_BYTES_MAX = 64
"""Of an attribute or a custom unit."""
ATTRIBUTE_VALUE_BYTES_MAX = 128

_NANOS_PER_MS = 1_000_000
_NANOS_PER_S = 1_000_000_000
_HOLD_NANOS_MIN = HOLD_MS_MIN * _NANOS_PER_MS
_HOLD_NANOS_MAX = HOLD_MS_MAX * _NANOS_PER_MS
_TIMESTAMP_S = range(-62_135_596_800, 253_402_300_800)
"""Years 1 … 9999: what a Timestamp can say."""

_MODES = decision_pb2.Mode.items()
_OUTCOMES = decision_pb2.Outcome.items()
_STATES = common_pb2.ReservationState.items()
# By name, so that a number that differs between domain and contract cannot slip through.
_STATE: Mapping[int, State] = {number: State[name] for name, number in _STATES if number}


def from_pb_check_and_reserve(request: decision_pb2.CheckAndReserveRequest) -> Ask:
    """What to decide."""
    mode = _label("mode", request.mode, _MODES)
    is_check = mode == decision_pb2.CHECK_ONLY
    api_key, key_id = _key(request)
    return Ask(
        request_id=_text(
            "request_id",
            request.request_id,
            most=REQUEST_ID_BYTES_MAX,
            least=0 if is_check else 1,
        ),
        api_key=api_key,
        key_id=key_id,
        resource=_text("resource", request.resource, most=RESOURCE_BYTES_MAX),
        usage=_usage(request.usage),
        attributes=_attributes(request.attributes),
        hold_ms=_hold_ms(request),
        check_only=is_check,
    )


def from_pb_record_usage(request: decision_pb2.RecordUsageRequest) -> Report:
    """What to charge without a hold."""
    api_key, key_id = _key(request)
    old = request.reservation_id
    report = Report(
        request_id=_text("request_id", request.request_id, most=REQUEST_ID_BYTES_MAX),
        api_key=api_key,
        key_id=key_id,
        resource=_text("resource", request.resource, most=RESOURCE_BYTES_MAX),
        usage=_usage(request.usage),
        attributes=_attributes(request.attributes),
        reservation_id=_reservation_id(old) if old else None,
        outcome=_label("outcome", request.outcome, _OUTCOMES),
    )
    _refuse_disordered(request)
    return report


def from_pb_commit(request: decision_pb2.CommitRequest) -> tuple[str, Settle]:
    """Which reservation to settle, and at what."""
    reservation_id = _reservation_id(request.reservation_id)
    settle = request.WhichOneof("settle")
    if settle is None:
        raise InvalidArgument("settle", "one of usage, as_reserved is required")
    if settle == "as_reserved" and not request.as_reserved:
        raise InvalidArgument("as_reserved", "must be true; send usage to settle at another amount")
    usage = _usage(request.usage) if settle == "usage" else None
    attributes = _attributes(request.attributes)
    outcome = _label("outcome", request.outcome, _OUTCOMES)
    _refuse_disordered(request)
    return reservation_id, Settle(usage=usage, attributes=attributes, outcome=outcome)


def from_pb_refund(request: decision_pb2.RefundRequest) -> tuple[str, GiveBack]:
    """Which reservation to give back, and what of it."""
    reservation_id = _reservation_id(request.reservation_id)
    refund_id = _text("refund_id", request.refund_id, most=REQUEST_ID_BYTES_MAX, least=0)
    scope = request.WhichOneof("scope")
    if refund_id and scope is None:
        raise InvalidArgument("scope", "required with refund_id: all, usage or amount_nanos")
    if scope == "all" and not request.all:
        raise InvalidArgument("all", "must be true; leave it out to give back a hold")
    # `all` does no harm to a hold; a part of it cannot be given back.
    if scope in ("usage", "amount_nanos") and not refund_id:
        raise InvalidArgument("refund_id", f"required with {scope}")
    give_back = GiveBack(
        refund_id=refund_id,
        usage=_usage_to_refund(request.usage) if scope == "usage" else None,
        amount_nanos=(
            _amount("amount_nanos", request.amount_nanos, least=1)
            if scope == "amount_nanos"
            else None
        ),
    )
    _text("reason", request.reason, most=REASON_BYTES_MAX, least=0)
    return reservation_id, give_back


def from_pb_extend(request: decision_pb2.ExtendRequest) -> tuple[str, int | None]:
    """Which hold to keep, and for how many ms from now; None: for the default."""
    return _reservation_id(request.reservation_id), _hold_ms(request)


def from_pb_get_reservation(
    request: decision_pb2.GetReservationRequest,
) -> str | tuple[str, str]:
    """A reservation id, or a team id with a request id."""
    match request.WhichOneof("reservation"):
        case "reservation_id":
            return _reservation_id(request.reservation_id)
        case "request":
            ref = request.request
            return (
                _id("request.team_id", ref.team_id),
                _text("request.request_id", ref.request_id, most=REQUEST_ID_BYTES_MAX),
            )
        case _:
            raise InvalidArgument("reservation", "one of reservation_id, request is required")


def from_pb_list_reservations(request: decision_pb2.ListReservationsRequest) -> Listing:
    """Which reservations to list."""
    state = _label("state", request.state, _STATES)
    token = request.page_token
    return Listing(
        team_id=_id("team_id", request.team_id),
        state=_STATE[state] if state else State.HELD,
        size=from_pb_size(request.page_size),
        after=from_place_token(token) if token else None,
    )


def from_pb_subject(
    request: usage_pb2.GetRemainsRequest | usage_pb2.GetBalanceRequest | usage_pb2.ListLotsRequest,
) -> Subject:
    """Whose figures."""
    match request.WhichOneof("subject"):
        case "api_key":
            return Subject(api_key=_api_key(request.api_key))
        case "key_id":
            return Subject(key_id=_id("key_id", request.key_id))
        case "team_id":
            return Subject(
                team_id=_id("team_id", request.team_id),
                actor_user_id=_id("actor_user_id", request.actor_user_id),
            )
        case _:
            raise InvalidArgument("subject", "one of api_key, key_id, team_id is required")


def _key(
    request: decision_pb2.CheckAndReserveRequest | decision_pb2.RecordUsageRequest,
) -> tuple[str | None, str | None]:
    """The key itself or its id: exactly one of the two."""
    match request.WhichOneof("subject"):
        case "api_key":
            return _api_key(request.api_key), None
        case "key_id":
            return None, _id("key_id", request.key_id)
        case _:
            raise InvalidArgument("subject", "one of api_key, key_id is required")


def _text(field: str, value: str, *, most: int, least: int = 1) -> str:
    size = len(value.encode())
    if size < least:
        raise InvalidArgument(field, "required")
    if size > most:
        raise InvalidArgument(field, f"{size} bytes; at most {most}")
    return value


def _id(field: str, value: str) -> str:
    return _text(field, value, most=ID_BYTES_MAX)


def _api_key(value: str) -> str:
    """Any text up to the bound, the empty one too: a wrong key is the end user's (SEM-7)."""
    return _text("api_key", value, most=API_KEY_BYTES_MAX, least=0)


def _reservation_id(value: str) -> str:
    return _text("reservation_id", value, most=RESERVATION_ID_CHARS_MAX)


def _label(field: str, value: int, known: Sequence[tuple[str, int]]) -> int:
    """Proto3 lets any number through as an enum."""
    if all(value != number for _, number in known):
        names = ", ".join(name for name, number in known if number)
        raise InvalidArgument(field, f"{value} is none of {names}")
    return value


def _usage(usage: common_pb2.Usage) -> Usage:
    """Only what was sent, zeros included: absent is not zero (SEM-35)."""
    amounts: dict[str, int] = {}
    for descriptor, value in usage.ListFields():
        if descriptor.name != "custom":
            amounts[descriptor.name] = _amount(f"usage.{descriptor.name}", value)
    if usage.custom:
        amounts |= _custom(usage.custom)
    return Usage(MappingProxyType(amounts))


def _usage_to_refund(usage: common_pb2.Usage) -> Usage:
    """Without a unit it could mean nothing or everything."""
    refunded = _usage(usage)
    if not refunded.amounts:
        raise InvalidArgument("usage", "names no unit")
    return refunded


def _custom(custom: Mapping[str, int]) -> dict[str, int]:
    if len(custom) > CUSTOM_UNITS_MAX:
        raise InvalidArgument("usage.custom", f"{len(custom)} units; at most {CUSTOM_UNITS_MAX}")
    for unit, amount in custom.items():
        path = _entry("usage.custom", unit)
        if unit in UNITS or unit == COST:
            raise InvalidArgument(path, "this name is taken: it has a meaning of its own")
        _amount(path, amount)
    return dict(custom)


def _amount(field: str, value: int, *, least: int = 0) -> int:
    if not least <= value <= AMOUNT_MAX:
        raise InvalidArgument(field, f"{value} is not within {least} … 2^53 - 1")
    return value


def _attributes(attributes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Sorted, so that the same attributes are the same content (SEM-35)."""
    if not attributes:
        return ()
    if len(attributes) > ATTRIBUTES_MAX:
        raise InvalidArgument("attributes", f"{len(attributes)} entries; at most {ATTRIBUTES_MAX}")
    for name, value in attributes.items():
        path = _entry("attributes", name)
        _text(path, value, most=ATTRIBUTE_VALUE_BYTES_MAX, least=0)
    return tuple(sorted(attributes.items()))


def _entry(field: str, name: str) -> str:
    """The path of a map's entry; a name that is too long must not get into the path."""
    size = len(name.encode())
    if not 1 <= size <= NAME_BYTES_MAX:
        raise InvalidArgument(field, f"a name of {size} bytes; 1 … {NAME_BYTES_MAX}")
    return f"{field}[{json.dumps(name, ensure_ascii=False)}]"


def _hold_ms(
    request: decision_pb2.CheckAndReserveRequest | decision_pb2.ExtendRequest,
) -> int | None:
    """Rounded up, so that a hold is never shorter than asked for; None where nothing was sent."""
    if not request.HasField("hold_duration"):
        return None
    duration = request.hold_duration
    nanos = duration.seconds * _NANOS_PER_S + duration.nanos
    # Outside this range a Duration is malformed, or would mix signs.
    is_sane = duration.seconds >= 0 and 0 <= duration.nanos < _NANOS_PER_S
    if not is_sane or not _HOLD_NANOS_MIN <= nanos <= _HOLD_NANOS_MAX:
        raise InvalidArgument("hold_duration", "not within 1 s … 1 h")
    return -(-nanos // _NANOS_PER_MS)


def _refuse_disordered(
    request: decision_pb2.CommitRequest | decision_pb2.RecordUsageRequest,
) -> None:
    """The times of the output are for reports; those that were sent must make sense together."""
    times = [
        _nanos(field, getattr(request, field))
        for field in ("first_output_time", "last_output_time")
        if request.HasField(field)
    ]
    if times != sorted(times):
        raise InvalidArgument("last_output_time", "lies before first_output_time")


def _nanos(field: str, time: Timestamp) -> int:
    if time.seconds not in _TIMESTAMP_S or not 0 <= time.nanos < _NANOS_PER_S:
        raise InvalidArgument(field, "not a valid time")
    return time.seconds * _NANOS_PER_S + time.nanos

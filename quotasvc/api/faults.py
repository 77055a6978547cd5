"""Everything that can go wrong, as the status that a caller sees: mapped here and nowhere else.

Two tables say it all. CODES: which class of fault is which status. FIXED: which reasons have a
fixed text, because what the fault itself says is about our insides, and after what time to call
again. Every status has an ErrorInfo; UNKNOWN does not exist here, since gateways are told to let
requests pass on it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import IntEnum

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

# googleapis-common-protos marks no package as typed.
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from quotasvc.api.render import to_pb_short_reservation
from quotasvc.domain.faults import (
    Conflict,
    Corrupt,
    DeadlineExceeded,
    FailedPrecondition,
    Fault,
    InvalidArgument,
    NotFound,
    Overloaded,
    Unavailable,
)
from quotasvc.domain.reservation import Reservation

DOMAIN = "quotasvc"
"""Of every ErrorInfo."""

TEXT_BYTES_MAX = 400
"""Clients refuse trailers above 8 KiB: the text comes three times, once percent-encoded."""


class StatusCode(IntEnum):
    """The codes of gRPC that we use."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class Undecodable(InvalidArgument):
    """The bytes are not a message of the method."""

    reason = "UNDECODABLE"


class MessageTooLarge(Fault):
    """The message is larger than this server reads."""

    reason = "MESSAGE_TOO_LARGE"


class UnknownMethod(Fault):
    """There is no such method."""

    reason = "UNKNOWN_METHOD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A refusal as transports send it; `details` is a google.rpc.Status as bytes."""

    code: StatusCode
    message: str
    details: bytes


@dataclass(frozen=True, slots=True)
class Fixed:
    """What is said in place of the fault's own text, and when to call again, if that may help."""

    text: str
    retry_ms: int | None = None


CODES: dict[type[BaseException], StatusCode] = {
    InvalidArgument: StatusCode.INVALID_ARGUMENT,
    NotFound: StatusCode.NOT_FOUND,
    Conflict: StatusCode.ALREADY_EXISTS,
    FailedPrecondition: StatusCode.FAILED_PRECONDITION,
    MessageTooLarge: StatusCode.RESOURCE_EXHAUSTED,
    UnknownMethod: StatusCode.UNIMPLEMENTED,
    Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: StatusCode.UNAVAILABLE,
    # The call was cut off from inside, as the service stops: nobody knows what came of it.
    asyncio.CancelledError: StatusCode.UNAVAILABLE,
    DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
    TimeoutError: StatusCode.DEADLINE_EXCEEDED,
    Corrupt: StatusCode.INTERNAL,
    Fault: StatusCode.INTERNAL,
    BaseException: StatusCode.INTERNAL,
}
"""By class; a class that is not listed is what its nearest listed base is."""

FIXED: dict[str, Fixed] = {
    "STORE_UNAVAILABLE": Fixed(
        "the store is away or did not answer, so the outcome is unknown: "
        "call again with the same ids",
        retry_ms=100,
    ),
    "CLOCK_SKEW": Fixed(
        "the clocks of the service and its store are more than 30 s apart; nothing changed",
        retry_ms=1_000,
    ),
    "CHANGING": Fixed(
        "the team or the calendar changed too often while deciding; nothing changed: call again",
        retry_ms=20,
    ),
    "CATALOG_UNAVAILABLE": Fixed(
        "the catalog version that priced this reservation is not at hand; nothing changed",
        retry_ms=1_000,
    ),
    "OVERLOADED": Fixed("there is no room for this call now; nothing changed", retry_ms=200),
    "DEADLINE_EXCEEDED": Fixed("time ran out; the call may have been applied"),
    "INTERNAL": Fixed("internal error; the service's log has it under the error id"),
}
"""By reason."""

SPOKEN = (
    InvalidArgument,
    NotFound,
    Conflict,
    FailedPrecondition,
    MessageTooLarge,
    UnknownMethod,
)
"""Faults about the request itself: their own texts are made for its sender."""

_REASONS: dict[StatusCode, str] = {
    StatusCode.UNAVAILABLE: "STORE_UNAVAILABLE",
    StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    StatusCode.INTERNAL: "INTERNAL",
}
"""Of what is not a Fault; and INTERNAL hides whatever reason the fault had."""


def status_code(error: BaseException) -> StatusCode:
    """The code of the nearest listed class; BaseException is the last of them."""
    return next(CODES[base] for base in type(error).__mro__ if base in CODES)


def to_pb_status(error: BaseException, *, currency: str, error_id: str) -> Status:
    """The status of an error. `error_id` is shown for INTERNAL only: the log has it too."""
    code = status_code(error)
    is_ours = code is StatusCode.INTERNAL
    reason = error.reason if isinstance(error, Fault) and not is_ours else _REASONS[code]
    fixed = FIXED.get(reason, FIXED["INTERNAL"])
    text = _clip(error.text) if isinstance(error, SPOKEN) else fixed.text
    message = text
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN)
    details: list[Message] = [info]
    if is_ours:
        info.metadata["error_id"] = error_id
    if fixed.retry_ms is not None:
        details.append(_retry_info(fixed.retry_ms))
    if isinstance(error, InvalidArgument):
        message = f"{error.field}: {text}" if error.field else text
        info.metadata["field"] = error.field
        details.append(_bad_request(error, text))
    if isinstance(error, FailedPrecondition) and isinstance(error.winner, Reservation):
        details.append(to_pb_short_reservation(error.winner, currency))
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return Status(code=code, message=message, details=status.SerializeToString())


def _bad_request(error: InvalidArgument, text: str) -> Message:
    request: Message = error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=error.field, description=text, reason=error.reason
            )
        ]
    )
    return request


def _retry_info(retry_ms: int) -> Message:
    delay = Duration(seconds=retry_ms // 1_000, nanos=retry_ms % 1_000 * 1_000_000)
    info: Message = error_details_pb2.RetryInfo(retry_delay=delay)
    return info


def _clip(text: str) -> str:
    return text.encode()[:TEXT_BYTES_MAX].decode(errors="ignore")

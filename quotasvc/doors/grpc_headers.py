"""gRPC's headers and trailers: deadlines, statuses, and what a call must bring."""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import quote

from quotasvc.api.faults import Status, StatusCode
from quotasvc.doors.asgi import Header
from quotasvc.doors.faults import Malformed

TRAILERS_OK: tuple[Header, ...] = ((b"grpc-status", b"0"),)

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNIT_S = {b"H": 3_600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}

# All of printable ASCII but "%".
_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def remaining_s(timeout: bytes | None) -> float | None:
    """The caller's time as `grpc-timeout` says it: up to 8 digits and a unit."""
    if timeout is None:
        return None
    match = _TIMEOUT.fullmatch(timeout)
    if match is None:
        raise Malformed("grpc-timeout is not up to 8 digits and one of H M S m u n")
    return int(match[1]) * _UNIT_S[match[2]]


def trailers_of(status: Status) -> tuple[Header, ...]:
    """A refusal, as trailers."""
    trailers: tuple[Header, ...] = (
        (b"grpc-status", b"%d" % status.code),
        (b"grpc-message", quote(status.message, safe=_PLAIN).encode()),
    )
    if not status.details:
        return trailers
    return (*trailers, (b"grpc-status-details-bin", b64encode(status.details).rstrip(b"=")))


def malformed(fault: Malformed) -> Status:
    """The status of a call that breaks the rules of its protocol: without details, as a transport
    says it that refuses by itself.
    """
    return Status(code=StatusCode.INTERNAL, message=fault.text, details=b"")

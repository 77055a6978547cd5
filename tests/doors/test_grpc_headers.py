"""Deadlines are read, and statuses written, as gRPC's protocol says."""

from __future__ import annotations

from base64 import b64decode

import pytest

from quotasvc.api.faults import Status, StatusCode
from quotasvc.doors.faults import Malformed
from quotasvc.doors.grpc_headers import malformed, remaining_s, trailers_of


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (None, None),
        (b"0n", 0.0),
        (b"1H", 3_600.0),
        (b"2M", 120.0),
        (b"3S", 3.0),
        (b"99999999m", 99_999.999),
        (b"5u", 5e-6),
        (b"7n", 7e-9),
    ],
)
def test_a_timeout_is_digits_and_a_unit(timeout: bytes | None, seconds: float | None) -> None:
    assert remaining_s(timeout) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "timeout", [b"", b"1", b"S", b"1s", b"-1S", b"1.5S", b"999999999S", b" 1S", b"1S\n", b"\xb2S"]
)
def test_any_other_timeout_is_malformed(timeout: bytes) -> None:
    with pytest.raises(Malformed, match="grpc-timeout"):
        remaining_s(timeout)


@pytest.mark.parametrize(
    ("message", "sent"),
    [
        ("", b""),
        ("plain text, with ~!@#$^&*()+={}[]|\\:;\"'<>?/`", None),
        ("100 %", b"100 %25"),
        ("ü", b"%C3%BC"),
        ("a\tb\r\nc\x7f\0", b"a%09b%0D%0Ac%7F%00"),
    ],
)
def test_a_message_is_percent_encoded(message: str, sent: bytes | None) -> None:
    status = Status(code=StatusCode.NOT_FOUND, message=message, details=b"")
    assert trailers_of(status) == (
        (b"grpc-status", b"5"),
        (b"grpc-message", message.encode() if sent is None else sent),
    )


@pytest.mark.parametrize("size", [1, 2, 3, 200])
def test_details_are_base64_without_padding(size: int) -> None:
    details = bytes(range(size))
    status = Status(code=StatusCode.INTERNAL, message="", details=details)
    sent = dict(trailers_of(status))[b"grpc-status-details-bin"]
    assert b"=" not in sent
    assert b64decode(sent + b"=" * (-len(sent) % 4)) == details


def test_a_malformed_call_is_internal_and_says_why() -> None:
    status = malformed(Malformed("why"))
    assert (status.code, status.message, status.details) == (StatusCode.INTERNAL, "why", b"")

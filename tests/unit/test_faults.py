"""Every fault has one status, one reason of the contract, and tells nothing of our insides."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed

import quotasvc
from quotasvc.api.faults import (
    CODES,
    FIXED,
    SPOKEN,
    MessageTooLarge,
    StatusCode,
    Undecodable,
    UnknownMethod,
    status_code,
    to_pb_status,
)
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
from quotasvc.store.faults import StoreFull, StoreUnavailable
from quotasvc.v1.decision_pb2 import Reservation
from quotasvc.v1.errors_pb2 import Fault as PbFault
from tests.tidy.sources import ROOT, text_of
from tests.unit.test_render import LOT_LEG, RESERVATION

SECRET = "redis://:hunter2@10.0.0.7:6379"

FAULTS: dict[str, tuple[BaseException, StatusCode]] = {
    "INVALID_FIELD": (InvalidArgument("a", "bad"), StatusCode.INVALID_ARGUMENT),
    "UNDECODABLE": (Undecodable("", "not a message"), StatusCode.INVALID_ARGUMENT),
    "UNMEASURED_UNIT": (
        InvalidArgument("usage.x", "x", reason="UNMEASURED_UNIT"),
        StatusCode.INVALID_ARGUMENT,
    ),
    "UNPRICED_USAGE": (
        InvalidArgument("usage.x", "x", reason="UNPRICED_USAGE"),
        StatusCode.INVALID_ARGUMENT,
    ),
    "EMPTY_ESTIMATE": (
        InvalidArgument("usage", "x", reason="EMPTY_ESTIMATE"),
        StatusCode.INVALID_ARGUMENT,
    ),
    "USAGE_TOO_LARGE": (
        InvalidArgument("usage", "x", reason="USAGE_TOO_LARGE"),
        StatusCode.INVALID_ARGUMENT,
    ),
    "NOT_FOUND": (NotFound("no such"), StatusCode.NOT_FOUND),
    "REQUEST_ID_CONFLICT": (Conflict("other content"), StatusCode.ALREADY_EXISTS),
    "ALREADY_COMMITTED": (
        FailedPrecondition("x", reason="ALREADY_COMMITTED", winner=RESERVATION),
        StatusCode.FAILED_PRECONDITION,
    ),
    "ALREADY_RELEASED": (
        FailedPrecondition("x", reason="ALREADY_RELEASED", winner=RESERVATION),
        StatusCode.FAILED_PRECONDITION,
    ),
    "REFUND_EXCEEDS_CHARGE": (
        FailedPrecondition("x", reason="REFUND_EXCEEDS_CHARGE"),
        StatusCode.FAILED_PRECONDITION,
    ),
    "TOO_MANY_REFUNDS": (
        FailedPrecondition("x", reason="TOO_MANY_REFUNDS"),
        StatusCode.FAILED_PRECONDITION,
    ),
    "TOO_MANY_LOTS": (
        FailedPrecondition("x", reason="TOO_MANY_LOTS"),
        StatusCode.FAILED_PRECONDITION,
    ),
    "EXPIRED": (FailedPrecondition("x", reason="EXPIRED"), StatusCode.FAILED_PRECONDITION),
    "RESERVATION_EXISTS": (
        FailedPrecondition("x", reason="RESERVATION_EXISTS"),
        StatusCode.FAILED_PRECONDITION,
    ),
    "CLOCK_SKEW": (Unavailable(SECRET, reason="CLOCK_SKEW"), StatusCode.UNAVAILABLE),
    "STORE_UNAVAILABLE": (StoreUnavailable(SECRET, sent=True), StatusCode.UNAVAILABLE),
    "CHANGING": (Unavailable(SECRET, reason="CHANGING"), StatusCode.UNAVAILABLE),
    "CATALOG_UNAVAILABLE": (
        Unavailable(SECRET, reason="CATALOG_UNAVAILABLE"),
        StatusCode.UNAVAILABLE,
    ),
    "OVERLOADED": (StoreFull(SECRET), StatusCode.RESOURCE_EXHAUSTED),
    "MESSAGE_TOO_LARGE": (MessageTooLarge("too long"), StatusCode.RESOURCE_EXHAUSTED),
    "DEADLINE_EXCEEDED": (DeadlineExceeded(SECRET), StatusCode.DEADLINE_EXCEEDED),
    "UNKNOWN_METHOD": (UnknownMethod("no such method"), StatusCode.UNIMPLEMENTED),
    "INTERNAL": (Corrupt(SECRET), StatusCode.INTERNAL),
}
"""For each reason of the contract, a fault that has it."""


def details_of(error: BaseException) -> dict[str, Message]:
    """The details of its status, by type; each type at most once (AIP-193)."""
    status = to_pb_status(error, currency="USD", error_id="e1")
    packed = list(status_pb2.Status.FromString(status.details).details)
    names = [detail.TypeName() for detail in packed]
    assert len(set(names)) == len(names)
    return {name: _unpacked(detail) for name, detail in zip(names, packed, strict=True)}


def _unpacked(detail: Any) -> Message:
    for kind in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        Reservation,
    ):
        message: Message = kind()
        if detail.Unpack(message):
            return message
    raise AssertionError(f"an unknown detail {detail.type_url}")


def fault_classes() -> Iterator[type[Fault]]:
    """Every class of the tree, wherever it is defined."""
    for module in pkgutil.walk_packages(quotasvc.__path__, "quotasvc."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = [Fault]
    while found:
        fault = found.pop()
        found += fault.__subclasses__()
        yield fault


def test_each_reason_of_the_contract_has_a_fault() -> None:
    assert set(FAULTS) == set(PbFault.Reason.keys()) - {"REASON_UNSPECIFIED"}


@pytest.mark.parametrize("reason", FAULTS)
def test_a_fault_carries_its_reason(reason: str) -> None:
    error, code = FAULTS[reason]
    status = to_pb_status(error, currency="USD", error_id="e1")
    info = details_of(error)["google.rpc.ErrorInfo"]
    assert status.code is code
    assert status_pb2.Status.FromString(status.details).code == code
    assert status_pb2.Status.FromString(status.details).message == status.message
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.domain, info.reason) == ("quotasvc", reason)


@pytest.mark.parametrize("reason", FAULTS)
def test_the_contract_documents_the_code_of_each_reason(reason: str) -> None:
    proto = text_of(ROOT / "proto/quotasvc/v1/errors.proto")
    comment = re.search(rf"((?:    //.*\n)+)    {reason} = ", proto)
    assert comment is not None
    assert comment[1].lstrip().startswith(f"// {FAULTS[reason][1].name}:")


@pytest.mark.parametrize("reason", FAULTS)
def test_no_status_tells_what_is_inside(reason: str) -> None:
    status = to_pb_status(FAULTS[reason][0], currency="USD", error_id="e1")
    assert "hunter2" not in status.message
    assert b"hunter2" not in status.details


def test_every_class_of_fault_is_mapped() -> None:
    for fault in fault_classes():
        listed = next(base for base in fault.__mro__ if base in CODES)
        assert issubclass(listed, Fault), fault


def test_every_fault_that_does_not_speak_has_a_fixed_text() -> None:
    for fault in fault_classes():
        if not issubclass(fault, SPOKEN) and CODES.get(fault) is not StatusCode.INTERNAL:
            assert fault.reason in FIXED, fault


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError(SECRET), StatusCode.INTERNAL),
        (SystemExit(SECRET), StatusCode.INTERNAL),
        (KeyboardInterrupt(SECRET), StatusCode.INTERNAL),
        (GeneratorExit(SECRET), StatusCode.INTERNAL),
        (BaseExceptionGroup(SECRET, [RuntimeError(SECRET)]), StatusCode.INTERNAL),
        (TimeoutError(SECRET), StatusCode.DEADLINE_EXCEEDED),
        (asyncio.CancelledError(SECRET), StatusCode.UNAVAILABLE),
        (OSError(SECRET), StatusCode.INTERNAL),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_is_no_fault_is_mapped_too(error: BaseException, code: StatusCode) -> None:
    status = to_pb_status(error, currency="USD", error_id="e1")
    assert status_code(error) is status.code is code
    assert "hunter2" not in status.message
    assert b"hunter2" not in status.details


def test_unknown_does_not_exist() -> None:
    """Gateways are told to let requests pass on it."""
    assert 2 not in list(StatusCode)


def test_an_unlisted_reason_of_ours_says_nothing() -> None:
    status = to_pb_status(Unavailable(SECRET, reason="NEW"), currency="USD", error_id="e1")
    assert (status.code, status.message) == (StatusCode.UNAVAILABLE, FIXED["INTERNAL"].text)


def test_an_internal_error_shows_its_id_alone() -> None:
    info = details_of(RuntimeError(SECRET))["google.rpc.ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, dict(info.metadata)) == ("INTERNAL", {"error_id": "e1"})


def test_an_invalid_argument_names_the_field() -> None:
    error = InvalidArgument('attributes["resolution"]', "129 bytes; at most 128")
    status = to_pb_status(error, currency="USD", error_id="e1")
    bad = details_of(error)["google.rpc.BadRequest"]
    assert status.message == 'attributes["resolution"]: 129 bytes; at most 128'
    assert bad == error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field='attributes["resolution"]',
                description="129 bytes; at most 128",
                reason="INVALID_FIELD",
            )
        ]
    )


@pytest.mark.parametrize("reason", FAULTS)
def test_where_waiting_helps_it_says_how_long(reason: str) -> None:
    error, _ = FAULTS[reason]
    has_retry = "google.rpc.RetryInfo" in details_of(error)
    assert has_retry == isinstance(error, Unavailable | Overloaded)


def test_a_lost_race_shows_the_figures_that_won() -> None:
    """SEM-26: the loser learns the winner's state and figures."""
    winner = details_of(FAULTS["ALREADY_COMMITTED"][0])["quotasvc.v1.Reservation"]
    assert isinstance(winner, Reservation)
    assert (winner.actual_nanos, winner.currency, len(winner.held_legs)) == (75, "USD", 2)


def test_a_winner_with_many_legs_shows_its_figures_only() -> None:
    """Trailers are short: clients refuse more than 8 KiB."""
    many = replace(RESERVATION, held_legs=(LOT_LEG,) * 1_000)
    error = FailedPrecondition("x", reason="ALREADY_COMMITTED", winner=many)
    winner = details_of(error)["quotasvc.v1.Reservation"]
    assert isinstance(winner, Reservation)
    assert (winner.actual_nanos, len(winner.held_legs)) == (75, 0)


def test_a_long_text_is_cut_between_characters() -> None:
    status = to_pb_status(NotFound("ü" * 1_000), currency="USD", error_id="e1")
    assert status.message == "ü" * 200

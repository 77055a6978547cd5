"""A bad Commit, Refund, Extend or RecordUsage is refused with the path of the field (SEM-44)."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from quotasvc.api import parse
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.v1.common_pb2 import Usage
from quotasvc.v1.decision_pb2 import (
    CommitRequest,
    ExtendRequest,
    RecordUsageRequest,
    RefundRequest,
)
from tests.unit.test_bad_input import UMLAUT, refused

LATE = Timestamp(seconds=5, nanos=1)

BAD_COMMITS = {
    "commit of nothing": (CommitRequest(as_reserved=True), "reservation_id"),
    "long reservation id": (
        CommitRequest(reservation_id="x" * 121, as_reserved=True),
        "reservation_id",
    ),
    "neither usage nor as_reserved": (CommitRequest(reservation_id="r"), "settle"),
    "as_reserved is false": (
        CommitRequest(reservation_id="r", as_reserved=False),
        "as_reserved",
    ),
    "negative usage": (
        CommitRequest(reservation_id="r", usage=Usage(clips=-1)),
        "usage.clips",
    ),
    "long attribute": (
        CommitRequest(reservation_id="r", as_reserved=True, attributes={"a": "x" * 129}),
        'attributes["a"]',
    ),
    # Proto3 lets any number through: field 5 with 99.
    "unknown outcome": (
        CommitRequest.FromString(b"\x0a\x01r\x18\x01\x28\x63"),
        "outcome",
    ),
    "last output before the first": (
        CommitRequest(
            reservation_id="r",
            as_reserved=True,
            first_output_time=LATE,
            last_output_time=Timestamp(seconds=5),
        ),
        "last_output_time",
    ),
    "malformed first output": (
        CommitRequest(reservation_id="r", as_reserved=True, first_output_time=Timestamp(nanos=-1)),
        "first_output_time",
    ),
    "last output after the year 9999": (
        CommitRequest(
            reservation_id="r", as_reserved=True, last_output_time=Timestamp(seconds=1 << 40)
        ),
        "last_output_time",
    ),
}


@pytest.mark.parametrize("case", BAD_COMMITS)
def test_a_bad_commit_is_named(case: str) -> None:
    request, field = BAD_COMMITS[case]
    assert refused(lambda: parse.from_pb_commit(request)).field == field


BAD_REFUNDS = {
    "refund of nothing": (RefundRequest(), "reservation_id"),
    "long reservation id": (RefundRequest(reservation_id="x" * 121), "reservation_id"),
    "long refund id": (
        RefundRequest(reservation_id="r", refund_id="x" * 129, all=True),
        "refund_id",
    ),
    "refund without a scope": (RefundRequest(reservation_id="r", refund_id="f"), "scope"),
    "all is false": (RefundRequest(reservation_id="r", refund_id="f", all=False), "all"),
    "all is false, of a hold": (RefundRequest(reservation_id="r", all=False), "all"),
    "amount of 0": (
        RefundRequest(reservation_id="r", refund_id="f", amount_nanos=0),
        "amount_nanos",
    ),
    "negative amount": (
        RefundRequest(reservation_id="r", refund_id="f", amount_nanos=-1),
        "amount_nanos",
    ),
    "amount of 2^53": (
        RefundRequest(reservation_id="r", refund_id="f", amount_nanos=AMOUNT_MAX + 1),
        "amount_nanos",
    ),
    "amount without a refund id": (RefundRequest(reservation_id="r", amount_nanos=1), "refund_id"),
    "usage without a refund id": (
        RefundRequest(reservation_id="r", usage=Usage(clips=1)),
        "refund_id",
    ),
    "usage that names no unit": (
        RefundRequest(reservation_id="r", refund_id="f", usage=Usage()),
        "usage",
    ),
    "negative usage": (
        RefundRequest(reservation_id="r", refund_id="f", usage=Usage(requests=-1)),
        "usage.requests",
    ),
    "usage of 2^53": (
        RefundRequest(reservation_id="r", refund_id="f", usage=Usage(clips=AMOUNT_MAX + 1)),
        "usage.clips",
    ),
    "negative custom usage": (
        RefundRequest(reservation_id="r", refund_id="f", usage=Usage(custom={"pages": -1})),
        'usage.custom["pages"]',
    ),
    "long reason": (RefundRequest(reservation_id="r", reason="x" * 257), "reason"),
}


@pytest.mark.parametrize("case", BAD_REFUNDS)
def test_a_bad_refund_is_named(case: str) -> None:
    request, field = BAD_REFUNDS[case]
    assert refused(lambda: parse.from_pb_refund(request)).field == field


def test_a_refund_without_a_scope_is_told_which_there_are() -> None:
    request, _ = BAD_REFUNDS["refund without a scope"]
    fault = refused(lambda: parse.from_pb_refund(request))
    assert fault.text == "required with refund_id: all, usage or amount_nanos"


BAD_EXTENSIONS = {
    "extension of nothing": (ExtendRequest(hold_duration=Duration(seconds=5)), "reservation_id"),
    "long reservation id": (ExtendRequest(reservation_id="x" * 121), "reservation_id"),
    "by 0 s": (ExtendRequest(reservation_id="r", hold_duration=Duration()), "hold_duration"),
    "by less than 1 s": (
        ExtendRequest(reservation_id="r", hold_duration=Duration(nanos=999_999_999)),
        "hold_duration",
    ),
    "by more than 1 h": (
        ExtendRequest(reservation_id="r", hold_duration=Duration(seconds=3_600, nanos=1)),
        "hold_duration",
    ),
    "backwards": (
        ExtendRequest(reservation_id="r", hold_duration=Duration(seconds=-5)),
        "hold_duration",
    ),
    "by mixed signs": (
        ExtendRequest(reservation_id="r", hold_duration=Duration(seconds=2, nanos=-1)),
        "hold_duration",
    ),
}


@pytest.mark.parametrize("case", BAD_EXTENSIONS)
def test_a_bad_extension_is_named(case: str) -> None:
    request, field = BAD_EXTENSIONS[case]
    assert refused(lambda: parse.from_pb_extend(request)).field == field


def report() -> RecordUsageRequest:
    return RecordUsageRequest(request_id="r1", key_id="acme_k1", resource="text/a")


BAD_REPORTS = {
    "long request id": (RecordUsageRequest(request_id=UMLAUT * 65), "request_id"),
    "long key": (RecordUsageRequest(api_key="x" * 257), "api_key"),
    "long key id": (RecordUsageRequest(key_id="x" * 65), "key_id"),
    "empty key id": (RecordUsageRequest(key_id=""), "key_id"),
    "long resource": (RecordUsageRequest(resource="x" * 129), "resource"),
    "negative usage": (RecordUsageRequest(usage=Usage(requests=-1)), "usage.requests"),
    "usage of 2^53": (RecordUsageRequest(usage=Usage(clips=AMOUNT_MAX + 1)), "usage.clips"),
    "custom unit that is money": (
        RecordUsageRequest(usage=Usage(custom={"cost": 1})),
        'usage.custom["cost"]',
    ),
    "17 attributes": (
        RecordUsageRequest(attributes={f"a{n}": "" for n in range(17)}),
        "attributes",
    ),
    "long attribute": (
        RecordUsageRequest(attributes={"resolution": "x" * 129}),
        'attributes["resolution"]',
    ),
    "long reservation id": (RecordUsageRequest(reservation_id="x" * 121), "reservation_id"),
    # Proto3 lets any number through: field 8 with 99.
    "unknown outcome": (RecordUsageRequest.FromString(b"\x40\x63"), "outcome"),
    "last output before the first": (
        RecordUsageRequest(first_output_time=LATE, last_output_time=Timestamp(seconds=5)),
        "last_output_time",
    ),
    "malformed last output": (
        RecordUsageRequest(last_output_time=Timestamp(nanos=-1)),
        "last_output_time",
    ),
}


@pytest.mark.parametrize("case", BAD_REPORTS)
def test_a_bad_report_is_named(case: str) -> None:
    change, field = BAD_REPORTS[case]
    request = report()
    request.MergeFrom(change)
    assert refused(lambda: parse.from_pb_record_usage(request)).field == field


MISSING = {
    "request_id": RecordUsageRequest(key_id="acme_k1", resource="text/a"),
    "subject": RecordUsageRequest(request_id="r1", resource="text/a"),
    "resource": RecordUsageRequest(request_id="r1", key_id="acme_k1"),
}


@pytest.mark.parametrize("field", MISSING)
def test_what_a_report_lacks_is_named(field: str) -> None:
    assert refused(lambda: parse.from_pb_record_usage(MISSING[field])).field == field

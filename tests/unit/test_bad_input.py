"""Bad input is refused with the path of the field, before anything else is looked at (SEM-44)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf.duration_pb2 import Duration

from quotasvc.api import parse
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.v1.common_pb2 import Usage
from quotasvc.v1.decision_pb2 import (
    CheckAndReserveRequest,
    GetReservationRequest,
    ListReservationsRequest,
    RequestRef,
)
from quotasvc.v1.usage_pb2 import GetRemainsRequest

UMLAUT = "ü"
"""One character, two bytes."""


def reserve() -> CheckAndReserveRequest:
    return CheckAndReserveRequest(request_id="r1", key_id="acme_k1", resource="text/a")


def refused(parse_it: Callable[[], object]) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        parse_it()
    assert caught.value.reason == "INVALID_FIELD"
    return caught.value


def field_refused(request: CheckAndReserveRequest) -> str:
    return refused(lambda: parse.from_pb_check_and_reserve(request)).field


BAD_REQUESTS = {
    "long request id": (CheckAndReserveRequest(request_id="x" * 129), "request_id"),
    "129 bytes in fewer characters": (
        CheckAndReserveRequest(request_id=UMLAUT * 65),
        "request_id",
    ),
    "long key": (CheckAndReserveRequest(api_key="x" * 257), "api_key"),
    "long key id": (CheckAndReserveRequest(key_id="x" * 65), "key_id"),
    "empty key id": (CheckAndReserveRequest(key_id=""), "key_id"),
    "long resource": (CheckAndReserveRequest(resource="x" * 129), "resource"),
    "negative usage": (
        CheckAndReserveRequest(usage=Usage(input_tokens=-1)),
        "usage.input_tokens",
    ),
    "usage of 2^53": (CheckAndReserveRequest(usage=Usage(songs=AMOUNT_MAX + 1)), "usage.songs"),
    "negative custom usage": (
        CheckAndReserveRequest(usage=Usage(custom={"pages": -1})),
        'usage.custom["pages"]',
    ),
    "17 custom units": (
        CheckAndReserveRequest(usage=Usage(custom={f"u{n}": 1 for n in range(17)})),
        "usage.custom",
    ),
    "custom unit without a name": (
        CheckAndReserveRequest(usage=Usage(custom={"": 1})),
        "usage.custom",
    ),
    "long custom unit": (
        CheckAndReserveRequest(usage=Usage(custom={"x" * 65: 1})),
        "usage.custom",
    ),
    "custom unit that has a field": (
        CheckAndReserveRequest(usage=Usage(custom={"images": 1})),
        'usage.custom["images"]',
    ),
    "custom unit that is money": (
        CheckAndReserveRequest(usage=Usage(custom={"cost": 1})),
        'usage.custom["cost"]',
    ),
    "17 attributes": (
        CheckAndReserveRequest(attributes={f"a{n}": "" for n in range(17)}),
        "attributes",
    ),
    "attribute without a name": (CheckAndReserveRequest(attributes={"": "x"}), "attributes"),
    "long attribute name": (CheckAndReserveRequest(attributes={"x" * 65: "x"}), "attributes"),
    "long attribute": (
        CheckAndReserveRequest(attributes={"resolution": "x" * 129}),
        'attributes["resolution"]',
    ),
    "long attribute with a quote in its name": (
        CheckAndReserveRequest(attributes={'a"b': "x" * 129}),
        r'attributes["a\"b"]',
    ),
    "hold of 0 s": (CheckAndReserveRequest(hold_duration=Duration()), "hold_duration"),
    "hold of less than 1 s": (
        CheckAndReserveRequest(hold_duration=Duration(nanos=999_999_999)),
        "hold_duration",
    ),
    "hold of more than 1 h": (
        CheckAndReserveRequest(hold_duration=Duration(seconds=3_600, nanos=1)),
        "hold_duration",
    ),
    "hold of mixed signs": (
        CheckAndReserveRequest(hold_duration=Duration(seconds=2, nanos=-1)),
        "hold_duration",
    ),
    "hold of 2,000,000,000 nanos": (
        CheckAndReserveRequest(hold_duration=Duration(nanos=2_000_000_000)),
        "hold_duration",
    ),
    "negative hold": (
        CheckAndReserveRequest(hold_duration=Duration(seconds=-5)),
        "hold_duration",
    ),
    # Proto3 lets any number through: this is field 8 with 77.
    "unknown mode": (CheckAndReserveRequest.FromString(b"\x40\x4d"), "mode"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_bad_field_is_named(case: str) -> None:
    change, field = BAD_REQUESTS[case]
    request = reserve()
    request.MergeFrom(change)
    assert field_refused(request) == field


MISSING = {
    "request_id": CheckAndReserveRequest(key_id="acme_k1", resource="text/a"),
    "subject": CheckAndReserveRequest(request_id="r1", resource="text/a"),
    "resource": CheckAndReserveRequest(request_id="r1", key_id="acme_k1"),
}


@pytest.mark.parametrize("field", MISSING)
def test_a_missing_field_is_named(field: str) -> None:
    assert field_refused(MISSING[field]) == field


BAD_REFERENCES = {
    "nothing": (GetReservationRequest(), "reservation"),
    "empty id": (GetReservationRequest(reservation_id=""), "reservation_id"),
    "no team": (GetReservationRequest(request=RequestRef(request_id="r")), "request.team_id"),
    "no request": (GetReservationRequest(request=RequestRef(team_id="t")), "request.request_id"),
}


@pytest.mark.parametrize("case", BAD_REFERENCES)
def test_a_bad_reference_is_named(case: str) -> None:
    request, field = BAD_REFERENCES[case]
    assert refused(lambda: parse.from_pb_get_reservation(request)).field == field


BAD_LISTINGS = {
    "no team": (ListReservationsRequest(), "team_id"),
    "long team": (ListReservationsRequest(team_id="x" * 65), "team_id"),
    # Proto3 lets any number through: this is field 2 with 5.
    "unknown state": (ListReservationsRequest.FromString(b"\x0a\x01t\x10\x05"), "state"),
    "negative page": (ListReservationsRequest(team_id="t", page_size=-1), "page_size"),
    "page of 1,001": (ListReservationsRequest(team_id="t", page_size=1_001), "page_size"),
    "made-up token": (ListReservationsRequest(team_id="t", page_token="x"), "page_token"),
}


@pytest.mark.parametrize("case", BAD_LISTINGS)
def test_a_bad_listing_is_named(case: str) -> None:
    request, field = BAD_LISTINGS[case]
    assert refused(lambda: parse.from_pb_list_reservations(request)).field == field


BAD_SUBJECTS = {
    "nobody": (GetRemainsRequest(), "subject"),
    "long key": (GetRemainsRequest(api_key="x" * 257), "api_key"),
    "long key id": (GetRemainsRequest(key_id="x" * 65), "key_id"),
    "team without an actor": (GetRemainsRequest(team_id="t"), "actor_user_id"),
    "empty team": (GetRemainsRequest(team_id="", actor_user_id="u"), "team_id"),
}


@pytest.mark.parametrize("case", BAD_SUBJECTS)
def test_a_bad_subject_is_named(case: str) -> None:
    request, field = BAD_SUBJECTS[case]
    assert refused(lambda: parse.from_pb_subject(request)).field == field


def test_an_unknown_mode_is_told_the_known_ones() -> None:
    request, _ = BAD_REQUESTS["unknown mode"]
    whole = reserve()
    whole.MergeFrom(request)
    fault = refused(lambda: parse.from_pb_check_and_reserve(whole))
    assert fault.text == "77 is none of NORMAL, CHECK_ONLY"


def test_no_refusal_repeats_a_key() -> None:
    """What is sent as a key must not come back in an error, which somebody may log."""
    request = reserve()
    request.api_key = "qsk_secret" + "x" * 256
    assert "qsk_secret" not in refused(lambda: parse.from_pb_check_and_reserve(request)).text


def test_an_unknown_state_is_told_the_known_ones() -> None:
    request, _ = BAD_LISTINGS["unknown state"]
    fault = refused(lambda: parse.from_pb_list_reservations(request))
    assert fault.text == "5 is none of HELD, COMMITTED, RELEASED, EXPIRED"

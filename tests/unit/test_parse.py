"""What a request says is what the planes are asked, no more and no less."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from quotasvc.api import parse
from quotasvc.api.page import PAGE_SIZE_DEFAULT, to_place_token
from quotasvc.domain.reservation import State
from quotasvc.domain.unit import AMOUNT_MAX, UNITS
from quotasvc.planes.ask import Ask, GiveBack, Listing, Report, Settle
from quotasvc.planes.usage import Subject
from quotasvc.v1 import common_pb2
from quotasvc.v1.common_pb2 import Usage
from quotasvc.v1.decision_pb2 import (
    CHECK_ONLY,
    FAILED,
    CheckAndReserveRequest,
    CommitRequest,
    ExtendRequest,
    GetReservationRequest,
    ListReservationsRequest,
    RecordUsageRequest,
    RefundRequest,
    RequestRef,
)
from quotasvc.v1.usage_pb2 import GetBalanceRequest, GetRemainsRequest, ListLotsRequest

UMLAUT = "ü"
"""One character, two bytes."""


def reserve() -> CheckAndReserveRequest:
    return CheckAndReserveRequest(request_id="r1", key_id="acme_k1", resource="text/a")


def commit() -> CommitRequest:
    return CommitRequest(reservation_id="r1.x", as_reserved=True)


def test_a_request_becomes_an_ask() -> None:
    request = CheckAndReserveRequest(
        request_id="r1",
        api_key="qsk_x",
        resource="text/a",
        usage=Usage(input_tokens=700, output_tokens=0, custom={"pages": 3}),
        attributes={"tier": "fast", "resolution": "720P"},
        hold_duration=Duration(seconds=2, nanos=1),
        mode=CHECK_ONLY,
    )
    ask = parse.from_pb_check_and_reserve(request)
    assert ask == Ask(
        request_id="r1",
        api_key="qsk_x",
        key_id=None,
        resource="text/a",
        usage=ask.usage,
        attributes=(("resolution", "720P"), ("tier", "fast")),
        hold_ms=2_001,
        check_only=True,
    )
    assert dict(ask.usage.amounts) == {"input_tokens": 700, "output_tokens": 0, "pages": 3}


def test_what_is_not_sent_stays_absent() -> None:
    ask = parse.from_pb_check_and_reserve(reserve())
    assert (ask.api_key, ask.key_id) == (None, "acme_k1")
    assert dict(ask.usage.amounts) == {}
    assert (ask.attributes, ask.hold_ms, ask.check_only) == ((), None, False)


def test_every_unit_of_the_contract_is_read() -> None:
    assert [field.name for field in Usage.DESCRIPTOR.fields] == [*UNITS, "custom"]
    request = reserve()
    for number, unit in enumerate(UNITS):
        setattr(request.usage, unit, number)
    ask = parse.from_pb_check_and_reserve(request)
    assert dict(ask.usage.amounts) == {unit: number for number, unit in enumerate(UNITS)}


def test_an_empty_key_is_the_end_users_and_passes() -> None:
    """It will be denied as KEY_INVALID, in an OK response."""
    request = CheckAndReserveRequest(request_id="r1", api_key="", resource="text/a")
    assert parse.from_pb_check_and_reserve(request).api_key == ""


def test_a_bare_check_needs_no_request_id() -> None:
    request = reserve()
    request.request_id, request.mode = "", CHECK_ONLY
    assert parse.from_pb_check_and_reserve(request).request_id == ""


def test_sizes_count_bytes_and_include_the_bound() -> None:
    request = CheckAndReserveRequest(
        request_id=UMLAUT * 64,
        api_key="k" * 256,
        resource="r" * 128,
        usage=Usage(requests=AMOUNT_MAX, custom={f"{n:064}": 1 for n in range(16)}),
        attributes={f"{n:064}": "v" * 128 for n in range(16)},
    )
    ask = parse.from_pb_check_and_reserve(request)
    assert (len(ask.attributes), len(ask.usage.amounts)) == (16, 17)


@pytest.mark.parametrize(
    ("duration", "hold_ms"),
    [
        (Duration(seconds=1), 1_000),
        (Duration(seconds=1, nanos=1), 1_001),
        (Duration(seconds=59, nanos=999_000_000), 59_999),
        (Duration(seconds=59, nanos=999_000_001), 60_000),
        (Duration(seconds=3_600), 3_600_000),
    ],
)
def test_a_hold_is_rounded_up_to_whole_ms(duration: Duration, hold_ms: int) -> None:
    request = reserve()
    request.hold_duration.CopyFrom(duration)
    assert parse.from_pb_check_and_reserve(request).hold_ms == hold_ms
    extend = ExtendRequest(reservation_id="r1.x", hold_duration=duration)
    assert parse.from_pb_extend(extend) == ("r1.x", hold_ms)


def test_an_extension_without_a_duration_leaves_it_to_the_plane() -> None:
    assert parse.from_pb_extend(ExtendRequest(reservation_id="r1.x")) == ("r1.x", None)


def test_a_commit_is_at_a_usage_or_as_reserved() -> None:
    at_usage = CommitRequest(
        reservation_id="r1.x", usage=Usage(songs=0), attributes={"b": "2", "a": ""}, outcome=FAILED
    )
    reservation_id, settle = parse.from_pb_commit(at_usage)
    assert reservation_id == "r1.x"
    assert settle.usage is not None
    assert dict(settle.usage.amounts) == {"songs": 0}
    assert (settle.attributes, settle.outcome) == ((("a", ""), ("b", "2")), FAILED)
    assert parse.from_pb_commit(commit()) == (
        "r1.x",
        Settle(usage=None, attributes=(), outcome=0),
    )


@pytest.mark.parametrize(
    "times",
    [
        CommitRequest(
            first_output_time=Timestamp(seconds=5), last_output_time=Timestamp(seconds=5)
        ),
        CommitRequest(last_output_time=Timestamp(seconds=-1, nanos=1)),
    ],
    ids=["equal", "alone"],
)
def test_output_times_may_be_equal_or_alone(times: CommitRequest) -> None:
    request = commit()
    request.MergeFrom(times)
    assert parse.from_pb_commit(request)[0] == "r1.x"


def test_a_refund_names_its_scope_or_gives_back_a_hold() -> None:
    hold = ("r1.x", GiveBack(refund_id=""))
    assert parse.from_pb_refund(RefundRequest(reservation_id="r1.x")) == hold
    # a scope without a refund_id does not harm a hold
    assert parse.from_pb_refund(RefundRequest(reservation_id="r1.x", all=True)) == hold
    whole = RefundRequest(reservation_id="r1.x", refund_id="f1", all=True, reason="x" * 256)
    assert parse.from_pb_refund(whole) == ("r1.x", GiveBack(refund_id="f1"))


def test_a_refund_may_be_of_some_units() -> None:
    request = RefundRequest(reservation_id="r1.x", refund_id="f1", usage=Usage(images=0, songs=2))
    _, give_back = parse.from_pb_refund(request)
    assert give_back.usage is not None
    assert dict(give_back.usage.amounts) == {"images": 0, "songs": 2}
    assert give_back.amount_nanos is None


@pytest.mark.parametrize("nanos", [1, AMOUNT_MAX])
def test_a_refund_may_be_of_an_amount(nanos: int) -> None:
    request = RefundRequest(reservation_id="r1.x", refund_id="f1", amount_nanos=nanos)
    wanted = GiveBack(refund_id="f1", amount_nanos=nanos)
    assert parse.from_pb_refund(request) == ("r1.x", wanted)


def test_use_without_a_hold_becomes_a_report() -> None:
    request = RecordUsageRequest(
        request_id="r1",
        api_key="qsk_x",
        resource="text/a",
        usage=Usage(output_tokens=0),
        attributes={"b": "2", "a": ""},
        reservation_id="x" * 120,
        outcome=FAILED,
        first_output_time=Timestamp(seconds=5),
        last_output_time=Timestamp(seconds=5),
    )
    report = parse.from_pb_record_usage(request)
    assert report == Report(
        request_id="r1",
        api_key="qsk_x",
        key_id=None,
        resource="text/a",
        usage=report.usage,
        attributes=(("a", ""), ("b", "2")),
        reservation_id="x" * 120,
        outcome=FAILED,
    )
    assert dict(report.usage.amounts) == {"output_tokens": 0}


def test_a_report_says_no_more_than_it_was_sent() -> None:
    request = RecordUsageRequest(request_id="r1", key_id="acme_k1", resource="text/a")
    report = parse.from_pb_record_usage(request)
    assert (report.api_key, report.key_id, report.reservation_id) == (None, "acme_k1", None)
    assert (dict(report.usage.amounts), report.attributes, report.outcome) == ({}, (), 0)
    # one request, whatever else was used
    assert report.usage.get("requests") == 1


def test_a_listing_is_of_what_is_open_unless_said_otherwise() -> None:
    request = ListReservationsRequest(team_id="acme")
    assert parse.from_pb_list_reservations(request) == Listing(
        team_id="acme", state=State.HELD, size=PAGE_SIZE_DEFAULT, after=None
    )


@pytest.mark.parametrize("state", State)
def test_a_listing_names_any_state_and_goes_on_after_a_place(state: State) -> None:
    place = (1_700_000_000_000, "r1.acme.s1_x-9")
    request = ListReservationsRequest(
        team_id="acme",
        state=common_pb2.ReservationState.Value(state.name),
        page_size=1_000,
        page_token=to_place_token(place),
    )
    assert parse.from_pb_list_reservations(request) == Listing(
        team_id="acme", state=state, size=1_000, after=place
    )


def test_a_reservation_is_read_by_id_or_by_request() -> None:
    by_id = GetReservationRequest(reservation_id="r1.x")
    assert parse.from_pb_get_reservation(by_id) == "r1.x"
    ref = RequestRef(team_id="acme", request_id="r1")
    assert parse.from_pb_get_reservation(GetReservationRequest(request=ref)) == ("acme", "r1")


def test_a_subject_is_a_key_or_a_member_of_a_team() -> None:
    read = parse.from_pb_subject
    assert read(GetRemainsRequest(api_key="k")) == Subject(api_key="k")
    assert read(GetBalanceRequest(key_id="k")) == Subject(key_id="k")
    assert read(ListLotsRequest(team_id="t", actor_user_id="u")) == Subject(
        team_id="t", actor_user_id="u"
    )

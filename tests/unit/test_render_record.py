"""Recorded use, extended holds, limits that nobody pays, and reservations that share a message."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.timestamp_pb2 import Timestamp

from quotasvc.api import render
from quotasvc.domain.outcome import (
    Committed,
    Denial,
    DenialReason,
    Denied,
    Extended,
    LimitStatus,
    Obstacle,
    Recorded,
)
from quotasvc.v1 import common_pb2, decision_pb2
from tests.support.catalogs import catalog
from tests.unit.test_render import (
    ALLOWED,
    LOT_LEG,
    PB_LOT_LEG,
    PB_PLAN_LEG,
    PB_WINDOW,
    PLAN_LEG,
    RESERVATION,
    WINDOW,
)

RECORDED = Recorded(
    reservation_id="r1.x",
    committed=Committed(
        legs=(PLAN_LEG, LOT_LEG),
        actual_nanos=110,
        written_off_nanos=10,
        late=False,
        attributes_unmatched=False,
        limits=(WINDOW,),
        replayed=True,
        seq=3,
    ),
    catalog_version="pinned00",
)

RPM = LimitStatus(
    limit_id="rate/text/rpm",
    payer=None,
    kind="rate",
    unit="requests",
    limit=5,
    used=5,
    held=0,
    reset_ms=500,
    denied=True,
)
PB_RPM = common_pb2.LimitStatus(
    limit_id="rate/text/rpm",
    kind="rate",
    unit="requests",
    limit=5,
    included=True,
    used=5,
    reset_time=Timestamp(nanos=500_000_000),
    denied=True,
)


def test_recorded_use_shows_what_it_cost_and_whom() -> None:
    assert render.to_pb_record(RECORDED, catalog()) == decision_pb2.RecordUsageResponse(
        decision=decision_pb2.ALLOW,
        reservation_id="r1.x",
        legs=[PB_PLAN_LEG, PB_LOT_LEG],
        actual_nanos=110,
        charged_nanos=100,
        written_off_nanos=10,
        limits=[PB_WINDOW],
        replayed=True,
        seq=3,
        currency="USD",
        catalog_version="pinned00",
    )


def test_recorded_use_has_every_field_of_a_commit() -> None:
    """04: as Commit, plus decision, denial and reservation_id."""
    marked = replace(RECORDED.committed, late=True, attributes_unmatched=True)
    recorded = render.to_pb_record(replace(RECORDED, committed=marked), catalog())
    for field, value in render.to_pb_commit(marked, "USD").ListFields():
        assert getattr(recorded, field.name) == value, field.name


def test_use_that_may_not_be_recorded_says_why() -> None:
    denied = Denied(
        denial=Denial(reason=DenialReason.NOT_COVERED, message="never"), limits=(RPM,), seq=4
    )
    assert render.to_pb_record(denied, catalog()) == decision_pb2.RecordUsageResponse(
        decision=decision_pb2.DENY,
        denial=common_pb2.Denial(reason=common_pb2.NOT_COVERED, message="never"),
        limits=[PB_RPM],
        seq=4,
        currency="USD",
        catalog_version="testtest",
    )


def test_an_extended_hold_shows_its_new_end() -> None:
    assert render.to_pb_extend(Extended(expire_ms=2_001, seq=5)) == decision_pb2.ExtendResponse(
        expire_time=Timestamp(seconds=2, nanos=1_000_000), seq=5
    )


def test_a_rate_limit_has_no_payer() -> None:
    answer = render.to_pb_decision(replace(ALLOWED, limits=(RPM, WINDOW)), catalog())
    assert list(answer.limits) == [PB_RPM, PB_WINDOW]


def test_a_rate_limit_in_the_way_has_no_payer() -> None:
    obstacle = Obstacle(
        payer=None,
        reason=DenialReason.RATE_LIMITED,
        limit_id="rate/text/rpm",
        unit="requests",
        limit=5,
        used=5,
        reset_ms=500,
    )
    denial = Denial(reason=DenialReason.RATE_LIMITED, message="slow down", obstacles=(obstacle,))
    answer = render.to_pb_decision(Denied(denial=denial), catalog())
    assert list(answer.denial.obstacles) == [
        common_pb2.Obstacle(
            limit_id="rate/text/rpm",
            reason=common_pb2.RATE_LIMITED,
            reset_time=Timestamp(nanos=500_000_000),
            limit=5,
            used=5,
            unit="requests",
        )
    ]


def test_a_short_reservation_has_its_legs_where_they_are_few() -> None:
    short = render.to_pb_short_reservation(RESERVATION, "USD")
    assert short == render.to_pb_reservation(RESERVATION, "USD")


def test_a_page_of_the_longest_reservations_fits_a_message() -> None:
    """Clients refuse messages above 4 MiB."""
    longest = replace(
        RESERVATION,
        reservation_id="x" * 120,
        resource="x" * 128,
        held_legs=(LOT_LEG,) * 1_000,
        charged_legs=(LOT_LEG,) * 1_000,
    )
    short = render.to_pb_short_reservation(longest, "USD")
    assert (len(short.held_legs), len(short.charged_legs), short.actual_nanos) == (0, 0, 75)
    # and of the longest that keep their legs
    many = 1
    while render.to_pb_short_reservation(
        replace(RESERVATION, held_legs=(LOT_LEG,) * many), "USD"
    ).held_legs:
        many += 1
    kept = replace(RESERVATION, held_legs=(LOT_LEG,) * (many - 1))
    page = decision_pb2.ListReservationsResponse(
        reservations=[render.to_pb_short_reservation(kept, "USD")] * 1_000
    )
    assert page.ByteSize() < 4 * 1_024 * 1_024

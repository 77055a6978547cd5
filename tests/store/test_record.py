"""Records as Python reads them: fields, states, legs, and what cannot be (SEM-30, SEM-49)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.domain.reservation import Payer, ReservationId, State
from quotasvc.store.decision import Answer
from quotasvc.store.record import Record, lot_id
from quotasvc.store.resp import Reply
from quotasvc.store.table import Code
from tests.support.catalogs import CREDIT, catalog

RID = ReservationId(
    team_id="acme",
    seat_id="s1",
    pool=Payer.CREDITS,
    plan_index=0,
    resource_index=0,
    scopes=0,
    rates=1,
    catalog_version="testtest",
    admit_ms=1_000,
    digest="d",
)
HELD: list[Reply] = [
    *(b"id", b"the-id", b"state", b"1", b"expire", b"2000", b"admit", b"1000", b"seq", b"7"),
    *(b"cost", b"120000000", b"plan", b"100000000", b"plan_nanos", b"100000000"),
    *(b"pool", b"2", b"lots", b"1", b"l1", b"0000000000500:lot", b"l1e", b"9000"),
    *(b"l1n", b"20000000"),
]
COMMITTED: list[Reply] = [
    *(b"state", 2, b"settle", 1_500, b"actual", 110 * CREDIT, b"written_off", 0),
    *(b"keep", 100 * CREDIT, b"over", 0, b"plan_paid", 100 * CREDIT, b"l1c", 10 * CREDIT),
    *(b"commit_seq", 8),
]


def test_a_lots_member_ends_with_its_id() -> None:
    assert lot_id("1793602800000:a:b") == "a:b"


def test_later_parts_overrule_earlier_ones() -> None:
    record = Record.from_reply(1_500, HELD, [b"state", 3, b"extra", b"9"])
    assert record.state is State.RELEASED
    assert record.number(b"extra") == 9
    assert record.number(b"absent") == 0
    assert record.text(b"absent") == ""


@pytest.mark.parametrize(("now_ms", "state"), [(1_999, State.HELD), (2_000, State.EXPIRED)])
def test_a_hold_is_expired_from_its_expiry_on(now_ms: int, state: State) -> None:
    assert Record.from_reply(now_ms, HELD).state is state


def test_a_settled_record_does_not_expire() -> None:
    assert Record.from_reply(9_999, HELD, COMMITTED).state is State.COMMITTED


def test_a_record_becomes_a_reservation_with_its_sources_named() -> None:
    reservation = Record.from_reply(1_500, HELD, COMMITTED).reservation(RID, catalog())
    assert [(leg.payer, leg.source, leg.nanos // CREDIT) for leg in reservation.held_legs] == [
        (Payer.PLAN, "s1/general", 100),
        (Payer.CREDITS, "lot", 20),
    ]
    assert [(leg.source, leg.nanos // CREDIT) for leg in reservation.charged_legs] == [
        ("s1/general", 100),
        ("lot", 10),
    ]
    assert reservation.held_legs[1].expire_ms == 9_000
    assert (reservation.settle_ms, reservation.reserve_seq, reservation.settle_seq) == (1_500, 7, 8)
    assert reservation.refunded_legs == ()


def test_a_leg_of_nothing_is_none() -> None:
    # given a commit that charged neither plan nor lot
    nothing: list[Reply] = [b"keep", 0, b"plan_paid", 0, b"l1c", 0, b"actual", 0]
    record = Record.from_reply(1_500, HELD, COMMITTED, nothing)
    assert record.reservation(RID, catalog()).charged_legs == ()


def test_a_plan_leg_without_an_allowance_is_corrupt() -> None:
    # given a record with a plan leg under an id that names no plan
    record = Record.from_reply(1_500, HELD)
    with pytest.raises(Corrupt, match="has a plan leg whose allowance"):
        record.reservation(replace(RID, plan_index=-1), catalog())


def test_a_lot_leg_without_a_payer_is_not_shown() -> None:
    record = Record.from_reply(1_500, HELD, [b"pool", 0])
    assert len(record.reservation(RID, catalog()).held_legs) == 1


def test_a_field_that_is_no_number_is_corrupt_and_named() -> None:
    record = Record.from_reply(1_500, HELD, [b"cost", b"x"])
    with pytest.raises(Corrupt, match=r"cost.*the-id"):
        record.reservation(RID, catalog())


def test_a_state_that_is_none_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="the-id has state 9"):
        assert Record.from_reply(1_500, HELD, [b"state", 9]).state


def test_a_reply_without_its_record_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="GRANTED came without its record"):
        assert Answer(code=Code.GRANTED, now_ms=0).known

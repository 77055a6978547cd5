"""Records as Python reads them: fields, states, legs, and what cannot be (SEM-30, SEM-49)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.domain.reservation import Payer, ReservationId, State
from quotasvc.store.answer import Answer
from quotasvc.store.code import Code
from quotasvc.store.field import Field
from quotasvc.store.record import LEGS_MAX, Record, lot_id
from quotasvc.store.resp import Reply
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


def sent(number: int | None = None, **values: int | str) -> list[Reply]:
    """Fields by their full names, as a script returns them: texts of what it read, numbers of
    what it wrote. With a number they are the n-th of their names."""
    nth = b"" if number is None else b"%d" % number
    words: list[Reply] = []
    for name, value in values.items():
        words.append(Field[name.upper()].encode() + nth)
        words.append(value if isinstance(value, int) else value.encode())
    return words


HELD = [
    *sent(id="body.", id_end="mac", state="1", hold="1000", admit="1000", seq="7"),
    *sent(cost="120000000", plan="100000000", plan_nanos="100000000", pool="2", lots="1"),
    *sent(1, lot="0000000000500:lot", lot_expire="9000", lot_held="20000000"),
]
COMMITTED = [
    *sent(state=2, settle=1_500, actual=110 * CREDIT, keep=100 * CREDIT, plan_paid=100 * CREDIT),
    *sent(1, lot_charged=10 * CREDIT),
    *sent(commit_seq=8),
]


def test_a_lots_member_ends_with_its_id() -> None:
    assert lot_id("1793602800000:a:b") == "a:b"


def test_later_parts_overrule_earlier_ones() -> None:
    record = Record.from_reply(1_500, "acme", "r", HELD, sent(state=3, tokens="9"))
    assert record.state is State.RELEASED
    assert record.number(Field.TOKENS) == 9
    assert record.number(Field.OVER) == 0
    assert record.number(Field.LOT_CHARGED, 3) == 0
    assert record.text(Field.SETTLEMENT) == ""
    assert record.reservation_id == "r1.acme.body.r.mac"


@pytest.mark.parametrize(("now_ms", "state"), [(1_999, State.HELD), (2_000, State.EXPIRED)])
def test_a_hold_is_expired_from_its_expiry_on(now_ms: int, state: State) -> None:
    assert Record.from_reply(now_ms, "acme", "r", HELD).state is state


def test_a_settled_record_does_not_expire() -> None:
    assert Record.from_reply(9_999, "acme", "r", HELD, COMMITTED).state is State.COMMITTED


def test_a_record_becomes_a_reservation_with_its_sources_named() -> None:
    reservation = Record.from_reply(1_500, "acme", "r", HELD, COMMITTED).reservation(RID, catalog())
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
    assert (reservation.written_off_nanos, reservation.refunded_nanos) == (0, 0)


def test_what_has_gone_back_is_told_refund_by_refund_last_leg_first() -> None:
    # given a charge of 100 by the plan and 10 by a lot, of which 4 went back, then 26 more (SEM-25)
    refunds = [
        *sent(refunds=2, refunded=30 * CREDIT),
        *sent(1, refund_nanos=4 * CREDIT, refund_seq=9),
        *sent(2, refund_nanos=30 * CREDIT, refund_units=20 * CREDIT, refund_gone=1, refund_seq=10),
    ]
    record = Record.from_reply(1_500, "acme", "r", HELD, COMMITTED, refunds)
    first, second = (record.refunded_legs(RID, catalog(), i) for i in (1, 2))
    # then each says what came out of which leg, the plan's last of all
    assert [(leg.source, leg.nanos // CREDIT) for leg in first] == [("lot", 4)]
    assert [(leg.source, leg.nanos // CREDIT) for leg in second] == [("s1/general", 20), ("lot", 6)]
    assert [leg.window_gone for leg in second] == [True, False]


def test_a_leg_of_nothing_is_none() -> None:
    # given a commit that charged neither plan nor lot
    nothing = [*sent(keep=0, plan_paid=0, actual=0), *sent(1, lot_charged=0)]
    record = Record.from_reply(1_500, "acme", "r", HELD, COMMITTED, nothing)
    assert record.reservation(RID, catalog()).charged_legs == ()


def test_a_plan_leg_without_an_allowance_is_corrupt() -> None:
    # given a record with a plan leg under an id that names no plan
    record = Record.from_reply(1_500, "acme", "r", HELD)
    with pytest.raises(Corrupt, match="has a plan leg whose allowance"):
        record.reservation(replace(RID, plan_index=-1), catalog())


def test_a_lot_leg_without_a_payer_is_not_shown() -> None:
    record = Record.from_reply(1_500, "acme", "r", HELD, sent(pool=0))
    assert len(record.reservation(RID, catalog()).held_legs) == 1


@pytest.mark.parametrize("value", ["x", "", "1.5", "nan", "1_0", " 1", "9007199254740992"])
def test_a_field_that_is_no_number_is_corrupt_and_named(value: str) -> None:
    record = Record.from_reply(1_500, "acme", "r", HELD, sent(cost=value))
    with pytest.raises(Corrupt, match=r"b'p'.*mac"):
        record.reservation(RID, catalog())


def test_a_payer_that_is_none_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="mac has payer 7"):
        Record.from_reply(1_500, "acme", "r", HELD, sent(pool=7)).held_legs(RID, catalog())


def test_more_lots_than_there_can_be_are_not_looked_for() -> None:
    with pytest.raises(Corrupt, match="mac has 2001 lots"):
        Record.from_reply(1_500, "acme", "r", HELD, sent(lots=LEGS_MAX + 1)).held_legs(
            RID, catalog()
        )


def test_a_state_that_is_none_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="mac has state 9"):
        assert Record.from_reply(1_500, "acme", "r", HELD, sent(state=9)).state


def test_a_reply_without_its_record_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="GRANTED came without its record"):
        assert Answer(code=Code.GRANTED, now_ms=0, seq=0).known
    with pytest.raises(Corrupt, match="SHORT came without what was short"):
        assert Answer(code=Code.SHORT, now_ms=0, seq=0).shortfall

"""Reservation ids: self-describing, short, and impossible to forge (SEM-36, SEM-44)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotasvc.domain.reservation import (
    EXPIRED_RECORD_MS,
    EXTENDED_MS_MAX,
    HOLD_MS_DEFAULT,
    HOLD_MS_MAX,
    HOLD_MS_MIN,
    LEASE_MS,
    REFUNDS_MAX,
    REPORTED_RECORD_MS,
    RESERVATION_ID_CHARS_MAX,
    SETTLED_RECORD_MS,
    Leg,
    Payer,
    Reservation,
    ReservationId,
    State,
    _mac,
    content_digest,
    digest,
    lengthen,
    request_digest,
    shorten,
)
from tests.support.catalogs import CREDIT, catalog
from tests.support.clock import DAY, HOUR, MINUTE

MAC_KEY = b"m" * 32

RID = ReservationId(
    team_id="acme",
    seat_id="s1",
    pool=2,
    plan_index=0,
    resource_index=3,
    scopes=0,
    rates=5,
    catalog_version="testtest",
    admit_ms=1_793_602_800_000,
    digest=request_digest("acme", "r1"),
)


@given(
    plan_index=st.integers(-1, 99),
    resource_index=st.integers(0, 999),
    scopes=st.integers(0, 2**20),
    rates=st.integers(0, 2**30 - 1),
    admit_ms=st.integers(0, 2**53 - 1),
    pool=st.sampled_from((0, 2, 3)),
    seat_id=st.sampled_from(("", "s1", "seat-of-22-characters-")),
)
def test_an_id_says_all_that_it_was_made_of(seat_id: str, **fields: Any) -> None:
    rid = replace(RID, seat_id=seat_id, **fields)
    assert ReservationId.verify(rid.sign(MAC_KEY), MAC_KEY) == rid


def test_the_longest_id_is_short_enough_and_url_safe() -> None:
    # given the longest team and seat, a large catalog with 30 price rows and 24 rate limits, and a
    # far future
    longest = replace(
        RID,
        team_id="t" * 16,
        seat_id="s" * 22,
        plan_index=99,
        resource_index=999,
        scopes=2**24 - 1,
        rates=2**30 - 1,
        admit_ms=4_102_444_800_000,  # the year 2100
    )
    text = longest.sign(MAC_KEY)
    assert len(text) <= RESERVATION_ID_CHARS_MAX
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", text)


def test_an_id_that_was_given_out_stays_an_id() -> None:
    # SEM-31, SEM-36: given an id as some caller keeps it
    text = "r1.acme.s1.2.1.3.0.5.testtest.mvywsps0.CeFnIhQDeSqY9ttD9GZT7Q.-PoK4-8eG5SF0C"
    assert ReservationId.verify(text, MAC_KEY) == RID
    assert RID.sign(MAC_KEY) == text


@given(seat_id=st.sampled_from(("", "s1")), admit_ms=st.integers(0, 2**53 - 1))
def test_a_record_keeps_of_its_id_what_its_place_does_not_say(seat_id: str, admit_ms: int) -> None:
    # SEM-36
    rid = replace(RID, seat_id=seat_id, admit_ms=admit_ms)
    text = rid.sign(MAC_KEY)
    kept = shorten(text)
    assert lengthen(kept, rid.team_id, rid.digest) == text
    assert rid.digest not in kept
    assert not kept.startswith(f"r1.{rid.team_id}.")


def test_payers_and_states_have_the_numbers_of_the_contract() -> None:
    # SEM-10, SEM-26
    assert [payer.name for payer in map(Payer, range(1, 4))] == ["PLAN", "CREDITS", "WALLET"]
    assert [state.name for state in map(State, range(1, 5))] == [
        *("HELD", "COMMITTED", "RELEASED", "EXPIRED"),
    ]
    assert RESERVATION_ID_CHARS_MAX == 120


def test_contents_are_told_apart_by_96_bits() -> None:
    # SEM-35
    assert re.fullmatch(r"[A-Za-z0-9_-]{16}", content_digest("a", "b"))
    assert content_digest("a", "b") != content_digest("ab", "")


def test_another_key_signs_another_id() -> None:
    assert RID.sign(MAC_KEY) != RID.sign(b"n" * 32)
    assert ReservationId.verify(RID.sign(MAC_KEY), b"n" * 32) is None


@given(place=st.integers(0, 200), letter=st.sampled_from("aZ0.-_é\ud800 "))
def test_a_changed_id_is_no_id(place: int, letter: str) -> None:
    # given a genuine id of which one character is another
    text = RID.sign(MAC_KEY)
    place %= len(text)
    changed = text[:place] + letter + text[place + 1 :]
    assert (ReservationId.verify(changed, MAC_KEY) is not None) == (changed == text)


@given(text=st.text(max_size=130))
def test_any_other_text_is_no_id(text: str) -> None:
    assert ReservationId.verify(text, MAC_KEY) is None


@pytest.mark.parametrize(
    "body",
    [
        "r2.acme.s1.2.1.3.0.5.testtest.mvywsps0.digest",  # a version to come
        "r1.acme.s1.2.1.3.0.5.testtest.mvywsps0.digest.more",
        "r1.acme",
    ],
)
def test_an_id_of_another_version_or_shape_is_none_even_if_signed(body: str) -> None:
    assert ReservationId.verify(f"{body}.{_mac(body, MAC_KEY)}", MAC_KEY) is None


def test_a_record_is_named_by_team_and_request() -> None:
    # different pairs whose texts joined are the same are told apart
    names = {request_digest("a", "bc"), request_digest("ab", "c"), request_digest("abc", "")}
    assert len(names) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", name) for name in names)


@given(
    left=st.lists(st.text(max_size=4), max_size=3), right=st.lists(st.text(max_size=4), max_size=3)
)
def test_digests_differ_as_their_parts_do(left: list[str], right: list[str]) -> None:
    assert (digest(*left) == digest(*right)) == (left == right)


def test_the_catalogs_tables_name_what_the_indexes_mean() -> None:
    # given the catalog that the id pins
    policy = catalog()
    images = replace(RID, resource_index=1)
    assert images.resource(policy).resource_id == "image/a"
    allowance = images.allowance(policy)
    assert allowance is not None
    assert allowance.allowance_id == "images"
    # then no seat means no allowance, and a plan may show "-"
    assert replace(images, plan_index=-1).allowance(policy) is None
    assert replace(images, plan_index=1).allowance(policy) is None
    text = replace(RID, resource_index=0)
    assert text.allowance(policy) is not None
    assert replace(text, plan_index=-1).plan(policy) is None


def test_times_are_those_that_were_promised() -> None:
    # SEM-30: 1 s to 1 h a step, 10 minutes unless asked otherwise, 4 h in all
    assert (HOLD_MS_MIN, HOLD_MS_DEFAULT, HOLD_MS_MAX) == (1_000, 10 * MINUTE, HOUR)
    assert EXTENDED_MS_MAX == 4 * HOUR
    # SEM-20
    assert LEASE_MS == MINUTE
    # SEM-31, S7
    assert (SETTLED_RECORD_MS, EXPIRED_RECORD_MS, REPORTED_RECORD_MS) == (26 * HOUR, DAY, 25 * HOUR)
    # SEM-29
    assert REFUNDS_MAX == 16


def test_what_was_charged_is_the_sum_of_the_legs() -> None:
    legs = tuple(
        Leg(payer=Payer.CREDITS, source=f"lot{n}", unit="cost", amount=n, nanos=n * CREDIT)
        for n in (1, 2)
    )
    assert not any(leg.window_gone for leg in legs)
    reservation = Reservation(
        reservation_id="r",
        state=State.COMMITTED,
        resource="text/a",
        admit_ms=0,
        expire_ms=0,
        settle_ms=0,
        held_legs=(),
        charged_legs=legs,
        cost_nanos=0,
        actual_nanos=0,
        written_off_nanos=0,
        refunded_nanos=0,
        late=False,
        catalog_version="testtest",
        reserve_seq=1,
        settle_seq=2,
    )
    assert reservation.charged_nanos == 3 * CREDIT

"""Teams: who is in them, who sits where, and which team a key id names (F5, F6)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.team import TEAM_ID, KeyKind, Role, team_of_key
from tests.support.people import key, member, seat, team

ACME = team(
    (member("ann", Role.OWNER), member("bob")),
    seats=(seat("s1", None), seat("s2", "bob"), seat("s3", None)),
    keys=(key(1, "ann"), key(2, "gone", payg=True)),
)


def test_a_member_is_found_by_user() -> None:
    found = ACME.member("ann")
    assert found is not None
    assert found.role is Role.OWNER
    assert ACME.member("eve") is None


def test_a_key_is_found_whoever_has_it() -> None:
    found = ACME.key("acme_k2")
    assert found is not None
    assert (found.kind, found.user_id) == (KeyKind.PAYG, "gone")
    assert ACME.key("acme_k3") is None


def test_a_seat_belongs_to_its_one_holder() -> None:
    found = ACME.seat_of("bob")
    assert found is not None
    assert found.seat_id == "s2"
    assert ACME.seat_of("ann") is None
    assert ACME.free_seats(now_ms=0, grace_ms=0) == 2


def test_a_seat_that_has_ended_is_not_free() -> None:
    # W8: given a free seat that is due to renew at 1,000 with a grace of 7
    ended = replace(seat("s4", None), paid_until_ms=1_000)
    people = replace(ACME, seats=(ended, seat("s2", "bob")))
    assert [people.free_seats(now_ms, grace_ms=7) for now_ms in (1_006, 1_007)] == [1, 0]


def test_a_member_who_left_is_remembered_but_no_member() -> None:
    # SEM-34
    gone = replace(member("eve"), removed_ms=5)
    people = replace(ACME, members=(*ACME.members, gone))
    assert people.member("eve") is None
    assert people.past_member("eve") is gone
    assert people.past_member("ann") is people.member("ann")
    assert people.past_member("mallory") is None


def test_a_seat_that_says_nothing_of_its_cycle_is_in_one_without_an_end() -> None:
    # SEM-42, W5
    held = seat("s1", "ann")
    assert (held.cycle_start_ms, held.paid_until_ms, held.renews) == (0, None, True)


@pytest.mark.parametrize(
    ("paid_until_ms", "renews", "ends_ms"),
    [(None, True, None), (None, False, None), (1_000, True, 1_007), (1_000, False, 1_000)],
)
def test_a_seat_that_renews_pays_for_a_grace_beyond_its_cycle(
    paid_until_ms: int | None, ends_ms: int | None, *, renews: bool
) -> None:
    # SEM-42, W8
    held = replace(seat("s1", "ann"), paid_until_ms=paid_until_ms, renews=renews)
    assert held.ends_ms(grace_ms=7) == ends_ms


@pytest.mark.parametrize(
    ("key_id", "team_id"),
    [
        ("acme_k1", "acme"),
        ("acme_k9999", "acme"),
        ("a_k0", "a"),
        ("a-b-c_k7", "a-b-c"),
        ("t" * 16 + "_k1", "t" * 16),
    ],
)
def test_a_key_id_names_its_team(key_id: str, team_id: str) -> None:
    assert team_of_key(key_id) == team_id


@pytest.mark.parametrize(
    "key_id",
    [
        "",
        "acme",
        "_k1",
        "acme_k",
        "acme_kx",
        "acme_k12345",
        "acme_k-1",
        "acme_k\N{ARABIC-INDIC DIGIT ONE}",  # a digit, but not one of ours
        "ACME_k1",
        "-acme_k1",
        "acme-_k1",
        "a.b_k1",
        "a:b_k1",
        "t" * 17 + "_k1",
        "acme_k1\n",
        "acmé_k1",
    ],
)
def test_anything_else_is_no_key_id(key_id: str) -> None:
    assert team_of_key(key_id) is None


@pytest.mark.parametrize("team_id", ["", "-", "a-", "A", "a_b", "a{b}", "a:b", "a\n", "t" * 17])
def test_a_team_id_cannot_break_a_key_name(team_id: str) -> None:
    assert TEAM_ID.fullmatch(team_id) is None

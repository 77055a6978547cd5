"""Teams: who is in them, who sits where, and which team a key id names (F5, F6)."""

from __future__ import annotations

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
    assert ACME.free_seats == 2


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

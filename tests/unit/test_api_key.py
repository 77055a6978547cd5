"""API keys as text: recognised without I/O, verified in constant time, never shown (A16, A17)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotasvc.domain.api_key import (
    CHECK_CHARS,
    ApiKey,
    _check,
    is_secret,
    make_api_key,
    parse_api_key,
    secret_hash,
)
from quotasvc.domain.secret import Secrets
from quotasvc.domain.team import KeyKind

SECRETS = Secrets(version=3, mac_key=b"m" * 32, pepper=b"p" * 32)
ENTROPY = bytes(range(32))
KEY = make_api_key(KeyKind.SUBSCRIPTION, "acme_k12", ENTROPY)


@given(entropy=st.binary(min_size=32, max_size=40), kind=st.sampled_from(KeyKind))
def test_a_key_is_read_back_from_its_text(entropy: bytes, kind: KeyKind) -> None:
    made = make_api_key(kind, "acme_k12", entropy)
    assert parse_api_key(made.text) == made
    assert (made.team_id, made.key_id, made.kind) == ("acme", "acme_k12", kind)


def test_a_key_that_somebody_holds_stays_a_key() -> None:
    # A16: given the text of a key as it was shown once
    text = "qsk_acme_k12_flDIBkGwcRKRL9GXCgaFM3UNu2jQTCljbxMt71"
    assert parse_api_key(text) == KEY
    assert KEY.text == text


def test_a_secret_uses_every_letter_of_the_alphabet() -> None:
    # A16: given entropy that spells the last letter 32 times
    entropy = (62**32 - 1).to_bytes(32, "big")
    assert make_api_key(KeyKind.PAYG, "acme_k1", entropy).secret == "z" * 32


@pytest.mark.parametrize(("kind", "prefix"), [(KeyKind.SUBSCRIPTION, "qsk"), (KeyKind.PAYG, "qpk")])
def test_the_prefix_tells_the_kind(kind: KeyKind, prefix: str) -> None:
    text = make_api_key(kind, "acme_k1", ENTROPY).text
    assert re.fullmatch(prefix + r"_acme_k1_[0-9A-Za-z]{38}", text)


def test_other_entropy_makes_another_secret() -> None:
    secrets = {make_api_key(KeyKind.PAYG, "acme_k1", bytes([n]) * 32).secret for n in range(100)}
    assert len(secrets) == 100


@pytest.mark.parametrize(
    ("key_id", "entropy"), [("acme", ENTROPY), ("acme_k1", ENTROPY[:31]), ("", ENTROPY)]
)
def test_a_key_needs_an_id_and_enough_entropy(key_id: str, entropy: bytes) -> None:
    with pytest.raises(ValueError, match="32 random bytes"):
        make_api_key(KeyKind.PAYG, key_id, entropy)


@given(place=st.integers(0, 200), letter=st.sampled_from("aZ0_-é \x00"))
def test_a_mistyped_key_is_refused_without_any_look_up(place: int, letter: str) -> None:
    text = KEY.text
    place %= len(text)
    changed = text[:place] + letter + text[place + 1 :]
    assert (parse_api_key(changed) is not None) == (changed == text)


@given(text=st.text(max_size=80))
def test_any_other_text_is_no_key(text: str) -> None:
    assert parse_api_key(text) is None


@pytest.mark.parametrize("text", ["", "_", "qsk_", "\ud800" * 40, KEY.text[:-1] + "\ud800"])
def test_a_text_that_cannot_be_encoded_is_no_key(text: str) -> None:
    assert parse_api_key(text) is None


def resealed(text: str) -> str:
    """The text with check digits that fit it: anybody can make those."""
    body = text[:-CHECK_CHARS]
    return body + _check(body)


@pytest.mark.parametrize(
    "text",
    [
        KEY.text.replace("qsk_", "xxx_"),
        KEY.text.replace("_k12_", "_12_"),
        KEY.text.replace("acme", "ACME"),
        KEY.text.replace("_k12_", "_k12_x"),
    ],
)
def test_fitting_check_digits_alone_make_no_key(text: str) -> None:
    assert parse_api_key(resealed(text)) is None
    assert parse_api_key(resealed(KEY.text)) == KEY


# Secrets.


def test_the_secret_shows_in_no_representation() -> None:
    for shown in (repr(KEY), str(KEY), f"{KEY}"):
        assert KEY.secret not in shown
        assert KEY.key_id in shown
    assert "mac_key" not in repr(SECRETS)
    assert "pepper" not in repr(SECRETS)


def test_what_is_stored_verifies_the_secret_and_no_other() -> None:
    stored = secret_hash(KEY.secret, SECRETS)
    assert is_secret(KEY.secret, stored, SECRETS)
    assert not is_secret(KEY.secret[:-1] + "x", stored, SECRETS)
    assert not is_secret("", stored, SECRETS)


def test_what_is_stored_is_useless_without_the_pepper() -> None:
    stored = secret_hash(KEY.secret, SECRETS)
    assert KEY.secret not in stored
    assert re.fullmatch(r"3:[0-9a-f]{64}", stored)
    other = Secrets(version=3, mac_key=SECRETS.mac_key, pepper=b"q" * 32)
    assert not is_secret(KEY.secret, stored, other)


def test_the_kind_is_part_of_the_check_digits() -> None:
    # a subscription key does not become a pay-as-you-go key by its prefix
    payg = ApiKey(KeyKind.PAYG, KEY.key_id, KEY.team_id, KEY.secret).text
    assert payg[-6:] != KEY.text[-6:]
    assert parse_api_key(KEY.text.replace("qsk_", "qpk_")) is None

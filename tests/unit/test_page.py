"""Tokens of pages: those that we made are read, all others refused."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from quotasvc.api.page import (
    PAGE_SIZE_DEFAULT,
    from_lot_token,
    from_pb_size,
    from_place_token,
    to_lot_token,
    to_place_token,
)
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.lot import LotPlace


@pytest.mark.parametrize(("asked", "size"), [(0, PAGE_SIZE_DEFAULT), (1, 1), (1_000, 1_000)])
def test_a_page_has_as_many_as_are_asked_for_and_100_unless_said(asked: int, size: int) -> None:
    assert from_pb_size(asked) == size
    assert PAGE_SIZE_DEFAULT == 100


@pytest.mark.parametrize("size", [-1, 1_001])
def test_a_page_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        from_pb_size(size)
    assert caught.value.field == "page_size"


def test_the_first_page_of_lots_has_no_token_and_the_last_gives_none() -> None:
    assert from_lot_token("") == LotPlace(section=1, after="")
    assert to_lot_token(None) == ""


@pytest.mark.parametrize("section", [1, 2, 3])
@pytest.mark.parametrize("after", ["", "0000000000007:a", "1753142400000:" + "é:" * 32])
def test_a_place_among_lots_survives_its_token(section: int, after: str) -> None:
    place = LotPlace(section=section, after=after)
    assert from_lot_token(to_lot_token(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "l1:0:",
        "l1:4:",
        "l1::",
        "l1:1",
        "l1:1:7:a",
        "l1:1:0000000000007:",
        "l1:1:0000000000007:a\n",
        "l1:1:0000000000007:" + "x" * 65,
        "1:0:0:5:7:lot",
    ],
)
def test_a_token_that_names_no_place_among_lots_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        from_lot_token(urlsafe_b64encode(text.encode()).decode())
    assert caught.value.field == "page_token"


TOKENS = {
    "no base64": "!",
    "no ASCII": "ü",
    "no UTF-8": "gICA",
    "something else": "aGVsbG8=",
    "a place without a lot": "MTowOjA6MTox",
}


@pytest.mark.parametrize("case", TOKENS)
def test_a_made_up_token_is_refused(case: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        from_lot_token(TOKENS[case])
    assert caught.value.field == "page_token"
    with pytest.raises(InvalidArgument) as caught:
        from_place_token(TOKENS[case])
    assert caught.value.field == "page_token"


@pytest.mark.parametrize("place", [(0, "r"), (10**15 - 1, "r1.a_b-c." + "x" * 111)])
def test_a_place_among_reservations_survives_its_token(place: tuple[int, str]) -> None:
    assert from_place_token(to_place_token(place)) == place


def test_the_last_page_has_no_token() -> None:
    assert to_place_token(None) == ""


@pytest.mark.parametrize(
    "text",
    [
        "r1:5:",
        "r1:-5:r",
        "r1:5:r\n",
        "r1:5:a:b",
        "r1:5:" + "x" * 121,
        "r1:1000000000000000:r",
        "r2:5:r",
    ],
)
def test_a_place_that_the_store_must_not_be_asked_for_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        from_place_token(urlsafe_b64encode(text.encode()).decode())
    assert caught.value.field == "page_token"


def test_a_token_of_one_list_is_none_of_another() -> None:
    with pytest.raises(InvalidArgument):
        from_place_token(to_lot_token(LotPlace(section=3)))
    with pytest.raises(InvalidArgument):
        from_lot_token(to_place_token((5, "r")))

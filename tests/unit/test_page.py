"""Pages of a list neither skip nor repeat a thing, whatever comes or goes between them."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from quotasvc.api.page import (
    PAGE_SIZE_DEFAULT,
    from_pb_page,
    from_place_token,
    to_place_token,
)
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.lot import Lot
from quotasvc.v1.usage_pb2 import ListLotsRequest


def lot(number: int, *, available: int = 1, expire_ms: int | None = 5_000) -> Lot:
    return Lot(
        lot_id=f"lot{number:03}",
        origin="top_up",
        granted=1,
        available=available,
        held=0,
        consumed=1 - available,
        expired=0,
        revoked=0,
        purchase_ms=number,
        grant_ms=number,
        expire_ms=expire_ms,
    )


def listed(*lots: Lot) -> tuple[Lot, ...]:
    """In the order of `UsagePlane.lots`."""
    return tuple(sorted(lots, key=lambda lot: (not lot.is_open, lot.draw_order)))


def turn(lots: tuple[Lot, ...], size: int, token: str = "") -> tuple[list[str], str]:
    page = from_pb_page(ListLotsRequest(page_size=size, page_token=token))
    shown, next_token = page.cut(lots)
    return [lot.lot_id for lot in shown], next_token


LOTS = listed(
    *(lot(number) for number in range(4)),
    lot(4, expire_ms=None),
    lot(5, available=0),
    lot(6, available=0, expire_ms=None),
)


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 1_000])
def test_pages_together_are_the_list(size: int) -> None:
    shown, token = turn(LOTS, size)
    while token:
        more, token = turn(LOTS, size, token)
        shown += more
    assert shown == [lot.lot_id for lot in LOTS]


def test_a_page_goes_on_where_the_last_one_ended() -> None:
    # given a first page of two lots
    shown, token = turn(LOTS, 2)
    assert shown == ["lot000", "lot001"]
    # when one of them is gone and an earlier one has come
    later = listed(lot(9, expire_ms=1), *(lot for lot in LOTS if lot.lot_id != "lot001"))
    # then the second page starts after the first all the same
    assert turn(later, 2, token)[0] == ["lot002", "lot003"]


def test_no_lots_are_one_empty_page() -> None:
    assert turn((), 10) == ([], "")


def test_a_page_has_100_lots_unless_said_otherwise() -> None:
    lots = listed(*(lot(number) for number in range(101)))
    assert len(turn(lots, 0)[0]) == PAGE_SIZE_DEFAULT == 100


@pytest.mark.parametrize("size", [-1, 1_001])
def test_a_page_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        turn(LOTS, size)
    assert caught.value.field == "page_size"


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
        turn(LOTS, 2, TOKENS[case])
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
    _, of_lots = turn(LOTS, 2)
    with pytest.raises(InvalidArgument):
        from_place_token(of_lots)
    with pytest.raises(InvalidArgument):
        turn(LOTS, 2, to_place_token((5, "r")))

"""Pages of lists. A token says after which place the next page starts.

A place is a position in the listing order, not a number of things shown, so a page neither skips
nor repeats one when others come or go meanwhile. Lots are cut into pages here; a lot that is spent
between two pages may be seen twice, since spent lots come last. Reservations come in pages from
their plane: of these only the tokens are known here.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from bisect import bisect_right
from dataclasses import dataclass

from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.lot import Lot
from quotasvc.v1 import usage_pb2

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1_000

Place = tuple[bool, tuple[bool, int, int, str]]
"""Open lots first, each group in the order of drawing: what `UsagePlane.lots` sorts by."""

ReservationPlace = tuple[int, str]
"""A time in ms and a reservation id: what the plane lists reservations by."""

_TOKEN = re.compile(r"1:([01]):([01]):(\d{1,16}):(\d{1,16}):(.{1,64})", re.ASCII)
# Narrow, since the store is asked for this place: a time below 2^53, and an id as we make them.
_RESERVATION_TOKEN = re.compile(r"r1:(\d{1,15}):([\w.-]{1,120})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """How many lots to show, and after which place; None: from the first."""

    size: int
    after: Place | None

    def cut(self, lots: tuple[Lot, ...]) -> tuple[tuple[Lot, ...], str]:
        """The lots of this page, and the token of the next one; empty on the last."""
        start = 0 if self.after is None else bisect_right(lots, self.after, key=_place)
        shown = lots[start : start + self.size]
        is_last = start + self.size >= len(lots)
        return shown, "" if is_last else _token(_place(shown[-1]))


def from_pb_page(request: usage_pb2.ListLotsRequest) -> Page:
    """The page of lots that is asked for."""
    return Page(
        size=from_pb_size(request.page_size),
        after=_from_token(request.page_token) if request.page_token else None,
    )


def from_pb_size(page_size: int) -> int:
    """How many to show at most."""
    if not 0 <= page_size <= PAGE_SIZE_MAX:
        raise InvalidArgument("page_size", f"{page_size} is not within 1 … {PAGE_SIZE_MAX}")
    return page_size or PAGE_SIZE_DEFAULT


def from_place_token(token: str) -> ReservationPlace:
    """After which reservation a page starts."""
    ms, reservation_id = _read(token, _RESERVATION_TOKEN)
    return int(ms), reservation_id


def to_place_token(place: ReservationPlace | None) -> str:
    """The token of the page after this reservation; empty where none is to follow."""
    return "" if place is None else _write(f"r1:{place[0]}:{place[1]}")


def _place(lot: Lot) -> Place:
    return not lot.is_open, lot.draw_order


def _token(place: Place) -> str:
    is_spent, (is_endless, expire_ms, purchase_ms, lot_id) = place
    return _write(f"1:{is_spent:d}:{is_endless:d}:{expire_ms}:{purchase_ms}:{lot_id}")


def _from_token(token: str) -> Place:
    is_spent, is_endless, expire_ms, purchase_ms, lot_id = _read(token, _TOKEN)
    return is_spent == "1", (is_endless == "1", int(expire_ms), int(purchase_ms), lot_id)


def _write(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def _read(token: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
    """The parts of a token that we may have made; each list has a pattern of its own."""
    try:
        text = urlsafe_b64decode(token.encode("ascii")).decode()
    except (Base64Error, UnicodeError):
        text = ""
    match = pattern.fullmatch(text)
    if match is None:
        raise InvalidArgument("page_token", "not a next_page_token of this method")
    return match.groups()

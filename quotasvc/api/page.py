"""Pages of lots. A token says after which place the next page starts.

A place is a lot's position in the listing order, not a number of lots, so a page neither skips
nor repeats a lot when others come or go meanwhile; one that is spent between two pages may be
seen twice, since spent lots come last.
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

_TOKEN = re.compile(r"1:([01]):([01]):(\d{1,16}):(\d{1,16}):(.{1,64})", re.ASCII)


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
    """The page that is asked for."""
    if not 0 <= request.page_size <= PAGE_SIZE_MAX:
        raise InvalidArgument("page_size", f"{request.page_size} is not within 1 … {PAGE_SIZE_MAX}")
    return Page(
        size=request.page_size or PAGE_SIZE_DEFAULT,
        after=_from_token(request.page_token) if request.page_token else None,
    )


def _place(lot: Lot) -> Place:
    return not lot.is_open, lot.draw_order


def _token(place: Place) -> str:
    is_spent, (is_endless, expire_ms, purchase_ms, lot_id) = place
    text = f"1:{is_spent:d}:{is_endless:d}:{expire_ms}:{purchase_ms}:{lot_id}"
    return urlsafe_b64encode(text.encode()).decode()


def _from_token(token: str) -> Place:
    try:
        text = urlsafe_b64decode(token.encode("ascii")).decode()
    except (Base64Error, UnicodeError):
        text = ""
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise InvalidArgument("page_token", "not a next_page_token of this method")
    is_spent, is_endless, expire_ms, purchase_ms, lot_id = match.groups()
    return is_spent == "1", (is_endless == "1", int(expire_ms), int(purchase_ms), lot_id)

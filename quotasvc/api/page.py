"""Pages of lists. A token says after which place the next page starts.

A place is a position in the listing order, not a number of things shown, so a page neither skips
nor repeats one when others come or go meanwhile. A lot that moves itself between two pages may be
seen twice (spent ones come last), or not at all (one that waited has entered, or was refunded).
Pages come from the planes: only their tokens are known here.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.lot import LotPlace

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1_000

ReservationPlace = tuple[int, str]
"""A time in ms and a reservation id: what the plane lists reservations by."""

_LOT_TOKEN = re.compile(r"l1:([123]):((?:\d{13}:.{1,64})?)", re.ASCII)
# Narrow, since the store is asked for this place: a time below 2^53, and an id as we make them.
_RESERVATION_TOKEN = re.compile(r"r1:(\d{1,15}):([\w.-]{1,120})", re.ASCII)


def from_pb_size(page_size: int) -> int:
    """How many to show at most."""
    if not 0 <= page_size <= PAGE_SIZE_MAX:
        raise InvalidArgument("page_size", f"{page_size} is not within 1 … {PAGE_SIZE_MAX}")
    return page_size or PAGE_SIZE_DEFAULT


def from_lot_token(token: str) -> LotPlace:
    """Where a page of lots begins; without a token with the first."""
    if not token:
        return LotPlace()
    section, after = _read(token, _LOT_TOKEN)
    return LotPlace(section=int(section), after=after)


def to_lot_token(place: LotPlace | None) -> str:
    """The token of the page that begins there; empty where none is to follow."""
    return "" if place is None else _write(f"l1:{place.section}:{place.after}")


def from_place_token(token: str) -> ReservationPlace:
    """After which reservation a page starts."""
    ms, reservation_id = _read(token, _RESERVATION_TOKEN)
    return int(ms), reservation_id


def to_place_token(place: ReservationPlace | None) -> str:
    """The token of the page after this reservation; empty where none is to follow."""
    return "" if place is None else _write(f"r1:{place[0]}:{place[1]}")


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

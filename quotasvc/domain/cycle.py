"""Billing cycles: months that begin on the day and at the time of an anchor (SEM-14, SEM-42).

Knows calendars and zones, whole milliseconds and no clock; also what clocks show at an instant,
and when they show it. Which cycle a seat is in is its own data: here is only where the next ends.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_MS = timedelta(milliseconds=1)
_MONTHS = 12


def cycle_end_ms(anchor_ms: int, start_ms: int, zone: str) -> int:
    """The first beginning of a cycle after `start_ms`, hence the end of the one it begins.

    Each month has one: the anchor's day, or the month's last where it is shorter, at the anchor's
    time. It is counted from the anchor, so 31 January, 28 February, 31 March: no drift.
    """
    anchor, start = wall_clock(anchor_ms, zone), wall_clock(start_ms, zone)
    month = start.year * _MONTHS + start.month - 1
    # A second round where clocks go back over the end of a month: this month's is over then.
    while (end_ms := _beginning_ms(anchor, month, zone)) <= start_ms:
        month += 1
    return end_ms


def _beginning_ms(anchor: datetime, month: int, zone: str) -> int:
    """When the cycle of a month begins; months count from the year 0."""
    year, index = divmod(month, _MONTHS)
    days = monthrange(year, index + 1)[1]
    day = date(year, index + 1, min(anchor.day, days))
    return wall_clock_ms(datetime.combine(day, anchor.time()), zone)


def wall_clock(at_ms: int, zone: str) -> datetime:
    """What clocks in `zone` show at `at_ms`: a time without a zone."""
    shown = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(zone))
    return shown.replace(tzinfo=None)


def wall_clock_ms(wall: datetime, zone: str) -> int:
    """When clocks in `zone` show `wall` first; where they skip it, the instant of their jump."""
    first = _to_ms(wall.replace(tzinfo=ZoneInfo(zone), fold=0))
    return first if wall_clock(first, zone) == wall else _end_of_gap(wall, zone)


@lru_cache(maxsize=1024)
def _end_of_gap(wall: datetime, zone: str) -> int:
    """The instant at which clocks jumped over `wall`, by bisection: zones do not tell it."""
    # Read with the offset of after and of before the jump, `wall` lies on its two sides.
    local = wall.replace(tzinfo=ZoneInfo(zone))
    before, after = _to_ms(local.replace(fold=1)), _to_ms(local.replace(fold=0))
    while after - before > 1:
        middle = (before + after) // 2
        if wall_clock(middle, zone) < wall:
            before = middle
        else:
            after = middle
    return after


def _to_ms(at: datetime) -> int:
    return (at - _EPOCH) // _ONE_MS

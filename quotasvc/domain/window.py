"""Calendar geometry: the instance of an aligned window that an instant falls into (SEM-14, 51).

Knows zones and calendars through `zoneinfo`, whole milliseconds and no clock. Sliding windows
have no instances: their slices are plain arithmetic, done where the slices are stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from quotasvc.domain.catalog import AlignedPeriod, Window
from quotasvc.domain.cycle import wall_clock, wall_clock_ms

DAY_MS = 86_400_000
"""A day on the clock; calendar days last 23 to 25 hours where clocks change."""

WEEK_DAYS = 7

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Instance:
    """One calendar instance of an aligned window: [start_ms, end_ms)."""

    start_ms: int
    end_ms: int

    def contains(self, at_ms: int) -> bool:
        """Whether `at_ms` falls into this instance."""
        return self.start_ms <= at_ms < self.end_ms


_Calendar = tuple[AlignedPeriod, int, str, int]
_latest: dict[_Calendar, Instance] = {}
"""The instance found last for each calendar: the next question is nearly always about it."""


def instance(window: Window, now_ms: int) -> Instance:
    """The instance of `window` that contains `now_ms`. Instances tile time without a gap."""
    assert window.period is not None, "only aligned windows have instances"
    calendar = (window.period, window.length_ms, window.zone, window.week_start)
    found = _latest.get(calendar)
    if found is None or not found.contains(now_ms):
        found = _latest[calendar] = _find(*calendar, now_ms)
    return found


def day_start_ms(day: date, zone: str) -> int:
    """The first instant of a calendar day: midnight, or what follows where clocks skip it."""
    return wall_clock_ms(datetime.combine(day, time()), zone)


def _find(
    period: AlignedPeriod, length_ms: int, zone: str, week_start: int, now_ms: int
) -> Instance:
    if period is AlignedPeriod.WEEK:
        return _week(zone, week_start, now_ms)
    day = _day(zone, now_ms)
    return _block(day, length_ms, now_ms) if period is AlignedPeriod.BLOCK else day


def _day(zone: str, now_ms: int) -> Instance:
    today = wall_clock(now_ms, zone).date()
    return _tile(zone, today, _ONE_DAY, now_ms)


def _week(zone: str, week_start: int, now_ms: int) -> Instance:
    today = wall_clock(now_ms, zone).date()
    first = today - timedelta(days=(today.weekday() - week_start) % WEEK_DAYS)
    return _tile(zone, first, timedelta(days=WEEK_DAYS), now_ms)


def _tile(zone: str, first: date, step: timedelta, now_ms: int) -> Instance:
    """The tile around `now_ms`, which begins on `first` or later.

    Later in the hour after a clock went back over midnight: the local date is yesterday's
    again, but today has begun and does not begin twice.
    """
    while now_ms >= day_start_ms(first + step, zone):
        first += step
    return Instance(day_start_ms(first, zone), day_start_ms(first + step, zone))


def _block(day: Instance, length_ms: int, now_ms: int) -> Instance:
    """The block around `now_ms`: as many as in 24 hours, the last one until the day ends.

    So the day a clock goes back has a longer last block, not one more of an hour.
    """
    last = -(-DAY_MS // length_ms) - 1
    index = min((now_ms - day.start_ms) // length_ms, last)
    start_ms = day.start_ms + index * length_ms
    return Instance(
        start_ms, day.end_ms if index == last else min(start_ms + length_ms, day.end_ms)
    )

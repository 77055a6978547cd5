"""Peak hours: whether an instant is in them, for how long that stays so, and what they tighten.

A schedule speaks of weekdays and of times that clocks show in its zone (J4); here they become
instants. Knows no clock: which mode an operator has switched to comes in as an argument.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from quotasvc.domain.catalog import PeakMode, PeakSchedule
from quotasvc.domain.cycle import wall_clock, wall_clock_ms
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.domain.window import day_start_ms

_PERMILLE = 1000

_KEPT = timedelta(days=14)
"""For how long before and after the day that was asked about its edges are remembered."""

_HORIZON = timedelta(days=35)
"""How far edges are looked for: three weeks beyond that. They are a week apart, or two where
clocks skip the only peak hours of a week, and days that a zone left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edges:
    """When peak hours begin and end, by turns; good for [from_ms, until_ms)."""

    from_ms: int
    until_ms: int
    at_ms: tuple[int, ...]
    is_peak_before: bool  # before the first edge, or ever where there is none


_latest: dict[PeakSchedule, _Edges] = {}
"""The edges found last for each schedule: the next question is nearly always about these weeks."""


def is_peak(schedule: PeakSchedule, mode: PeakMode, at_ms: int) -> bool:
    """Whether peak limits are in force at `at_ms` (J4, SEM-20)."""
    if mode is not PeakMode.AUTO:
        return mode is PeakMode.ON
    edges = _edges(schedule, at_ms)
    passed = bisect_right(edges.at_ms, at_ms)
    return edges.is_peak_before is (passed % 2 == 0)


def regime(schedule: PeakSchedule, mode: PeakMode, at_ms: int) -> tuple[int, int]:
    """The bounds [from, until) around `at_ms` within which `is_peak` does not change (SEM-16)."""
    if mode is not PeakMode.AUTO:
        return 0, AMOUNT_MAX
    edges = _edges(schedule, at_ms).at_ms
    passed = bisect_right(edges, at_ms)
    return (
        edges[passed - 1] if passed else 0,
        edges[passed] if passed < len(edges) else AMOUNT_MAX,
    )


def tightened(limit: int, permille: int) -> int:
    """A limit at peak: that many thousandths of it, rounded up, and at least 1 (SEM-52)."""
    return max(1, -(-limit * permille // _PERMILLE))


def _edges(schedule: PeakSchedule, at_ms: int) -> _Edges:
    found = _latest.get(schedule)
    if found is None or not found.from_ms <= at_ms < found.until_ms:
        found = _latest[schedule] = _find(schedule, at_ms)
    return found


def _find(schedule: PeakSchedule, at_ms: int) -> _Edges:
    """Spans that touch are one stretch: an edge is where one begins or ends, and no other does."""
    zone = schedule.zone
    today = datetime.combine(wall_clock(at_ms, zone), time())
    first, last = today - _HORIZON, today + _HORIZON
    spans = tuple(_spans(schedule, first, last))
    begins, ends = {start for start, _ in spans}, {end for _, end in spans}
    # Where the horizon cuts days that are peak as a whole is no edge.
    cuts = {day_start_ms(day.date(), zone) for day in (first, last)}
    edges = tuple(sorted((begins ^ ends) - cuts))
    return _Edges(
        from_ms=day_start_ms((today - _KEPT).date(), zone),
        until_ms=day_start_ms((today + _KEPT).date(), zone),
        at_ms=edges,
        is_peak_before=edges[0] in ends if edges else bool(spans),
    )


def _spans(schedule: PeakSchedule, first: datetime, last: datetime) -> Iterator[tuple[int, int]]:
    """Peak hours of the days [first, last), without those that clocks skip as a whole."""
    day = first
    while day < last:
        if day.weekday() in schedule.weekdays:
            start, end = (
                wall_clock_ms(day + timedelta(minutes=minute), schedule.zone)
                for minute in (schedule.from_minute, schedule.until_minute)
            )
            if start < end:
                yield start, end
        day += timedelta(days=1)

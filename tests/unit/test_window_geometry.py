"""Aligned windows: calendar instances tile time, on the days when clocks change too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quotasvc.domain.catalog import AlignedPeriod, Window, WindowKind
from quotasvc.domain.window import DAY_MS, Instance, day_start_ms, instance

HOUR_MS = 3_600_000
ZONES = (
    *("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York"),
    # midnight missing or repeated; half-hour clock changes; days left out
    *("America/Sao_Paulo", "Asia/Beirut", "America/St_Johns", "Australia/Lord_Howe"),
    *("Pacific/Apia", "America/Toronto"),
)


def day(zone: str = "UTC") -> Window:
    return aligned(AlignedPeriod.DAY, DAY_MS, zone)


def week(zone: str = "UTC", start: int = 0) -> Window:
    return aligned(AlignedPeriod.WEEK, 7 * DAY_MS, zone, start)


def blocks(hours: int, zone: str = "UTC") -> Window:
    return aligned(AlignedPeriod.BLOCK, hours * HOUR_MS, zone)


def aligned(period: AlignedPeriod, length_ms: int, zone: str, week_start: int = 0) -> Window:
    return Window(
        window_id="w",
        kind=WindowKind.ALIGNED,
        length_ms=length_ms,
        limit=1,
        period=period,
        zone=zone,
        week_start=week_start,
    )


def ms(text: str) -> int:
    """An instant with its offset, as milliseconds."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        milliseconds=1
    )


def span(start: str, end: str) -> Instance:
    return Instance(ms(start), ms(end))


# 2.2: what live data shows


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        # CN: days, weeks from Monday and five-hour blocks of China's clock
        (
            blocks(5, "Asia/Shanghai"),
            "2026-04-17T03:00+08:00",
            span("2026-04-17T00:00+08:00", "2026-04-17T05:00+08:00"),
        ),
        (
            day("Asia/Shanghai"),
            "2026-04-17T03:00+08:00",
            span("2026-04-17T00:00+08:00", "2026-04-18T00:00+08:00"),
        ),
        (
            week("Asia/Shanghai"),
            "2026-04-17T03:00+08:00",
            span("2026-04-13T00:00+08:00", "2026-04-20T00:00+08:00"),
        ),
        # the last block of a day is what is left of it: 4 hours
        (
            blocks(5, "Asia/Shanghai"),
            "2026-06-21T23:59:59+08:00",
            span("2026-06-21T20:00+08:00", "2026-06-22T00:00+08:00"),
        ),
        # global: the same in UTC
        (
            blocks(5),
            "2026-07-27T19:28:42Z",
            span("2026-07-27T15:00Z", "2026-07-27T20:00Z"),
        ),
        (week(), "2026-07-27T19:28:42Z", span("2026-07-27T00:00Z", "2026-08-03T00:00Z")),
    ],
)
def test_instances_are_those_of_live_data(window: Window, now: str, expected: Instance) -> None:
    assert instance(window, ms(now)) == expected


def test_an_instance_begins_at_its_first_millisecond_and_ends_before_its_last() -> None:
    # given the end of one day, to the millisecond
    midnight = ms("2026-03-02T00:00Z")
    # then the millisecond before belongs to the old day, midnight to the new one
    assert instance(day(), midnight - 1).end_ms == midnight
    assert instance(day(), midnight).start_ms == midnight


def test_the_same_instance_is_answered_while_now_is_inside() -> None:
    first = instance(day(), ms("2026-03-02T00:00Z"))
    assert instance(day(), ms("2026-03-02T23:59:59.999+00:00")) is first


def test_a_sliding_window_has_no_instance() -> None:
    sliding = Window(window_id="s", kind=WindowKind.SLIDING, length_ms=HOUR_MS, limit=1)
    with pytest.raises(AssertionError):
        instance(sliding, 0)


# SEM-16: 23- and 25-hour days, weeks over them


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-03-29T12:00+02:00", 23),
        ("2026-03-30T12:00+02:00", 24),
        ("2026-10-25T12:00+01:00", 25),
    ],
)
def test_a_day_is_as_long_as_the_calendar_says(now: str, hours: int) -> None:
    found = instance(day("Europe/Berlin"), ms(now))
    assert found.end_ms - found.start_ms == hours * HOUR_MS


@pytest.mark.parametrize(("now", "hours"), [("2026-03-25T12:00Z", 167), ("2026-10-21T12:00Z", 169)])
def test_a_week_over_a_clock_change_keeps_its_midnights(now: str, hours: int) -> None:
    found = instance(week("Europe/Berlin"), ms(now))
    assert found.end_ms - found.start_ms == hours * HOUR_MS


@pytest.mark.parametrize("start", range(7))
def test_a_week_starts_on_its_weekday(start: int) -> None:
    found = instance(week("Europe/Berlin", start), ms("2026-10-25T00:30+02:00"))
    begins = datetime.fromtimestamp(found.start_ms // 1000, ZoneInfo("Europe/Berlin"))
    assert (begins.weekday(), begins.hour) == (start, 0)


# SEM-51: blocks count elapsed time; the last one is short or long


@pytest.mark.parametrize(
    ("length", "date_of", "lengths"),
    [
        (5, "2026-03-28", [5, 5, 5, 5, 4]),
        (5, "2026-03-29", [5, 5, 5, 5, 3]),  # 23 hours
        (5, "2026-10-25", [5, 5, 5, 5, 5]),  # 25 hours
        (6, "2026-03-29", [6, 6, 6, 5]),
        (6, "2026-10-25", [6, 6, 6, 7]),  # not one more block of an hour
        (1, "2026-03-29", [1] * 23),
        (1, "2026-10-25", [1] * 23 + [2]),
    ],
)
def test_the_last_block_takes_what_is_left_of_the_day(
    length: int, date_of: str, lengths: list[int]
) -> None:
    zone = "Europe/Berlin"
    whole = instance(day(zone), day_start_ms(date.fromisoformat(date_of), zone))
    found, at_ms = [], whole.start_ms
    while at_ms < whole.end_ms:
        block = instance(blocks(length, zone), at_ms)
        assert block.start_ms == at_ms
        found.append((block.end_ms - block.start_ms) // HOUR_MS)
        at_ms = block.end_ms
    assert (found, at_ms) == (lengths, whole.end_ms)


# SEM-16: midnights that clocks leave out or repeat


@pytest.mark.parametrize(
    ("zone", "date_of", "first"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00-02:00"),
        ("Asia/Beirut", "2026-03-29", "2026-03-29T01:00+03:00"),
        # clocks jumped from 23:30 to 00:30: midnight is inside the gap
        ("America/Toronto", "1919-03-31", "1919-03-31T00:30-04:00"),
        # clocks went from 00:01 back to 23:01: midnight came twice, the day began once
        ("America/St_Johns", "2006-10-29", "2006-10-29T00:00-02:30"),
        # a day that Samoa left out begins and ends at once
        ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00+14:00"),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, date_of: str, first: str) -> None:
    assert day_start_ms(date.fromisoformat(date_of), zone) == ms(first)


def test_a_day_that_began_does_not_begin_twice() -> None:
    # given the hour that St. John's lived through twice, over midnight
    again = ms("2006-10-28T23:30-03:30")
    # then it belongs to the day that had begun already
    assert instance(day("America/St_Johns"), again).start_ms == ms("2006-10-29T00:00-02:30")


def test_a_day_left_out_has_no_instance() -> None:
    before = instance(day("Pacific/Apia"), ms("2011-12-29T12:00-10:00"))
    after = instance(day("Pacific/Apia"), before.end_ms)
    assert before.end_ms == after.start_ms == ms("2011-12-31T00:00+14:00")
    assert after.end_ms - after.start_ms == DAY_MS


# All of them at once


INSTANTS = st.integers(ms("1970-01-01T00:00Z"), ms("2040-01-01T00:00Z"))
WINDOWS = st.builds(
    aligned,
    period=st.sampled_from(AlignedPeriod),
    length_ms=st.integers(1, 23).map(lambda hours: hours * HOUR_MS),
    zone=st.sampled_from(ZONES),
    week_start=st.integers(0, 6),
)


@given(window=WINDOWS, now_ms=INSTANTS)
@example(window=day("America/St_Johns"), now_ms=ms("2006-10-28T23:30-03:30"))
@example(window=week("Pacific/Apia", 4), now_ms=ms("2011-12-29T23:00-10:00"))
def test_instances_tile_time(window: Window, now_ms: int) -> None:
    # then now is inside, and the neighbours begin and end where this one ends and begins
    found = instance(window, now_ms)
    assert found.contains(now_ms)
    assert instance(window, found.end_ms).start_ms == found.end_ms
    assert instance(window, found.start_ms - 1).end_ms == found.start_ms

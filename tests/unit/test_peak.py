"""Peak hours are wall-clock times on weekdays of a zone, on the days when clocks change too."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from quotasvc.domain.catalog import PeakMode, PeakSchedule
from quotasvc.domain.cycle import wall_clock, wall_clock_ms
from quotasvc.domain.peak import is_peak, regime, tightened
from quotasvc.domain.unit import AMOUNT_MAX

AUTO = PeakMode.AUTO
EVER = (0, AMOUNT_MAX)
MINUTE_MS = 60_000
DAY_MINUTES = 24 * 60
ZONES = (
    *("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York"),
    # midnight missing or repeated; half-hour clock changes; days left out
    *("America/Sao_Paulo", "Asia/Beirut", "America/St_Johns", "Australia/Lord_Howe"),
    "Pacific/Apia",
)


def schedule(
    from_: str = "15:00",
    until: str = "17:30",
    zone: str = "Asia/Shanghai",
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4),
) -> PeakSchedule:
    return PeakSchedule(
        weekdays=weekdays,
        from_minute=minute(from_),
        until_minute=minute(until),
        zone=zone,
        mode=AUTO,
    )


def minute(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def ms(text: str) -> int:
    """An instant with its offset, as milliseconds."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        milliseconds=1
    )


def span(start: str, end: str) -> tuple[int, int]:
    return ms(start), ms(end)


# J4 (S1:124): weekdays 15:00-17:30


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-02T14:59:59.999+08:00", False),  # a Monday
        ("2026-11-02T15:00+08:00", True),
        ("2026-11-02T17:29:59.999+08:00", True),
        ("2026-11-02T17:30+08:00", False),
        ("2026-11-06T16:00+08:00", True),  # Friday
        ("2026-11-07T16:00+08:00", False),  # Saturday
        ("2026-11-08T16:00+08:00", False),  # Sunday
        ("2026-11-02T16:00Z", False),  # it is the zone's time that counts
    ],
)
def test_peak_hours_are_weekdays_from_three_to_half_past_five(at: str, *, expected: bool) -> None:
    assert is_peak(schedule(), AUTO, ms(at)) is expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (
            "2026-11-02T16:00+08:00",
            span("2026-11-02T15:00+08:00", "2026-11-02T17:30+08:00"),
        ),
        (
            "2026-11-02T17:30+08:00",
            span("2026-11-02T17:30+08:00", "2026-11-03T15:00+08:00"),
        ),
        # over the weekend
        (
            "2026-11-08T12:00+08:00",
            span("2026-11-06T17:30+08:00", "2026-11-09T15:00+08:00"),
        ),
    ],
)
def test_a_regime_lasts_from_edge_to_edge(at: str, expected: tuple[int, int]) -> None:
    # SEM-16: orders hold until the next edge of peak hours
    assert regime(schedule(), AUTO, ms(at)) == expected


# J4: an operator's switch


@pytest.mark.parametrize(("mode", "expected"), [(PeakMode.ON, True), (PeakMode.OFF, False)])
def test_a_switch_overrules_the_schedule_without_end(mode: PeakMode, *, expected: bool) -> None:
    # SEM-20
    for at in ("2026-11-02T16:00+08:00", "2026-11-02T18:00+08:00"):
        assert is_peak(schedule(), mode, ms(at)) is expected
        assert regime(schedule(), mode, ms(at)) == EVER


def test_the_switch_is_the_argument_whatever_the_catalog_says() -> None:
    # given a catalog whose peak hours are on until an operator switches
    always = replace(schedule(), mode=PeakMode.ON)
    # when one has switched to the schedule
    assert not is_peak(always, AUTO, ms("2026-11-02T18:00+08:00"))


# Days that touch


def test_a_schedule_of_all_hours_never_changes() -> None:
    whole = schedule("00:00", "24:00", "Europe/Berlin", tuple(range(7)))
    assert is_peak(whole, AUTO, ms("2026-10-25T00:00+02:00"))
    assert regime(whole, AUTO, ms("2026-10-25T00:00+02:00")) == EVER


def test_whole_days_in_a_row_are_one_stretch() -> None:
    # given whole weekdays, over the end of summer time
    week = schedule("00:00", "24:00", "Europe/Berlin")
    before, weekend, after = (
        regime(week, AUTO, ms(at))
        for at in ("2026-10-21T00:00+02:00", "2026-10-25T02:30+01:00", "2026-10-26T00:00+01:00")
    )
    assert before == span("2026-10-19T00:00+02:00", "2026-10-24T00:00+02:00")
    assert weekend == span("2026-10-24T00:00+02:00", "2026-10-26T00:00+01:00")
    assert after == span("2026-10-26T00:00+01:00", "2026-10-31T00:00+01:00")


def test_a_day_that_a_zone_left_out_parts_nothing() -> None:
    # given all days but Friday, and Samoa without Friday, 30 December 2011
    days = schedule("00:00", "24:00", "Pacific/Apia", (0, 1, 2, 3, 5, 6))
    assert regime(days, AUTO, ms("2011-12-29T12:00-10:00")) == span(
        "2011-12-24T00:00-10:00", "2012-01-06T00:00+14:00"
    )


@pytest.mark.parametrize(
    "empty",
    [
        schedule(weekdays=()),
        schedule("15:00", "15:00"),
        schedule("17:30", "15:00"),
    ],
)
def test_a_schedule_of_no_hours_is_never_peak(empty: PeakSchedule) -> None:
    # the loader refuses these
    assert not is_peak(empty, AUTO, ms("2026-11-02T16:00+08:00"))
    assert regime(empty, AUTO, ms("2026-11-02T16:00+08:00")) == EVER


# Clock changes


@pytest.mark.parametrize(
    ("from_", "until", "expected"),
    [
        # 2026-03-29, a Sunday: from 02:00 clocks jump to 03:00
        ("02:30", "04:00", span("2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00")),
        ("01:00", "02:30", span("2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00")),
        ("01:00", "03:00", span("2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00")),
        ("00:00", "24:00", span("2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00")),
    ],
)
def test_a_time_that_clocks_skip_is_the_instant_of_their_jump(
    from_: str, until: str, expected: tuple[int, int]
) -> None:
    one = schedule(from_, until, "Europe/Berlin", (6,))
    assert regime(one, AUTO, expected[0]) == expected
    assert is_peak(one, AUTO, expected[1] - 1)
    assert not is_peak(one, AUTO, expected[0] - 1)
    assert not is_peak(one, AUTO, expected[1])


def test_peak_hours_that_clocks_skip_as_a_whole_are_left_out() -> None:
    one = schedule("02:00", "03:00", "Europe/Berlin", (6,))
    jump = ms("2026-03-29T03:00+02:00")
    assert not is_peak(one, AUTO, jump)
    # then it is two weeks from peak to peak
    assert regime(one, AUTO, jump) == span("2026-03-22T03:00+01:00", "2026-04-05T02:00+02:00")


@pytest.mark.parametrize(
    ("from_", "until", "expected"),
    [
        # 2026-10-25, a Sunday: from 03:00 clocks go back to 02:00
        ("02:30", "04:00", span("2026-10-25T02:30+02:00", "2026-10-25T04:00+01:00")),
        ("01:00", "02:30", span("2026-10-25T01:00+02:00", "2026-10-25T02:30+02:00")),
        ("02:00", "03:00", span("2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00")),
        ("00:00", "24:00", span("2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00")),
    ],
)
def test_a_time_that_clocks_show_twice_is_the_first(
    from_: str, until: str, expected: tuple[int, int]
) -> None:
    one = schedule(from_, until, "Europe/Berlin", (6,))
    assert regime(one, AUTO, expected[0]) == expected
    assert is_peak(one, AUTO, expected[0])


def test_a_missing_midnight_begins_peak_hours_where_the_day_begins() -> None:
    # given Beirut, whose 29 March 2026 begins at 01:00
    one = schedule("00:00", "02:00", "Asia/Beirut", (6,))
    expected = span("2026-03-29T01:00+03:00", "2026-03-29T02:00+03:00")
    assert regime(one, AUTO, expected[0]) == expected


# All of them at once


SCHEDULES = st.builds(
    PeakSchedule,
    weekdays=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    from_minute=st.integers(0, DAY_MINUTES - 1),
    until_minute=st.integers(1, DAY_MINUTES),
    zone=st.sampled_from(ZONES),
    mode=st.just(AUTO),
).filter(lambda one: one.from_minute < one.until_minute)
INSTANTS = st.integers(ms("1971-01-01T00:00Z"), ms("2040-01-01T00:00Z"))


@given(one=SCHEDULES, at_ms=INSTANTS)
def test_it_is_peak_when_clocks_show_peak_hours(one: PeakSchedule, at_ms: int) -> None:
    # given an instant whose wall time clocks show for the first time
    shown = wall_clock(at_ms, one.zone)
    assume(wall_clock_ms(shown, one.zone) == at_ms)
    # then its weekday and minute alone decide
    within = one.from_minute <= shown.hour * 60 + shown.minute < one.until_minute
    assert is_peak(one, AUTO, at_ms) is (within and shown.weekday() in one.weekdays)


@given(one=SCHEDULES, at_ms=INSTANTS)
@example(one=schedule("02:00", "03:00", "Europe/Berlin", (6,)), at_ms=ms("2026-03-29T01:00Z"))
@example(one=schedule("00:00", "24:00", "Pacific/Apia"), at_ms=ms("2011-12-30T10:00Z"))
def test_regimes_tile_time_and_alternate(one: PeakSchedule, at_ms: int) -> None:
    # given the regime of an instant, unless there is but one
    start, end = regime(one, AUTO, at_ms)
    assume((start, end) != EVER)
    now = is_peak(one, AUTO, at_ms)
    # then nothing changes inside, and everything at its edges
    assert start <= at_ms < end
    for inside in (start, (start + end) // 2, end - 1):
        assert is_peak(one, AUTO, inside) is now
        assert regime(one, AUTO, inside) == (start, end)
    assert is_peak(one, AUTO, start - 1) is is_peak(one, AUTO, end) is not now
    assert regime(one, AUTO, start - 1)[1] == start
    assert regime(one, AUTO, end)[0] == end


def test_a_year_of_weekdays_has_their_peak_hours_and_no_others() -> None:
    # given each regime of a year in turn, found from the one before
    berlin = schedule(zone="Europe/Berlin")
    at_ms, peaks = ms("2026-01-01T00:00+01:00"), []
    while at_ms < ms("2027-01-01T00:00+01:00"):
        start, end = regime(berlin, AUTO, at_ms)
        if is_peak(berlin, AUTO, at_ms):
            peaks.append((wall_clock(start, berlin.zone), wall_clock(end, berlin.zone)))
        at_ms = end
    # then there are 261 of them, one for each weekday, over both clock changes
    days = (datetime(2026, 1, 1) + timedelta(days=day) for day in range(365))
    assert peaks == [
        (day + timedelta(hours=15), day + timedelta(hours=17, minutes=30))
        for day in days
        if day.weekday() < 5
    ]
    assert len(peaks) == 261


def test_schedules_do_not_answer_for_each_other() -> None:
    # given two zones, asked in turn about one instant
    at_ms = ms("2026-11-02T16:00+08:00")
    for _ in range(2):
        assert is_peak(schedule(), AUTO, at_ms)
        assert not is_peak(schedule(zone="UTC"), AUTO, at_ms)


# J1, SEM-52: what peak hours tighten


@pytest.mark.parametrize(
    ("limit", "permille", "expected"),
    [
        (200, 1000, 200),
        (200, 500, 100),
        (5, 500, 3),  # rounded up
        (3, 1, 1),
        (1, 1, 1),
        (7, 0, 1),
        (AMOUNT_MAX, 1000, AMOUNT_MAX),
        (AMOUNT_MAX, 1, 9_007_199_254_741),
    ],
)
def test_a_limit_at_peak_is_rounded_up_and_at_least_one(
    limit: int, permille: int, expected: int
) -> None:
    assert tightened(limit, permille) == expected


@given(limit=st.integers(1, AMOUNT_MAX), permille=st.integers(1, 1000))
def test_peak_hours_never_raise_a_limit_nor_close_it(limit: int, permille: int) -> None:
    found = tightened(limit, permille)
    assert found == ceil(Fraction(limit * permille, 1000))
    assert 1 <= found <= limit

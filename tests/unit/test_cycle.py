"""Billing cycles keep the anchor's day and time of day, in short months and over clock changes."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quotasvc.domain.cycle import cycle_end_ms, wall_clock, wall_clock_ms
from quotasvc.domain.window import day_start_ms

HOUR_MS = 3_600_000
ZONES = (
    *("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York"),
    # midnight missing or repeated; half-hour clock changes; days left out
    *("America/Sao_Paulo", "Asia/Beirut", "America/St_Johns", "Australia/Lord_Howe"),
    "Pacific/Apia",
)


def ms(text: str) -> int:
    """An instant with its offset, as milliseconds."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        milliseconds=1
    )


def ends(anchor: str, count: int, zone: str = "UTC") -> list[str]:
    """The ends of the first cycles of `anchor`, as clocks in `zone` show them."""
    anchor_ms = at_ms = ms(anchor)
    shown = []
    for _ in range(count):
        at_ms = cycle_end_ms(anchor_ms, at_ms, zone)
        shown.append(wall_clock(at_ms, zone).isoformat(" ", "minutes"))
    return shown


# SEM-14, SEM-42: a month is as long as the calendar says


def test_a_cycle_ends_a_month_after_it_began() -> None:
    assert ends("2026-11-15T10:30Z", 3) == [
        "2026-12-15 10:30",
        "2027-01-15 10:30",
        "2027-02-15 10:30",
    ]


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("2026-01-31T09:00Z", ["02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31"]),
        ("2028-01-31T09:00Z", ["02-29", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31"]),
        ("2026-01-30T09:00Z", ["02-28", "03-30", "04-30", "05-30"]),
        ("2028-01-30T09:00Z", ["02-29", "03-30", "04-30", "05-30"]),
        ("2026-01-29T09:00Z", ["02-28", "03-29", "04-29", "05-29"]),
        ("2028-01-29T09:00Z", ["02-29", "03-29", "04-29", "05-29"]),
        ("2026-01-28T09:00Z", ["02-28", "03-28", "04-28", "05-28"]),
        # an anchor on the last day of a short month is that day, not the last one
        ("2026-02-28T09:00Z", ["03-28", "04-28"]),
        ("2028-02-29T09:00Z", ["03-29", "04-29"]),
        ("2026-04-30T09:00Z", ["05-30", "06-30"]),
    ],
)
def test_a_day_that_a_month_lacks_is_its_last_and_comes_back(
    anchor: str, expected: list[str]
) -> None:
    shown = ends(anchor, len(expected))
    assert [one[5:] for one in shown] == [f"{day} 09:00" for day in expected]


def test_a_leap_day_comes_back_after_four_years() -> None:
    february = [one for one in ends("2028-02-29T00:00Z", 48) if one[5:7] == "02"]
    assert [one[:10] for one in february] == [
        *("2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"),
    ]


def test_the_end_does_not_depend_on_where_in_the_cycle_one_asks() -> None:
    # given a cycle from 28 February to 31 March, the anchor on the 31st
    anchor, start, end = (ms(f"2026-{day}T09:00Z") for day in ("01-31", "02-28", "03-31"))
    # then each instant in it has that end, the end itself the next one
    for at_ms in (start, start + 1, (start + end) // 2, end - 1):
        assert cycle_end_ms(anchor, at_ms, "UTC") == end
    assert cycle_end_ms(anchor, end, "UTC") == ms("2026-04-30T09:00Z")
    # and an instant before its beginning still lies in the cycle before
    assert cycle_end_ms(anchor, start - 1, "UTC") == start


# Clock changes


def test_a_cycle_keeps_its_time_of_day_over_clock_changes() -> None:
    # given an anchor in winter
    anchor = "2026-03-15T08:00+01:00"
    assert ends(anchor, 8, "Europe/Berlin") == [
        f"2026-{month:02}-15 08:00" for month in range(4, 12)
    ]
    # then the cycle over the change lacks an hour, and the one back has one more
    first = cycle_end_ms(ms(anchor), ms(anchor), "Europe/Berlin")
    assert first - ms(anchor) == (31 * 24 - 1) * HOUR_MS
    autumn = ms("2026-10-15T08:00+02:00")
    assert cycle_end_ms(ms(anchor), autumn, "Europe/Berlin") - autumn == (31 * 24 + 1) * HOUR_MS


def test_a_time_that_clocks_skip_is_the_instant_of_their_jump() -> None:
    # given 02:30 on the 29th, which Berlin skips in March 2026
    assert ends("2026-01-29T02:30+01:00", 3, "Europe/Berlin") == [
        *("2026-02-28 02:30", "2026-03-29 03:00", "2026-04-29 02:30"),
    ]


@pytest.mark.parametrize("past_ms", [0, 1, 2, 3, 777, HOUR_MS // 2, HOUR_MS - 2, HOUR_MS - 1])
def test_every_millisecond_that_clocks_skip_is_that_instant(past_ms: int) -> None:
    # SEM-42: given so much after 02:00 on the 29th of March, of which Berlin skips an hour
    wall = datetime(2026, 3, 29, 2) + timedelta(milliseconds=past_ms)
    assert wall_clock_ms(wall, "Europe/Berlin") == ms("2026-03-29T03:00+02:00")


def test_a_time_that_clocks_show_twice_is_the_first() -> None:
    anchor = ms("2026-09-25T02:30+02:00")
    first = ms("2026-10-25T02:30+02:00")
    assert cycle_end_ms(anchor, anchor, "Europe/Berlin") == first
    # then the second 02:30 is in the next cycle already
    assert cycle_end_ms(anchor, first + HOUR_MS, "Europe/Berlin") == ms("2026-11-25T02:30+01:00")


def test_a_month_that_began_does_not_begin_twice() -> None:
    # given the last hour of October 2009, which St. John's lived through again in November
    zone, anchor = "America/St_Johns", ms("2009-09-01T00:00-02:30")
    november = ms("2009-11-01T00:00-02:30")
    again = ms("2009-10-31T23:30-03:30")
    assert november < again
    # then it belongs to the cycle that had begun
    assert cycle_end_ms(anchor, november - 1, zone) == november
    assert cycle_end_ms(anchor, again, zone) == ms("2009-12-01T00:00-03:30")


def test_a_day_that_a_zone_left_out_is_the_instant_of_the_jump() -> None:
    # given a cycle from each 30th: Samoa had no 30 December 2011
    anchor = ms("2011-11-30T12:00-10:00")
    assert cycle_end_ms(anchor, anchor, "Pacific/Apia") == ms("2011-12-31T00:00+14:00")
    assert ends("2011-11-30T12:00-10:00", 2, "Pacific/Apia")[1] == "2012-01-30 12:00"


def test_the_anchors_zone_decides_on_its_day() -> None:
    # given an anchor that is 31 January in Shanghai and 30 January in UTC
    anchor = "2026-01-31T02:00+08:00"
    assert ends(anchor, 2, "Asia/Shanghai") == ["2026-02-28 02:00", "2026-03-31 02:00"]
    assert ends(anchor, 2, "UTC") == ["2026-02-28 18:00", "2026-03-30 18:00"]


INSTANTS = st.integers(ms("1971-01-01T00:00Z"), ms("2040-01-01T00:00Z"))


@given(anchor_ms=INSTANTS, start_ms=INSTANTS, zone=st.sampled_from(ZONES))
@example(
    anchor_ms=ms("2009-09-01T00:00-02:30"),
    start_ms=ms("2009-10-31T23:30-03:30"),
    zone="America/St_Johns",
)
def test_cycles_tile_time_and_do_not_drift(anchor_ms: int, start_ms: int, zone: str) -> None:
    # given three ends in a row
    at_ms = [cycle_end_ms(anchor_ms, start_ms, zone)]
    at_ms += [cycle_end_ms(anchor_ms, at_ms[0], zone)]
    at_ms += [cycle_end_ms(anchor_ms, at_ms[1], zone)]
    # then each is a month or so after the one before
    assert 0 < at_ms[0] - start_ms <= (31 * 24 + 3) * HOUR_MS
    for one, next_one in pairwise(at_ms):
        assert (28 * 24 - 26) * HOUR_MS <= next_one - one <= (31 * 24 + 26) * HOUR_MS
    # and shows the anchor's day and time, or the last day, or what follows a jump
    anchor = wall_clock(anchor_ms, zone)
    for one in at_ms:
        shown = wall_clock(one, zone)
        due = datetime.combine(
            date(shown.year, shown.month, min(anchor.day, _days(shown))), anchor.time()
        )
        assert shown == due or (wall_clock(one - 1, zone) < due < shown)


def _days(shown: datetime) -> int:
    return monthrange(shown.year, shown.month)[1]


# What clocks show


@given(at_ms=INSTANTS, zone=st.sampled_from(ZONES))
def test_an_instant_is_found_by_what_clocks_show(at_ms: int, zone: str) -> None:
    # then it is that instant, or clocks showed the same once before
    found = wall_clock_ms(wall_clock(at_ms, zone), zone)
    assert wall_clock(found, zone) == wall_clock(at_ms, zone)
    assert found <= at_ms


@given(
    day=st.dates(date(1971, 1, 1), date(2040, 1, 1)), zone=st.sampled_from([*ZONES, "Asia/Gaza"])
)
@example(day=date(2011, 12, 30), zone="Pacific/Apia")
@example(day=date(2018, 11, 4), zone="America/Sao_Paulo")
@example(day=date(2006, 10, 29), zone="America/St_Johns")
def test_midnight_is_where_days_begin(day: date, zone: str) -> None:
    # SEM-16: the first instant at which clocks show that day, or a later one where they skip it
    start_ms = day_start_ms(day, zone)
    assert wall_clock_ms(datetime.combine(day, time()), zone) == start_ms
    assert wall_clock(start_ms - 1, zone).date() < day <= wall_clock(start_ms, zone).date()

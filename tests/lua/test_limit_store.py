"""All limits of an admission: the fullest window decides, every gate stands (SEM-7, SEM-19)."""

from __future__ import annotations

from typing import Any

import pytest

from quotasvc.domain.gate import PLACE_FIRST as GATE
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.code import KindCode
from tests.support.lua import LuaModules
from tests.support.stored import (
    DAY_MS,
    LAST,
    LENGTH_MS,
    NOW_MS,
    SLICE_MS,
    SLOT,
    START_MS,
    limit,
    put_slices,
    put_window,
    stored,
)

END_MS = START_MS + DAY_MS


def read(lua: LuaModules, *limits: dict[str, Any]) -> tuple[Any, int, bool]:
    """The limits as read, the plan's room, and whether every gate is open."""
    found = lua.sequence(limits)
    room, is_open = lua.call(lua.require("lib/limit_store").read, found, NOW_MS)
    return found, room, is_open


@pytest.mark.parametrize("totals", [(40, 70, 10), (70, 40, 10), (10, 40, 70)])
def test_the_fullest_of_the_plans_windows_says_what_the_plan_has(
    lua: LuaModules, totals: tuple[int, ...]
) -> None:
    # given three windows, and a gate that is fuller than each of them
    lua.store.hashes.clear()
    places = (0, 1, LAST)
    for place, total in zip(places, totals, strict=True):
        put_window(lua, place, total)
    put_window(lua, GATE, 99)
    _, room, is_open = read(lua, *(limit(place) for place in places), limit(GATE, need=1))
    assert (room, is_open) == (30, True)


def test_without_windows_a_plan_has_room_for_all(lua: LuaModules) -> None:
    assert read(lua)[1:] == (AMOUNT_MAX, True)


@pytest.mark.parametrize("place", [GATE, GATE + 2])
@pytest.mark.parametrize(
    ("total", "need", "is_open"),
    [(99, 1, True), (100, 1, False), (97, 3, True), (98, 3, False), (120, 0, True)],
)
def test_a_gate_is_open_for_what_it_has_room_for(
    lua: LuaModules, place: int, total: int, need: int, *, is_open: bool
) -> None:
    # what needs nothing of it is let through whatever lies there (R1)
    lua.store.hashes.clear()
    put_window(lua, place, total)
    gates = (limit(place, need=need), limit(place + 1, need=1))
    assert read(lua, *gates)[2] == is_open


def test_a_full_window_of_the_plan_closes_no_gate(lua: LuaModules) -> None:
    lua.store.hashes.clear()
    put_window(lua, LAST, 130)
    assert read(lua, limit(LAST, need=9))[1:] == (-30, True)


def fits(lua: LuaModules, plan_need: int, *limits: dict[str, Any]) -> tuple[list[int], bool]:
    """When each lets the request pass, and whether an instance ahead of the clock does not say."""
    found = lua.sequence(limits)
    answer = lua.call(lua.require("lib/limit_store").fits, found, plan_need, NOW_MS)
    times, is_ahead = answer if isinstance(answer, tuple) else (answer, None)
    return list(times.values()), bool(is_ahead)


def test_each_limit_says_when_what_it_is_asked_for_fits(lua: LuaModules) -> None:
    # given windows that are asked for 5, and gates for what they need
    limits = (
        limit(0, total=95, end_ms=END_MS),  # exactly enough
        limit(1, total=96, end_ms=END_MS),
        limit(LAST, total=100, end_ms=END_MS, need=1),
        limit(GATE, total=97, need=3, end_ms=END_MS),
        limit(GATE + 1, total=98, need=3, end_ms=END_MS),
        limit(GATE + 2, total=130, need=0, end_ms=END_MS),
    )
    assert fits(lua, 5, *limits) == ([0, END_MS, END_MS, 0, END_MS, 0], False)
    # and a plan that is asked for nothing stands in nobody's way, however much lies in it
    assert fits(lua, 0, limit(0, total=130)) == ([0], False)
    assert fits(lua, 1, limit(0, total=100)) == ([END_MS], False)


def test_a_sliding_window_fits_when_enough_slices_have_left(lua: LuaModules) -> None:
    # given 60 and 40 in two slices
    lua.store.hashes.clear()
    put_slices(lua, 0, {SLOT - 3: 60, SLOT: 40})
    window = read(lua, limit(0, KindCode.SLIDING))[0][1]
    for need, slot in ((60, SLOT - 3), (61, SLOT)):
        found = fits(lua, need, dict(window))
        assert found == ([(slot + 1) * SLICE_MS + LENGTH_MS], False)


@pytest.mark.parametrize(
    ("total", "is_ahead", "expected"),
    [(100, True, True), (100, False, False), (95, True, False)],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_an_instance_ahead_of_the_clock_tells_only_where_it_is_full(
    lua: LuaModules, total: int, *, is_first: bool, is_ahead: bool, expected: bool
) -> None:
    one = limit(0, total=total, is_ahead=is_ahead)
    other = limit(1, total=100, is_ahead=False)
    assert fits(lua, 5, *((one, other) if is_first else (other, one)))[1] == expected


def plan(lua: LuaModules, share: int, held: int, *limits: dict[str, Any]) -> list[Any]:
    """The limits after an admission was planned, with a lease until 500."""
    found = lua.sequence(limits)
    lua.call(lua.require("lib/limit_store").plan, found, share, held, 500)
    return list(found.values())


def test_an_admission_charges_the_plan_its_share_and_each_gate_its_need(lua: LuaModules) -> None:
    # given what is partly a hold
    limits = (
        limit(0, total=3, held=2),
        limit(LAST, total=5),
        limit(GATE, total=7, need=1),
        limit(GATE + 1, total=9, need=0),
    )
    first, last, requests, tokens = plan(lua, 30, 20, *limits)
    assert (first.total, first.held) == (33, 22)
    assert (last.total, last.held) == (35, 20)
    # then a gate holds nothing, and one that is not asked is not written (R1)
    assert (requests.total, requests.held, requests.is_moved) == (8, 0, True)
    assert (tokens.total, tokens.is_moved) == (9, False)
    # and a plan that pays nothing is not written either
    (unasked,) = plan(lua, 0, 0, limit(0, total=3))
    assert (unasked.total, unasked.is_moved) == (3, False)
    (of_one,) = plan(lua, 1, 1, limit(0, total=3))
    assert (of_one.total, of_one.held) == (4, 1)


@pytest.mark.parametrize(
    ("first_end_ms", "expected"), [(0, 500), (1, 1), (499, 499), (500, 500), (501, 500)]
)
def test_a_cap_counts_one_more_lease_and_knows_which_ends_first(
    lua: LuaModules, first_end_ms: int, expected: int
) -> None:
    (slots,) = plan(lua, 9, 9, limit(GATE, KindCode.SLOTS, total=2, first_end_ms=first_end_ms))
    assert (slots.total, slots.held, slots.first_end_ms) == (3, 0, expected)


def test_what_no_window_can_count_is_cut_off(lua: LuaModules) -> None:
    # given a window that can count 10 more, one that can count 20, and a gate that can count none
    limits = lua.sequence(
        [
            limit(0, total=AMOUNT_MAX - 10),
            limit(LAST, total=AMOUNT_MAX - 20),
            limit(GATE, total=AMOUNT_MAX),
        ]
    )
    clamp = lua.require("lib/limit_store").clamp
    assert [lua.call(clamp, limits, share) for share in (9, 10, 11, 0)] == [9, 10, 10, 0]


def test_only_the_plans_windows_are_charged_a_share(lua: LuaModules) -> None:
    limits = lua.sequence([limit(0), limit(GATE), limit(LAST)])
    charged = lua.require("lib/limit_store").charged
    for share, places in ((0, []), (1, [0, LAST]), (2, [0, LAST])):
        found = lua.call(charged, limits, share)
        assert [window.place for window in found.values()] == places


def test_what_was_planned_is_written(lua: LuaModules) -> None:
    lua.store.hashes.clear()
    limits, _, _ = read(lua, limit(0), limit(GATE, need=2))
    lua.call(lua.require("lib/limit_store").plan, limits, 30, 20, 0)
    lua.call(lua.require("lib/limit_store").write, limits, "digest", 0, NOW_MS)
    assert (stored(lua, 0), stored(lua, GATE)) == ((30, 20), (2, 0))

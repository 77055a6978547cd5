"""The plan's leg of a settlement: what it keeps, its room, where it moves (SEM-15, SEM-27)."""

from __future__ import annotations

from typing import Any

import pytest

from quotasvc.domain.gate import PLACE_FIRST as GATE
from quotasvc.domain.reservation import State
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.code import KindCode, StraddleCode
from quotasvc.store.field import Field
from tests.support.lua import LuaModules
from tests.support.stored import (
    DAY_MS,
    GONE,
    LAST,
    NOW_MS,
    SLOT,
    START_MS,
    in_slots,
    limit,
    put_slices,
    put_window,
    record,
    stored,
)

TOMORROW: dict[str, Any] = {"start_ms": START_MS + DAY_MS, "end_ms": START_MS + 2 * DAY_MS}
LATER_MS = START_MS + DAY_MS + 5


def read(
    lua: LuaModules,
    *limits: dict[str, Any],
    slots: dict[int, int],
    amount: int = 30,
    now: int = NOW_MS,
    is_late: bool = False,
    is_provisional: bool = False,
) -> Any:
    """The plan leg of a hold of `amount` that was admitted in these slots, by place."""
    fields: dict[str, object] = {Field.STATE: State.HELD, Field.PLAN: amount}
    found = record(lua, fields | in_slots(slots))
    lua.receive(is_counted=0, straddle=StraddleCode.SPLIT)
    reader = lua.require("lib/plan_store").read
    return lua.call(reader, found, limits, now, is_late, is_provisional)


def settle(lua: LuaModules, plan: Any, kept: int, over: int = 0) -> None:
    """Decides and writes what is kept of the hold, and what is charged beyond it."""
    store = lua.require("lib/plan_store")
    lua.call(store.plan, plan, {"plan_kept": kept, "plan_over": over})
    lua.call(store.write, plan)


@pytest.mark.parametrize(
    ("is_late", "is_provisional", "held", "held_in_windows"),
    [
        (False, False, 30, 30),
        (True, True, 30, 0),  # its expiry turned the hold into a charge (SEM-30)
        (True, False, 0, 0),  # it went back, and is charged anew (SEM-31)
    ],
)
def test_a_leg_keeps_what_its_expiry_left_of_it(
    lua: LuaModules, *, is_late: bool, is_provisional: bool, held: int, held_in_windows: int
) -> None:
    plan = read(lua, slots={}, is_late=is_late, is_provisional=is_provisional)
    assert (plan.held, plan.held_in_windows) == (held, held_in_windows)
    assert (plan.room, plan.total, plan.is_gone, plan.is_leg) == (AMOUNT_MAX, 0, False, True)


@pytest.mark.parametrize(("amount", "is_leg"), [(0, False), (1, True), (2, True)])
def test_a_leg_of_nothing_is_none(lua: LuaModules, amount: int, *, is_leg: bool) -> None:
    assert read(lua, slots={}, amount=amount).is_leg is is_leg


@pytest.mark.parametrize("counted", [0, 1])
@pytest.mark.parametrize("straddle", list(StraddleCode))
def test_a_leg_knows_its_allowance(lua: LuaModules, counted: int, straddle: StraddleCode) -> None:
    found = record(lua, {Field.STATE: State.HELD, Field.PLAN: 1})
    lua.receive(is_counted=counted, straddle=straddle)
    plan = lua.call(lua.require("lib/plan_store").read, found, [], NOW_MS, False, False)
    assert plan.is_counted is (counted == 1)
    assert plan.is_absorbing is (straddle == StraddleCode.ABSORB)


@pytest.mark.parametrize("totals", [(40, 70), (70, 40)])
def test_the_fullest_of_the_windows_that_were_charged_has_the_room(
    lua: LuaModules, totals: tuple[int, int]
) -> None:
    # given two windows of the leg, one that it never charged, and a gate; the last two are fuller
    lua.store.hashes.clear()
    for place, total in zip((0, LAST, 1, GATE), (*totals, 90, 95), strict=True):
        put_window(lua, place, total, 30)
    limits = [limit(place) for place in (0, LAST, 1, GATE)]
    plan = read(lua, *limits, slots={0: START_MS, LAST: START_MS, GATE: START_MS})
    assert (plan.room, plan.total) == (30, 70)
    assert [window.place for window in plan.windows.values()] == [0, LAST]


@pytest.mark.parametrize(("kept", "over", "total"), [(30, 0, 50), (20, 0, 40), (0, 0, 20)])
def test_what_is_not_kept_leaves_the_instance_of_the_admission(
    lua: LuaModules, kept: int, over: int, total: int
) -> None:
    # given 50 used, 30 of it by this hold, and 40 held
    lua.store.hashes.clear()
    put_window(lua, 0, 50, 40)
    plan = read(lua, limit(0), slots={0: START_MS})
    settle(lua, plan, kept, over)
    assert (stored(lua, 0), plan.is_gone) == ((total, 10), False)


def test_what_goes_beyond_a_live_hold_is_added_where_it_was_admitted(lua: LuaModules) -> None:
    lua.store.hashes.clear()
    put_slices(lua, 0, {SLOT - 9: 30, SLOT: 20}, held=40)
    plan = read(lua, limit(0, KindCode.SLIDING), slots={0: SLOT - 9})
    settle(lua, plan, 30, 7)
    assert stored(lua, 0) == (57, 10)
    assert lua.store.hashes["win0"][str((SLOT - 9) % 128)] == "37"


@pytest.mark.parametrize(
    ("kept", "over", "is_gone"), [(30, 0, False), (30, 7, False), (29, 0, True), (0, 0, True)]
)
def test_of_an_instance_that_is_over_nothing_returns_and_more_counts_today(
    lua: LuaModules, kept: int, over: int, *, is_gone: bool
) -> None:
    # given a hold of yesterday, and today 20 used, all of it held
    lua.store.hashes.clear()
    put_window(lua, 0, 20, 20, START_MS + DAY_MS)
    plan = read(lua, limit(0, **TOMORROW), slots={0: START_MS}, now=LATER_MS)
    assert plan.room == 80
    settle(lua, plan, kept, over)
    # then today's holds are not this one's
    assert stored(lua, 0) == (20 + over, 20)
    assert plan.is_gone is is_gone
    # and what was charged beyond the hold says where
    flat = lua.sequence([])
    lua.call(lua.require("lib/plan_store").put_slots, flat, plan, over)
    where = [f"{Field.OVER_SLOT}0", START_MS + DAY_MS] if over else []
    assert list(flat.values()) == where


@pytest.mark.parametrize(("over", "left"), [(0, 50), (1, 1)])
def test_an_instance_that_is_over_stays_until_something_counts_in_the_next(
    lua: LuaModules, over: int, left: int
) -> None:
    # given yesterday's instance, as it was left: a clock that goes back finds it so (SEM-37)
    lua.store.hashes.clear()
    put_window(lua, 0, 50, 30, START_MS)
    plan = read(lua, limit(0, **TOMORROW), slots={0: START_MS}, now=LATER_MS)
    settle(lua, plan, 30, over)
    assert stored(lua, 0)[0] == left


def test_of_a_slice_that_has_left_only_the_hold_goes(lua: LuaModules) -> None:
    # given a hold whose slice is older than the window, and 20 used since
    lua.store.hashes.clear()
    put_slices(lua, 0, {SLOT: 20}, held=45)
    plan = read(lua, limit(0, KindCode.SLIDING), slots={0: GONE})
    assert plan.room == 80
    settle(lua, plan, 30, 6)
    # then a sliding window's one count of what is held loses it
    assert stored(lua, 0) == (26, 15)
    assert lua.store.hashes["win0"][str(SLOT % 128)] == "26"


def test_where_more_was_charged_stands_behind_what_was_said_before(lua: LuaModules) -> None:
    plan = {"windows": [{"place": 0, "slot": 11}, {"place": LAST, "slot": 12}]}
    flat = lua.sequence(["a", 1])
    lua.call(lua.require("lib/plan_store").put_slots, flat, lua.to_lua(plan), 1)
    words = [flat[i] for i in range(1, 7)]
    assert words == ["a", 1, f"{Field.OVER_SLOT}0", 11, f"{Field.OVER_SLOT}{LAST}", 12]


def test_what_another_window_lost_is_not_forgotten(lua: LuaModules) -> None:
    # given one window that is over and then one that is there
    lua.store.hashes.clear()
    put_window(lua, 1, 50, 30, START_MS)
    windows = (limit(0, **TOMORROW), limit(1, KindCode.CYCLE))
    plan = read(lua, *windows, slots={0: START_MS, 1: START_MS}, now=LATER_MS)
    settle(lua, plan, 29)
    assert plan.is_gone is True
    assert stored(lua, 1) == (49, 0)


def test_a_late_charge_counts_now_though_its_slice_is_there(lua: LuaModules) -> None:
    # given a hold that went back at its expiry (SEM-31), in a slice that others use
    lua.store.hashes.clear()
    put_slices(lua, 0, {SLOT - 9: 50, SLOT: 1}, held=5)
    plan = read(lua, limit(0, KindCode.SLIDING), slots={0: SLOT - 9}, is_late=True)
    settle(lua, plan, 0, 12)
    assert stored(lua, 0) == (63, 5)
    assert lua.store.hashes["win0"][str(SLOT % 128)] == "13"
    assert plan.is_gone is False


def test_a_provisional_charge_is_corrected_where_it_lies(lua: LuaModules) -> None:
    lua.store.hashes.clear()
    put_slices(lua, 0, {SLOT - 9: 50, SLOT: 1}, held=5)
    slots = {0: SLOT - 9}
    sliding = limit(0, KindCode.SLIDING)
    plan = read(lua, sliding, slots=slots, is_late=True, is_provisional=True)
    settle(lua, plan, 10)
    assert stored(lua, 0) == (31, 5)
    assert lua.store.hashes["win0"][str((SLOT - 9) % 128)] == "30"

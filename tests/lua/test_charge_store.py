"""Refunds of a charge: what it was, and what of it returns to each window (SEM-15, SEM-29)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from quotasvc.domain.gate import PLACE_FIRST as GATE
from quotasvc.domain.reservation import State
from quotasvc.store.code import KindCode
from quotasvc.store.field import Field
from quotasvc.store.table import RING
from tests.support.lua import LuaModules
from tests.support.stored import (
    DAY_MS,
    GONE,
    LAST,
    NOW_MS,
    SLOT,
    START_MS,
    limit,
    put_slices,
    put_window,
    record,
    stored,
)

CHARGED = {Field.STATE: State.COMMITTED, Field.PLAN: 30}


@pytest.mark.parametrize(
    ("fields", "charged", "units"),
    [
        ({}, 30, 30),  # as held, at cost
        ({Field.KEEP: 20}, 20, 20),
        ({Field.KEEP: 0}, 0, 0),
        ({Field.OVER: 7}, 37, 37),
        ({Field.OVER: 7, Field.PLAN_PAID: 900}, 900, 37),  # a counted allowance
        ({Field.OVER: 7, Field.PLAN_PAID: 0}, 0, 37),
    ],
)
@pytest.mark.parametrize(("refunded", "back"), [(0, 0), (5, 3)])
def test_sums_say_what_was_charged_and_what_of_it_is_left(
    lua: LuaModules, fields: dict[Field, int], charged: int, units: int, refunded: int, back: int
) -> None:
    # given two lots beside the plan's leg, one charged less than held
    lots = {
        Field.LOTS: 2,
        f"{Field.LOT}1": "m1",
        f"{Field.LOT_HELD}1": 40,
        f"{Field.LOT}2": "m2",
        f"{Field.LOT_HELD}2": 9,
        f"{Field.LOT_CHARGED}2": 2,
    }
    gone = {Field.REFUNDED: refunded, Field.PLAN_BACK: back}
    found = record(lua, CHARGED | fields | lots | gone)
    sums = lua.call(lua.require("lib/charge_store").sums, found)
    assert (sums.charged, sums.left) == (charged + 42, charged + 42 - refunded)
    assert (sums.units, sums.units_back) == (units, back)
    assert [leg.charged for leg in sums.legs.values()] == [40, 2]


def refund(
    lua: LuaModules,
    fields: Mapping[Any, object],
    nanos: int,
    *,
    units: int | None = None,
    limits: tuple[dict[str, Any], ...] = (limit(0, KindCode.SLIDING),),
    now: int = NOW_MS,
) -> Any:
    """Gives `nanos` of a charge back."""
    found = record(lua, {**CHARGED, **fields})
    store = lua.require("lib/charge_store")
    sums = lua.call(store.sums, found)
    back = lua.call(store.plan, found, sums, limits, now, nanos, units)
    lua.call(store.write, back)
    return back


def slices(lua: LuaModules) -> tuple[int, ...]:
    """What lies in three slices of the sliding window."""
    fields = lua.store.hashes["win0"]
    return tuple(int(fields.get(str(slot % RING), 0)) for slot in (SLOT - 9, SLOT - 5, SLOT))


@pytest.mark.parametrize(("before", "nanos"), [(0, 0), (0, 1), (0, 7), (0, 8), (0, 37), (3, 5)])
def test_what_lies_in_one_slice_returns_to_it(lua: LuaModules, before: int, nanos: int) -> None:
    # given a hold of 30 and 7 beyond it, all in a slice that others use too
    lua.store.hashes.clear()
    put_slices(lua, 0, {SLOT - 9: 50, SLOT - 5: 40, SLOT: 10}, held=4)
    slots = {f"{Field.SLOT}0": SLOT - 5, Field.OVER: 7}
    gone = {Field.REFUNDED: before, Field.PLAN_BACK: before}
    back = refund(lua, {**slots, **gone}, nanos)
    # then the other slices stay, and what others hold
    assert slices(lua) == (50, 40 - nanos, 10)
    assert (back.nanos, back.units, back.plan_nanos, back.is_gone) == (nanos, nanos, nanos, False)
    assert stored(lua, 0)[1] == 4


@pytest.mark.parametrize(
    ("before", "nanos", "current", "is_gone"),
    [(0, 7, 3, False), (0, 5, 5, False), (0, 8, 3, True), (4, 10, 7, True), (7, 10, 10, True)],
)
def test_of_a_hold_that_is_over_only_what_came_later_returns(
    lua: LuaModules, before: int, nanos: int, current: int, *, is_gone: bool
) -> None:
    # given a hold whose slice has left, and 7 beyond it charged now
    lua.store.hashes.clear()
    put_slices(lua, 0, {SLOT - 9: 50, SLOT: 10})
    fields = {f"{Field.SLOT}0": GONE, f"{Field.OVER_SLOT}0": SLOT, Field.OVER: 7}
    back = refund(lua, fields | {Field.REFUNDED: before, Field.PLAN_BACK: before}, nanos)
    # then all counts as refunded, and the answer says that a window was gone (SEM-49)
    assert slices(lua) == (50, 0, current)
    assert (back.units, back.is_gone) == (nanos, is_gone)
    assert back.windows[1].amount == 10 - current


def test_of_a_window_that_is_over_nothing_returns(lua: LuaModules) -> None:
    # given a day that is over and a cycle that is not
    lua.store.hashes.clear()
    put_window(lua, 0, 40, at=START_MS + DAY_MS)
    put_window(lua, LAST, 40)
    put_window(lua, GATE, 40)
    day = limit(0, start_ms=START_MS + DAY_MS, end_ms=START_MS + 2 * DAY_MS)
    limits = (day, limit(LAST, KindCode.CYCLE), limit(GATE), limit(1))
    slots = {f"{Field.SLOT}{place}": START_MS for place in (0, LAST, GATE)}
    back = refund(lua, slots, 12, limits=limits, now=START_MS + DAY_MS + 5)
    assert (stored(lua, 0)[0], stored(lua, LAST)[0], stored(lua, GATE)[0]) == (40, 28, 40)
    assert [(one.w.place, one.amount) for one in back.windows.values()] == [(0, 0), (LAST, 12)]
    assert back.is_gone is True


@pytest.mark.parametrize("units", [1, 2])
def test_a_counted_allowance_gets_its_units_back_and_not_its_nanos(
    lua: LuaModules, units: int
) -> None:
    lua.store.hashes.clear()
    put_window(lua, 0, 40)
    fields = {f"{Field.SLOT}0": START_MS, Field.PLAN_PAID: 900}
    back = refund(lua, fields, 60, units=units, limits=(limit(0),))
    assert (stored(lua, 0)[0], back.plan_nanos, back.units) == (40 - units, 60, units)
    assert back.is_gone is False


def test_where_lots_get_all_of_it_back_no_window_is_read(lua: LuaModules) -> None:
    # given a window that is over, and a lot that pays all of the refund
    lua.store.hashes.clear()
    lua.store.hashes["consumed"] = {"lot": "50"}
    keys = {f"pool_{state}": state for state in ("held", "consumed", "available", "revoked")}
    lua.receive_keys(**keys, pool_order="order", pool_sums="sums")
    lot = {Field.LOTS: 1, f"{Field.LOT}1": "0000000000001:lot", f"{Field.LOT_HELD}1": 50}
    back = refund(lua, lot | {f"{Field.SLOT}0": GONE}, 50)
    assert (len(back.windows), back.is_gone, back.plan_nanos) == (0, False, 0)
    # and the lot has it again
    assert lua.store.hashes["available"] == {"lot": "50"}
    assert not lua.store.hashes["consumed"]
    assert not lua.store.hashes["held"]

"""The end of a hold: what it keeps goes back, or is used from now on (SEM-15, SEM-30)."""

from __future__ import annotations

import pytest

from quotasvc.domain.gate import PLACE_FIRST as GATE
from quotasvc.domain.reservation import State
from quotasvc.store.code import KindCode
from quotasvc.store.field import Field
from tests.support.lua import LuaFailed, LuaModules
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


def end(lua: LuaModules, slots: dict[int, int], *, is_charged: bool) -> tuple[bool, list[int]]:
    """Ends a hold of 30 in these slots; returns whether a part was gone, and which places moved."""
    fields: dict[str, object] = {Field.STATE: State.HELD, Field.PLAN: 30}
    found = record(lua, fields | in_slots(slots))
    limits = [limit(0, KindCode.SLIDING), limit(LAST), limit(GATE), limit(1)]
    store = lua.require("lib/hold_store")
    hold = lua.call(store.read, found, limits, NOW_MS, is_charged)
    lua.call(store.write, hold)
    assert hold.plan == 30
    return hold.is_gone, [window.place for window in hold.windows.values()]


@pytest.mark.parametrize("is_charged", [False, True])
@pytest.mark.parametrize(
    ("sliding", "day", "is_gone"),
    [
        (SLOT - 9, START_MS, False),
        (GONE, START_MS, True),
        (SLOT - 9, START_MS - DAY_MS, True),
        (GONE, START_MS - DAY_MS, True),
    ],
)
def test_a_hold_ends_where_it_was_admitted(
    lua: LuaModules, sliding: int, day: int, *, is_gone: bool, is_charged: bool
) -> None:
    # given 50 in each window, all held, 30 of it by this hold, which did not charge the last
    lua.store.hashes.clear()
    put_slices(lua, 0, {SLOT - 9: 50}, held=50)
    for place in (LAST, GATE, 1):
        put_window(lua, place, 50, 50)
    slots = {0: sliding, LAST: day, GATE: START_MS}
    gone, places = end(lua, slots, is_charged=is_charged)
    # then what is there goes back or stays as used, and is held by nobody
    back = 0 if is_charged else 30
    assert places == [0, LAST]
    assert stored(lua, 0) == ((50, 20) if sliding == GONE else (50 - back, 20))
    assert stored(lua, LAST) == ((50 - back, 20) if day == START_MS else (50, 50))
    assert (stored(lua, GATE), stored(lua, 1)) == ((50, 50), (50, 50))
    # and the answer tells if some of it was gone; a charge takes nothing out of a slice
    assert gone is is_gone


@pytest.mark.parametrize(
    ("is_charged", "expected"),
    [(False, {"held": 5, "available": 34}), (True, {"held": 5, "consumed": 30, "available": 4})],
)
def test_the_lots_of_a_hold_get_back_what_it_kept_of_them(
    lua: LuaModules, expected: dict[str, int], *, is_charged: bool
) -> None:
    # given 30 held of a lot, beside 5 of another hold
    lua.store.hashes.clear()
    states = ("held", "consumed", "available", "revoked")
    lua.receive_keys(**{f"pool_{state}": state for state in states}, pool_order="order")
    lua.store.hashes |= {"held": {"lot": "35"}, "available": {"lot": "4"}}
    lots = {Field.LOTS: 1, f"{Field.LOT}1": "0000000000001:lot", f"{Field.LOT_HELD}1": 30}
    found = record(lua, {Field.STATE: State.HELD} | lots)
    store = lua.require("lib/hold_store")
    lua.call(store.write, lua.call(store.read, found, [], NOW_MS, is_charged))
    hashes = lua.store.hashes
    assert {s: int(hashes[s]["lot"]) for s in states if hashes.get(s)} == expected


def test_a_price_that_cannot_be_ends_no_hold(lua: LuaModules) -> None:
    # the answer would tell it after everything had been written
    found = record(lua, {Field.STATE: State.HELD, Field.PLAN: 30, Field.PLAN_NANOS: -1})
    with pytest.raises(LuaFailed, match=f"^CORRUPT record {Field.PLAN_NANOS} is out of range"):
        lua.call(lua.require("lib/hold_store").read, found, [], NOW_MS, False)

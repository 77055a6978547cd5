"""Tokens per minute at a settlement: more counts now, less returns to its own slice (SEM-19)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from quotasvc.domain.gate import PLACE_FIRST as GATE
from quotasvc.domain.reservation import State
from quotasvc.store.code import KindCode
from quotasvc.store.field import Field
from quotasvc.store.table import RING
from tests.support.lua import LuaFailed, LuaModules
from tests.support.stored import LAST, NOW_MS, SLICE_MS, SLOT, limit, put_slices, record

TOKENS = GATE + 1
OLD = SLOT - 9


def settle(
    lua: LuaModules, tokens: int, fields: Mapping[Any, int], place: int = TOKENS, current: int = 10
) -> dict[int, int]:
    """What lies in OLD and in SLOT after 500 tokens of 800 were settled at `tokens`."""
    lua.store.hashes.clear()
    put_slices(lua, place, {OLD: 800, SLOT: current} if current else {OLD: 800}, held=3)
    found = record(
        lua,
        {
            Field.STATE: State.HELD,
            Field.ADMIT: OLD * SLICE_MS + 5,
            Field.TOKENS: 500,
            f"{Field.SLOT}{LAST}": OLD,
            **fields,
        },
    )
    plan = limit(LAST, KindCode.SLIDING, total=77)
    limits = lua.sequence([limit(place, KindCode.SLIDING), plan])
    store = lua.require("lib/token_store")
    lua.call(store.plan, found, limits, NOW_MS, tokens)
    lua.call(store.write, limits, "digest")
    # then a window of the plan is none of its business, and tokens are never held
    assert (limits[2].total, limits[2].is_moved) == (77, False)
    window = lua.store.hashes[f"win{place}"]
    slices = {slot: int(window.get(str(slot % RING), 0)) for slot in (OLD, SLOT)}
    assert (int(window["t"]), window["h"]) == (sum(slices.values()), "3")
    return slices


@pytest.mark.parametrize(
    ("tokens", "old", "current"),
    [
        (-1, 800, 10),  # as many as were estimated
        (500, 800, 10),
        (501, 800, 11),
        (900, 800, 410),
        (499, 799, 10),
        (1, 301, 10),
        (0, 300, 10),
    ],
)
def test_more_tokens_count_now_and_fewer_leave_the_slice_of_the_admission(
    lua: LuaModules, tokens: int, old: int, current: int
) -> None:
    assert settle(lua, tokens, {}) == {OLD: old, SLOT: current}


@pytest.mark.parametrize("place", [GATE, TOKENS])
def test_more_tokens_count_now_though_nothing_lies_there(lua: LuaModules, place: int) -> None:
    assert settle(lua, 501, {}, place, current=0) == {OLD: 800, SLOT: 1}


def test_tokens_that_a_clock_ahead_counted_return_to_where_they_are(lua: LuaModules) -> None:
    # given an admission whose record names another slice than its time
    admit = {Field.ADMIT: (OLD - 3) * SLICE_MS, f"{Field.SLOT}{TOKENS}": OLD}
    assert settle(lua, 100, admit) == {OLD: 400, SLOT: 10}


def test_tokens_whose_slice_has_left_do_not_return(lua: LuaModules) -> None:
    assert settle(lua, 100, {Field.ADMIT: (OLD - 200) * SLICE_MS}) == {OLD: 800, SLOT: 10}


def test_slots_that_are_none_are_found_before_anything_is_written(lua: LuaModules) -> None:
    lua.store.hashes.clear()
    lua.store.hashes[f"win{GATE + 2}"] = {"a": "hash"}
    found = record(lua, {Field.STATE: State.HELD})
    slots = [limit(GATE + 2, KindCode.SLOTS)]
    with pytest.raises(LuaFailed):
        lua.call(lua.require("lib/token_store").plan, found, slots, NOW_MS, -1)

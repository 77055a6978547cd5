"""Leases of slots: how many live, when the first ends, and when enough have (SEM-20)."""

from __future__ import annotations

from typing import Any

import pytest

from quotasvc.domain.gate import PLACE_FIRST as GATE
from quotasvc.store.code import KindCode
from tests.support.lua import LuaModules
from tests.support.stored import limit

KEY = f"win{GATE}"
NOW_MS = 1_000


def read(lua: LuaModules, *ends_ms: int, cap: int = 2) -> Any:
    """The slots whose leases end then."""
    lua.store.hashes.clear()
    lua.store.orders.clear()
    lua.store.orders[KEY] = {f"lease{i}": str(end) for i, end in enumerate(ends_ms)}
    slots = lua.table(limit(GATE, KindCode.SLOTS, limit=cap, total=9, held=9))
    lua.call(lua.require("lib/lease_store").read, slots, NOW_MS)
    return slots


@pytest.mark.parametrize(
    ("ends_ms", "total", "first_end_ms"),
    [
        ((), 0, 0),
        ((NOW_MS - 1, NOW_MS), 0, 0),
        ((NOW_MS + 1,), 1, NOW_MS + 1),
        ((NOW_MS, NOW_MS + 5, NOW_MS + 2), 2, NOW_MS + 2),
    ],
)
def test_a_lease_lives_until_it_ends(
    lua: LuaModules, ends_ms: tuple[int, ...], total: int, first_end_ms: int
) -> None:
    slots = read(lua, *ends_ms)
    assert (slots.total, slots.held, slots.first_end_ms) == (total, 0, first_end_ms)


@pytest.mark.parametrize(
    ("cap", "at_ms", "amount"), [(1, 13, 3), (2, 12, 2), (3, 11, 1), (4, None, 0), (0, None, 0)]
)
def test_a_slot_is_promised_for_when_enough_leases_have_ended(
    lua: LuaModules, cap: int, at_ms: int | None, amount: int
) -> None:
    # given three leases that end one after the other, and one that has ended
    slots = read(lua, NOW_MS + 13, NOW_MS + 11, NOW_MS + 12, NOW_MS, cap=cap)
    found = lua.call(lua.require("lib/lease_store").leaving, slots, NOW_MS)
    leaving = [(one.at_ms - NOW_MS, one.amount) for one in found.values()]
    # then a cap that has room, or that nobody can pass, promises nothing
    assert leaving == ([] if at_ms is None else [(at_ms, amount)])


def test_a_lease_is_taken_renewed_and_freed_and_the_ended_ones_leave(lua: LuaModules) -> None:
    store = lua.require("lib/lease_store")
    read(lua, NOW_MS - 1, NOW_MS, NOW_MS + 1)
    lua.call(store.take, KEY, "lease2", NOW_MS + 60, NOW_MS)
    assert lua.store.orders[KEY] == {"lease2": str(NOW_MS + 60)}
    lua.call(store.free, KEY, "lease2")
    assert lua.store.orders[KEY] == {}

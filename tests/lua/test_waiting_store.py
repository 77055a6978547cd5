"""Places in a pool: lots that can be drawn on, and those wholly held, until they end (SEM-24)."""

from __future__ import annotations

import pytest

from quotasvc.domain.lot import LOTS_MAX
from tests.support.lua import LuaModules

NOW_MS = 1_000


def fill(lua: LuaModules, count: int, *, ends_ms: int = NOW_MS + 1, waiting: int = 0) -> None:
    """A pool of `count` open lots, with others that wait."""
    lua.store.hashes.clear()
    lua.store.orders.clear()
    keys = {name: name for name in ("pool_order", "pool_waiting", "pool_held", "pool_ends")}
    lua.receive_keys(**keys, pool_available="available")
    lua.store.orders["pool_order"] = {f"lot{i}": str(ends_ms) for i in range(count)}
    lua.store.orders["pool_waiting"] = {f"late{i}": "1" for i in range(waiting)}
    lua.store.hashes["available"] = {f"lot{i}": "1" for i in range(count)}


@pytest.mark.parametrize(
    ("ends_ms", "is_open"), [(0, True), (NOW_MS - 1, False), (NOW_MS, False), (NOW_MS + 1, True)]
)
def test_a_lot_that_is_wholly_held_is_open_until_it_ends(
    lua: LuaModules, ends_ms: int, *, is_open: bool
) -> None:
    # given two lots that can be drawn on, of which one is held in part, and one that is held whole
    fill(lua, 2)
    lua.store.hashes["pool_held"] = {"lot0": "5", "held": "5"}
    lua.store.hashes["pool_ends"] = {"lot0": str(NOW_MS + 1), "held": str(ends_ms)}
    store = lua.require("lib/waiting_store")
    assert lua.call(store.open, NOW_MS) == 2 + is_open


def test_a_lot_is_open_until_it_ends(lua: LuaModules) -> None:
    for ends_ms, count in ((NOW_MS, 0), (NOW_MS + 1, 3)):
        fill(lua, 3, ends_ms=ends_ms)
        assert lua.call(lua.require("lib/waiting_store").open, NOW_MS) == count


@pytest.mark.parametrize(
    ("count", "waiting", "is_due"),
    [
        (LOTS_MAX - 1, 1, True),
        (LOTS_MAX, 1, False),
        (LOTS_MAX + 1, 1, False),
        (LOTS_MAX - 1, 0, False),
        (0, 2, True),
    ],
)
def test_a_lot_enters_when_it_waits_and_there_is_a_place(
    lua: LuaModules, count: int, waiting: int, *, is_due: bool
) -> None:
    fill(lua, count, waiting=waiting)
    assert lua.call(lua.require("lib/waiting_store").is_due, NOW_MS) is is_due

"""What time will end: every hold is listed, and its team is due no later than it ends (SEM-30)."""

from __future__ import annotations

import pytest

from tests.support.lua import LuaFailed, LuaModules

TEAM = "team1"


def begin(lua: LuaModules, due_ms: int = 0) -> None:
    """A team that is due then, with a partition that knows it."""
    lua.store.hashes.clear()
    lua.store.orders.clear()
    lua.receive_keys(holds="holds", due="due")
    lua.store.orders["due"] = {TEAM: str(due_ms)} if due_ms else {}


@pytest.mark.parametrize(
    ("due_ms", "expire_ms", "then_due_ms"), [(0, 50, 50), (40, 50, 40), (50, 50, 50), (60, 50, 50)]
)
def test_a_team_is_due_when_the_first_of_its_holds_ends(
    lua: LuaModules, due_ms: int, expire_ms: int, then_due_ms: int
) -> None:
    begin(lua, due_ms)
    team = lua.table({"due_ms": due_ms})
    lua.call(lua.require("lib/due_store").add_hold, team, TEAM, "hold", expire_ms)
    assert team.due_ms == then_due_ms
    assert lua.store.orders == {"holds": {"hold": "50"}, "due": {TEAM: str(then_due_ms)}}


def test_a_hold_that_ends_later_is_listed_anew(lua: LuaModules) -> None:
    begin(lua)
    lua.store.orders["holds"] = {"hold": "50"}
    lua.call(lua.require("lib/due_store").move_hold, "hold", 70)
    assert lua.store.orders["holds"] == {"hold": "70"}


@pytest.mark.parametrize("name", ["holds", "due"])
def test_a_list_that_is_none_is_found_before_anything_is_written(
    lua: LuaModules, name: str
) -> None:
    begin(lua)
    lua.call(lua.require("lib/due_store").probe)
    lua.store.hashes[name] = {"a": "hash"}
    with pytest.raises(LuaFailed):
        lua.call(lua.require("lib/due_store").probe)

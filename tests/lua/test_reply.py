"""Answers that bring nothing else say how much of the team they have seen."""

from __future__ import annotations

from quotasvc.store.code import Code
from tests.support.lua import LuaModules

NOW_MS = 5_000


def test_a_plain_answer_tells_the_time_and_the_teams_count(lua: LuaModules) -> None:
    plain = lua.require("lib/reply").plain
    answer = lua.call(plain, Code.BOUNDARY, NOW_MS, {"seq": 7})
    assert list(answer.values()) == [Code.BOUNDARY, NOW_MS, 7]


def test_where_no_team_is_it_has_seen_nothing(lua: LuaModules) -> None:
    answer = lua.call(lua.require("lib/reply").plain, Code.UNKNOWN, 0)
    assert list(answer.values()) == [Code.UNKNOWN, 0, 0]

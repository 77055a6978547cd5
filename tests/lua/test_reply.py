"""Answers: whole numbers in a fixed order, and nothing in the place of what is not there."""

from __future__ import annotations

from tests.support.lua import LuaModules
from tests.support.stored import DAY_MS, START_MS, limit

END_MS = START_MS + DAY_MS


def test_a_plain_answer_has_the_teams_number_where_there_is_a_team(lua: LuaModules) -> None:
    plain = lua.require("lib/reply").plain
    assert list(lua.call(plain, 7, 1_000, {"seq": 5}).values()) == [7, 1_000, 5]
    assert list(lua.call(plain, 7, 1_000).values()) == [7, 1_000, 0]


def test_levels_are_five_numbers_for_each_limit(lua: LuaModules) -> None:
    levels = lua.require("lib/reply").levels
    limits = [limit(2, total=30, held=20), limit(5, total=4, held=1, end_ms=END_MS + 1)]
    first, second = [2, 30, 20, END_MS], [5, 4, 1, END_MS + 1]
    for fits, one, other in ((None, 0, 0), ([0, 77], 0, 77), ([66, 0], 66, 0)):
        found = lua.call(levels, limits, *(() if fits is None else (fits,)))
        assert [found[i] for i in range(1, 11)] == [*first, one, *second, other]
    assert list(lua.call(levels, [], []).values()) == []


def test_a_record_answers_with_what_was_there_and_what_was_added(lua: LuaModules) -> None:
    record = lua.require("lib/reply").record
    found = lua.call(record, 7, 1_000, {"seq": 5}, [1], ["a", 1], ["b", 2], 3)
    assert list(found.values())[:3] == [7, 1_000, 5]
    levels, raw, added, refund = list(found.values())[3:]
    assert [list(one.values()) for one in (levels, raw, added)] == [[1], ["a", 1], ["b", 2]]
    assert refund == 3
    # and says nothing of what there is not
    *_, raw, added, refund = lua.call(record, 7, 1_000, {"seq": 5}, []).values()
    assert (list(raw.values()), list(added.values()), refund) == ([], [], 0)

"""Whose time a decision is taken at, and when none is taken (SEM-16, SEM-37)."""

from __future__ import annotations

from itertools import combinations
from random import Random
from typing import Any

import pytest

from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.code import Code
from quotasvc.store.table import SKEW_MS_MAX
from tests.support.lua import LuaFailed, LuaModules

NOW_MS = 1_000_000
KEY = "team"
COUNTERS = ("version", "seq", "entry", "clock_ms", "due_ms")


def check(
    lua: LuaModules, at: int, *, time_ms: int = NOW_MS, witness_ms: int = NOW_MS
) -> Code | None:
    """What refuses a call whose order holds in [NOW - 10, NOW + 10)."""
    bounds = {"valid_from_ms": NOW_MS - 10, "valid_until_ms": NOW_MS + 10}
    lua.receive(witness_ms=witness_ms, **bounds)
    found = lua.call(lua.require("lib/gate").check, at, time_ms)
    return None if found is None else Code(found)


@pytest.mark.parametrize(
    ("by", "refusal"),
    [(-11, Code.BOUNDARY), (-10, None), (0, None), (9, None), (10, Code.BOUNDARY)],
)
def test_an_order_is_taken_only_while_its_calendar_holds(
    lua: LuaModules, by: int, refusal: Code | None
) -> None:
    assert check(lua, NOW_MS + by) == refusal


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("by", "refusal"), [(0, None), (1, Code.SKEWED)])
def test_clocks_that_do_not_agree_decide_nothing(
    lua: LuaModules, sign: int, by: int, refusal: Code | None
) -> None:
    witness_ms = NOW_MS + sign * (SKEW_MS_MAX + by)
    assert check(lua, NOW_MS, witness_ms=witness_ms) == refusal
    # and that goes before a boundary, which such a clock cannot know
    if refusal:
        assert check(lua, NOW_MS + 99, witness_ms=witness_ms) == refusal


def test_a_team_lives_at_the_later_of_two_times_that_may_both_be_right(lua: LuaModules) -> None:
    chance, store = Random(1), lua.require("lib/team_store")
    for _ in range(200):
        stored = NOW_MS + chance.choice([0, chance.randrange(-99_999, 99_999), SKEW_MS_MAX])
        now = lua.call(store.now, {"clock_ms": stored}, NOW_MS)
        # a stored time too far ahead was a fault of some clock
        assert now == (stored if 0 < stored - NOW_MS <= SKEW_MS_MAX else NOW_MS)


def test_a_change_is_counted_once_with_an_entry_or_without(lua: LuaModules) -> None:
    store = lua.require("lib/team_store")
    team = lua.table({"seq": 4, "entry": 2, "clock_ms": 1})
    lua.call(store.count, team, NOW_MS, False)
    assert (team.seq, team.entry, team.clock_ms) == (5, 2, NOW_MS)
    lua.call(store.count, team, NOW_MS + 1, True)
    assert (team.seq, team.entry, team.clock_ms) == (6, 3, NOW_MS + 1)


def stored_team(lua: LuaModules, **fields: str) -> Any:
    """The counters of a team as stored."""
    lua.store.hashes.clear()
    lua.store.hashes[KEY] = {"version": "3", "document": "{}"} | fields
    return lua.call(lua.require("lib/team_store").read, KEY)


def test_counters_that_are_not_there_yet_are_nothing(lua: LuaModules) -> None:
    team = stored_team(lua, seq="9")
    assert [team[name] for name in COUNTERS] == [3, 9, 0, 0, 0]
    team = stored_team(lua)
    assert [team[name] for name in COUNTERS] == [3, 0, 0, 0, 0]
    lua.store.hashes.clear()
    assert lua.call(lua.require("lib/team_store").read, KEY) is None


@pytest.mark.parametrize("name", COUNTERS)
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "is not a whole number"),
        ("x", "is not a whole number"),
        ("1.5", "is not a whole number"),
        ("nan", "is not a whole number"),
        ("inf", "is not a whole number"),
        (str(AMOUNT_MAX + 1), "is not a whole number"),
        ("-1", "is out of range"),
    ],
)
def test_a_counter_that_cannot_be_is_named(
    lua: LuaModules, name: str, value: str, problem: str
) -> None:
    with pytest.raises(LuaFailed, match=f"^CORRUPT {KEY} {name} {problem}"):
        stored_team(lua, **{name: value})


@pytest.mark.parametrize("pair", tuple(combinations(COUNTERS, 2)), ids="-".join)
@pytest.mark.parametrize("value", ["1.5", "2.25"])
def test_parts_of_two_counters_do_not_make_a_whole_one(
    lua: LuaModules, pair: tuple[str, str], value: str
) -> None:
    rest = "1.5" if value == "1.5" else "2.75"
    with pytest.raises(LuaFailed, match=f"^CORRUPT {KEY} {pair[0]} is not a whole number"):
        stored_team(lua, **dict(zip(pair, (value, rest), strict=True)))


def test_counters_may_be_as_large_as_an_amount(lua: LuaModules) -> None:
    team = stored_team(lua, **dict.fromkeys(COUNTERS, str(AMOUNT_MAX)))
    assert [team[name] for name in COUNTERS] == [AMOUNT_MAX] * len(COUNTERS)


@pytest.mark.parametrize(
    ("due_ms", "is_due"), [(0, False), (1, True), (NOW_MS, True), (NOW_MS + 1, False)]
)
def test_a_team_is_due_from_the_moment_that_its_first_hold_ends(
    lua: LuaModules, due_ms: int, *, is_due: bool
) -> None:
    store = lua.require("lib/team_store")
    assert lua.call(store.is_due, {"due_ms": due_ms}, NOW_MS) is is_due

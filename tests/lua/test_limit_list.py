"""The limits of a call arrive in Lua as Python sent them, beside their keys."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from quotasvc.domain.catalog import WindowKind
from quotasvc.domain.gate import PLACE_FIRST as GATE
from quotasvc.domain.gate import RATE_MS, RATE_SLICE_MS, Gate, GateKind
from quotasvc.domain.order import WindowTerm, window_term
from quotasvc.store.code import KindCode
from quotasvc.store.limits import limit_numbers
from tests.support.catalogs import FIVE_HOURS, WEEK
from tests.support.clock import DAY, HOUR, START_MS
from tests.support.lua import LuaModules

MONDAY_MS = START_MS - 7 * HOUR


def gate(kind: GateKind, place: int, *, limit: int | None = 60, need: int = 1) -> Gate:
    """A gate of one row."""
    return Gate(kind=kind, rate_limit_id="m3", place=place, limit=limit, need=need)


def listed(
    lua: LuaModules, gates: tuple[Gate, ...], terms: tuple[WindowTerm, ...], before: int = 0
) -> list[dict[str, Any]]:
    """What Lua makes of what Python sends, with other numbers and keys `before` it."""
    numbers = [*range(7_000, 7_000 + before), *limit_numbers(gates, terms)]
    keys = [f"key{i}" for i in range(before + len(gates) + len(terms))]
    found = lua.call(lua.require("lib/limit_list").of, numbers, before + 1, keys, before + 1)
    return [dict(found[i]) for i in range(1, len(found) + 1)]


@pytest.mark.parametrize("before", [0, 1, 13])
def test_python_and_lua_agree_on_the_numbers_of_a_limit(lua: LuaModules, before: int) -> None:
    # given gates, and a sliding and an aligned window with places that are not their positions
    gates = (
        gate(GateKind.REQUESTS, GATE, limit=200),
        gate(GateKind.TOKENS, GATE + 1, limit=10_000, need=1_234),
        gate(GateKind.CONNECTIONS, GATE + 2, limit=None),
    )
    terms = (window_term(2, FIVE_HOURS, START_MS, None), window_term(5, WEEK, START_MS, None))
    # when Lua reads what Python sends
    rpm, tpm, connections, five_hours, week = listed(lua, gates, terms, before)
    # then every number has its name, and every limit its key
    sliding = {"kind": KindCode.SLIDING, "slice_ms": RATE_SLICE_MS, "length_ms": RATE_MS}
    # what has not been read holds nothing, and is not written
    unread = {name: 0 for name in ("total", "held", "oldest", "slot", "value")}
    unread |= {"is_moved": False, "is_slot_moved": False}
    nothing_yet = {**unread, "start_ms": 0, "end_ms": 0}
    assert rpm.items() >= (sliding | nothing_yet | {"place": GATE, "limit": 200, "need": 1}).items()
    assert tpm.items() >= (sliding | {"place": GATE + 1, "limit": 10_000, "need": 1_234}).items()
    assert connections.items() >= {"kind": KindCode.SLOTS, "limit": -1, "place": GATE + 2}.items()
    expected = {
        "place": 2,
        "kind": KindCode.SLIDING,
        "limit": FIVE_HOURS.limit,
        "need": 0,
        "slice_ms": 150_000,
        "length_ms": 5 * HOUR,
    }
    assert five_hours.items() >= (nothing_yet | expected).items()
    expected = {
        "place": 5,
        "kind": KindCode.ALIGNED,
        "limit": WEEK.limit,
        "need": 0,
        "slice_ms": WEEK.slice_ms,
        "length_ms": 7 * DAY,
        "start_ms": MONDAY_MS,
        "end_ms": MONDAY_MS + 7 * DAY,
    }
    assert week.items() >= (unread | expected).items()
    limits = (rpm, tpm, connections, five_hours, week)
    assert [one["key"] for one in limits] == [f"key{before + i}" for i in range(5)]


def test_any_limits_keep_their_order_and_numbers(lua: LuaModules) -> None:
    chance = Random(7)
    kinds = {
        WindowKind.SLIDING: KindCode.SLIDING,
        WindowKind.FIRST_USE: KindCode.FIRST_USE,
        WindowKind.CYCLE: KindCode.CYCLE,
    }
    for _ in range(50):
        # given any windows
        windows = [
            replace(
                FIVE_HOURS,
                kind=chance.choice(list(kinds)),
                limit=chance.choice([None, 0, chance.randrange(2**53)]),
                length_ms=chance.randrange(1, 40 * DAY),
            )
            for _ in range(chance.randrange(6))
        ]
        terms = tuple(
            WindowTerm(
                place=chance.randrange(GATE),
                window=window,
                start_ms=chance.randrange(START_MS),
                end_ms=chance.randrange(START_MS),
            )
            for window in windows
        )
        # then Lua has the same
        found = listed(lua, (), terms, chance.randrange(4))
        assert [
            (w["place"], w["kind"], w["limit"], w["length_ms"], w["start_ms"], w["end_ms"])
            for w in found
        ] == [
            (
                term.place,
                kinds[term.window.kind],
                -1 if term.window.limit is None else term.window.limit,
                term.window.length_ms,
                term.start_ms,
                term.end_ms,
            )
            for term in terms
        ]


def test_no_limits_are_an_empty_list(lua: LuaModules) -> None:
    assert listed(lua, (), (), 3) == []

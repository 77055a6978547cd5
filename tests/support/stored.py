"""Limits, windows and records as scripts find them: for tests of Lua modules without a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quotasvc.domain.gate import PLACE_FIRST
from quotasvc.domain.reservation import State
from quotasvc.store.code import KindCode
from quotasvc.store.field import Field
from quotasvc.store.table import RING, TEXT_BYTES_MAX
from tests.support.lua import LuaModules

RECORD = "record"
SLICE_MS, LENGTH_MS = 10, 1_200
START_MS = 1_000_000
NOW_MS = START_MS + 15
DAY_MS = 5_000
SLOT = NOW_MS // SLICE_MS
"""Of NOW_MS in a sliding window."""

GONE = (NOW_MS - LENGTH_MS) // SLICE_MS - 1
"""The latest slot that has left it."""

LAST = PLACE_FIRST - 1
"""The last place of a plan's window."""

ID = "s1.2." + "x" * TEXT_BYTES_MAX
HELD = {
    Field.ID: ID,
    Field.STATE: State.HELD,
    Field.USAGE: "1.700",
    Field.PLAN: 60,
    Field.LOTS: 1,
    f"{Field.LOT}1": "m1",
    f"{Field.LOT_EXPIRE}1": 9_000,
    f"{Field.LOT_HELD}1": 30,
}
"""The fields of a hold over plan and lot."""


def limit(place: int, kind: KindCode = KindCode.ALIGNED, **terms: Any) -> dict[str, Any]:
    """A limit of 100 that nothing lies in, as a call brings it."""
    numbers = {"limit": 100, "need": 0, "slice_ms": SLICE_MS, "length_ms": LENGTH_MS}
    start = {"start_ms": START_MS, "end_ms": START_MS + DAY_MS}
    empty = {"total": 0, "held": 0, "oldest": 0, "slot": 0, "value": 0, "is_moved": False}
    key = {"key": f"win{place}", "place": place, "kind": kind}
    return {**key, **numbers, **start, **empty, "is_slot_moved": False, **terms}


def put_window(lua: LuaModules, place: int, total: int, held: int = 0, at: int = START_MS) -> None:
    """Stores an instance that began `at`."""
    fields = {"t": str(total), "h": str(held), "o": str(at)}
    lua.store.hashes[f"win{place}"] = fields


def put_slices(lua: LuaModules, place: int, slices: Mapping[int, int], held: int = 0) -> None:
    """Stores a sliding window with these slices."""
    put_window(lua, place, sum(slices.values()), held, min(slices))
    found = {str(slot % RING): str(value) for slot, value in slices.items()}
    lua.store.hashes[f"win{place}"] |= found


def stored(lua: LuaModules, place: int) -> tuple[int, int]:
    """Total and held of a window."""
    fields = lua.store.hashes.get(f"win{place}", {"t": "0", "h": "0"})
    return int(fields["t"]), int(fields["h"])


def record(lua: LuaModules, fields: Mapping[Any, object]) -> Any:
    """The stored record with these fields, as a script has it."""
    lua.store.hashes[RECORD] = {str(name): str(value) for name, value in fields.items()}
    return lua.call(lua.require("lib/record_store").read, RECORD)


def only_record(lua: LuaModules, fields: Mapping[Any, object]) -> Any:
    """The same, in a store that holds nothing else; nil where there are no fields."""
    lua.store.hashes.clear()
    return record(lua, fields)


def in_slots(slots: Mapping[int, int]) -> dict[str, object]:
    """The fields that say in which slot each place was charged."""
    return {f"{Field.SLOT}{place}": slot for place, slot in slots.items()}


def named(flat: Any) -> dict[str, Any]:
    """A flat list as names and values; a name may come once only."""
    words = list(flat.values())
    fields = dict(zip(words[::2], words[1::2], strict=True))
    assert 2 * len(fields) == len(words)
    return fields

"""Records as scripts read and write them: states, legs, and every number under its name."""

from __future__ import annotations

import pytest

from quotasvc.domain.reservation import State
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.field import Field
from quotasvc.store.table import TEXT_BYTES_MAX
from tests.support.lua import LuaFailed, LuaModules
from tests.support.stored import HELD, ID, RECORD, named, only_record


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({Field.ID: ID}, "s is missing"),
        ({Field.STATE: 0}, "s is no state"),
        ({Field.STATE: 5}, "s is no state"),
        ({Field.STATE: "1.5"}, "s is not a whole number"),
        ({Field.STATE: "x"}, "s is not a whole number"),
    ],
)
def test_a_record_in_no_known_state_is_read_by_no_script(
    lua: LuaModules, fields: dict[str, object], problem: str
) -> None:
    # what a release to come might write: nothing of it is guessed
    with pytest.raises(LuaFailed, match=f"^CORRUPT {RECORD} {problem}"):
        only_record(lua, fields)


def test_no_record_is_none(lua: LuaModules) -> None:
    assert only_record(lua, {}) is None


@pytest.mark.parametrize("size", [1, TEXT_BYTES_MAX, TEXT_BYTES_MAX + 1, 2 * TEXT_BYTES_MAX])
def test_an_id_in_two_halves_is_read_as_one(lua: LuaModules, size: int) -> None:
    text = "i" * size
    halves = {Field.ID: text[:TEXT_BYTES_MAX], Field.ID_END: text[TEXT_BYTES_MAX:]}
    given: dict[str, object] = {Field.STATE: State.HELD}
    given |= {name: half for name, half in halves.items() if half}
    assert only_record(lua, given).id == text


def test_legs_are_read_as_they_were_put(lua: LuaModules) -> None:
    leg_list = lua.require("lib/leg_list")
    flat = lua.sequence([])
    legs = [
        {"member": "m1", "expire_ms": 9_000, "held": 30, "charged": 7},
        {"member": "m2", "expire_ms": 0, "held": 0, "charged": 5},
        {"member": "m3", "expire_ms": 4, "held": 2, "charged": 0},
    ]
    for i, leg in enumerate(legs, start=1):
        lua.call(leg_list.put, flat, None, i, leg)
    found = lua.call(leg_list.of, only_record(lua, HELD | named(flat) | {Field.LOTS: 3}))
    assert [dict(leg) for leg in found.values()] == [
        leg | {"is_recorded": True, "recorded": leg["held"]} for leg in legs
    ]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        (Field.LOTS, "x", "k is not a whole number"),
        (Field.LOTS, "2", "a lot is missing"),
        (f"{Field.LOT_HELD}1", "-1", "h1 is out of range"),
        (f"{Field.LOT_HELD}1", "0.5", "h1 is not a whole number"),
        (f"{Field.LOT_HELD}1", str(AMOUNT_MAX + 1), "h1 is not a whole number"),
        (f"{Field.LOT_CHARGED}1", "-1", "g1 is out of range"),
        (f"{Field.LOT_EXPIRE}1", "", "e1 is not a whole number"),
    ],
)
def test_a_leg_that_cannot_be_is_refused_by_name(
    lua: LuaModules, field: str, value: str, problem: str
) -> None:
    record = only_record(lua, HELD | {field: value})
    with pytest.raises(LuaFailed, match=f"^CORRUPT {RECORD} {problem}"):
        lua.call(lua.require("lib/leg_list").of, record)


def test_a_field_that_has_to_be_there_is_missed(lua: LuaModules) -> None:
    store = lua.require("lib/record_store")
    record = only_record(lua, {Field.ID: ID, Field.STATE: State.HELD})
    with pytest.raises(LuaFailed, match=f"^CORRUPT {RECORD} a is missing"):
        lua.call(store.number, record, Field.ADMIT)
    assert lua.call(store.number, record, Field.ADMIT, 4) == 4
    assert lua.call(store.amount, record, Field.COST) == 0
    assert lua.call(store.slot, record, Field.SLOT, 3) is None


def test_a_payer_that_is_no_number_is_found_before_anything_is_done(lua: LuaModules) -> None:
    record = only_record(lua, {Field.STATE: State.HELD, Field.POOL: "x"})
    with pytest.raises(LuaFailed, match=f"^CORRUPT {RECORD} {Field.POOL} is not a whole number"):
        lua.call(lua.require("lib/leg_list").of, record)


CHARGES: list[tuple[dict[str, object], bool]] = [
    ({Field.STATE: State.HELD}, False),
    ({Field.STATE: State.COMMITTED}, True),
    ({Field.STATE: State.RELEASED}, False),
    ({Field.STATE: State.EXPIRED}, False),
    ({Field.STATE: State.EXPIRED, Field.PROVISIONAL: 1}, True),
    ({Field.STATE: State.RELEASED, Field.PROVISIONAL: 0}, False),
]


@pytest.mark.parametrize(("fields", "is_charged"), CHARGES)
def test_what_was_held_counts_as_charged_only_where_it_was(
    lua: LuaModules, fields: dict[str, object], *, is_charged: bool
) -> None:
    lot = {Field.LOTS: 1, f"{Field.LOT}1": "m1", f"{Field.LOT_HELD}1": 30}
    record = only_record(lua, fields | lot)
    assert lua.call(lua.require("lib/record_store").is_charged, record) is is_charged
    (leg,) = lua.call(lua.require("lib/leg_list").of, record).values()
    assert (leg.held, leg.charged) == (30, 30 if is_charged else 0)
    # and a record without lots has none
    assert len(lua.call(lua.require("lib/leg_list").of, only_record(lua, fields))) == 0


@pytest.mark.parametrize(("charged", "said"), [(1, True), (0, False)])
def test_a_lot_that_was_never_held_says_what_it_was_charged(
    lua: LuaModules, charged: int, *, said: bool
) -> None:
    flat = lua.sequence([])
    leg = lua.table({"member": "m1", "expire_ms": 0, "charged": charged})
    lua.call(lua.require("lib/leg_list").put, flat, None, 1, leg)
    expected = {f"{Field.LOT}1": "m1"} | ({f"{Field.LOT_CHARGED}1": charged} if said else {})
    assert named(flat) == expected


@pytest.mark.parametrize(("extended", "expire_ms"), [(None, 650), (1, 1), (700, 700), (0, 650)])
def test_a_hold_ends_as_admitted_or_as_extended_since(
    lua: LuaModules, extended: int | None, expire_ms: int
) -> None:
    fields: dict[str, object] = {Field.STATE: State.HELD, Field.ADMIT: 50, Field.HOLD: 600}
    fields |= {} if extended is None else {Field.EXTENDED: extended}
    assert (
        lua.call(lua.require("lib/record_store").expire_ms, only_record(lua, fields)) == expire_ms
    )


@pytest.mark.parametrize("count", [1, 999, 1_000, 1_001, 2_500])
def test_a_record_is_written_whole_however_long_and_removed_whole(
    lua: LuaModules, count: int
) -> None:
    lua.store.hashes.clear()
    store = lua.require("lib/record_store")
    flat = [word for i in range(count) for word in (f"f{i}", i)]
    lua.call(store.save, RECORD, flat)
    assert lua.store.hashes[RECORD] == {f"f{i}": str(i) for i in range(count)}
    lua.call(store.remove, RECORD)
    assert RECORD not in lua.store.hashes

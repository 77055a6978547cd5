"""Legs and their lots: what was held is consumed, what comes back goes where it may (SEM-23)."""

from __future__ import annotations

from typing import Any

import pytest

from quotasvc.domain.unit import AMOUNT_MAX
from tests.support.lua import LuaFailed, LuaModules

STATES = ("held", "consumed", "available", "expired", "revoked")
MEMBER = "0000000000001:lot"
NOW_MS, ENDED_MS = 1_000, 999


def move(
    lua: LuaModules,
    lot: dict[str, int],
    held: int,
    consumed: int,
    expire_ms: int = 0,
    wrong: dict[str, dict[str, str]] | None = None,
) -> tuple[Any, dict[str, int]]:
    """Moves the leg of a lot that has these amounts; returns the leg and what the lot has then."""
    lua.store.hashes.clear()
    lua.store.orders.clear()
    lua.store.orders["order"] = {MEMBER: "+inf"} if lot.get("available") else {}
    lua.receive_keys(**{f"pool_{s}": s for s in STATES}, pool_order="order", pool_sums="sums")
    for state, amount in lot.items():
        lua.store.hashes[state] = {"lot": str(amount)}
    lua.store.hashes |= wrong or {}
    store = lua.require("lib/lot_move_store")
    legs = lua.sequence([{"member": MEMBER, "expire_ms": expire_ms}])
    lua.call(store.read, legs)
    lua.call(store.plan, legs[1], held, consumed, NOW_MS)
    lua.call(store.write, legs)
    found = {s: int(lua.store.hashes[s]["lot"]) for s in STATES if lua.store.hashes.get(s)}
    return legs[1], found


@pytest.mark.parametrize(
    ("held", "consumed", "expected"),
    [
        (-30, 30, {"held": 5, "consumed": 37, "available": 4}),  # charged as held
        (-30, 20, {"held": 5, "consumed": 27, "available": 14}),
        (-30, 29, {"held": 5, "consumed": 36, "available": 5}),
        (-30, 0, {"held": 5, "consumed": 7, "available": 34}),
        (-30, 33, {"held": 5, "consumed": 40, "available": 1}),  # more, drawn from the lot
        (-30, 34, {"held": 5, "consumed": 41}),
        (0, -7, {"held": 35, "available": 11}),  # a refund
        (-35, 35, {"consumed": 42, "available": 4}),
    ],
)
def test_nothing_is_lost_between_the_states_of_a_lot(
    lua: LuaModules, held: int, consumed: int, expected: dict[str, int]
) -> None:
    leg, found = move(lua, {"held": 35, "consumed": 7, "available": 4}, held, consumed)
    assert found == expected
    assert sum(found.values()) == 46
    assert (leg.back, leg.goes_to) == (-held - consumed, "available")
    # and it is in the order exactly while it has something available
    order = {MEMBER: "+inf"} if "available" in found else {}
    assert lua.store.orders["order"] == order


@pytest.mark.parametrize(
    ("expire_ms", "revoked", "goes_to"),
    [(ENDED_MS, None, "expired"), (0, 0, "revoked"), (ENDED_MS, 2, "revoked")],
)
def test_what_comes_back_to_a_lot_that_has_ended_is_lost_and_told(
    lua: LuaModules, expire_ms: int, revoked: int | None, goes_to: str
) -> None:
    # a field among the revoked says so, even where it is 0
    lot = {"held": 30} if revoked is None else {"held": 30, "revoked": revoked}
    leg, found = move(lua, lot, -30, 29, expire_ms)
    assert found == {"consumed": 29, goes_to: 1 + (revoked or 0)}
    # then the pool's sums know it, and the answer
    assert lua.store.hashes["sums"] == {goes_to: "1", f"{goes_to}_high": "0"}
    lost = lua.require("lib/lot_move_store").lost
    none = {"expired": 0, "revoked": 0}
    assert dict(lua.call(lost, [leg, leg])) == none | {goes_to: 2}


def test_what_comes_back_to_a_live_lot_is_not_lost(lua: LuaModules) -> None:
    leg, _ = move(lua, {"held": 30}, -30, 10)
    more, _ = move(lua, {"held": 30, "available": 1}, -30, 31)
    lost = lua.call(lua.require("lib/lot_move_store").lost, [leg, more])
    assert dict(lost) == {"expired": 0, "revoked": 0}
    assert "sums" not in lua.store.hashes


def test_more_from_a_revoked_lot_is_drawn_from_what_is_available(lua: LuaModules) -> None:
    # given more than was held: nothing comes back, so nobody asks whether the lot has ended
    lot = {"held": 30, "available": 3, "revoked": 0}
    leg, found = move(lua, lot, -30, 31, ENDED_MS)
    assert (found["available"], leg.goes_to) == (2, "available")


@pytest.mark.parametrize(
    ("held", "consumed", "lot", "what"),
    [
        (-31, 31, {"held": 30}, "held"),
        (0, -1, {}, "consumed"),
        (-30, 32, {"held": 30, "available": 1}, "available"),
        (-1, 1, {"held": 1, "consumed": AMOUNT_MAX}, "consumed"),
    ],
)
def test_an_impossible_move_is_refused_by_the_lots_name(
    lua: LuaModules, held: int, consumed: int, lot: dict[str, int], what: str
) -> None:
    with pytest.raises(LuaFailed, match=f"^CORRUPT {MEMBER} {what} is out of range"):
        move(lua, lot, held, consumed)


def test_a_drained_lot_that_gets_something_back_is_drawn_again_by_its_end(lua: LuaModules) -> None:
    move(lua, {"held": 30}, -30, 29, NOW_MS + 1)
    assert lua.store.orders["order"] == {MEMBER: str(NOW_MS + 1)}


@pytest.mark.parametrize(
    ("name", "field"), [("order", "lot"), ("sums", "expired"), ("sums", "granted_high")]
)
def test_a_pool_that_is_not_what_it_should_be_is_not_moved(
    lua: LuaModules, name: str, field: str
) -> None:
    # given an order that is none, or sums that are no numbers, and what comes back to an ended lot
    with pytest.raises(LuaFailed):
        move(lua, {"held": 30}, -30, 29, ENDED_MS, {name: {field: "x"}})
    assert lua.store.hashes["held"] == {"lot": "30"}
    # then sums that nothing is added to are not asked
    if name == "sums":
        move(lua, {"held": 30}, -30, 29, 0, {name: {field: "x"}})

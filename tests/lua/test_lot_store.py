"""Draws on a pool: in order, page by page, no further than needed or allowed (SEM-21, SEM-24)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.lua import LuaFailed, LuaModules

NOW_MS = 1_000


def member(i: int) -> str:
    """The i-th lot in the order."""
    return f"{i:013d}:lot{i}"


def fill(lua: LuaModules, *amounts: int, expire_ms: int | None = None) -> None:
    """A pool of lots with these amounts, which end one after the other; the last one never does."""
    lua.store.hashes.clear()
    lua.store.orders.clear()
    lua.receive_keys(pool_order="order", pool_available="available", pool_held="held")
    lua.store.hashes["available"] = {f"lot{i}": str(n) for i, n in enumerate(amounts)}
    ends = {member(i): str(NOW_MS + 1 + i) for i in range(len(amounts))}
    lua.store.orders["order"] = ends | {member(len(amounts) - 1): str(expire_ms or "+inf")}


def draw(
    lua: LuaModules, need: int, lots_max: int = 1_000, known: tuple[int, ...] = ()
) -> tuple[list[Any], int]:
    """The shares, and what no lot could give."""
    store = lua.require("lib/lot_store")
    names = {member(i): True for i in known}
    shares, left = lua.call(store.draw, need, NOW_MS, lots_max, names)
    return [shares[i] for i in range(1, len(shares) + 1)], left


@pytest.mark.parametrize("need", [0, 1, 2, 29, 30, 31, 40, 41])
def test_a_need_is_drawn_to_the_last_nano(lua: LuaModules, need: int) -> None:
    fill(lua, 30, 10)
    shares, left = draw(lua, need)
    first, second = min(need, 30), min(max(need - 30, 0), 10)
    taken = [(member(0), NOW_MS + 1, first, 30), (member(1), 0, second, 10)]
    found = [(one.member, one.expire_ms, one.nanos, one.available) for one in shares]
    assert found == [share for share in taken if share[2] > 0]
    assert left == need - first - second


@pytest.mark.parametrize("count", [1, 15, 16, 17, 32, 33, 100])
def test_a_draw_goes_on_until_the_last_lot(lua: LuaModules, count: int) -> None:
    # given lots of 1, more than are read at once
    fill(lua, *[1] * count)
    shares, left = draw(lua, count + 5)
    assert [one.member for one in shares] == [member(i) for i in range(count)]
    assert left == 5


@pytest.mark.parametrize("lots_max", [0, 1, 15, 16, 17, 32, 49, 50])
def test_a_draw_takes_no_more_lots_than_it_may(lua: LuaModules, lots_max: int) -> None:
    fill(lua, *[1] * 50)
    shares, left = draw(lua, 50, lots_max)
    assert (len(shares), left) == (lots_max, 50 - lots_max)


@pytest.mark.parametrize("second", [16, 17])
@pytest.mark.parametrize("lots_max", [0, 1, 2, 20])
def test_lots_that_pay_already_do_not_count(lua: LuaModules, lots_max: int, second: int) -> None:
    # given three lots that a reservation has, at the beginning and on the second page
    fill(lua, *[1] * 50)
    shares, left = draw(lua, 50, lots_max, known=(0, 1, second))
    # then a draw ends at the first lot that would be one too many, whatever comes behind it
    taken = lots_max + (2 if lots_max < 14 else 3)
    assert [one.member for one in shares] == [member(i) for i in range(taken)]
    assert left == 50 - taken


def test_a_draw_reads_no_further_than_it_must(lua: LuaModules) -> None:
    # given a page of lots that has just enough, and a spoiled one behind it
    fill(lua, *[1] * 17)
    lua.store.hashes["available"]["lot16"] = "spoiled"
    # then nobody looks at that one, nor behind the last lot that a draw may take
    assert draw(lua, 16)[1] == 0
    assert draw(lua, 17, lots_max=3)[1] == 14


def test_a_lot_is_skipped_from_its_end_on(lua: LuaModules) -> None:
    for expire_ms, left in ((NOW_MS - 1, 5), (NOW_MS, 5), (NOW_MS + 1, 0)):
        fill(lua, 5, expire_ms=expire_ms)
        assert draw(lua, 5)[1] == left


def test_an_amount_that_cannot_be_is_refused(lua: LuaModules) -> None:
    fill(lua, 5, -1)
    with pytest.raises(LuaFailed, match=r"^CORRUPT available lot1 is out of range$"):
        draw(lua, 6)


def test_a_lot_of_the_order_that_has_nothing_gives_nothing(lua: LuaModules) -> None:
    fill(lua, 5, 5)
    del lua.store.hashes["available"]["lot0"]
    shares, left = draw(lua, 6)
    assert ([one.member for one in shares], left) == ([member(1)], 1)


@pytest.mark.parametrize(("need", "held"), [(1, 0), (29, 7), (30, 7), (31, 0)])
def test_a_share_moves_from_available_to_held(lua: LuaModules, need: int, held: int) -> None:
    # given a lot of which others hold something
    fill(lua, 30, 10)
    if held:
        lua.store.hashes["held"] = {"lot0": str(held)}
    store = lua.require("lib/lot_store")
    shares, _ = lua.call(store.draw, need, NOW_MS, 1_000, {})
    lua.call(store.read_held, shares)
    lua.call(store.take, shares)
    # then nothing is lost, and a lot is in the order while it has something available
    first, second = min(need, 30), max(need - 30, 0)
    available = {"lot0": str(30 - first), "lot1": str(10 - second)}
    left = {name: amount for name, amount in available.items() if amount != "0"}
    assert lua.store.hashes["available"] == left
    assert lua.store.hashes["held"]["lot0"] == str(held + first)
    assert lua.store.hashes["held"].get("lot1", "0") == str(second)
    assert set(lua.store.orders["order"]) == {member(int(name[3:])) for name in left}
    # and the legs say what is held of each, or charged at once
    legs = lua.call(store.legs, shares)
    assert [leg.held for leg in legs.values()] == [n for n in (first, second) if n]
    charges = lua.call(store.charges, shares)
    assert [(leg.held, leg.charged) for leg in charges.values()] == [
        (0, n) for n in (first, second) if n
    ]
    assert [leg.member for leg in legs.values()] == [leg.member for leg in charges.values()]

"""Grants: the same lots once, whatever the number of parts that they come in (SEM-3, SEM-24)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.lua import LuaModules

INFO = ("info one", "info two", "info three")


def granted(lua: LuaModules, *infos: str) -> None:
    """A pool to which a grant in so many parts was made."""
    lua.store.hashes.clear()
    lua.store.orders.clear()
    names = ("info", "ends", "parked", "waiting", "available", "order", "all")
    lua.receive_keys(**{f"pool_{name}": name for name in names})
    lua.store.hashes["info"] = dict(zip(("lot", "lot.2", "lot.3"), infos, strict=False))


def parts(lua: LuaModules, *infos: str) -> Any:
    """A grant as Python sends it, behind two words of something else."""
    words = ["other", "words"]
    for i, info in enumerate(infos):
        words += [f"000000000000{i}:lot{f'.{i + 1}' if i else ''}", str(100 + i), info]
    return lua.call(lua.require("lib/grant_store").lots, words, 3)


def test_a_grant_is_read_part_by_part(lua: LuaModules) -> None:
    found = parts(lua, *INFO)
    assert [dict(found[i]) for i in (1, 2)] == [
        {"member": "0000000000000:lot", "id": "lot", "nanos": 100, "info": INFO[0]},
        {"member": "0000000000001:lot.2", "id": "lot.2", "nanos": 101, "info": INFO[1]},
    ]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("before", "now", "is_known", "is_same"),
    [
        ((), INFO[:1], False, False),
        ((), INFO, False, False),
        (INFO[:1], INFO[:1], True, True),
        (INFO, INFO, True, True),
        (INFO[:1], INFO[:2], True, False),  # it was smaller
        (INFO[:2], INFO[:1], True, False),  # it was larger: a further part is there
        (INFO, INFO[:2], True, False),
        (INFO[:2], ("another", INFO[1]), True, False),
        (INFO[:2], (INFO[0], "another"), True, False),
    ],
)
def test_a_grant_is_the_same_only_if_all_of_it_is(
    lua: LuaModules,
    before: tuple[str, ...],
    now: tuple[str, ...],
    *,
    is_known: bool,
    is_same: bool,
) -> None:
    granted(lua, *before)
    compare = lua.require("lib/grant_store").compare
    assert lua.call(compare, parts(lua, *now)) == (is_known, is_same)


@pytest.mark.parametrize(("expire_ms", "score"), [(0, "+inf"), (7_000, "7000")])
@pytest.mark.parametrize("is_waiting", [False, True])
def test_a_lot_lies_in_the_order_by_its_end_or_waits_by_its_grant(
    lua: LuaModules, expire_ms: int, score: str, *, is_waiting: bool
) -> None:
    granted(lua)
    lot = parts(lua, *INFO)[1]
    lua.call(lua.require("lib/grant_store").add, lot, expire_ms, 1_000, is_waiting)
    said = {"info": {"lot": INFO[0]}, "ends": {"lot": str(expire_ms)}}
    amount, place = ("parked", "waiting") if is_waiting else ("available", "order")
    assert lua.store.hashes == said | {amount: {"lot": "100"}}
    where = {place: {lot.member: "1000" if is_waiting else score}}
    assert lua.store.orders == where | {"all": {lot.member: score}}

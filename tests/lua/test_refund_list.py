"""The refunds of a reservation: each under its number, found by its id and scope (SEM-29)."""

from __future__ import annotations

from typing import Any

import pytest

from quotasvc.domain.reservation import REFUNDS_MAX, State
from quotasvc.store.field import Field
from tests.support.lua import LuaFailed, LuaModules
from tests.support.stored import RECORD, record

SEQ = 7


def find(lua: LuaModules, count: int, refund_id: str, scope: str = "scope2") -> Any:
    """Looks for a refund among `count`, whose ids and scopes are numbered."""
    fields: dict[str, object] = {Field.STATE: State.COMMITTED}
    if count:
        fields[Field.REFUNDS] = count
    for i in range(1, count + 1):
        fields |= {f"{Field.REFUND_ID}{i}": f"refund{i}", f"{Field.REFUND_SCOPE}{i}": f"scope{i}"}
    return lua.call(lua.require("lib/refund_list").find, record(lua, fields), refund_id, scope)


def test_a_refund_is_known_by_its_id_and_the_same_by_its_scope(lua: LuaModules) -> None:
    assert find(lua, 3, "refund2") == (3, 2, True)
    assert find(lua, 3, "refund1", "scope1") == (3, 1, True)
    assert find(lua, 3, "refund3") == (3, 3, False)
    assert find(lua, 3, "refund4") == 3
    assert find(lua, 0, "refund1") == 0


def test_more_refunds_than_may_be_are_corrupt(lua: LuaModules) -> None:
    last = f"refund{REFUNDS_MAX}"
    assert find(lua, REFUNDS_MAX, last) == (REFUNDS_MAX, REFUNDS_MAX, False)
    with pytest.raises(LuaFailed, match=f"^CORRUPT {RECORD} has too many refunds"):
        find(lua, REFUNDS_MAX + 1, last)


def add(lua: LuaModules, usage: str, *, is_gone: bool, expired: int, revoked: int) -> Any:
    """The fields of a third refund of 20 nanos and 2 units, after two that gave back 30 and 3."""
    lua.receive(refund_id="refund3", scope="scope3", usage=usage)
    found = record(lua, {Field.STATE: State.COMMITTED, Field.USAGE_NANOS: 10})
    sums = {"charged": 100, "left": 70, "units_back": 3}
    back = {"nanos": 20, "units": 2, "is_gone": is_gone}
    lost = {"expired": expired, "revoked": revoked}
    fields = lua.require("lib/refund_list").fields
    words = list(lua.call(fields, found, {"seq": SEQ}, 3, sums, back, lost).values())
    assert len(words[::2]) == len(set(words[::2]))
    return dict(zip(words[::2], words[1::2], strict=True))


SAID = {
    Field.REFUNDS: 3,
    Field.REFUNDED: 50,
    Field.PLAN_BACK: 5,
    f"{Field.REFUND_ID}3": "refund3",
    f"{Field.REFUND_SCOPE}3": "scope3",
    f"{Field.REFUND_NANOS}3": 50,
    f"{Field.REFUND_UNITS}3": 5,
    f"{Field.REFUND_SEQ}3": SEQ,
}


def test_a_refund_adds_what_has_gone_back_in_all(lua: LuaModules) -> None:
    assert add(lua, "", is_gone=False, expired=0, revoked=0) == SAID


def test_a_refund_says_what_of_it_was_lost(lua: LuaModules) -> None:
    assert add(lua, "", is_gone=True, expired=4, revoked=5) == SAID | {
        f"{Field.REFUND_GONE}3": 1,
        f"{Field.REFUND_EXPIRED}3": 4,
        f"{Field.REFUND_REVOKED}3": 5,
    }


def test_a_refund_by_usage_adds_to_those_before_it(lua: LuaModules) -> None:
    assert add(lua, "1.2", is_gone=False, expired=0, revoked=0) == SAID | {
        Field.USAGE_BACK: "1.2",
        Field.USAGE_NANOS: 30,
    }

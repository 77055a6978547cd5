"""Numbers out of the store: whole, within 2^53, or refused by name (SEM-3)."""

from __future__ import annotations

import pytest

from quotasvc.domain.unit import AMOUNT_MAX
from tests.support.lua import LuaFailed, LuaModules


@pytest.mark.parametrize("number", [0, 1, -1, 1_793_602_800_000, AMOUNT_MAX, -AMOUNT_MAX])
def test_a_whole_number_is_read_exactly(lua: LuaModules, number: int) -> None:
    whole = lua.require("lib/whole")
    assert lua.call(whole.of, str(number), None, "key", "field") == number


@pytest.mark.parametrize(
    "text", ["", "x", "1.5", "nan", "inf", "-inf", "9007199254740992", "-9007199254740992", "12 3"]
)
def test_anything_else_is_corrupt_and_named(lua: LuaModules, text: str) -> None:
    whole = lua.require("lib/whole")
    with pytest.raises(LuaFailed, match=r"^CORRUPT key field is not a whole number$"):
        lua.call(whole.of, text, None, "key", "field")


@pytest.mark.parametrize("absent", [None, False])
def test_an_absent_field_is_its_default_or_corrupt(lua: LuaModules, absent: object) -> None:
    whole = lua.require("lib/whole")
    assert lua.call(whole.of, absent, 7, "key", "field") == 7
    with pytest.raises(LuaFailed, match=r"^CORRUPT key field is missing$"):
        lua.call(whole.of, absent, None, "key", "field")


@pytest.mark.parametrize("amount", [0, 1, AMOUNT_MAX])
def test_an_amount_that_may_be_stored_passes(lua: LuaModules, amount: int) -> None:
    assert lua.call(lua.require("lib/whole").amount, amount, "lot", "held") == amount


@pytest.mark.parametrize("amount", [-1, AMOUNT_MAX + 1])
def test_an_amount_that_may_not_is_refused(lua: LuaModules, amount: int) -> None:
    with pytest.raises(LuaFailed, match=r"^CORRUPT lot held is out of range$"):
        lua.call(lua.require("lib/whole").amount, amount, "lot", "held")

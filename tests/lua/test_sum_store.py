"""A pool's sums: exact beyond what one number can count (SEM-3, L6)."""

from __future__ import annotations

import pytest

from quotasvc.domain.unit import AMOUNT_MAX
from tests.support.lua import LuaFailed, LuaModules

LIMB = 10**15


def add(lua: LuaModules, *amounts: int) -> tuple[int, int]:
    """The two numbers of a sum after these amounts."""
    lua.store.hashes.clear()
    for amount in amounts:
        lua.call(lua.require("lib/sum_store").add, "sums", "granted", amount)
    found = lua.store.hashes["sums"]
    assert set(found) == {"granted", "granted_high"}
    return int(found["granted_high"]), int(found["granted"])


@pytest.mark.parametrize(
    "amounts",
    [
        (0,),
        (1,),
        (LIMB - 1,),
        (LIMB,),
        (LIMB - 1, 1),
        (LIMB - 1, 2),
        (LIMB, LIMB),
        (AMOUNT_MAX,),
        (AMOUNT_MAX,) * 5,
    ],
)
def test_a_sum_is_exact_whatever_its_size(lua: LuaModules, amounts: tuple[int, ...]) -> None:
    assert add(lua, *amounts) == divmod(sum(amounts), LIMB)


@pytest.mark.parametrize("name", ["granted", "expired", "revoked"])
@pytest.mark.parametrize("end", ["", "_high"])
@pytest.mark.parametrize("value", ["x", "-1", "0.5"])
def test_a_sum_that_is_no_number_is_found_before_anything_is_added(
    lua: LuaModules, name: str, end: str, value: str
) -> None:
    probe = lua.require("lib/sum_store").probe
    lua.store.hashes.clear()
    lua.call(probe, "sums")
    lua.store.hashes["sums"] = {name + end: value}
    with pytest.raises(LuaFailed, match=r"^CORRUPT sums sum is"):
        lua.call(probe, "sums")

"""Lots: drawing in order, keeping a prefix, and where a return goes (SEM-21 … SEM-25)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.lua import LuaModules

_LUA = LuaModules()
_LOT = _LUA.require("lib/lot")

AMOUNTS = st.lists(st.integers(0, 9), max_size=8)


def lots(amounts: list[int]) -> list[dict[str, object]]:
    """Lots with these amounts available, named by their place."""
    return [
        {"member": f"m{i}", "expire_ms": 10 * i, "available": amount}
        for i, amount in enumerate(amounts)
    ]


def draw(available: list[int], need: int) -> tuple[dict[str, int], int]:
    """What each lot gives, and what is still needed."""
    shares = _LUA.sequence([])
    left = _LUA.call(_LOT.draw, lots(available), need, shares)
    return {share.member: share.nanos for share in shares.values()}, left


def one_by_one(available: list[int], need: int) -> dict[str, int]:
    """The same, a unit at a time: each comes from the first lot that has one left."""
    taken: dict[str, int] = {}
    left = list(available)
    for _ in range(need):
        for i, amount in enumerate(left):
            if amount > 0:
                left[i] -= 1
                taken[f"m{i}"] = taken.get(f"m{i}", 0) + 1
                break
    return taken


@given(available=AMOUNTS, need=st.integers(0, 60))
def test_lots_are_drawn_in_order_each_to_its_end(available: list[int], need: int) -> None:
    taken, left = draw(available, need)
    assert taken == one_by_one(available, need)
    assert left == max(0, need - sum(available))


def test_a_share_remembers_what_its_lot_had() -> None:
    shares = _LUA.sequence([])
    _LUA.call(_LOT.draw, lots([0, 7]), 5, shares)
    assert [dict(share) for share in shares.values()] == [
        {"member": "m1", "expire_ms": 10, "available": 7, "nanos": 5}
    ]


@given(held=AMOUNTS, keep=st.integers(0, 60))
def test_what_stays_charged_is_a_prefix_of_what_was_drawn(held: list[int], keep: int) -> None:
    # given legs, and what of them stays charged (SEM-25)
    legs = _LUA.sequence({"held": amount} for amount in held)
    left = _LUA.call(_LOT.keep, legs, keep)
    charged = [leg.charged for leg in legs.values()]
    # then it is all that can be kept, and no leg is charged before the one in front of it is full
    assert sum(charged) == min(keep, sum(held))
    assert left == keep - sum(charged)
    assert charged == [one_by_one(held, keep).get(f"m{i}", 0) for i in range(len(held))]


NOW_MS = 1_000


@pytest.mark.parametrize(
    ("expire_ms", "is_revoked", "goes_to"),
    [
        (0, False, "available"),
        (NOW_MS + 1, False, "available"),
        (NOW_MS, False, "expired"),  # a lot is usable up to, not at, its end (SEM-22)
        (NOW_MS - 1, False, "expired"),
        (1, False, "expired"),
        (NOW_MS + 1, True, "revoked"),
        (NOW_MS - 1, True, "revoked"),  # both: revoked (SEM-49)
        (0, True, "revoked"),
    ],
)
def test_a_return_goes_to_its_lot_unless_that_has_ended(
    expire_ms: int, is_revoked: bool, goes_to: str
) -> None:
    assert _LUA.call(_LOT.return_to, expire_ms, is_revoked, NOW_MS) == goes_to


@pytest.mark.parametrize("lot_id", ["lot", "a:b", "0"])
def test_a_member_names_its_lot(lot_id: str) -> None:
    assert _LUA.call(_LOT.id, f"{NOW_MS:013d}:{lot_id}") == lot_id


@pytest.mark.parametrize(("expire_ms", "score"), [(NOW_MS, NOW_MS), (1, 1), (0, "+inf")])
def test_lots_lie_in_the_order_by_their_end_and_those_without_one_last(
    expire_ms: int, score: object
) -> None:
    assert _LUA.call(_LOT.score, expire_ms) == score

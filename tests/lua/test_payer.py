"""Straddles: how plan and pool share a cost, and how much room the plan would need (SEM-11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotasvc.store.code import StraddleCode
from tests.support.lua import LuaModules

_LUA = LuaModules()
_PAYER = _LUA.require("lib/payer")

STRICT, SPLIT, ABSORB = StraddleCode.STRICT, StraddleCode.SPLIT, StraddleCode.ABSORB


def plan(amount: int, straddle: StraddleCode, split_min: int = 1) -> dict[str, int]:
    """What the plan is asked for."""
    return {"amount": amount, "straddle": straddle, "split_min": split_min}


@pytest.mark.parametrize(
    ("straddle", "room", "share"),
    [
        (STRICT, 60, 60),
        (STRICT, 59, 0),
        (SPLIT, 60, 60),
        (SPLIT, 59, 59),
        (SPLIT, 10, 10),
        (SPLIT, 9, 0),  # a partial leg below split_min is not made
        (SPLIT, 0, 0),
        (SPLIT, -5, 0),
        (ABSORB, 60, 60),
        (ABSORB, 1, 60),
        (ABSORB, 0, 0),
        (ABSORB, -5, 0),
    ],
)
def test_the_share_of_the_plan(straddle: StraddleCode, room: int, share: int) -> None:
    assert _LUA.call(_PAYER.plan_share, plan(60, straddle, 10), room) == share


def test_a_whole_leg_may_be_below_split_min() -> None:
    assert _LUA.call(_PAYER.plan_share, plan(5, SPLIT, 10), 5) == 5


def test_a_partial_leg_may_be_the_smallest() -> None:
    assert _LUA.call(_PAYER.plan_share, plan(5, SPLIT, 1), 1) == 1


@pytest.mark.parametrize("available", [0, 59])
def test_a_plan_that_absorbs_needs_any_room_at_all(available: int) -> None:
    assert _LUA.call(_PAYER.plan_need, plan(60, ABSORB), 60, available) == 1


def test_a_partial_leg_of_nothing_is_none_even_without_split_min() -> None:
    assert _LUA.call(_PAYER.plan_share, plan(5, SPLIT, 0), 0) == 0


def test_the_pool_pays_the_whole_price_unless_the_plan_takes_it_all() -> None:
    # 3 units of a counted allowance at a list price of 90 (strict: all or nothing)
    assert _LUA.call(_PAYER.rest, plan(3, STRICT), 3, 90) == 0
    assert _LUA.call(_PAYER.rest, plan(3, STRICT), 0, 90) == 90
    # 60 nanos of a cost allowance, split
    assert _LUA.call(_PAYER.rest, plan(60, SPLIT), 25, 60) == 35


@given(
    straddle=st.sampled_from(StraddleCode),
    cost=st.integers(1, 30),
    split_min=st.integers(0, 35),
    available=st.integers(0, 29),
    room=st.integers(-5, 40),
)
def test_the_room_that_is_asked_for_is_the_least_with_which_the_request_passes(
    straddle: StraddleCode, cost: int, split_min: int, available: int, room: int
) -> None:
    # given a cost allowance and a pool that cannot pay it all (SEM-47)
    available = min(available, cost - 1)
    terms = plan(cost, straddle, split_min)
    # when the plan has some room
    share = _LUA.call(_PAYER.plan_share, terms, room)
    passes = _LUA.call(_PAYER.rest, terms, share, cost) <= available
    # then the request passes exactly if that is the room asked for, or more
    need = _LUA.call(_PAYER.plan_need, terms, cost, available)
    assert passes == (room >= need)
    assert need >= 1

"""Refunds: last leg first, the plan last of all, and never a unit twice (SEM-25, SEM-29, S5)."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from tests.support.lua import LuaModules

_LUA = LuaModules()
_REFUND = _LUA.require("lib/refund")


def share(charged: list[int], before: int, after: int) -> tuple[int, list[int]]:
    """What goes back to the plan, and to each lot, when what went back rises to `after`."""
    legs = _LUA.sequence({"charged": nanos} for nanos in charged)
    plan = _LUA.call(_REFUND.share, legs, before, after)
    return plan, [leg.back_now for leg in legs.values()]


def one_by_one(plan: int, charged: list[int], before: int, after: int) -> tuple[int, list[int]]:
    """The same, nano by nano: each comes from the last source that still has one."""
    left = [plan, *charged]
    back = [0] * len(left)
    for number in range(after):
        source = max(i for i, nanos in enumerate(left) if nanos > 0)
        left[source] -= 1
        back[source] += number >= before
    return back[0], back[1:]


@pytest.mark.parametrize("seed", range(40))
def test_what_goes_back_is_the_last_of_what_is_still_charged(seed: int) -> None:
    # given a charge over the plan and some lots, any of which may be empty
    chance = Random(seed)
    plan = chance.choice([0, chance.randrange(9)])
    charged = [chance.choice([0, chance.randrange(9)]) for _ in range(chance.randrange(5))]
    gone = 0
    # when it is refunded in parts
    for _ in range(6):
        after = gone + chance.randrange(plan + sum(charged) - gone + 1)
        # then each part is what nano by nano comes last
        assert share(charged, gone, after) == one_by_one(plan, charged, gone, after)
        gone = after


def test_parts_of_a_refund_are_the_whole_of_it() -> None:
    chance = Random(3)
    for _ in range(30):
        charged = [chance.randrange(50) for _ in range(4)]
        total = sum(charged) + chance.randrange(50)
        marks = sorted(chance.randrange(total + 1) for _ in range(3))
        edges = [0, *marks, total]
        parts = [share(charged, a, b) for a, b in pairwise(edges)]
        whole = share(charged, 0, total)
        assert sum(plan for plan, _ in parts) == whole[0] == total - sum(charged)
        assert [sum(lots) for lots in zip(*(lots for _, lots in parts), strict=True)] == charged


@pytest.mark.parametrize("seed", range(20))
def test_what_came_beyond_the_hold_goes_back_first(seed: int) -> None:
    # given units of the plan of which some were charged beyond the hold (S5)
    chance = Random(seed)
    keep, over, gone = chance.randrange(9), chance.randrange(9), 0
    units = ["keep"] * keep + ["over"] * over
    while gone < len(units):
        after = chance.randint(gone, len(units))
        from_over, from_keep = _LUA.call(_REFUND.split, over, gone, after)
        # then unit by unit the last ones of all return
        returned = units[len(units) - after : len(units) - gone]
        assert (from_over, from_keep) == (returned.count("over"), returned.count("keep"))
        gone = after if after > gone else len(units)

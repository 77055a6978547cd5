"""Settlements against a naive one that spends an amount unit by unit (SEM-27, SEM-40)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotasvc.domain.unit import AMOUNT_MAX
from tests.support.lua import LuaModules

_LUA = LuaModules()
_SETTLEMENT = _LUA.require("lib/settlement")


@dataclass
class Case:
    """One settlement: what was held, what can still be had, and the actual usage."""

    is_plan: bool
    is_absorbing: bool
    plan_held: int
    legs_held: list[int]
    room: int
    pool: int  # what lots beyond the hold have; 0 also where there is no pool
    actual: int
    charged: list[int] = field(default_factory=list)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any reservation of a cost allowance, of lots, or of both."""
    is_plan = draw(st.booleans())
    return Case(
        is_plan=is_plan,
        is_absorbing=draw(st.booleans()),
        plan_held=draw(st.integers(0, 9)) if is_plan else 0,
        legs_held=draw(st.lists(st.integers(0, 9), max_size=4)),
        room=draw(st.integers(-3, 9)),
        pool=draw(st.integers(0, 9)),
        actual=draw(st.integers(0, 60)),
    )


def settle(case: Case) -> tuple[Any, list[int], int]:
    """As the commit script does: the plan's share, what each lot leg pays, what is written off."""
    plan = _LUA.table(
        {
            "is_leg": case.is_plan,
            "is_counted": False,
            "is_absorbing": case.is_absorbing,
            "held": case.plan_held,
        }
    )
    legs = _LUA.sequence({"member": f"m{i}", "held": h} for i, h in enumerate(case.legs_held))
    share = _LUA.call(_SETTLEMENT.share, plan, legs, case.actual, 0, case.room)
    is_last_leg_plan, short = len(legs) == 0, share.pool_need
    if case.pool and short and _LUA.call(_SETTLEMENT.may_draw, plan, legs):
        drawn = min(short, case.pool)
        short -= drawn
        _LUA.call(_SETTLEMENT.add_shares, legs, [{"member": "new", "expire_ms": 0, "nanos": drawn}])
    written_off = _LUA.call(_SETTLEMENT.finish, share, plan, is_last_leg_plan, short)
    return share, [leg.charged for leg in legs.values()], written_off


def naive(case: Case) -> tuple[int, list[int], int]:
    """Who pays each single unit, in the order of SEM-27: (plan, lots, written off)."""
    plan, written_off = 0, 0
    lots = [0] * len(case.legs_held)
    room, pool = max(0, case.room), case.pool
    is_last_leg_plan = case.is_plan and not lots
    if is_last_leg_plan and case.is_absorbing:
        pool = 0
    new = 0
    for _ in range(case.actual):
        open_lot = next((i for i, h in enumerate(case.legs_held) if lots[i] < h), None)
        if plan < case.plan_held:
            plan += 1
        elif open_lot is not None:
            lots[open_lot] += 1
        elif case.is_plan and room > 0:
            plan, room = plan + 1, room - 1
        elif pool > 0:
            new, pool = new + 1, pool - 1
        elif is_last_leg_plan:
            plan += 1
        else:
            written_off += 1
    return plan, lots + ([new] if new else []), written_off


@given(case=cases())
def test_a_settlement_is_what_paying_unit_by_unit_gives(case: Case) -> None:
    share, charged, written_off = settle(case)
    assert (share.plan_kept + share.plan_over, charged, written_off) == naive(case)
    # every unit is paid by somebody or written off (SEM-40)
    assert share.plan_nanos + sum(charged) + written_off == case.actual
    # and what was kept of the hold is told apart from what came beyond it
    assert share.plan_kept == min(case.actual, case.plan_held)


@given(
    held=st.integers(1, 9),
    units=st.integers(0, 20),
    nanos=st.integers(0, 99),
    room=st.integers(-9, 99),
)
def test_a_counted_plan_leg_takes_every_unit_and_nothing_spills(
    held: int, units: int, nanos: int, room: int
) -> None:
    # given a hold of some units, whatever room there is (SEM-27)
    plan = {"is_leg": True, "is_counted": True, "is_absorbing": False, "held": held}
    # when the actual usage is known
    share = _LUA.call(_SETTLEMENT.share, plan, [], nanos, units, room)
    # then the plan counts all units, at their list price, and no pool is asked
    assert share.plan_kept + share.plan_over == units
    assert share.plan_kept == min(units, held)
    assert share.plan_nanos == nanos
    assert share.pool_need == 0
    assert _LUA.call(_SETTLEMENT.finish, share, plan, True, 0) == 0
    # nor a lot, if there were any
    legs = _LUA.sequence([{"member": "m0", "held": 90}])
    _LUA.call(_SETTLEMENT.share, plan, legs, nanos, units, room)
    assert legs[1].charged == 0


@pytest.mark.parametrize("short", [1, 2])
def test_a_plan_whose_leg_is_the_last_absorbs_whatever_the_pool_lacks(short: int) -> None:
    plan = {"is_leg": True, "is_counted": False, "is_absorbing": True, "held": 9}
    share = _LUA.table({"plan_kept": 9, "plan_over": 3, "plan_nanos": 12, "pool_need": short})
    assert _LUA.call(_SETTLEMENT.finish, share, plan, True, short) == 0
    assert (share.plan_over, share.plan_nanos) == (3 + short, 12 + short)
    # and a pool whose leg is the last writes it off (SEM-27)
    assert _LUA.call(_SETTLEMENT.finish, share, plan, False, short) == short
    assert (share.plan_over, share.plan_nanos) == (3 + short, 12 + short)


def test_units_that_a_pool_paid_for_are_settled_by_price() -> None:
    # given a counted allowance that had no room, so that lots hold the price
    plan = {"is_leg": False, "is_counted": True, "is_absorbing": False, "held": 0}
    legs = _LUA.sequence([{"member": "m0", "held": 90}])
    # when less is used
    share = _LUA.call(_SETTLEMENT.share, plan, legs, 60, 2, 5)
    # then the lots pay the price of it, and the plan nothing
    assert (share.plan_nanos, legs[1].charged, share.pool_need) == (0, 60, 0)


def test_more_from_a_lot_of_the_reservation_is_added_to_its_leg() -> None:
    # given a leg that is kept whole
    legs = _LUA.sequence([{"member": "m0", "held": 5, "charged": 5, "expire_ms": 7}])
    # when the same lot and another one give more
    shares = [
        {"member": "m0", "expire_ms": 7, "nanos": 2},
        {"member": "m1", "expire_ms": 9, "nanos": 3},
    ]
    _LUA.call(_SETTLEMENT.add_shares, legs, shares)
    # then each lot has one leg, one behind the other
    assert len(legs) == 2
    assert [dict(legs[i]) for i in (1, 2)] == [
        {"member": "m0", "held": 5, "charged": 7, "expire_ms": 7},
        {"member": "m1", "held": 0, "kept": 0, "charged": 3, "expire_ms": 9},
    ]


def test_lots_that_pay_a_nano_are_those_that_pay() -> None:
    # given legs that are charged nothing, a nano and two
    legs = _LUA.sequence([{"member": f"m{n}", "charged": n} for n in (0, 1, 2)])
    by_member, count = _LUA.call(_SETTLEMENT.charged, legs)
    # then those that are charged anything count
    assert (set(by_member), count) == ({"m1", "m2"}, 2)


@given(
    is_leg=st.booleans(),
    is_counted=st.booleans(),
    over=st.integers(0, 30),
    room=st.integers(0, 30),
)
def test_a_counter_never_passes_what_it_can_count(
    over: int, room: int, *, is_leg: bool, is_counted: bool
) -> None:
    # given a share that goes beyond its hold, and a window with some room below 2^53
    plan = {"is_leg": is_leg, "is_counted": is_counted, "total": AMOUNT_MAX - room}
    over = over if is_leg else 0
    share = _LUA.table({"plan_kept": 5, "plan_over": over, "plan_nanos": 5 + over})
    # when it is clamped
    written_off = _LUA.call(_SETTLEMENT.clamp, share, plan)
    # then the window can count it, and what it cannot is written off where it is money
    assert share.plan_over == min(over, room)
    assert written_off == (0 if is_counted else over - share.plan_over)
    assert share.plan_nanos + written_off == 5 + over

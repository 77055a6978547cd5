"""What scripts write into records: every number under its name, and nothing that says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from quotasvc.domain.gate import PLACE_FIRST as GATE
from quotasvc.domain.reservation import State
from quotasvc.store.code import KindCode
from quotasvc.store.field import Field
from quotasvc.store.table import TEXT_BYTES_MAX
from tests.support.lua import LuaModules
from tests.support.stored import HELD, ID, named, only_record

NOW_MS, SEQ = 5_000, 7


def window(place: int, slot: int, **changes: object) -> dict[str, Any]:
    """A limit that was charged."""
    return {"place": place, "slot": slot, "need": 0, "kind": KindCode.SLIDING, **changes}


# Admissions.


def admission(lua: LuaModules, args: Mapping[str, object], *rest: object) -> dict[str, Any]:
    """The fields of a new record."""
    said = {
        "content": "digest",
        "short_id": ID,
        "cost": 0,
        "pool": 0,
        "usage": "",
        "tokens": 0,
    }
    lua.receive(**said | dict(args))
    fields = lua.require("lib/admission").fields
    return named(lua.call(fields, State.HELD, NOW_MS, SEQ, *rest))


def test_an_admission_says_what_was_decided_and_where_its_legs_lie(lua: LuaModules) -> None:
    # given a plan leg in two windows, two lots, and a row that counts requests and tokens
    limits = [
        window(GATE, 11, need=1),
        window(GATE + 1, 12, need=500, slice_ms=1_000),
        window(GATE + 2, 0, need=1, kind=KindCode.SLOTS),
        window(0, 13),
        window(2, 14),
    ]
    legs = [
        {"member": "m1", "expire_ms": 9_000, "held": 30},
        {"member": "m2", "expire_ms": 0, "held": 5},
    ]
    args = {"cost": 100, "pool": 2, "usage": "1.700", "tokens": 500}
    # then each has its field: of a rate limit only tokens are ever moved again (SEM-19)
    assert admission(lua, args, limits, 65, 650, legs) == {
        Field.ID: ID[:TEXT_BYTES_MAX],
        Field.ID_END: ID[TEXT_BYTES_MAX:],
        Field.CONTENT: "digest",
        Field.STATE: State.HELD,
        Field.ADMIT: NOW_MS,
        Field.SEQ: SEQ,
        Field.COST: 100,
        Field.POOL: 2,
        Field.PLAN: 65,
        Field.PLAN_NANOS: 650,
        Field.LOTS: 2,
        Field.USAGE: "1.700",
        Field.TOKENS: 500,
        f"{Field.SLOT}{GATE + 1}": 12,
        f"{Field.SLOT}0": 13,
        f"{Field.SLOT}2": 14,
        f"{Field.LOT}1": "m1",
        f"{Field.LOT_EXPIRE}1": 9_000,
        f"{Field.LOT_HELD}1": 30,
        f"{Field.LOT}2": "m2",
        f"{Field.LOT_HELD}2": 5,
    }


def test_the_price_of_a_plan_leg_at_cost_goes_without_saying(lua: LuaModules) -> None:
    assert Field.PLAN_NANOS not in admission(lua, {"cost": 65}, [window(0, 13)], 65, 65, [])


def test_an_admission_of_nothing_keeps_no_zeros(lua: LuaModules) -> None:
    # given zero-cost usage, beside windows that it does not concern (SEM-46)
    found = admission(lua, {}, [window(GATE, 11, need=1), window(0, 13)], 0, 0, [])
    assert set(found) == {
        *(Field.ID, Field.ID_END, Field.CONTENT, Field.STATE, Field.ADMIT, Field.SEQ),
    }


def test_tokens_in_the_slice_of_the_admission_leave_no_slot(lua: LuaModules) -> None:
    # the time of the admission says where they lie
    limits = [window(GATE + 1, NOW_MS // 1_000, need=500, slice_ms=1_000)]
    assert f"{Field.SLOT}{GATE + 1}" not in admission(lua, {"tokens": 500}, limits, 0, 0, [])


@pytest.mark.parametrize(("slice_ms", "slot"), [(1_000, 4), (3_000, 2), (3_000, 0)])
def test_tokens_in_another_slice_than_the_clock_says_leave_their_slot(
    lua: LuaModules, slice_ms: int, slot: int
) -> None:
    # given one token that was counted while a clock was ahead (SEM-37), or behind
    limits = [window(GATE + 1, slot, need=1, slice_ms=slice_ms)]
    found = admission(lua, {"tokens": 1}, limits, 0, 0, [])
    assert found[f"{Field.SLOT}{GATE + 1}"] == slot


def test_tokens_in_the_midst_of_their_slice_leave_no_slot(lua: LuaModules) -> None:
    limits = [window(GATE + 1, 1, need=1, slice_ms=3_000)]
    assert f"{Field.SLOT}{GATE + 1}" not in admission(lua, {"tokens": 1}, limits, 0, 0, [])


def test_a_plan_leg_of_one_unit_is_a_leg(lua: LuaModules) -> None:
    assert admission(lua, {"cost": 1}, [window(0, 13)], 1, 1, [])[f"{Field.SLOT}0"] == 13


def test_a_token_limit_that_was_not_looked_at_leaves_no_slot(lua: LuaModules) -> None:
    # R1: not looked at and not counted where there are no tokens
    found = admission(lua, {}, [window(GATE + 1, 12, need=0)], 0, 0, [])
    assert f"{Field.SLOT}{GATE + 1}" not in found


# Commits.


def commitment(
    lua: LuaModules,
    stored: Mapping[str, object],
    args: Mapping[str, object],
    share: Mapping[str, int],
    *,
    legs: Any = (),
    plan: Mapping[str, object] | None = None,
    actual: int = 0,
    written_off: int = 0,
) -> dict[str, Any]:
    """The fields that a commit adds."""
    said = {"settlement": "digest", "outcome": 0, "rates": 0, "usage": "", "as_reserved": 0}
    lua.receive(**said | dict(args))
    record = only_record(lua, stored)
    if plan is None:
        plan = {"is_gone": False, "over": share["plan_over"], "windows": [window(0, 13)]}
    legs = lua.call(lua.require("lib/leg_list").of, record) if legs is None else legs
    return named(
        lua.call(
            lua.require("lib/commitment").fields,
            *(record, {"seq": SEQ}, NOW_MS, plan, share, legs, actual, written_off),
        )
    )


def test_a_commit_says_what_was_charged(lua: LuaModules) -> None:
    # given a hold of counted units that is charged beyond itself, from one lot more and one less
    legs = [
        {"is_recorded": True, "member": "m1", "expire_ms": 9_000, "held": 30, "charged": 29},
        {"member": "m2", "expire_ms": 0, "held": 0, "charged": 5},
    ]
    share = {"plan_kept": 60, "plan_over": 4, "plan_nanos": 640}
    args = {"outcome": 1, "rates": 6, "usage": "1.900"}
    found = commitment(lua, HELD, args, share, legs=legs, actual=110, written_off=11)
    # then every part of it has its field, and what is known of the hold stays as it is
    assert found == {
        Field.STATE: State.COMMITTED,
        Field.SETTLE: NOW_MS,
        Field.SETTLEMENT: "digest",
        Field.OUTCOME: 1,
        Field.RATES: 6,
        Field.USAGE: "1.900",
        Field.ACTUAL: 110,
        Field.WRITTEN_OFF: 11,
        Field.OVER: 4,
        f"{Field.OVER_SLOT}0": 13,
        Field.PLAN_PAID: 640,
        Field.COMMIT_SEQ: SEQ,
        Field.LOTS: 2,
        f"{Field.LOT_CHARGED}1": 29,
        f"{Field.LOT}2": "m2",
        f"{Field.LOT_CHARGED}2": 5,
    }


def test_a_charge_as_held_goes_without_saying(lua: LuaModules) -> None:
    # given a plan leg at cost, and a lot that is charged what was held of it
    legs = [{"is_recorded": True, "member": "m1", "expire_ms": 9_000, "held": 30, "charged": 30}]
    share = {"plan_kept": 60, "plan_over": 4, "plan_nanos": 64}
    found = commitment(lua, HELD, {}, share, legs=legs, actual=94)
    assert found.keys().isdisjoint({Field.KEEP, Field.PLAN_PAID, f"{Field.LOT_CHARGED}1"})


@pytest.mark.parametrize(("as_reserved", "usage"), [(1, None), (0, "")])
def test_a_usage_that_names_nothing_is_not_taken_for_the_estimate(
    lua: LuaModules, as_reserved: int, usage: str | None
) -> None:
    # given a commit as reserved, and one at a usage of nothing: only the first keeps the estimate,
    # by which refunds of a usage are told (SEM-28, SEM-29)
    share = {"plan_kept": 0, "plan_over": 0, "plan_nanos": 0}
    found = commitment(lua, HELD, {"as_reserved": as_reserved}, share, legs=None)
    assert found.get(Field.USAGE) == usage


def test_a_commit_takes_back_what_an_expiry_had_charged(lua: LuaModules) -> None:
    # given a hold that was charged at its expiry, and whose window is gone
    stored = HELD | {
        Field.STATE: State.EXPIRED,
        Field.PROVISIONAL: 1,
        Field.ACTUAL: 90,
        Field.KEEP: 60,
        Field.PLAN_PAID: 60,
        f"{Field.LOT_CHARGED}1": 30,
    }
    share = {"plan_kept": 0, "plan_over": 0, "plan_nanos": 0}
    plan = {"is_gone": True, "over": 0, "windows": []}
    found = commitment(lua, stored, {"as_reserved": 1}, share, legs=None, plan=plan)
    # then zeros overrule what was there before
    for field in (Field.PROVISIONAL, Field.ACTUAL, Field.KEEP, Field.PLAN_PAID):
        assert found[field] == 0, field
    assert found[Field.COMMIT_GONE] == 1


@pytest.mark.parametrize(
    ("is_late", "is_provisional", "held", "kept", "was"),
    [
        (False, False, 30, 30, None),
        (True, False, 0, 0, None),  # it went back: charged anew (SEM-31)
        (True, True, 30, 0, 30),  # what its expiry charged is replaced (S2)
    ],
)
def test_a_commit_finds_what_is_left_of_its_hold(
    lua: LuaModules, *, is_late: bool, is_provisional: bool, held: int, kept: int, was: int | None
) -> None:
    legs = lua.sequence([{"held": 30}])
    plan = lua.table({"held": 60})
    lua.call(lua.require("lib/commitment").begin, plan, legs, is_late, is_provisional)
    assert (legs[1].held, legs[1].kept, legs[1].was) == (held, kept, was)
    assert plan.was == (60 if is_provisional else None)


# Reports.


def test_a_report_says_what_was_charged_without_a_hold(lua: LuaModules) -> None:
    lua.receive(outcome=1, cost=110, mark_id="mark.x", reservation_id=ID)
    report = lua.require("lib/report")
    flat = lua.sequence([])
    lua.call(report.add_charge, flat, {"seq": SEQ}, NOW_MS, 60, 64, 11)
    assert named(flat) == {
        Field.SETTLE: NOW_MS,
        Field.OUTCOME: 1,
        Field.ACTUAL: 110,
        Field.WRITTEN_OFF: 11,
        Field.PLAN_PAID: 64,
        Field.COMMIT_SEQ: SEQ,
        Field.MARK: "mark.x",
    }
    legs = [{"member": "m1", "charged": 35}, {"member": "m2", "charged": 0}]
    entry = lua.call(report.entry, [window(0, 13), window(2, 14)], 60, 64, legs, 11)
    words = list(entry.values())
    assert dict(zip(words[:16:2], words[1:16:2], strict=True)) == {
        "id": ID,
        "plan": 60,
        "over": 0,
        "plan_nanos": 64,
        "actual": 110,
        "written_off": 11,
        "w0": 13,
        "w2": 14,
    }
    assert words[16:20] == ["lot", "m1", "nanos", 35]

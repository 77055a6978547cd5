"""Ledger entries: every number that a rebuild needs, and none that is nothing (SEM-39)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from quotasvc.domain.reservation import State
from quotasvc.store.field import Field
from tests.support.lua import LuaModules
from tests.support.stored import limit, record

ID = "reservation"
LAST = 8


@pytest.fixture
def held(lua: LuaModules) -> Any:
    """A record whose plan leg lies in two windows."""
    lua.receive(reservation_id=ID)
    return record(lua, {Field.STATE: State.HELD, f"{Field.SLOT}0": 11, f"{Field.SLOT}{LAST}": 12})


def leg(member: str, **changes: object) -> dict[str, object]:
    """A lot's leg that nothing came back to."""
    return {"member": member, "held": 0, "charged": 0, "back": 0, "goes_to": "available", **changes}


def words(lua: LuaModules, kind: str, *args: object) -> list[Any]:
    """The entry."""
    return list(lua.call(getattr(lua.require("lib/movement"), kind), *args).values())


def commit(
    lua: LuaModules, held: Any, over: int, legs: list[Any], **plan: object
) -> tuple[list[Any], list[Any]]:
    """The entry of a commit, its first ten words apart."""
    windows = [limit(0, slot=21), limit(LAST, slot=22)]
    share = {"plan_kept": 30, "plan_over": over, "plan_nanos": 300}
    found = words(lua, "commit", held, {"windows": windows, **plan}, share, legs, 350, 9)
    return found[:12], found[12:]


@pytest.mark.parametrize("over", [0, 1, 7])
def test_a_commit_says_what_each_source_was_charged(lua: LuaModules, held: Any, over: int) -> None:
    legs = [
        leg("m1", charged=40),
        leg("m2"),
        leg("m3", charged=1, back=5, goes_to="expired"),
        leg("m4", back=1, goes_to="revoked"),
        leg("m5", back=6),
        leg("m6", goes_to="expired"),
    ]
    first, rest = commit(lua, held, over, legs)
    assert first == [
        *("id", ID, "plan", 30, "over", over, "plan_nanos", 300),
        *("actual", 350, "written_off", 9),
    ]
    # then what came beyond the hold lies where it was counted, if any did
    assert rest == [
        *("w0", 11, *(("o0", 21) if over else ())),
        *(f"w{LAST}", 12, *((f"o{LAST}", 22) if over else ())),
        *("lot", "m1", "nanos", 40),
        *("lot", "m3", "nanos", 1, "expired", 5),
        *("lot", "m4", "revoked", 1),
    ]


def test_a_commit_after_a_charge_at_expiry_says_what_that_was(lua: LuaModules, held: Any) -> None:
    legs = [leg("m1", was=40), leg("m2", was=1, charged=2), leg("m3", was=0)]
    _, rest = commit(lua, held, 0, legs, was=30)
    assert rest[4:] == [
        *("was", 30),
        *("lot", "m1", "was", 40),
        *("lot", "m2", "nanos", 2, "was", 1),
    ]


def test_an_expiry_charges_what_was_held(lua: LuaModules, held: Any) -> None:
    hold: Mapping[str, object] = {
        "plan": 30,
        "windows": [limit(0, slot=21), limit(LAST, slot=22)],
        "legs": [leg("m1", held=40), leg("m2", held=2)],
    }
    assert words(lua, "expire", held, hold) == [
        *("id", ID, "plan", 30, "w0", 11, f"w{LAST}", 12),
        *("lot", "m1", "nanos", 40, "lot", "m2", "nanos", 2),
    ]


def test_a_refund_says_what_each_source_got_back(lua: LuaModules, held: Any) -> None:
    back = {
        "units": 3,
        "plan_nanos": 30,
        "windows": [
            {"w": limit(0, slot=21), "amount": 3},
            {"w": limit(LAST, slot=22), "amount": 0},
        ],
        "legs": [leg("m1", back=4), leg("m2"), leg("m3", back=1, goes_to="expired")],
    }
    assert words(lua, "refund", held, back) == [
        *("id", ID, "plan", 3, "plan_nanos", 30),
        *("w0", 21, "a0", 3, f"w{LAST}", 22, f"a{LAST}", 0),
        *("lot", "m1", "available", 4, "lot", "m3", "expired", 1),
    ]


def test_a_loss_names_the_lots_that_had_ended(lua: LuaModules, held: Any) -> None:
    legs = [
        leg("m1", back=4),
        leg("m2", goes_to="expired"),
        leg("m3", back=1, goes_to="expired"),
        leg("m4", back=2, goes_to="revoked"),
    ]
    assert words(lua, "loss", held, legs) == [
        *("id", ID, "lot", "m3", "expired", 1, "lot", "m4", "revoked", 2),
    ]

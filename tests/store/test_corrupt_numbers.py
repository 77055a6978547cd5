"""Numbers that are none stop whoever looks at them, by name, before anything is written (SEM-3).

Each script runs over a store in which one number of a key that it touches has been spoiled.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store import table
from quotasvc.store.executor import Executor
from quotasvc.store.field import Field
from tests.support.clock import Clock
from tests.support.scene import (
    CALLS,
    CHARGED,
    HELD,
    LOT,
    NAMES,
    POOL,
    RPM,
    TPM,
    WAITS,
    WEEK,
    WINDOW,
    Call,
    Scene,
    make_scene,
)
from tests.support.touched import TOUCHED

BY_NAME = {call.name: call for call in CALLS}
COUNTERS = ("t", "h", "o")


def every(key: str, *fields: str) -> set[tuple[str, str]]:
    """These fields of a key."""
    return {(key, field) for field in fields}


TEAM = every(NAMES.team, "version", "seq", "entry", "clock_ms", "due_ms")
WINDOWS = every(WINDOW, *COUNTERS) | every(WEEK, *COUNTERS)
RATES = every(RPM, *COUNTERS) | every(TPM, *COUNTERS)
PLACES = tuple(f"{Field.SLOT}{place}" for place in (0, 1))
LEGS = (Field.LOTS, *(f"{kind}1" for kind in (Field.LOT_EXPIRE, Field.LOT_HELD)))
HOLD = every(HELD, Field.STATE, Field.HOLD, Field.PLAN, *PLACES, *LEGS)
CHARGE = every(CHARGED, Field.STATE, Field.KEEP, Field.PLAN_PAID, *PLACES)
SETTLED = TEAM | WINDOWS | {(POOL.held, LOT)}

NEEDED: dict[str, set[tuple[str, str]]] = {
    "reserve": TEAM | WINDOWS | RATES | {(POOL.available, LOT), (POOL.held, LOT)},
    "reserve_too_much": TEAM | WINDOWS | RATES | {(POOL.held, LOT), (POOL.ends, LOT)},
    "check_only": TEAM | WINDOWS | RATES | {(POOL.available, LOT), (POOL.held, LOT)},
    "commit_less": SETTLED | HOLD | every(HELD, Field.POOL, Field.TOKENS) | {(POOL.available, LOT)},
    "commit_more": SETTLED | HOLD | {(POOL.available, LOT)},
    "late_commit": TEAM | WINDOWS | (HOLD - every(HELD, Field.HOLD)) | {(POOL.available, LOT)},
    "release": SETTLED | HOLD | {(POOL.available, LOT)},
    "release_into_an_ended_lot": SETTLED | HOLD | {(POOL.sums, "granted")},
    "refund_all": TEAM | WINDOWS | CHARGE,
    "refund_usage": TEAM | WINDOWS | CHARGE,
    "refund_amount": TEAM | WINDOWS | CHARGE,
    "refund_an_expiry": TEAM
    | WINDOWS
    | every(HELD, Field.PROVISIONAL, Field.KEEP, Field.PLAN_PAID, f"{Field.LOT_CHARGED}1")
    | {(POOL.available, LOT), (POOL.consumed, LOT)},
    "reap": SETTLED | HOLD | {(POOL.available, LOT)},
    "reap_and_charge": SETTLED | HOLD | every(HELD, Field.COST, Field.PLAN_NANOS),
    "extend": TEAM | every(HELD, Field.STATE, Field.HOLD, Field.ADMIT, PLACES[0]),
    "record_usage": SETTLED | RATES | {(POOL.available, LOT)},
    "record_usage_of_old": SETTLED | RATES | {(POOL.available, LOT)},
    "refuse": TEAM,
    "refuse_a_replay": TEAM | every(HELD, Field.STATE, Field.HOLD, Field.COST, Field.SEQ),
    "find": TEAM | HOLD - every(HELD, *PLACES) | every(HELD, Field.COST, Field.SEQ),
    "find_charged": TEAM | every(CHARGED, Field.STATE, Field.ACTUAL, Field.PLAN_PAID, Field.KEEP),
    "purge": every(CHARGED, Field.STATE),
    "due": TEAM,
    "enter": TEAM | {(key, WAITS) for key in (POOL.parked, POOL.ends)},
    "book": TEAM | every(POOL.available, "ended") | every(POOL.sums, "granted"),
    "remains": TEAM | WINDOWS | {(POOL.available, LOT), (POOL.held, LOT)},
    "lots": TEAM | {(POOL.available, LOT), (POOL.held, LOT)},
    "balance": TEAM | {(POOL.available, LOT), (POOL.held, LOT), (POOL.sums, "granted")},
    "grant": TEAM | every(POOL.sums, "granted"),
    "revoke": TEAM | {(POOL.available, LOT), (POOL.ends, LOT)} | every(POOL.sums, "granted"),
    "put_team": TEAM,
}
"""What no call may overlook."""


@pytest.fixture(params=CALLS, ids=lambda call: call.name)
def call(request: pytest.FixtureRequest) -> Call:
    """Each of them."""
    found = request.param
    assert isinstance(found, Call)
    return found


@pytest.fixture
async def scene(executor: Executor, clock: Clock, call: Call) -> Scene:
    """The team in the midst of everything, prepared for the call."""
    return await make_scene(executor, clock, call)


async def numbers_of(scene: Scene, key: str) -> Mapping[str, str]:
    """The fields of a hash that are numbers, and the number."""
    if await scene.do("TYPE", key) != b"hash":
        return {}
    found = await scene.do("HGETALL", key)
    assert isinstance(found, list)
    words = [word.decode() for word in found]
    fields = dict(zip(words[::2], words[1::2], strict=True))
    return {field: value for field, value in fields.items() if value.removeprefix("-").isdigit()}


def needed_of(call: Call, key: str) -> list[str]:
    """What the call needs of a hash, there or going without saying."""
    return sorted(str(field) for name, field in NEEDED[call.name] if name == key)


SPOILED = ("x", "", "1.5", str(AMOUNT_MAX + 2))


@pytest.mark.parametrize("spoiled", SPOILED, ids=lambda text: text or "empty")
async def test_a_number_that_is_none_stops_a_call_by_name_or_is_no_matter_to_it(
    scene: Scene, call: Call, spoiled: str
) -> None:
    whole, now_ms = await scene.quota.dump(), scene.clock()
    stopped = set()
    for key in TOUCHED[call.name]:
        there = await numbers_of(scene, key)
        for field in dict.fromkeys((*there, *needed_of(call, key))):
            # given a field that somebody has overwritten
            await scene.do("HSET", key, field, spoiled)
            # when the call is made, then it is refused and nothing at all has changed
            text = await scene.refuses(call)
            if text is not None:
                stopped.add((key, field))
                named = (key, f"{field} ", f"{field}'", f"lot {field}")
                assert any(name in text for name in named), (key, field, text)
                undo = (
                    ("HSET", key, field, there[field]) if field in there else ("HDEL", key, field)
                )
                await scene.do(*undo)
                continue
            # or it has left the field alone, unless with the whole record: what is spoiled is never
            # counted with
            kept = await scene.do("HGET", key, field)
            is_gone = call.script is table.PURGE and kept is None
            assert kept == spoiled.encode() or is_gone, (key, field, kept)
            await scene.restore(whole, now_ms)
    assert NEEDED[call.name] <= stopped


def test_every_call_needs_some_number() -> None:
    assert NEEDED.keys() == TOUCHED.keys() == BY_NAME.keys()

"""Impossible states are refused loudly and change nothing (SEM-40, house style "Faults").

Each script runs over a store in which one key has been overwritten by another type. What it reads
or writes must stop it before anything is written; what it does not touch must not.
"""

from __future__ import annotations

from typing import Any

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.store import keys, table
from quotasvc.store.executor import Executor
from quotasvc.store.resp import Reply
from quotasvc.store.scripts import Script
from tests.support.clock import DAY, MINUTE, START_MS, Clock
from tests.support.scene import (
    ALL_KEYS,
    CALLS,
    ENDED,
    HELD,
    LOT,
    NAMES,
    POOL,
    POOL_KEYS,
    WINDOW,
    Call,
    Scene,
    make_scene,
)
from tests.support.touched import TOUCHED

BY_NAME = {call.name: call for call in CALLS}


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


def test_every_script_is_tried() -> None:
    assert {call.script.name for call in CALLS} == {script.name for script in table.SCRIPTS}
    assert len(BY_NAME) == len(CALLS)
    assert BY_NAME.keys() == TOUCHED.keys()


async def test_a_call_runs_its_script_and_is_not_refused(
    scene: Scene, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a sound store, and a list of what is run on it
    run, names = scene.quota.executor.run, []

    async def listed(script: Script, *rest: Any, **options: Any) -> list[Reply]:
        names.append(script.name)
        return await run(script, *rest, **options)

    monkeypatch.setattr(scene.quota.executor, "run", listed)
    # then the other tests spoil what does work
    assert await scene.refuses(call) is None
    assert call.script.name in names


async def test_a_key_of_another_type_stops_every_call_that_touches_it_and_no_other(
    scene: Scene, call: Call
) -> None:
    whole, now_ms = await scene.quota.dump(), scene.clock()
    names = ALL_KEYS | {scene.mark}
    assert {name.decode() for name in whole} <= names
    stopped = set()
    for key in sorted(names):
        # given a key that somebody has overwritten
        await scene.restore(whole, now_ms)
        await scene.do("SET", key, "spoiled")
        spoiled = (await scene.quota.dump())[key.encode()]
        # when the call is made, then it is refused and nothing at all has changed (SEM-6), or it
        # has nothing to do with that key
        text = await scene.refuses(call)
        if text is None:
            assert (await scene.quota.dump())[key.encode()] == spoiled
        else:
            assert text.startswith("WRONGTYPE")
            stopped.add(key)
    # and it does not depend on more than it should: what else is spoiled stops nobody
    expected = set(TOUCHED[call.name])
    expected |= {scene.mark} if call.name == "record_usage_of_old" else set()
    assert stopped == expected


# What must not be there.


@pytest.fixture
async def sound(executor: Executor, clock: Clock) -> Scene:
    """The scene as it is."""
    return await make_scene(executor, clock, BY_NAME["reserve"])


@pytest.mark.parametrize("text", ["{", "[]", '{"origin":"x"}', '{"future":1}'])
async def test_a_lot_that_cannot_be_read_is_corrupt(sound: Scene, text: str) -> None:
    await sound.do("HSET", POOL.info, LOT, text)
    fault = await sound.refuses(BY_NAME["lots"])
    assert fault is not None
    assert LOT in fault


@pytest.mark.parametrize(
    ("lot_id", "at_ms", "named"), [(LOT, START_MS + DAY, LOT), (ENDED, START_MS, "stray")]
)
async def test_a_list_of_lots_that_has_another_in_the_place_of_one_is_corrupt(
    sound: Scene, lot_id: str, at_ms: int, named: str
) -> None:
    # given as many on the list of all lots as there are, one of which nobody was granted
    assert await sound.do("ZREM", POOL.all, keys.lot_member(at_ms, lot_id)) == 1
    await sound.do("ZADD", POOL.all, START_MS, keys.lot_member(at_ms, "stray"))
    # then no list is shown that lacks the lot
    fault = await sound.refuses(BY_NAME["lots"])
    assert fault is not None
    assert named in fault


@pytest.mark.parametrize(("lot_id", "at_ms"), [(LOT, START_MS + DAY), (ENDED, START_MS)])
async def test_a_list_of_lots_that_lacks_one_is_corrupt(
    sound: Scene, lot_id: str, at_ms: int
) -> None:
    assert await sound.do("ZREM", POOL.all, keys.lot_member(at_ms, lot_id)) == 1
    fault = await sound.refuses(BY_NAME["lots"])
    assert fault is not None
    assert fault.startswith(f"CORRUPT {POOL.all}")


async def test_a_lot_whose_end_is_no_time_is_corrupt(sound: Scene) -> None:
    await sound.do("ZADD", POOL.all, "1.5", keys.lot_member(START_MS, ENDED))
    fault = await sound.refuses(BY_NAME["lots"])
    assert fault is not None
    assert fault.startswith(f"CORRUPT {POOL.all}")


@pytest.mark.parametrize("key", POOL_KEYS)
async def test_a_spoiled_pool_stops_nobody_who_may_not_draw_on_it(sound: Scene, key: str) -> None:
    # given a member without access to a pool that somebody has overwritten
    await sound.quota.team(access=False)
    await sound.do("SET", key, "spoiled")
    # then the plan alone decides, and is not stopped
    assert await sound.refuses(BY_NAME["reserve_too_much"]) is None
    assert await sound.refuses(BY_NAME["record_usage"]) is None


async def test_a_slice_of_another_layout_is_corrupt(sound: Scene) -> None:
    """SEM-14: slices under their own numbers, as an older service wrote them."""
    await sound.do("HSET", WINDOW, str(sound.clock() // 150_000), "7")
    fault = await sound.refuses(BY_NAME["reserve_too_much"])
    assert fault is not None
    assert WINDOW in fault


async def test_a_held_record_is_never_purged(sound: Scene) -> None:
    # given a live hold that somebody has put on the list of old records
    await sound.do("ZADD", NAMES.purge, "1", sound.held.reservation_id)
    # then the purge refuses to remove it
    before = await sound.quota.dump()
    with pytest.raises(Corrupt, match="held record is listed for purge"):
        await sound.quota.reaper.purge(NAMES.team_id, sound.clock(), sound.quota.deadline)
    assert await sound.quota.dump() == before


async def test_a_hold_without_its_record_is_corrupt(sound: Scene) -> None:
    # given a hold whose record is gone: no script of ours can do that
    await sound.do("DEL", HELD)
    sound.clock.advance(10 * MINUTE)
    # then no decision waits for it to be reaped
    fault = await sound.refuses(BY_NAME["reserve"])
    assert fault is not None
    assert sound.held.reservation_id in fault


@pytest.mark.parametrize("settle", ["commit_less", "release", "reap"])
async def test_a_settled_record_that_is_listed_as_a_hold_is_corrupt(
    sound: Scene, settle: str
) -> None:
    # given a hold that is over, and still on the list: no script of ours leaves it there
    if settle == "reap":
        sound.clock.advance(10 * MINUTE)
        await sound.quota.reap()
    else:
        await BY_NAME[settle].act(sound)
    await sound.do("ZADD", NAMES.holds, sound.clock(), sound.held.reservation_id)
    await sound.do("HSET", NAMES.team, "due_ms", sound.clock())
    # then no decision tries for ever to have it reaped
    fault = await sound.refuses(BY_NAME["reserve"])
    assert fault is not None
    assert fault.startswith(f"CORRUPT {HELD} a settled record is listed as a hold")


async def test_a_list_that_names_a_foreign_reservation_is_corrupt(sound: Scene) -> None:
    # given a list with an id that we did not sign
    await sound.do("ZADD", NAMES.holds, "1", "r1.acme.forged")
    before = await sound.quota.dump()
    with pytest.raises(Corrupt, match="did not sign"):
        await sound.quota.reap()
    assert await sound.quota.dump() == before

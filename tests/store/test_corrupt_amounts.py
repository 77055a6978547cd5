"""What no sequence of decisions can lead to is refused, though each number of it is one (SEM-40).

Amounts below what has to be there, fields that are missing, and states and documents of a release
to come: nothing of them is guessed.
"""

from __future__ import annotations

import json

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.store import table
from quotasvc.store.executor import Executor
from quotasvc.store.field import Field
from quotasvc.store.table import RING
from tests.support.clock import DAY, START_MS, Clock
from tests.support.scene import (
    CALLS,
    CHARGED,
    CONNECTIONS,
    HELD,
    LOT,
    NAMES,
    NEW,
    POOL,
    RPM,
    SLOTS,
    TPM,
    USED,
    WAITS,
    WEEK,
    WINDOW,
    Call,
    Scene,
    make_scene,
)

BY_NAME = {call.name: call for call in CALLS}
NOW_MS = START_MS + DAY
SLICE = str(NOW_MS // 150_000 % RING)
MEMBER = f"{NOW_MS:013d}:{LOT}"


@pytest.fixture
async def scene(request: pytest.FixtureRequest, executor: Executor, clock: Clock) -> Scene:
    """The team in the midst of everything, prepared for the call that the test names."""
    return await make_scene(executor, clock, BY_NAME[request.getfixturevalue("call")])


async def fault_of(scene: Scene, call: str) -> str:
    """What the call is refused with; nothing has changed."""
    text = await scene.refuses(BY_NAME[call])
    assert text is not None, f"{call} was not refused"
    return text


def _id(value: str) -> str:
    return value.partition("}:")[2] or value or "empty"


@pytest.mark.parametrize(
    ("call", "key", "field", "value"),
    [
        ("reserve", NAMES.team, "seq", "-1"),
        ("put_team", NAMES.team, "entry", "-1"),
        ("reserve", WINDOW, "t", "-1"),
        ("reserve", WINDOW, "h", "-1"),
        ("reserve", WINDOW, "o", "-1"),
        ("reserve", WINDOW, SLICE, "-1"),
        ("remains", WINDOW, "t", "-1"),
        ("reserve", TPM, "t", "-1"),
        ("reserve", POOL.available, LOT, "-5"),
        ("reserve", POOL.held, LOT, "-5"),
        ("reserve_too_much", POOL.held, LOT, "-5"),
        ("commit_less", POOL.held, LOT, "1"),  # less than the hold keeps
        ("commit_less", POOL.consumed, LOT, "-1"),
        ("commit_more", POOL.available, LOT, "-1"),
        ("release", POOL.held, LOT, "0"),
        ("release", POOL.held, LOT, "9999999"),
        ("release", POOL.available, LOT, "9007199254740991"),
        ("release", HELD, f"{Field.LOT_HELD}1", "-1"),
        ("release", HELD, Field.PLAN, "-1"),
        ("commit_less", HELD, Field.PLAN, "-1"),
        ("commit_less", HELD, Field.TOKENS, "-1"),
        ("commit_less", HELD, Field.LOTS, "2"),
        ("find", HELD, Field.LOTS, "2001"),
        ("find", HELD, Field.POOL, "7"),
        ("reap", HELD, f"{Field.LOT_HELD}1", "-1"),
        ("reap_and_charge", HELD, Field.COST, "-1"),
        ("refund_all", CHARGED, Field.KEEP, "-1"),
        ("refund_all", CHARGED, Field.PLAN_PAID, "-1"),
        ("refund_all", CHARGED, Field.REFUNDED, "-1"),
        ("refund_all", CHARGED, Field.REFUNDS, "17"),
        ("refund_all", CHARGED, Field.REFUNDS, "9007199254740991"),  # no loop goes so far
        ("refund_an_expiry", POOL.consumed, LOT, "1"),
        ("enter", POOL.parked, WAITS, "-9"),
        ("book", POOL.available, "ended", "-1"),
        ("revoke", POOL.available, LOT, "-1"),
        ("lots", POOL.consumed, LOT, "-1"),
        ("balance", POOL.sums, "granted", "-1"),
        ("grant", POOL.sums, "granted", "-1"),
    ],
    ids=_id,
)
async def test_an_amount_that_cannot_be_is_refused(
    scene: Scene, call: str, key: str, field: str, value: str
) -> None:
    # given a number that is one, but that no sequence of decisions can lead to
    await scene.do("HSET", key, field, value)
    await fault_of(scene, call)


@pytest.mark.parametrize("field", ["t", SLICE])
@pytest.mark.parametrize("call", ["release", "reap"])
async def test_a_sliding_window_that_lost_a_part_of_a_hold_is_told_as_gone(
    scene: Scene, call: str, field: str
) -> None:
    # given less in the slice, or in all of the window, than the hold that is in it
    await scene.do("HSET", WINDOW, field, "79000000")
    if field == "t":
        # then what would be below nothing is refused
        assert f"{WINDOW} total" in await fault_of(scene, call)
        return
    # and what is not in the slice any more does not return there (W2)
    assert await scene.refuses(BY_NAME[call]) is None
    assert await scene.do("HGET", WINDOW, field) == b"79000000"
    assert await scene.do("HGET", HELD, Field.RELEASE_GONE) == (b"1" if call == "release" else None)


# What is missing.


@pytest.mark.parametrize(
    ("call", "key", "field"),
    [
        *(("reserve", key, name) for key in (WINDOW, WEEK, RPM) for name in ("t", "h", "o")),
        *(("commit_less", HELD, name) for name in (Field.STATE, Field.HOLD, f"{Field.LOT}1")),
        *(("late_commit", HELD, name) for name in (Field.STATE, f"{Field.LOT}1")),
        *(("release", HELD, name) for name in (Field.STATE, Field.HOLD, f"{Field.LOT}1")),
        *(("reap", HELD, name) for name in (Field.STATE, Field.HOLD, f"{Field.LOT}1")),
        *(("extend", HELD, name) for name in (Field.STATE, Field.HOLD, Field.ADMIT)),
        *(("find", HELD, name) for name in (Field.STATE,)),
        ("refund_all", CHARGED, Field.STATE),
        ("refund_an_expiry", HELD, f"{Field.LOT}1"),
        ("purge", CHARGED, Field.STATE),
        ("commit_less", POOL.held, LOT),
        ("release", POOL.held, LOT),
        ("reap", POOL.held, LOT),
        ("refund_an_expiry", POOL.consumed, LOT),
        ("enter", POOL.parked, WAITS),
        ("enter", POOL.ends, WAITS),
        ("book", POOL.available, "ended"),
        ("revoke", POOL.ends, LOT),
    ],
    ids=_id,
)
async def test_a_field_that_has_to_be_there_is_missed(
    scene: Scene, call: str, key: str, field: str
) -> None:
    await scene.do("HDEL", key, field)
    await fault_of(scene, call)


@pytest.mark.parametrize(
    ("call", "key", "member"),
    [
        ("reserve", POOL.order, MEMBER),
        ("due", POOL.order, MEMBER),
        ("due", NAMES.holds, "x"),
        ("due", NAMES.purge, "x"),
        ("purge", NAMES.purge, "charged"),
        ("reserve", SLOTS, "x"),
        ("reserve", CONNECTIONS, "x"),
    ],
    ids=_id,
)
async def test_a_time_that_is_no_whole_number_is_named(
    scene: Scene, call: str, key: str, member: str
) -> None:
    # given a list with a time between two milliseconds, the first in its order
    if call == "due":
        await scene.do("ZREMRANGEBYRANK", key, 0, -1)
    if key in (SLOTS, CONNECTIONS):
        await scene.do("DEL", key)
    name = scene.charged.reservation_id if member == "charged" else member
    await scene.do("ZADD", key, f"{scene.clock() + (0.5 if call != 'purge' else -0.5)}", name)
    assert f"CORRUPT {key}" in await fault_of(scene, call)


# What a release to come may write.


@pytest.mark.parametrize("state", ["0", "5", "99"])
@pytest.mark.parametrize(
    ("call", "key"),
    [
        ("commit_less", HELD),
        ("late_commit", HELD),
        ("release", HELD),
        ("refund_all", CHARGED),
        ("refund_an_expiry", HELD),
        ("reap", HELD),
        ("extend", HELD),
        ("refuse_a_replay", HELD),
        ("find", HELD),
        ("purge", CHARGED),
    ],
    ids=_id,
)
async def test_a_state_that_is_none_stops_whoever_reads_it(
    scene: Scene, call: str, key: str, state: str
) -> None:
    await scene.do("HSET", key, Field.STATE, state)
    assert f"{key} {Field.STATE} is no state" in await fault_of(scene, call)


@pytest.mark.parametrize(("call", "key"), [("reserve", NEW), ("record_usage", USED)], ids=_id)
async def test_an_id_whose_record_is_in_no_known_state_is_not_used_again(
    scene: Scene, call: str, key: str
) -> None:
    # given something under the id of a request that no script of ours has written
    await scene.do("HSET", key, Field.STATE, "5")
    assert f"{key} {Field.STATE} is no state" in await fault_of(scene, call)


TEAM_OF_THE_FUTURE = {
    "no list of seats": {"seats": None},
    "an unknown role": {"members": [{"user_id": "ann", "role": "king", "credits_access": True}]},
    "an unknown kind of key": {"keys": [{"key_id": "k", "kind": "wand", "user_id": "ann"}]},
    "a seat with more to it": {"seats": [{"seat_id": "s1", "colour": "red"}]},
}


@pytest.mark.parametrize("call", ["reserve", "record_usage", "remains", "put_team"])
@pytest.mark.parametrize("change", TEAM_OF_THE_FUTURE.values(), ids=TEAM_OF_THE_FUTURE.keys())
async def test_a_team_that_cannot_be_read_is_corrupt(
    scene: Scene, call: str, change: dict[str, object]
) -> None:
    # given a document that another release has written
    text = await scene.do("HGET", NAMES.team, "document")
    assert isinstance(text, bytes)
    document = json.loads(text) | change
    await scene.do("HSET", NAMES.team, "document", json.dumps(document))
    await scene.do("HINCRBY", NAMES.team, "version", 1)
    if call == "put_team":
        # then it is not replaced by what was made of an earlier one
        with pytest.raises(AssertionError):
            await BY_NAME[call].act(scene)
        assert await scene.do("HGET", NAMES.team, "document") == json.dumps(document).encode()
        return
    # then it is not read in part
    assert "cannot be read" in await fault_of(scene, call)


async def test_a_team_without_a_version_is_corrupt(executor: Executor, clock: Clock) -> None:
    scene = await make_scene(executor, clock, BY_NAME["reserve"])
    await scene.do("HDEL", NAMES.team, "version")
    with pytest.raises(Corrupt, match="version or document of team acme"):
        await BY_NAME["reserve"].act(scene)


def test_every_script_that_reads_records_is_tried_with_one_of_the_future() -> None:
    reading = {script.name for script in table.SCRIPTS if "record" in script.keys}
    tried = {"reserve", "record_usage", "commit_less", "release", "refund_all", "reap", "extend"}
    tried |= {"find", "purge", "refuse_a_replay"}
    assert {BY_NAME[name].script.name for name in tried} == reading


def test_all_that_is_named_here_is_a_call() -> None:
    assert all(isinstance(call, Call) for call in BY_NAME.values())

"""Impossible states are refused loudly and change nothing (SEM-40, house style "Faults").

Each script runs over a store in which one key has been spoiled: its type is wrong, or a number in
it is none. What the scripts touch is found by running them once with each key spoiled, so that a
key added tomorrow is tried as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.domain.outcome import Allowed
from quotasvc.domain.reservation import Payer, request_digest
from quotasvc.store import keys
from quotasvc.store.usage import LotInfo
from tests.support.clock import DAY, MINUTE, START_MS, Clock
from tests.support.quota import TEAM, Quota

NAMES = keys.team_keys(TEAM)
POOL = NAMES.credits
WINDOW = f"{NAMES.prefix}:win:{TEAM}:s1:general:cost:sliding:18000000:150000"
WEEK = f"{NAMES.prefix}:win:{TEAM}:s1:general:cost:aligned:604800000:week0-UTC"
LOT = "lot0"


@dataclass(frozen=True, slots=True)
class Scene:
    """A team with a hold and a charge over plan and lots, and what can be asked of it."""

    quota: Quota
    clock: Clock
    held: Allowed
    charged: Allowed


@pytest.fixture
async def scene(quota: Quota, clock: Clock) -> Scene:
    """Everything has something in it: windows, lots in every state, lists and ledger."""
    await quota.team()
    await quota.grant("lot0", 100)
    charged = await quota.reserve(20, request_id="charged")
    await quota.commit(charged)
    held = await quota.reserve(90, request_id="held")  # 80 of the plan, 10 of the lot
    return Scene(quota, clock, held, charged)


def record_key(request_id: str) -> str:
    """The record of a request."""
    return NAMES.record(request_digest(TEAM, request_id))


async def reserve(scene: Scene) -> object:
    """Draws on lots."""
    return await scene.quota.reserve(5, request_id="new")


async def denied_reserve(scene: Scene) -> object:
    """Looks at every slice and every held lot."""
    return await scene.quota.decide(scene.quota.ask(500, request_id="new"))


async def commit_less(scene: Scene) -> object:
    """Gives lots back."""
    return await scene.quota.commit(scene.held, 82)


async def commit_more(scene: Scene) -> object:
    """Draws on further lots."""
    return await scene.quota.commit(scene.held, 120)


async def release(scene: Scene) -> object:
    """Gives a hold back."""
    return await scene.quota.refund(scene.held)


async def refund(scene: Scene) -> object:
    """Gives a charge back."""
    return await scene.quota.refund(scene.charged, "f1")


async def reap(scene: Scene) -> object:
    """Expires the hold."""
    scene.clock.now_ms = START_MS + 10 * MINUTE
    await scene.quota.reap()
    return None


async def late_commit(scene: Scene) -> object:
    """Reaps, then charges."""
    scene.clock.now_ms = START_MS + 10 * MINUTE
    return await scene.quota.commit(scene.held)


async def purge(scene: Scene) -> object:
    """Removes the record of the charge."""
    scene.clock.now_ms = START_MS + DAY
    return await scene.quota.reaper.purge(TEAM, scene.clock(), scene.quota.deadline)


async def remains(scene: Scene) -> object:
    """Shows bars and balances."""
    return await scene.quota.remains()


async def lots(scene: Scene) -> object:
    """Shows every lot."""
    return await scene.quota.lots()


async def find(scene: Scene) -> object:
    """Shows the hold."""
    found = scene.quota.decisions.find_reservation(TEAM, "held", scene.quota.deadline)
    return await found


async def grant(scene: Scene) -> object:
    """Adds a lot."""
    info = LotInfo(origin="x", granted=1, purchase_ms=1, grant_ms=1, expire_ms=None)
    call = scene.quota.control.grant_lot(TEAM, Payer.CREDITS, "new", info, scene.quota.deadline)
    return await call


async def put_team(scene: Scene) -> object:
    """Changes the document."""
    return await scene.quota.team(access=False)


Call = Callable[[Scene], Awaitable[object]]

HELD, CHARGED, NEW = record_key("held"), record_key("charged"), record_key("new")

LOTS_TOUCHED = (POOL.order, POOL.available, POOL.held)
LOTS_SETTLED = (*LOTS_TOUCHED, POOL.consumed, POOL.expired, POOL.revoked)
LISTS = (NAMES.holds, NAMES.due)
SETTLED = (NAMES.team, *LISTS, NAMES.purge, NAMES.ledger, *LOTS_SETTLED, WINDOW, WEEK)

TOUCHED: dict[Call, tuple[str, ...]] = {
    reserve: (NAMES.team, NEW, *LISTS, *LOTS_TOUCHED, WINDOW, WEEK),
    denied_reserve: (NAMES.team, NEW, *LISTS, *LOTS_TOUCHED, POOL.ends, POOL.revoked, WINDOW, WEEK),
    commit_less: (HELD, *SETTLED),
    commit_more: (HELD, *SETTLED),
    release: (HELD, *SETTLED),
    refund: (CHARGED, NAMES.team, *LISTS, NAMES.purge, NAMES.ledger, WINDOW, WEEK),
    reap: (HELD, *SETTLED),
    late_commit: (HELD, *SETTLED),
    purge: (CHARGED, NAMES.purge),
    remains: (NAMES.team, WINDOW, WEEK),
    lots: (NAMES.team, *LOTS_SETTLED[1:], POOL.info),
    find: (NAMES.team, HELD),
    grant: (NAMES.team, NAMES.ledger, *LOTS_TOUCHED, POOL.ends, POOL.info),
    put_team: (NAMES.team, NAMES.ledger),
}
"""What each call cannot do without: a key of another type there must stop it."""


async def refused(scene: Scene, call: Call) -> str:
    """The text of the fault; nothing has changed."""
    before = await scene.quota.dump()
    with pytest.raises(Corrupt) as fault:
        await call(scene)
    assert await scene.quota.dump() == before
    return fault.value.text


@pytest.mark.parametrize(
    ("call", "key"),
    [(call, key) for call, touched in TOUCHED.items() for key in touched],
    ids=lambda value: value.__name__ if callable(value) else value.partition("}:")[2],
)
async def test_a_key_of_another_type_stops_a_call_before_it_writes(
    scene: Scene, call: Call, key: str
) -> None:
    # given a key that somebody has overwritten
    deadline = scene.quota.deadline
    await scene.quota.executor.call("SET", key, "spoiled", deadline=deadline)
    # then the call is refused, and nothing at all has changed
    assert "WRONGTYPE" in await refused(scene, call)


FIELDS: dict[Call, tuple[tuple[str, str], ...]] = {
    reserve: (
        *((NAMES.team, name) for name in ("version", "seq", "entry", "clock_ms", "due_ms")),
        *((WINDOW, name) for name in ("total", "held", "oldest")),
        *((WEEK, name) for name in ("total", "held", "oldest")),
        (POOL.available, LOT),
        (POOL.held, LOT),
    ),
    denied_reserve: (
        (WINDOW, str(START_MS // 150_000)),
        (POOL.held, LOT),
        (POOL.ends, LOT),
    ),
    commit_less: (
        *((HELD, name) for name in ("state", "expire", "plan", "pool", "lots", "w0", "w1")),
        *((HELD, name) for name in ("l1e", "l1n")),
        *((key, LOT) for key in LOTS_SETTLED[1:]),
        (WINDOW, "total"),
    ),
    refund: (*((CHARGED, name) for name in ("state", "keep", "over", "plan_paid", "lots", "w0")),),
    reap: ((HELD, "expire"), (HELD, "state"), (HELD, "plan"), (POOL.held, LOT)),
    remains: ((WINDOW, "total"), (WEEK, "oldest"), (NAMES.team, "version")),
    lots: tuple((key, LOT) for key in LOTS_SETTLED[1:]),
    find: ((HELD, "state"), (HELD, "expire"), (HELD, "plan"), (HELD, "l1n"), (HELD, "cost")),
    purge: ((CHARGED, "state"),),
}


@pytest.mark.parametrize("spoiled", ["", "9007199254740993"])
@pytest.mark.parametrize(
    ("call", "key", "field"),
    [(call, key, field) for call, fields in FIELDS.items() for key, field in fields],
    ids=lambda value: value.__name__ if callable(value) else value.partition("}:")[2] or value,
)
async def test_a_number_that_is_none_is_named_and_stops_a_call_before_it_writes(
    scene: Scene, call: Call, key: str, field: str, spoiled: str
) -> None:
    # given a field that somebody has overwritten
    deadline = scene.quota.deadline
    if call in (lots, find) and spoiled.isdigit():
        return  # a number for Python, if not for Lua
    await scene.quota.executor.call("HSET", key, field, spoiled, deadline=deadline)
    # then the call is refused with the field or its key, and nothing at all has changed
    text = await refused(scene, call)
    assert field in text or key in text or "slice" in text


@pytest.mark.parametrize("state", ["0", "5", "99"])
async def test_a_state_that_is_none_is_corrupt(scene: Scene, state: str) -> None:
    await scene.quota.executor.call("HSET", HELD, "state", state, deadline=scene.quota.deadline)
    assert "state" in await refused(scene, find)


@pytest.mark.parametrize("text", ["{", "[]", '{"origin":"x"}', '{"future":1}'])
async def test_a_lot_that_cannot_be_read_is_corrupt(scene: Scene, text: str) -> None:
    await scene.quota.executor.call("HSET", POOL.info, LOT, text, deadline=scene.quota.deadline)
    assert LOT in await refused(scene, lots)


@pytest.mark.parametrize(
    ("key", "field", "value", "call"),
    [
        (WINDOW, "total", "-1", reserve),
        (WINDOW, "total", "79", release),  # less than the hold that is in it
        (WINDOW, str(START_MS // 150_000), "79", release),
        (WEEK, "total", "79", release),
        (POOL.held, LOT, "1", commit_less),
        (POOL.held, LOT, "0", release),
        (POOL.available, LOT, "-5", reserve),
        (HELD, "l1n", "-1", release),
        (HELD, "plan", "-1", release),
        (HELD, "plan", "-1", commit_less),
        (CHARGED, "keep", "-1", refund),
    ],
)
async def test_amounts_that_cannot_be_are_refused(
    scene: Scene, key: str, field: str, value: str, call: Call
) -> None:
    # given a number that is one, but that no sequence of decisions can lead to
    await scene.quota.executor.call("HSET", key, field, value, deadline=scene.quota.deadline)
    await refused(scene, call)


async def test_a_held_record_is_never_purged(scene: Scene) -> None:
    # given a live hold that somebody has put on the list of old records
    words = ("ZADD", NAMES.purge, "1", scene.held.reservation_id)
    await scene.quota.executor.call(*words, deadline=scene.quota.deadline)
    # then the purge refuses to remove it
    before = await scene.quota.dump()
    with pytest.raises(Corrupt, match="held record is listed for purge"):
        await scene.quota.reaper.purge(TEAM, START_MS, scene.quota.deadline)
    assert await scene.quota.dump() == before


async def test_a_hold_without_its_record_is_corrupt(scene: Scene) -> None:
    # given a hold whose record is gone: no script of ours can do that
    await scene.quota.executor.call("DEL", HELD, deadline=scene.quota.deadline)
    scene.clock.advance(10 * MINUTE)
    # then no decision waits for it to be reaped
    assert scene.held.reservation_id in await refused(scene, reserve)


async def test_a_list_that_names_a_foreign_reservation_is_corrupt(scene: Scene) -> None:
    # given a list with an id that we did not sign
    words = ("ZADD", NAMES.holds, "1", "r1.acme.forged")
    await scene.quota.executor.call(*words, deadline=scene.quota.deadline)
    before = await scene.quota.dump()
    with pytest.raises(Corrupt, match="did not sign"):
        await scene.quota.reap()
    assert await scene.quota.dump() == before

"""What is gone, or another's, is not found by any script; then nothing has changed (SEM-6, SEM-44).

Whoever asks may know more than the store: ids outlive records, and replicas remember teams.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from quotasvc.domain.faults import Fault, NotFound
from quotasvc.domain.outcome import DenialReason, Denied
from quotasvc.store.executor import Executor
from quotasvc.store.field import Field
from tests.support.clock import Clock
from tests.support.quota import Quota
from tests.support.scene import CALLS, CHARGED, HELD, LOT, NAMES, POOL, make_scene

BY_NAME = {call.name: call for call in CALLS}
SETTLING = ("commit_less", "late_commit", "release", "refund_all", "refund_an_expiry", "extend")
ASKING = ("remains", "lots", "balance", "grant", "revoke")


@pytest.mark.parametrize("gone", ["team", "record", "id"])
@pytest.mark.parametrize("name", SETTLING)
async def test_a_reservation_that_is_gone_is_not_found(
    executor: Executor, clock: Clock, name: str, gone: str
) -> None:
    # given a reservation of which the store lost the team, or the record, or has another now
    scene = await make_scene(executor, clock, BY_NAME[name])
    record = CHARGED if name == "refund_all" else HELD
    match gone:
        case "team":
            await scene.do("DEL", NAMES.team)
        case "record":
            await scene.do("DEL", record)
        case _:
            await scene.do("HSET", record, Field.ID, "s1.9.later")
    before = await scene.quota.dump()
    # then it can be neither settled nor extended
    with pytest.raises(NotFound):
        await BY_NAME[name].act(scene)
    assert await scene.quota.dump() == before


@pytest.mark.parametrize("gone", ["team", "record", "id"])
async def test_a_hold_that_is_gone_is_not_reaped(
    executor: Executor, clock: Clock, gone: str
) -> None:
    # given a hold that is over, and a store that lost it, or has another under its name
    scene = await make_scene(executor, clock, BY_NAME["reap"])
    match gone:
        case "id":
            await scene.do("HSET", HELD, Field.ID, "s1.9.later")
        case _:
            await scene.do("DEL", NAMES.team if gone == "team" else HELD)
    # then the list that names it is corrupt, and says so
    fault = await scene.refuses(BY_NAME["reap"])
    assert fault is not None
    assert scene.held.reservation_id in fault


@pytest.mark.parametrize("name", ASKING)
async def test_of_a_team_that_is_gone_nothing_is_told_and_nothing_written(
    executor: Executor, clock: Clock, name: str
) -> None:
    # given a team that this replica remembers and the store does not
    scene = await make_scene(executor, clock, BY_NAME[name])
    await scene.do("DEL", NAMES.team)
    before = await scene.quota.dump()
    # then it is gone for everybody, without a word about corruption
    with pytest.raises(Fault) as refused:
        await BY_NAME[name].act(scene)
    assert refused.value.reason != "INTERNAL"
    assert await scene.quota.dump() == before


@pytest.mark.parametrize(
    ("name", "script", "reason"),
    [
        ("remains", "bars", "NOT_FOUND"),
        ("lots", "lots", "CHANGING"),
        ("balance", "balance", "CHANGING"),
    ],
)
async def test_a_team_that_goes_while_it_is_asked_about_is_no_corruption(
    executor: Executor,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    script: str,
    reason: str,
) -> None:
    # given a team that the store loses after somebody was found to be a member of it
    scene = await make_scene(executor, clock, BY_NAME[name])
    store = scene.quota.usage._store
    run = getattr(store, script)

    async def lose_and_run(*words: Any) -> object:
        await scene.do("DEL", NAMES.team)
        return await run(*words)

    monkeypatch.setattr(store, script, lose_and_run)
    # then its figures are not there, or not now, and nobody is called for
    with pytest.raises(Fault) as refused:
        await BY_NAME[name].act(scene)
    assert refused.value.reason == reason


WAYS: Mapping[str, Callable[[Quota], Awaitable[object]]] = {
    "reserve": lambda quota: quota.decide(quota.ask(5)),
    "check": lambda quota: quota.decide(quota.ask(5, request_id="", check_only=True)),
    "refuse": lambda quota: quota.decide(quota.ask(5, resource="nothing")),
    "report": lambda quota: quota.decisions.record_usage(quota.report(5), quota.deadline),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_key_of_a_team_that_is_gone_is_invalid(
    executor: Executor, clock: Clock, way: str
) -> None:
    """SEM-45."""
    # given a team that this replica remembers and the store does not
    quota = (scene := await make_scene(executor, clock, BY_NAME["reserve"])).quota
    await scene.do("DEL", NAMES.team)
    before = await quota.dump()
    # then whatever is asked first finds that there is no such key
    answer = await WAYS[way](quota)
    assert isinstance(answer, Denied)
    assert answer.denial.reason is DenialReason.KEY_INVALID
    assert await quota.dump() == before


@pytest.mark.parametrize("name", ["book", "enter", "due"])
async def test_upkeep_of_a_team_that_is_gone_changes_nothing(
    executor: Executor, clock: Clock, name: str
) -> None:
    scene = await make_scene(executor, clock, BY_NAME[name])
    await scene.do("DEL", NAMES.team)
    before = await scene.quota.dump()
    await BY_NAME[name].act(scene)
    assert await scene.quota.dump() == before


async def test_a_lot_that_is_none_cannot_be_revoked(executor: Executor, clock: Clock) -> None:
    scene = await make_scene(executor, clock, BY_NAME["revoke"])
    await scene.do("HDEL", POOL.info, LOT)
    before = await scene.quota.dump()
    with pytest.raises(NotFound):
        await BY_NAME["revoke"].act(scene)
    assert await scene.quota.dump() == before


async def test_where_nothing_waits_nothing_enters_and_nothing_is_written(
    executor: Executor, clock: Clock
) -> None:
    # given a pool in which no lot waits, and somebody who thinks that one does
    scene = await make_scene(executor, clock, BY_NAME["reserve"])
    before = await scene.quota.dump()
    await BY_NAME["enter"].act(scene)
    assert await scene.quota.dump() == before

"""Promises that a review of the whole found broken; each stays here with what it needs."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from quotasvc.domain.api_key import make_api_key
from quotasvc.domain.outcome import DenialReason, Denied
from quotasvc.domain.team import KeyKind, KeyState
from quotasvc.domain.unit import Usage
from quotasvc.store import seal
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.faults import StoreUnavailable
from quotasvc.store.keys import SCHEMA_MARKER
from quotasvc.store.scripts import load_scripts
from quotasvc.store.table import SCRIPTS
from tests.support.clock import DAY, HOUR, MINUTE, Clock
from tests.support.quota import OWNER_KEY, Quota


async def test_a_store_that_lost_its_data_answers_nothing(endpoint: Endpoint) -> None:
    # given a service on a store that it knows
    executor = Executor(endpoint, load_scripts(SCRIPTS), chance=random.Random(1))
    until = asyncio.get_running_loop().time() + 5
    await executor.start(until)
    await executor.call("FLUSHALL", deadline=until)
    await executor.call("HSET", SCHEMA_MARKER, "store_id", "ours", deadline=until)
    seal.require(executor, "ours")
    # when its data is gone and the connection is made anew
    await executor.call("FLUSHALL", deadline=until)
    executor.distrust("it looked empty")
    executor.distrust("it looked empty again")  # with no connection left: nothing to drop
    # then calls are refused instead of answered from an empty store
    with pytest.raises(StoreUnavailable, match="lost its data") as refused:
        await executor.call("PING", deadline=asyncio.get_running_loop().time() + 0.3)
    assert not refused.value.sent
    # and answered again once it is back
    other = Executor(endpoint, load_scripts(SCRIPTS), chance=random.Random(2))
    await other.start(until)
    await other.call("HSET", SCHEMA_MARKER, "store_id", "ours", deadline=until)
    assert await executor.call("PING", deadline=until) == b"PONG"
    await other.close()
    await executor.close()


async def test_a_hold_on_a_lot_that_has_ended_promises_nothing(quota: Quota, clock: Clock) -> None:
    # given no seat, and all Credits held of a lot that expires under the hold (SEM-47)
    await quota.team(plan=None)
    await quota.grant("lot", 10, days=1)
    clock.advance(DAY - 5 * MINUTE)
    await quota.reserve(10, hold_ms=HOUR)
    assert (await quota.denied(5)).denial.only_in_flight
    clock.advance(5 * MINUTE)
    # when the lot is over, then waiting helps nobody
    denial = (await quota.denied(5)).denial
    assert denial.reason is DenialReason.NO_RESOURCES
    assert not denial.only_in_flight
    assert denial.retry_after_ms is None


async def test_a_fault_is_not_believed_of_an_old_team_document(quota: Quota) -> None:
    # given a key that this service has used, deleted by another one (SEM-44)
    team = await quota.team()
    await quota.reserve(1)
    await quota.put(replace(team, keys=(replace(team.keys[0], state=KeyState.DELETED),)))
    # when its next request has a fault as well
    answer = await quota.decide(quota.ask(usage=Usage.of(images=1)))
    # then the key comes first
    assert isinstance(answer, Denied)
    assert answer.denial.reason is DenialReason.KEY_INVALID


async def test_the_oldest_use_is_found_anew_when_a_release_empties_its_slice(
    quota: Quota, clock: Clock
) -> None:
    # given a hold, and half an hour later a commit
    await quota.team()
    first = await quota.reserve(10, hold_ms=HOUR)
    clock.advance(30 * MINUTE)
    await quota.commit(await quota.reserve(10))
    early = (await quota.remains()).allowances[0].windows[0].reset_ms
    # when the hold is released
    await quota.refund(first)
    # then what leaves the window next is the commit
    late = (await quota.remains()).allowances[0].windows[0].reset_ms
    assert early is not None
    assert late == early + 30 * MINUTE


async def test_a_key_of_another_kind_is_no_key(quota: Quota) -> None:
    # given a subscription key whose text says pay-as-you-go, with check digits to match
    await quota.team()
    forged = make_api_key(KeyKind.PAYG, OWNER_KEY, b"entropy-of-the-test-key-32-bytes")
    assert forged.secret == quota.api_key().secret
    # then it is not that key
    answer = await quota.decide(quota.ask(1, api_key=forged.text, key_id=None))
    assert isinstance(answer, Denied)
    assert answer.denial.reason is DenialReason.KEY_INVALID

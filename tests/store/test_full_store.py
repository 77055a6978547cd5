"""A store whose memory is full takes nothing new on, and brings to an end what has begun."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quotasvc.domain.faults import Conflict, Fault
from quotasvc.domain.outcome import DenialReason, Denied
from quotasvc.domain.reservation import State
from quotasvc.domain.team import KeyState
from quotasvc.store.declaration import Build
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.executor import Executor
from quotasvc.store.faults import StoreFull
from quotasvc.store.scripts import ScriptSet, load_scripts
from quotasvc.store.table import SCRIPTS
from tests.support.catalogs import CREDIT, catalog
from tests.support.clock import HOUR, MINUTE, Clock
from tests.support.conservation import check
from tests.support.embedded import soon, until
from tests.support.lots import drawn
from tests.support.quota import TEAM, Quota
from tests.support.servers import running


class Full:
    """A service on a store of its own, whose memory can be full."""

    def __init__(self, executor: Executor, clock: Clock) -> None:
        self.executor = executor
        self.quota = Quota(executor, clock)

    async def set_memory(self, most: int) -> None:
        """What the store may use, in bytes; 0: all there is."""
        await self.executor.call("CONFIG", "SET", "maxmemory", most, deadline=soon())

    async def reconnect(self) -> None:
        """As after a short break of the network."""
        connects = self.executor.counts.connects
        self.executor.distrust("the test broke the connection")
        await until(lambda: self.executor.counts.connects > connects)


@pytest.fixture
async def full(tmp_path: Path, clock: Clock) -> AsyncIterator[Full]:
    """It; after the test everything adds up (SEM-40)."""
    scripts = ScriptSet(load_scripts(SCRIPTS, build=Build.TEST, clock_ms=clock), clock_ms=clock)
    async with running(EmbeddedStore(tmp_path)) as store:
        executor = Executor(store.endpoint, scripts, chance=random.Random(1))
        await executor.start(soon())
        yield Full(executor, clock)
        await check(executor, catalog(), extensions=1, is_purged=True)
        await executor.close()


@pytest.mark.parametrize("is_reconnected", [False, True], ids=["as it was", "reconnected"])
async def test_what_has_begun_comes_to_an_end_in_a_full_store(
    full: Full, clock: Clock, *, is_reconnected: bool
) -> None:
    # given reservations in several states, and a store whose memory is full
    quota = full.quota
    await quota.team(access=True)
    await quota.grant("lot", 100)
    more, less, back, long, charged = [await quota.reserve(10) for _ in range(5)]
    short = await quota.reserve(10, hold_ms=MINUTE)
    await quota.commit(charged)
    await full.set_memory(1)
    if is_reconnected:
        # and a service that has just found it again: its scripts are there already
        await full.reconnect()
    # when something new is asked for, then it is refused as such, and nothing moves (SEM-6)
    before = await quota.dump()
    with pytest.raises(StoreFull):
        await quota.decide(quota.ask(10))
    assert await quota.dump() == before
    # and what has begun goes on
    assert (await quota.commit(more, 15)).actual_nanos == 15 * CREDIT
    assert (await quota.commit(less, 5)).actual_nanos == 5 * CREDIT
    assert (await quota.refund(back)).state is State.RELEASED
    await quota.refund(charged, "f1")
    await quota.extend(long, HOUR)
    clock.advance(MINUTE)
    await quota.reap()
    found = await quota.decisions.get_reservation(short.reservation_id, quota.deadline)
    assert found.state is State.EXPIRED
    assert (await quota.commit(short)).late
    # what was used without a hold is charged, and people see what there is
    assert (await quota.record(5)).committed.written_off_nanos == 0
    assert await quota.window() == (35, 10)
    assert await quota.available() == {"lot": 100}
    # and records leave when their time is over, which makes room
    clock.advance(26 * HOUR)
    assert await quota.reaper.purge(TEAM, clock(), quota.deadline) == 6


async def test_what_takes_no_room_is_answered_by_a_full_store(full: Full) -> None:
    # given a hold, and a store whose memory is full
    quota = full.quota
    await quota.team()
    await quota.grant("lot", 100)
    held = await quota.reserve(10, request_id="r")
    await full.set_memory(1)
    before = await quota.dump()
    # then a replay is the first answer again, and other content the conflict (SEM-35)
    again = await quota.reserve(10, request_id="r")
    assert (again.replayed, again.reservation_id) == (True, held.reservation_id)
    with pytest.raises(Conflict):
        await quota.reserve(11, request_id="r")
    # and whoever only looks is told what there is, why not, and when (SEM-12, SEM-8)
    assert drawn(await quota.reserve(95, request_id="", check_only=True))[-1] == ("lot", 5)
    for ask in (quota.ask(500), quota.ask(500, check_only=True, request_id="")):
        answer = await quota.decide(ask)
        assert isinstance(answer, Denied)
        assert answer.denial.reason is DenialReason.WINDOW_EXHAUSTED
    # and none of it moved anything (SEM-6)
    assert await quota.dump() == before


async def test_a_full_store_takes_what_was_paid_for_and_shuts_out_who_lost_access(
    full: Full,
) -> None:
    # given a team, and a store whose memory is full
    quota = full.quota
    await quota.team(plan=None)
    await quota.grant("old", 5)
    await full.set_memory(1)
    # when people buy Credits and fill the wallet, then it arrives (SEM-24)
    await quota.grant("new", 7)
    await quota.top_up_wallet(3)
    assert await quota.available() == {"old": 5, "new": 7}
    # and a lot is taken back (SEM-42), and a key (SEM-45)
    assert await quota.revoke("old")
    assert await quota.available() == {"old": 0, "new": 7}
    await quota.team(plan=None, state=KeyState.DELETED)
    answer = await quota.decide(quota.ask(1))
    assert isinstance(answer, Denied)
    assert answer.denial.reason is DenialReason.KEY_INVALID


@pytest.mark.parametrize("is_reconnected", [False, True], ids=["as it was", "reconnected"])
async def test_all_is_well_again_when_there_is_room(full: Full, *, is_reconnected: bool) -> None:
    # given a store that was full
    quota = full.quota
    await quota.team()
    await full.set_memory(1)
    if is_reconnected:
        await full.reconnect()
    with pytest.raises(StoreFull):
        await quota.reserve(10, request_id="r")
    # when it has room again
    await full.set_memory(0)
    # then the same request is decided, on the same connection, as if nothing had been
    connects = full.executor.counts.connects
    reservation = await quota.reserve(10, request_id="r")
    assert not reservation.replayed
    await quota.extend(reservation)
    assert full.executor.counts.connects == connects


async def test_a_store_that_was_full_from_the_start_takes_its_scripts_later(
    tmp_path: Path, clock: Clock
) -> None:
    # given a full store that has never seen the scripts
    scripts = ScriptSet(load_scripts(SCRIPTS, build=Build.TEST, clock_ms=clock), clock_ms=clock)
    async with running(EmbeddedStore(tmp_path)) as store:
        executor = Executor(store.endpoint, scripts, chance=random.Random(1))
        first = Executor(store.endpoint, ScriptSet(()), chance=random.Random(2))
        await first.start(soon())
        await first.call("CONFIG", "SET", "maxmemory", 1, deadline=soon())
        # when a service starts on it, then it comes up, and its calls say what is wrong
        await executor.start(soon())
        quota = Quota(executor, clock)
        with pytest.raises(Fault):
            await quota.team()
        # and work once there is room, without a new connection
        await first.call("CONFIG", "SET", "maxmemory", 0, deadline=soon())
        await quota.team()
        await quota.reserve(10)
        assert executor.counts.connects == 1
        await executor.close()
        await first.close()

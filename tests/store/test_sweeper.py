"""The sweeper ends what time has ended, whatever one team's trouble is (SEM-30, SEM-31)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from itertools import count, islice
from typing import Any

import pytest

from quotasvc.domain.reservation import HOLD_MS_DEFAULT, SETTLED_RECORD_MS
from quotasvc.store import keys
from quotasvc.store.decision import MARK_PREFIX
from quotasvc.store.keys import PARTITIONS
from quotasvc.store.resp import Reply
from quotasvc.store.scripts import Script
from quotasvc.sweeper import TEAMS_AT_ONCE, Sweeper
from tests.support.clock import MINUTE, Clock
from tests.support.embedded import until
from tests.support.quota import TEAM, Quota

ALL = range(PARTITIONS)


@pytest.fixture
def sweeper(quota: Quota, clock: Clock) -> Sweeper:
    """On the test's clock, in a hurry."""
    return Sweeper(quota.agenda, quota.reaper, clock_ms=clock, round_s=0.01)


def neighbours() -> Iterator[str]:
    """Other teams of the same partition."""
    names = (f"other{number}" for number in count())
    return (name for name in names if keys.partition(name) == keys.partition(TEAM))


async def test_an_expired_hold_is_given_back_without_a_call(
    quota: Quota, sweeper: Sweeper, clock: Clock
) -> None:
    await quota.team()
    await quota.reserve(30)
    assert await quota.window() == (0, 30)
    # when its time has not come
    assert await sweeper.sweep(ALL)
    assert await quota.agenda.holds_live(keys.partition(TEAM), quota.deadline) == 1
    # and when it has
    clock.advance(HOLD_MS_DEFAULT)
    assert await sweeper.sweep(ALL)
    # then nothing is held any more
    assert await quota.agenda.holds_live(keys.partition(TEAM), quota.deadline) == 0
    assert await quota.window() == (0, 0)


async def test_a_record_leaves_when_its_time_is_over(
    quota: Quota, sweeper: Sweeper, clock: Clock
) -> None:
    await quota.team()
    await quota.commit(await quota.reserve(30))
    kept = len(await quota.dump())
    clock.advance(SETTLED_RECORD_MS)
    assert await sweeper.sweep(ALL)
    # the record, its place in the purge list, and the team's in the list of what is due
    assert len(await quota.dump()) == kept - 3


async def test_one_teams_trouble_is_no_other_teams(
    quota: Quota, sweeper: Sweeper, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await quota.team()
    await quota.reserve(30)
    clock.advance(HOLD_MS_DEFAULT)
    # given another team of the same partition whose list names what we never signed
    other = next(neighbours())
    names = keys.team_keys(other)
    for key, member in ((names.holds, "forged"), (names.due, other)):
        await quota.executor.call("ZADD", key, 1, member, deadline=quota.deadline)
    # when it is swept twice
    with caplog.at_level(logging.WARNING):
        assert not await sweeper.sweep(ALL)
        assert not await sweeper.sweep(ALL)
    # then the first team is served all the same, and the trouble is told once
    assert await quota.window() == (0, 0)
    assert len(caplog.messages) == 1
    assert other in caplog.text


async def test_no_hold_waits_for_the_purge_of_records(
    quota: Quota, sweeper: Sweeper, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEM-30: the sweeper makes it rare that a decision finds an expired hold."""
    # given a hold that is over, and more teams than are looked at together, whose records have
    # been due for longer
    await quota.team()
    await quota.reserve(30)
    clock.advance(HOLD_MS_DEFAULT)
    for other in islice(neighbours(), TEAMS_AT_ONCE + 1):
        names = keys.team_keys(other)
        marks = [word for mark in range(3) for word in (1, f"{MARK_PREFIX}{mark}")]
        await quota.executor.call("ZADD", names.purge, *marks, deadline=quota.deadline)
        await quota.executor.call("ZADD", names.due, 1, names.team_id, deadline=quota.deadline)
    run, names_run = quota.executor.run, []

    async def listed(script: Script, *rest: Any) -> list[Reply]:
        names_run.append(script.name)
        return await run(script, *rest)

    monkeypatch.setattr(quota.executor, "run", listed)
    # when all are swept, then the hold is given back before the first record leaves
    assert await sweeper.sweep(ALL)
    assert names_run.count("decision/purge") == 3 * (TEAMS_AT_ONCE + 1)
    assert names_run.index("decision/expire") < names_run.index("decision/purge")


@pytest.fixture
async def running(sweeper: Sweeper) -> AsyncIterator[Sweeper]:
    """Going round."""
    task = asyncio.create_task(sweeper.run())
    yield sweeper
    task.cancel()
    await asyncio.wait([task])


async def test_its_lag_and_the_live_holds_are_figures_for_metrics(
    quota: Quota, running: Sweeper, clock: Clock
) -> None:
    await quota.team()
    await quota.reserve(30)
    await until(lambda: running.holds_live == 1)
    clock.advance(MINUTE)
    assert running.lag_ms >= MINUTE
    await until(lambda: running.lag_ms == 0)


async def test_it_outlives_its_store(
    quota: Quota, running: Sweeper, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await quota.team()
    # when the store cannot answer what it is asked
    due = keys.due(0)
    await quota.executor.call("SET", due, "no list", deadline=quota.deadline)
    await until(lambda: "the store" in caplog.text)
    clock.advance(MINUTE)
    # then the lag shows it, and once it can, the rounds go on
    assert running.lag_ms >= MINUTE
    await quota.executor.call("DEL", due, deadline=quota.deadline)
    await until(lambda: running.lag_ms == 0)

"""Many decisions that find the same expired holds do not each give them back again."""

from __future__ import annotations

import asyncio

import pytest

from quotasvc.domain.outcome import Allowed
from tests.support.clock import MINUTE, Clock
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")

HOLDS = 40
CALLERS = 40


async def _scripts_run(quota: Quota) -> int:
    """How many scripts the store has run so far."""
    info = await quota.executor.call("INFO", "commandstats", deadline=quota.deadline)
    assert isinstance(info, bytes)
    line = next(line for line in info.decode().splitlines() if line.startswith("cmdstat_fcall:"))
    return int(line.partition("calls=")[2].partition(",")[0])


async def test_one_of_many_decisions_reaps(quota: Quota, clock: Clock) -> None:
    # given many holds, all expired and none reaped
    await quota.team()
    for _ in range(HOLDS):
        await quota.reserve(1)
    clock.advance(10 * MINUTE)
    before = await _scripts_run(quota)
    # when as many decisions find them at once
    answers = await asyncio.gather(*(quota.decide(quota.ask(1)) for _ in range(CALLERS)))
    # then all are made, and the holds were given back about once, not by each
    assert all(isinstance(answer, Allowed) for answer in answers)
    assert await _scripts_run(quota) - before < 2 * HOLDS + 3 * CALLERS


@pytest.mark.parametrize("turns", [1, 5, 20, 50])
async def test_a_decision_outlives_the_one_that_was_reaping(
    quota: Quota, clock: Clock, turns: int
) -> None:
    # given expired holds, and two decisions that find them
    await quota.team()
    for _ in range(HOLDS):
        await quota.reserve(1)
    clock.advance(10 * MINUTE)
    first, second = (asyncio.create_task(quota.decide(quota.ask(1))) for _ in range(2))
    # when the first one's caller gives up at some point of it
    for _ in range(turns):
        await asyncio.sleep(0)
    first.cancel()
    # then the other is made all the same
    assert isinstance(await second, Allowed)

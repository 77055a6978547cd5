"""Health follows the store: away, back, and never taken for itself when it comes back empty."""

from __future__ import annotations

import pytest

from quotasvc.store import keys
from quotasvc.store.executor import Executor
from quotasvc.store_watch import StoreWatch
from tests.support.embedded import soon


@pytest.fixture
def told() -> list[bool]:
    """What the watch has told, in order."""
    return []


@pytest.fixture
async def watch(executor: Executor, told: list[bool]) -> StoreWatch:
    """Over a store that was begun as s1."""
    await executor.call("HSET", keys.SCHEMA_MARKER, "store_id", "s1", deadline=soon())
    return StoreWatch(executor, "s1", told.append)


async def test_changes_are_told_once(watch: StoreWatch, told: list[bool]) -> None:
    await watch.look()
    await watch.look()
    assert (watch.problem, told) == ("", [True])


async def test_a_store_that_comes_back_empty_is_a_problem(
    watch: StoreWatch, executor: Executor, told: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    await watch.look()
    await executor.call("FLUSHALL", deadline=soon())
    await watch.look()
    assert watch.problem == "store: has lost its data, or is another one than s1"
    assert watch.problem in caplog.text
    # and it is well when its data is back
    await executor.call("HSET", keys.SCHEMA_MARKER, "store_id", "s1", deadline=soon())
    await watch.look()
    assert (watch.problem, told) == ("", [True, False, True])


async def test_a_store_that_is_away_is_a_problem(
    watch: StoreWatch, executor: Executor, told: list[bool]
) -> None:
    await executor.close()
    await watch.look()
    assert watch.problem
    assert told == [False]

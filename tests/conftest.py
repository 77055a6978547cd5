"""One embedded store per test process; each test finds it empty."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from functools import cache

import pytest
import pytest_asyncio

from quotasvc.domain.catalog import Catalog
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.scripts import Build, ScriptSet, StitchedScript, load_scripts
from quotasvc.store.table import SCRIPTS
from tests.support.catalogs import catalog
from tests.support.clock import Clock
from tests.support.conservation import check
from tests.support.quota import Quota


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoint]:
    """Where the session's real store listens."""
    store = EmbeddedStore(tmp_path_factory.mktemp("store"))
    await store.start()
    yield store.endpoint
    await store.stop()


@cache
def _stitched() -> tuple[StitchedScript, ...]:
    """The scripts of the test build, stitched once: only the clock is another for each test."""
    return tuple(load_scripts(SCRIPTS, build=Build.TEST, clock_ms=lambda: 0))


@pytest.fixture
def clock() -> Clock:
    """Time, in the test's hand."""
    return Clock()


@pytest_asyncio.fixture
async def executor(endpoint: Endpoint, clock: Clock) -> AsyncIterator[Executor]:
    """The road to an empty store whose scripts read the test's clock."""
    scripts = ScriptSet(_stitched(), clock_ms=clock)
    executor = Executor(endpoint, scripts, chance=random.Random(1))
    deadline = asyncio.get_running_loop().time() + 10
    await executor.start(deadline)
    await executor.call("FLUSHALL", deadline=deadline)
    yield executor
    await executor.close()


@pytest_asyncio.fixture
async def conserved(executor: Executor) -> AsyncIterator[list[Catalog]]:
    """After the test the store must add up (SEM-40); catalogs of its own a test adds here."""
    catalogs = [catalog()]
    yield catalogs
    await check(executor, *catalogs)


@pytest.fixture
def make_quota(executor: Executor, clock: Clock) -> Callable[[], Quota]:
    """More services on the same store: what another replica sees."""
    return lambda: Quota(executor, clock)


@pytest.fixture
def quota(make_quota: Callable[[], Quota]) -> Quota:
    """The real planes on the real store."""
    return make_quota()

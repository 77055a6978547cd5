"""Roads to a real store, for tests of the roads themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import DEFAULT_LIMITS, Executor, Limits
from quotasvc.store.scripts import ScriptSet

NO_SCRIPTS = ScriptSet(())


@asynccontextmanager
async def connected(
    endpoint: Endpoint, scripts: ScriptSet = NO_SCRIPTS, limits: Limits = DEFAULT_LIMITS
) -> AsyncIterator[Executor]:
    """An executor on `endpoint`, closed at the end of the block."""
    executor = Executor(endpoint, scripts, chance=Random(7), limits=limits)
    try:
        await executor.start(soon())
        yield executor
    finally:
        await executor.close()


def soon(seconds: float = 5.0) -> float:
    """A deadline: `seconds` from now, by the loop's clock."""
    return asyncio.get_running_loop().time() + seconds


async def until(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Waits for something that happens outside of this loop; TimeoutError if it does not."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)

"""Keeps background work going: what dies is logged, started again after a pause, and visible."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Set

from quotasvc.store.backoff import pause_s

STABLE_S = 60.0
"""Work that went on for so long starts again after the shortest pause."""

log = logging.getLogger(__name__)


class Supervisor:
    """Background tasks of one service; each runs until its `end`."""

    def __init__(self) -> None:
        self.restarts = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._down: set[str] = set()

    @property
    def down(self) -> tuple[str, ...]:
        """The names of tasks that have died and wait to be started again."""
        return tuple(sorted(self._down))

    @property
    def kept(self) -> Set[str]:
        """The names of all tasks."""
        return self._tasks.keys()

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work`, again whenever it ends."""
        self._tasks[name] = asyncio.create_task(self._keep(name, work), name=name)

    async def end(self, name: str) -> None:
        """Cancels one task and waits until it has ended."""
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.wait([task])
        self._down.discard(name)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        attempt = 0
        while True:
            started_at = asyncio.get_running_loop().time()
            try:
                await work()
                log.error("%s: ended by itself, starting it again", name)
            # Whatever it was, the work must go on.
            except Exception:
                log.exception("%s: died, starting it again", name)
            self._down.add(name)
            lived_s = asyncio.get_running_loop().time() - started_at
            attempt = 0 if lived_s > STABLE_S else attempt + 1
            await asyncio.sleep(pause_s(attempt))
            self.restarts += 1
            self._down.discard(name)

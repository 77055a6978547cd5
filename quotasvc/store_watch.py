"""Looks after the store from the service's side: can it be reached, and is it still the same?

What it finds is what health and readiness say. A store that comes back empty is never taken for
a fresh one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from quotasvc.domain.faults import Fault
from quotasvc.store.executor import Executor
from quotasvc.store.seal import read_store_id

LOOK_S = 0.25
ANSWER_S_MAX = 0.5
"""Together they bound how late health is: under a second."""

log = logging.getLogger(__name__)


class StoreWatch:
    """`problem` is empty while decisions can be made; `tell` hears whether they can."""

    def __init__(self, executor: Executor, store_id: str, tell: Callable[[bool], None]) -> None:
        self.problem: str | None = None  # None: not looked at yet
        self._executor = executor
        self._store_id = store_id
        self._tell = tell

    async def run(self) -> None:
        """Looks for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Looks once."""
        was, self.problem = self.problem, await self._find_problem()
        if was is not None and bool(was) is bool(self.problem):
            return
        self._tell(not self.problem)
        if self.problem:
            log.error("%s", self.problem)
        elif was:
            log.info("store: answers again")

    async def _find_problem(self) -> str:
        deadline = asyncio.get_running_loop().time() + ANSWER_S_MAX
        try:
            found = await read_store_id(self._executor, deadline)
        except Fault as fault:
            return f"store: {fault.text}"
        if found != self._store_id:
            # Calls wait, and then are UNAVAILABLE: no answer may come from an empty store.
            self._executor.distrust("the store has lost its data, or is another one")
            return f"store: has lost its data, or is another one than {self._store_id}"
        return ""

"""The Envoy door from outside: its processes on one port, each started again when it dies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

from quotasvc.doors.claim import Claim
from quotasvc.doors.envoy import EnvoyDoor
from quotasvc.doors.private import METRICS
from quotasvc.supervisor import Supervisor

log = logging.getLogger(__name__)


class Workers:
    """`count` doors at an address; `make` gives one that has not been started.

    `address` has the port that was found, once started.
    """

    def __init__(
        self, listen: str, count: int, make: Callable[[str], EnvoyDoor], supervisor: Supervisor
    ) -> None:
        self.address = listen
        self._count = count
        self._make = make
        self._supervisor = supervisor
        self._claim: Claim | None = None
        self._doors: dict[str, EnvoyDoor] = {}
        self._serving: set[str] = set()

    @property
    def problem(self) -> str:
        """What keeps all callers out; empty while one process serves."""
        return "" if self._serving else "door: no worker serves"

    async def start(self) -> str:
        """Claims the port and starts all; the address, with the port that it got."""
        self._claim = Claim(self.address)
        self.address = self._claim.address
        names = [f"worker {number + 1}" for number in range(self._count)]
        self._doors = {name: self._make(self.address) for name in names}
        starts = (door.start() for door in self._doors.values())
        # All are waited for: one that is still starting could not be stopped.
        for result in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        for name in names:
            self._supervisor.keep(name, partial(self._keep, name))
        return self.address

    async def stop(self, grace_s: float) -> None:
        """Drains and ends all at once, and gives the port back."""
        for name in self._supervisor.kept & self._doors.keys():
            await self._supervisor.end(name)
        await asyncio.gather(*(door.stop(grace_s) for door in self._doors.values()))
        if self._claim is not None:
            self._claim.close()

    async def expositions(self) -> Mapping[str, bytes]:
        """The metrics of each process that answers, by its number."""
        names = list(self._doors)
        pages = await asyncio.gather(*(self._doors[name].page(METRICS) for name in names))
        return {
            name.rpartition(" ")[2]: page
            for name, page in zip(names, pages, strict=True)
            if page is not None
        }

    async def _keep(self, name: str) -> None:
        """Returns when the process has ended; called again, it starts the next one."""
        if self._doors[name].pid is None:
            # What the last one left behind.
            await self._doors[name].stop(0)
            self._doors[name] = self._make(self.address)
            await self._doors[name].start()
            log.info("%s: serves again", name)
        self._serving.add(name)
        try:
            await self._doors[name].watch()
        finally:
            self._serving.discard(name)
        log.error("%s: has ended with code %s", name, self._doors[name].code)

"""Whether to send calls here: the grpc.health.v1 service of a process, without a transport.

"" is the process; each of our services has a name of its own and serves while its store can be
reached. The process decides what is true and calls `set_serving`; every change reaches all
watchers. After `stop` nothing serves again, and the watchers' streams end, which lets a
transport stop without waiting for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from grpc_health.v1.health_pb2 import HealthCheckResponse

from quotasvc.domain.faults import NotFound

PROCESS = ""
"""The name under which the process as a whole is asked about."""

SERVICE = "grpc.health.v1.Health"
CHECK, WATCH = f"/{SERVICE}/Check", f"/{SERVICE}/Watch"
"""The rpcs that `Health` answers; List, a newer one, servers may leave out."""


class Health:
    """The status of the process and of each service; NOT_SERVING until said otherwise."""

    def __init__(self, services: Iterable[str]) -> None:
        self._is_serving = dict.fromkeys((PROCESS, *services), False)
        self._is_stopped = False
        self._changed = asyncio.Event()

    def set_serving(self, service: str, *, is_serving: bool) -> None:
        """Says whether a service can be called; has no effect once stopped."""
        if not self._is_stopped and self._is_serving.get(service) is not is_serving:
            self._is_serving[service] = is_serving
            self._wake()

    def stop(self) -> None:
        """Nothing serves from now on, and no watcher waits any longer."""
        self._is_serving = dict.fromkeys(self._is_serving, False)
        self._is_stopped = True
        self._wake()

    def check(self, service: str) -> HealthCheckResponse:
        """The status now."""
        if service not in self._is_serving:
            raise NotFound("there is no such service")
        return self._status(service)

    async def watch(self, service: str) -> AsyncIterator[HealthCheckResponse]:
        """The status now and after each change; of an unknown service too, as the protocol asks."""
        shown = None
        while True:
            # Taken together: what happens while a status is on its way comes in the next round.
            changed, is_last = self._changed, self._is_stopped
            status = self._status(service)
            if status != shown:
                yield status
                shown = status
            if is_last:
                return
            await changed.wait()

    def _status(self, service: str) -> HealthCheckResponse:
        match self._is_serving.get(service):
            case True:
                return HealthCheckResponse(status=HealthCheckResponse.SERVING)
            case False:
                return HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING)
            case None:
                return HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)

    def _wake(self) -> None:
        """One event per change: a watcher holds the one that follows what it has shown."""
        self._changed.set()
        self._changed = asyncio.Event()

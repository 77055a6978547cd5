"""The portable door: a grpcio server, its bounds, its start and its stop.

Knows how grpcio is set up and what it gets wrong; how calls are answered is in `grpcio_calls`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import grpc

from quotasvc.api.method import SERVICES
from quotasvc.api.table import MethodTable
from quotasvc.doors import health
from quotasvc.doors.companions import Companions
from quotasvc.doors.faults import ListenFailed
from quotasvc.doors.grpcio_calls import Calls
from quotasvc.doors.health import PROCESS, Health
from quotasvc.doors.reflection import Reflection

GUARD_S = 0.2
"""How often the server is looked at."""

FAREWELL_S = 0.5
"""For the last answers to leave."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the door; times in milliseconds."""

    call_ms_max: int = 2_000
    """For a call without a deadline, or with a later one."""

    message_bytes_max: int = 4 * 1024 * 1024
    """Above it grpcio refuses by itself; the table's own bound is far below and says more."""

    streams_max: int = 1_000
    """Calls under way on one connection."""

    connection_ms_max: int = 300_000
    """Age of a connection, so that callers find new replicas."""

    connection_grace_ms: int = 10_000
    """For the calls of a connection that has reached its age."""

    keepalive_ms: int = 60_000
    """How often a silent connection is asked whether it lives."""

    ping_interval_ms_min: int = 20_000
    """Callers that ask more often are sent away."""

    @property
    def options(self) -> tuple[tuple[str, int], ...]:
        """As grpcio calls them."""
        return (
            # On by default, and then a second server gets half of the calls without a word.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", self.message_bytes_max),
            ("grpc.max_concurrent_streams", self.streams_max),
            ("grpc.max_connection_age_ms", self.connection_ms_max),
            ("grpc.max_connection_age_grace_ms", self.connection_grace_ms),
            ("grpc.keepalive_time_ms", self.keepalive_ms),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", self.ping_interval_ms_min),
        )


DEFAULT_LIMITS = Limits()


class GrpcioDoor:
    """Serves a method table at an address such as "127.0.0.1:50051"; port 0 means any free one.

    `address` has the port that was found, once started. `health` says whether to send calls here:
    the process serves from start to stop, its services when their owner says so.
    """

    def __init__(
        self,
        table: MethodTable,
        listen: str,
        *,
        limits: Limits = DEFAULT_LIMITS,
        has_reflection: bool = True,
    ) -> None:
        services = [service.full_name for service in SERVICES]
        self.health = Health(services)
        described = Reflection((*services, health.SERVICE)) if has_reflection else None
        self._companions = Companions(self.health, described)
        self._calls = Calls(table, self._companions, limits.call_ms_max / 1_000)
        self.address = listen
        self._limits = limits
        self._guard: asyncio.Task[None] | None = None
        self._servers: list[grpc.aio.Server] = []  # those that died, then the one that serves
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listens and serves; the address, with the port that it got."""
        self.address = await self._serve()
        self._guard = asyncio.create_task(self._stay_alive(), name="grpcio guard")
        self.health.set_serving(PROCESS, is_serving=True)
        return self.address

    async def stop(self, grace_s: float) -> None:
        """Says so to those who ask, refuses new calls, and lets those under way end.

        After `grace_s` their callers get UNAVAILABLE; what was begun is finished all the same. A
        call that crosses grpcio's farewell on the wire is not begun: it is answered CANCELLED, or
        UNAVAILABLE at the end.
        """
        self._companions.stop()
        if self._guard is not None:
            self._guard.cancel()
            await asyncio.wait([self._guard])
        await asyncio.gather(*(self._stop(server, grace_s) for server in self._servers))
        await asyncio.gather(*self._retiring)
        await self._calls.drain()

    async def _stop(self, server: grpc.aio.Server, grace_s: float) -> None:
        """Waits for our answers rather than for grpcio.

        In one stop of fifty grpcio loses a call that crosses its farewell: nobody answers it, and
        grpcio waits for it until the grace ends.
        """
        stopping = asyncio.create_task(server.stop(grace_s), name="grpcio stopping")
        await self._calls.drain(grace_s)
        await asyncio.wait([stopping], timeout=FAREWELL_S)
        await server.stop(0)
        await stopping

    async def _serve(self) -> str:
        server = grpc.aio.server(options=self._limits.options)
        server.add_generic_rpc_handlers((self._calls,))
        try:
            port = server.add_insecure_port(self.address)
        except RuntimeError as error:
            text = f"cannot listen on {self.address}: in use, or not an address of this machine"
            raise ListenFailed(text) from error
        await server.start()
        self._servers.append(server)
        host = self.address.rpartition(":")[0]
        return f"{host}:{port}"

    async def _stay_alive(self) -> None:
        """Replaces a server that has died.

        A single call whose path is not UTF-8 ends grpcio's accept loop for good (1.85.1:
        `_server_main_loop` decodes it unguarded), and nothing says so: calls under way go on,
        new ones are refused.
        """
        while True:
            await asyncio.sleep(GUARD_S)
            server = self._servers[-1]
            # grpc.aio has no public way to ask; a test sees to it that this one works.
            if server._server.is_running():  # type: ignore[attr-defined]
                continue
            try:
                await self._serve()
            except ListenFailed as fault:
                log.error("the gRPC server died: %s", fault.text)
                continue
            log.error("the gRPC server died, of a malformed call it seems; a new one took over")
            task = asyncio.create_task(self._retire(server), name="grpcio retiring")
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self, server: grpc.aio.Server) -> None:
        """Lets the calls of a dead server end."""
        await server.stop(self._limits.connection_grace_ms / 1_000)
        self._servers.remove(server)

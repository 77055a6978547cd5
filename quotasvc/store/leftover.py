"""Ends a server that an earlier service left on a data directory.

The parent-death signal prevents that on Linux, except for a server that hangs or still writes;
elsewhere there is no such signal. Call it only while holding the directory's lock: then no living
service owns the server. Never ends a process that is not proven to run on this directory.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path

from quotasvc.domain.faults import Fault
from quotasvc.store.connection import ask
from quotasvc.store.data_directory import DataDirectory
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.faults import StoreNotStarted

ANSWER_S_MAX = 0.3
POLL_S = 0.01

# A server that was told to end by its parent's death needs a moment, not a signal.
_STEPS: tuple[tuple[signal.Signals | None, float], ...] = (
    (None, 0.5),
    (signal.SIGTERM, 5.0),
    (signal.SIGKILL, 5.0),
)

log = logging.getLogger(__name__)


async def end_leftover(directory: DataDirectory) -> None:
    """Waits for a leftover server to end, then ends it by its pid."""
    pid = await _pid_by_asking(directory) or _pid_by_file(directory)
    if pid is None:
        return
    log.warning("embedded store: process %d of an earlier service is still here", pid)
    for signal_, patience_s in _STEPS:
        if signal_ is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal_)
        if await _ends(pid, within_s=patience_s):
            return
    raise StoreNotStarted(f"the server of an earlier service (process {pid}) does not end")


async def _pid_by_asking(directory: DataDirectory) -> int | None:
    """The pid of the server behind the socket, if it says that it works on this directory."""
    endpoint = Endpoint(path=str(directory.socket_path))
    try:
        found, info = await ask(
            endpoint, ("CONFIG", "GET", "dir"), ("INFO", "server"), within_s=ANSWER_S_MAX
        )
    except (OSError, Fault):
        return None
    if found != [b"dir", os.fsencode(directory.path)] or not isinstance(info, bytes):
        return None
    return next(
        int(line.removeprefix(b"process_id:"))
        for line in info.splitlines()
        if line.startswith(b"process_id:")
    )


def _pid_by_file(directory: DataDirectory) -> int | None:
    """The pid in the server's file, if that process is a Valkey at work in this directory.

    For a server too busy or too stuck to answer; a pid alone may be another program's by now.
    """
    try:
        pid = int(directory.pid_file.read_text())
        process = Path("/proc") / str(pid)
        is_server = os.readlink(process / "exe").rpartition("/")[2].startswith("valkey-server")
        is_here = os.path.samefile(process / "cwd", directory.path)
    except (OSError, ValueError):
        return None
    return pid if is_server and is_here else None


async def _ends(pid: int, *, within_s: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not has_ended(pid):
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or a zombie that nobody has collected yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = ""
    with suppress(OSError):
        status = (Path("/proc") / str(pid) / "stat").read_text()
    return status.rpartition(")")[2].lstrip().startswith("Z")

"""Real servers that a test may kill, freeze or leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from quotasvc.store.connection import ask
from quotasvc.store.data_directory import DataDirectory
from quotasvc.store.embedded import EmbeddedStore, server_binary
from quotasvc.store.resp import Reply, Word

SERVICE = """
import asyncio, sys
from pathlib import Path
from quotasvc.store.embedded import EmbeddedStore

async def serve():
    store = EmbeddedStore(Path(sys.argv[1]))
    await store.start()
    print(store.pid, flush=True)
    await store.watch()

asyncio.run(serve())
"""
"""A service of its own process: prints its server's pid, then lives until it is killed."""


@asynccontextmanager
async def running(store: EmbeddedStore) -> AsyncIterator[EmbeddedStore]:
    """The store, started, and watched as the service does."""
    await store.start()
    watch = asyncio.create_task(store.watch())
    try:
        yield store
    finally:
        await store.stop()
        await watch


@contextmanager
def service(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another service on the directory, and the pid of its server."""
    command = (sys.executable, "-c", SERVICE, str(directory))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@contextmanager
def server_without_service(directory: DataDirectory) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose service has gone without taking it along."""
    command = (
        *(server_binary(), "--port", "0", "--unixsocket", directory.socket_path),
        *("--dir", directory.path, "--pidfile", directory.pid_file, "--appendonly", "yes"),
    )
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def tell(store: EmbeddedStore, *words: Word) -> Reply:
    """One command."""
    (reply,) = await ask(store.endpoint, words, within_s=5)
    return reply


def has_ended(pid: int) -> bool:
    """Whether no such process runs; one that only waits to be collected has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return "State:\tZ" in status


def pid_of(store: EmbeddedStore) -> int:
    """The server's process, which must be there."""
    assert store.pid is not None
    return store.pid


@contextmanager
def frozen(store: EmbeddedStore) -> Iterator[None]:
    """The server hangs for as long as the block runs."""
    server = pid_of(store)
    os.kill(server, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server, signal.SIGCONT)

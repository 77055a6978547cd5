"""The embedded store: its data outlives it, and it outlives nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quotasvc.store import embedded, embedded_launcher
from quotasvc.store.embedded import EmbeddedStore
from tests.support.embedded import until
from tests.support.servers import has_ended, pid_of, running, service, tell


async def setting(store: EmbeddedStore, name: str) -> str:
    """What the server is configured to."""
    found = await tell(store, "CONFIG", "GET", name)
    assert isinstance(found, list)
    assert isinstance(found[1], bytes)
    return found[1].decode()


# What it is.


async def test_the_store_is_durable_private_and_keeps_everything(tmp_path: Path) -> None:
    async with running(EmbeddedStore(tmp_path / "data", memory_bytes_max=50_000_000)) as store:
        await tell(store, "SET", "k", "v")
        safe = {
            "appendonly": "yes",
            "appendfsync": "always",
            "no-appendfsync-on-rewrite": "no",
            "aof-load-truncated": "yes",
            "maxmemory-policy": "noeviction",
            "maxmemory": "50000000",
            "port": "0",
            "save": "",
        }
        assert {name: await setting(store, name) for name in safe} == safe
        # Only we can enter, and every file is ours alone.
        files = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
        assert len(files) > 5
        assert [path for path in files if path.stat().st_mode & 0o077] == []


async def test_ctrl_c_is_for_the_service_only(tmp_path: Path) -> None:
    async with running(EmbeddedStore(tmp_path)) as store:
        assert os.getsid(pid_of(store)) != os.getsid(0)


async def test_an_untouched_store_has_no_server(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "data")
    assert store.pid is None
    await store.watch()
    await store.stop()
    assert not (tmp_path / "data").exists()


# Its data outlives it.


async def test_data_outlives_a_killed_server_and_the_store_is_back_by_itself(
    tmp_path: Path,
) -> None:
    async with running(EmbeddedStore(tmp_path)) as store:
        await tell(store, "SET", "k", "v")
        killed = pid_of(store)
        # when the server is killed
        os.kill(killed, signal.SIGKILL)
        # then there is another, with the data
        await until(lambda: store.restarts == 1)
        assert await tell(store, "GET", "k") == b"v"
        assert pid_of(store) != killed


async def test_data_outlives_a_stop(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    async with running(store):
        await tell(store, "SET", "k", "v")
        ended = pid_of(store)
    # then the server has ended cleanly
    assert has_ended(ended)
    assert store.pid is None
    assert "bye bye" in (tmp_path / "valkey.log").read_text()
    # and the same store can be started again
    async with running(store):
        assert await tell(store, "GET", "k") == b"v"


async def test_a_server_that_cannot_come_back_is_tried_until_it_can(tmp_path: Path) -> None:
    async with running(EmbeddedStore(tmp_path)) as store:
        await tell(store, "SET", "k", "v")
        (manifest,) = tmp_path.glob("appendonlydir/*.manifest")
        content = manifest.read_text()
        # when the log cannot be read back after a kill
        manifest.write_text("nonsense")
        os.kill(pid_of(store), signal.SIGKILL)
        log = tmp_path / "valkey.log"
        await until(lambda: log.read_text().count("FATAL AOF MANIFEST") >= 2)
        # then the store comes back once it can
        manifest.write_text(content)
        await until(lambda: store.restarts == 1)
        assert await tell(store, "GET", "k") == b"v"


async def test_a_stop_between_two_servers_starts_no_third(tmp_path: Path) -> None:
    async with running(EmbeddedStore(tmp_path)) as store:
        os.kill(pid_of(store), signal.SIGKILL)
        await until(lambda: store.pid is None)
    assert store.restarts == 0
    assert store.pid is None


# It outlives nobody.


async def test_a_killed_service_leaves_no_server_behind(tmp_path: Path) -> None:
    with service(tmp_path) as (process, server):
        assert not has_ended(server)
        # when the service has no chance to clean up
        process.kill()
        # then the server ends all the same
        await until(lambda: has_ended(server))
    # and the directory is free at once
    async with running(EmbeddedStore(tmp_path)) as store:
        assert await tell(store, "PING") == b"PONG"


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_service_that_dies_before_its_server_is_there_gets_none(
    tmp_path: Path, *, is_alive: bool
) -> None:
    # given a launcher whose parent is another process than the one that launched it
    parent = os.getpid() if is_alive else os.getpid() + 1
    trace = tmp_path / "trace"
    launcher = (sys.executable, "-I", "-S", embedded_launcher.__file__, str(parent))
    # when it would become the server
    subprocess.run((*launcher, "/usr/bin/env", "touch", str(trace)), check=True)
    # then it does so only if it has not been orphaned
    assert trace.exists() is is_alive


async def test_a_start_that_is_given_up_leaves_no_server_behind(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    start = asyncio.create_task(store.start())
    while store.pid is None:
        await asyncio.sleep(0)
    server = store.pid
    # when the service is told to end while its server starts
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    # then nothing runs, and the directory is free
    assert has_ended(server)
    async with running(store):
        assert await tell(store, "PING") == b"PONG"


async def test_a_hung_server_is_ended_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "END_S_MAX", 0.05)
    async with running(EmbeddedStore(tmp_path)) as store:
        hung = pid_of(store)
        os.kill(hung, signal.SIGSTOP)
    assert has_ended(hung)

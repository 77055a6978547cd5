"""How the door starts, hangs, and ends; who can reach it, and where it can run."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from importlib import metadata
from pathlib import Path

import grpc
import pytest

from quotasvc.doors import envoy
from quotasvc.doors.claim import Claim
from quotasvc.doors.envoy import PYVOY, EnvoyDoor, why_not
from quotasvc.doors.faults import DoorNotStarted, ListenFailed
from quotasvc.v1.decision_pb2 import ALLOW
from tests.doors.envoy_app import (
    FAILING_START,
)
from tests.doors.envoys import (
    RESERVE,
    calling,
    make_door,
    needs_envoy,
    request,
    running,
)
from tests.support.embedded import until
from tests.support.service import is_alive
from tests.tidy.sources import ROOT, text_of

pytestmark = needs_envoy


# Its start and its end.


async def test_a_start_that_fails_is_told_and_leaves_nothing(address: str) -> None:
    door = make_door(address, variables={FAILING_START: "1"})
    with pytest.raises(DoorNotStarted, match="ended with code 1"):
        await door.start()
    assert door.pid is None
    await door.stop(0)


async def test_an_application_that_does_not_exist_is_told(address: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    door = EnvoyDoor("tests.doors.nowhere:app", address, environment=environment)
    with pytest.raises(DoorNotStarted):
        await door.start()


async def test_a_door_that_never_answers_is_ended(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envoy, "READY_S_MAX", 0.001)
    door = make_door(address)
    with pytest.raises(DoorNotStarted, match="does not answer"):
        await door.start()
    assert door.pid is None


async def test_the_door_dies_with_its_supervisor(address: str) -> None:
    """12, hard limit 5: also when that had no time to say so."""
    command = "import asyncio, sys\nfrom tests.doors.supervisor import main\nasyncio.run(main())"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", command, address),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    assert is_alive(pid)
    process.kill()
    await process.wait()
    await until(lambda: not is_alive(pid))


@pytest.mark.parametrize("how", ["block/loop", "exit/loop"])
async def test_a_door_that_hangs_is_killed(
    address: str, how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """12, hard limit 3: Envoy says that it is well, and may ignore SIGTERM for ever."""
    monkeypatch.setattr(envoy, "ANSWER_S_MAX", 0.2)
    monkeypatch.setattr(envoy, "WATCH_S", 0.1)
    async with running(address) as door, calling(address) as caller:
        watching = asyncio.create_task(door.watch())
        assert await door.is_alive()
        # when its loop is blocked, or has ended
        call = caller.start(RESERVE, request(how).SerializeToString(), timeout=20)
        # then the watch ends it
        async with asyncio.timeout(10):
            await watching
        assert "does not answer, killing it" in caplog.text
        assert (door.pid, await door.is_alive()) == (None, False)
        # and whatever its caller hears, it is not OK
        if how == "block/loop":
            with pytest.raises(grpc.aio.AioRpcError):
                await call


async def test_a_door_that_hangs_is_stopped_too(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(envoy, "ANSWER_S_MAX", 0.2)
    monkeypatch.setattr(envoy, "END_S_MAX", 0.2)
    door = make_door(address)
    await door.start()
    async with calling(address) as caller:
        await caller.reserve(request("exit/loop"))
        await door.stop(5)
    assert door.pid is None
    assert "was not drained" in caplog.text
    assert "does not end" in caplog.text


async def test_a_door_that_ended_by_itself_ends_its_watch(address: str) -> None:
    async with running(address) as door, calling(address) as caller:
        watching = asyncio.create_task(door.watch())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.reserve(request("exit/process"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        async with asyncio.timeout(5):
            await watching
        assert not await door.is_alive()


async def test_a_door_starts_again_on_its_address(address: str) -> None:
    for _ in range(2):
        async with running(address), calling(address) as caller:
            assert (await caller.reserve(request())).decision == ALLOW


# Its sockets.


async def test_orders_are_taken_on_private_sockets_only(door: EnvoyDoor) -> None:
    assert door.pid is not None
    [folder] = {path.parent for path in _sockets(door.pid)}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "admin": 0o600,
        "private": 0o600,
    }
    # and nothing stays
    await door.stop(0)
    assert not folder.exists()


async def test_a_second_service_on_the_port_is_refused(door: EnvoyDoor, address: str) -> None:
    """12, hard limit 5: by itself it would get a part of the calls without a word."""
    with pytest.raises(ListenFailed, match=address):
        Claim(address)


def _sockets(pid: int) -> set[Path]:
    """The Unix sockets that the process listens on."""
    table = Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]
    inodes = {fields[6]: fields[7] for line in table if len(fields := line.split()) == 8}
    opened = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    return {
        Path(path)
        for inode, path in inodes.items()
        if f"socket:[{inode}]" in opened and path.startswith("/")
    }


# Where it can run.


async def test_the_pinned_version_is_the_one_that_is_needed() -> None:
    """12, hard limit 9."""
    assert f'"pyvoy=={PYVOY} ;' in text_of(ROOT / "pyproject.toml")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("sys.platform", "win32"), "win32"),
        (("platform.libc_ver", lambda: ("", "")), "glibc"),
        (("quotasvc.doors.envoy.version", lambda _: "1.2.0"), "pyvoy 1.2.0"),
        (("quotasvc.doors.envoy._python_environment", dict), "libpython3"),
    ],
    ids=["platform", "C library", "version", "no shared library"],
)
async def test_why_it_cannot_run_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, change: tuple[str, object], reason: str
) -> None:
    monkeypatch.setattr(*change)
    said = why_not()
    assert said is not None
    assert reason in said
    assert "\n" not in said


async def test_a_missing_wheel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(envoy, "version", missing)
    assert why_not() == f"the package pyvoy is not installed: pip install pyvoy=={PYVOY}"

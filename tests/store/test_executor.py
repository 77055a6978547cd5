"""The road to the store: kept up while the store comes and goes; faults have their types."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from quotasvc.domain.faults import Corrupt, Fault
from quotasvc.store.connection import ask
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor, Limits
from quotasvc.store.faults import (
    ScriptUnknown,
    StoreDemoted,
    StoreFull,
    StoreUnavailable,
    fault_from_reply,
)
from quotasvc.store.scripts import Script, ScriptSet, load_scripts
from tests.support.embedded import connected, soon, until
from tests.support.scripts import COUNT, write_lua
from tests.support.servers import frozen, pid_of, running

# The store comes and goes.


async def test_calls_ride_out_a_restart_of_the_store(tmp_path: Path, scripts: ScriptSet) -> None:
    async with (
        running(EmbeddedStore(tmp_path)) as store,
        connected(store.endpoint, scripts) as executor,
    ):
        await executor.run(COUNT, ("counter",), (), soon())
        # when the server is killed
        os.kill(pid_of(store), signal.SIGKILL)
        await until(lambda: not executor.is_connected)
        # then the next call waits for its successor, which has the data and needs the script
        assert await executor.run(COUNT, ("counter",), (), soon(10)) == [2]
        assert executor.counts.connects == 2


async def test_a_hung_store_is_answered_for_within_the_deadline(
    tmp_path: Path, scripts: ScriptSet
) -> None:
    limits = Limits(silence_ms_max=100, connect_ms_max=100)
    async with (
        running(EmbeddedStore(tmp_path)) as store,
        connected(store.endpoint, scripts, limits) as executor,
    ):
        loop = asyncio.get_running_loop()
        with frozen(store):
            # when calls are made while the server hangs, before and after that is noticed
            for _ in range(3):
                start = loop.time()
                calls = [executor.run(COUNT, ("counter",), (), soon(0.08)) for _ in range(50)]
                answers = await asyncio.gather(*calls, return_exceptions=True)
                # then every one is answered in time
                assert loop.time() - start < 0.08 + 1
                assert all(isinstance(answer, StoreUnavailable) for answer in answers)
            await until(lambda: not executor.is_connected)
        assert executor.counts.silences == 1
        # and all is well when the server runs again
        assert len(await executor.run(COUNT, ("counter",), (), soon())) == 1


async def test_a_slow_store_is_not_taken_for_a_hung_one(store: Endpoint) -> None:
    async with connected(store, limits=Limits(silence_ms_max=500)) as executor:
        # when replies come one by one, for longer than silence may last
        calls = [executor.call("BLPOP", "nothing", "0.15", deadline=soon()) for _ in range(5)]
        # then all come, on the same connection
        assert await asyncio.gather(*calls) == [None] * 5
        assert executor.counts.losses == 0


async def test_without_a_store_a_call_says_that_it_was_not_sent(tmp_path: Path) -> None:
    executor = Executor(Endpoint(path=str(tmp_path / "no.sock")), ScriptSet(()), chance=Random(1))
    with pytest.raises(StoreUnavailable, match="no connection"):
        await executor.start(soon(0.1))
    start = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable) as caught:
        await executor.call("PING", deadline=soon(0.1))
    assert not caught.value.sent
    assert 0.09 < asyncio.get_running_loop().time() - start < 0.2
    await executor.close()


async def test_a_demoted_store_is_left_for_whoever_is_behind_the_address_now(
    tmp_path: Path, scripts: ScriptSet
) -> None:
    async with (
        running(EmbeddedStore(tmp_path)) as store,
        connected(store.endpoint, scripts) as executor,
    ):
        await executor.call("REPLICAOF", "127.0.0.1", 1, deadline=soon())
        with pytest.raises(StoreDemoted) as caught:
            await executor.run(COUNT, ("counter",), (), soon())
        assert not caught.value.sent
        # when there is a primary again behind the same address
        await ask(store.endpoint, ("REPLICAOF", "NO", "ONE"), within_s=5)
        assert await executor.run(COUNT, ("counter",), (), soon()) == [1]
        assert executor.counts.connects == 2


# Faults.


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("BUSY Valkey is busy running a script.", StoreUnavailable),
        ("LOADING Valkey is loading the dataset in memory", StoreUnavailable),
        ("NOREPLICAS Not enough good replicas to write.", StoreUnavailable),
        ("MISCONF Errors writing to the AOF file", StoreUnavailable),
        ("CLUSTERDOWN The cluster is down", StoreUnavailable),
        ("READONLY You can't write against a read only replica.", StoreDemoted),
        ("ERR Function not found", ScriptUnknown),
        ("OOM command not allowed", StoreFull),
        ("CORRUPT lot free is not a whole number", Corrupt),
        ("WRONGTYPE Operation against a key", Corrupt),
        ("ERR unknown command", Corrupt),
    ],
)
def test_error_replies_become_faults(text: str, kind: type[Fault]) -> None:
    fault = fault_from_reply(text)
    assert type(fault) is kind
    assert fault.text == text
    assert not getattr(fault, "sent", False)


async def test_a_corrupt_record_is_told_as_such(store: Endpoint, tmp_path: Path) -> None:
    script = Script(name="probe")
    root = write_lua(tmp_path, {"probe": 'error({err = "CORRUPT lot free is missing"})'})
    async with connected(store, load_scripts([script], root=root)) as executor:
        with pytest.raises(Corrupt, match=r"^CORRUPT lot free is missing"):
            await executor.run(script, (), (), soon())


async def test_a_full_store_is_told_as_such(tmp_path: Path, scripts: ScriptSet) -> None:
    async with (
        running(EmbeddedStore(tmp_path)) as store,
        connected(store.endpoint, scripts) as executor,
    ):
        await executor.call("CONFIG", "SET", "maxmemory", 1, deadline=soon())
        with pytest.raises(StoreFull):
            await executor.run(COUNT, ("counter",), (), soon())
        assert await executor.call("EXISTS", "counter", deadline=soon()) == 0


# Connecting and closing.


async def test_a_login_and_a_database_are_used(store: Endpoint) -> None:
    await ask(store, ("ACL", "SETUSER", "alice", "on", ">secret", "~*", "+@all"), within_s=5)
    login = replace(store, username="alice", password="secret", database=3)
    async with connected(login) as executor:
        assert await executor.call("ACL", "WHOAMI", deadline=soon()) == b"alice"
        await executor.call("SET", "k", 1, deadline=soon())
    async with connected(store) as executor:
        assert await executor.call("EXISTS", "k", deadline=soon()) == 0
    await ask(store, ("ACL", "DELUSER", "alice"), within_s=5)


async def test_a_wrong_password_is_told_at_start_and_never_shown(store: Endpoint) -> None:
    login = replace(store, password="not-the-password", username="nobody")
    executor = Executor(login, ScriptSet(()), chance=Random(1))
    with pytest.raises(StoreUnavailable, match="WRONGPASS") as caught:
        await executor.start(soon(0.2))
    await executor.close()
    assert "not-the-password" not in f"{caught.value}{login}"


async def test_a_script_that_does_not_compile_is_told_at_start(
    store: Endpoint, tmp_path: Path
) -> None:
    script = Script(name="probe")
    scripts = load_scripts([script], root=write_lua(tmp_path, {"probe": "return {"}))
    executor = Executor(store, scripts, chance=Random(1))
    with pytest.raises(StoreUnavailable, match="rror compiling function"):
        await executor.start(soon(0.2))
    await executor.close()


async def test_close_lets_calls_under_way_end(store: Endpoint) -> None:
    async with connected(store) as executor:
        call = asyncio.create_task(executor.call("BLPOP", "nothing", "0.1", deadline=soon()))
        await asyncio.sleep(0)
        await executor.close()
        assert call.done()
        assert call.result() is None


async def test_close_does_not_wait_for_ever(store: Endpoint) -> None:
    async with connected(store, limits=Limits(close_ms_max=50)) as executor:
        call = asyncio.create_task(executor.call("BLPOP", "nothing", "0", deadline=soon()))
        await asyncio.sleep(0)
        await executor.close()
        with pytest.raises(StoreUnavailable, match="closed") as caught:
            await call
        assert caught.value.sent


async def test_close_before_start_does_nothing(store: Endpoint) -> None:
    executor = Executor(store, ScriptSet(()), chance=Random(1))
    await executor.close()
    assert not executor.is_connected

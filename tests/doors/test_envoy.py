"""The door in a real Envoy: what callers see of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from quotasvc.doors.envoy import EnvoyDoor
from quotasvc.doors.envoy_config import EnvoyLimits
from quotasvc.doors.grpc_frames import frame
from quotasvc.v1.decision_pb2 import ALLOW
from tests.doors.envoy_app import (
    ECHO,
    HOLD,
    POUR,
    POURED_BYTES,
    RAISE_FIRST,
    RAISE_LATER,
)
from tests.doors.envoys import (
    RESERVE,
    calling,
    needs_envoy,
    open_stream,
    request,
    running,
    seen,
    until_seen,
)
from tests.support.door import Caller, refusal

pytestmark = needs_envoy


async def test_all_kinds_of_calls_are_served(caller: Caller) -> None:
    assert (await caller.reserve(request())).decision == ALLOW
    assert (await refusal(caller.reserve(b"\xff"))).reason == "UNDECODABLE"
    assert (await refusal(caller.start("/x/y", b""))).reason == "UNKNOWN_METHOD"
    stream = open_stream(caller, ECHO)
    for message in (b"a", b"", b"c" * 50_000):
        await stream.write(message)
        assert await stream.read() == message
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF


@pytest.mark.parametrize("http", ["--http1.1", "--http2-prior-knowledge"])
async def test_json_is_served_on_the_same_port(door: EnvoyDoor, address: str, http: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("curl", "-s", http, f"http://{address}{RESERVE}"),
        *("-H", "content-type: application/json"),
        *("-d", '{"request_id": "r", "key_id": "k", "resource": "text/a"}'),
        stdout=asyncio.subprocess.PIPE,
    )
    shown, _ = await process.communicate()
    assert b'"decision": "ALLOW"' in shown


@pytest.mark.parametrize("http", ["--http1.1", "--http2-prior-knowledge"])
async def test_browsers_are_served_on_the_same_port(
    door: EnvoyDoor, address: str, http: str, tmp_path: Path
) -> None:
    """gRPC-Web: Envoy's translation, with the trailers at the end of the body."""
    body = tmp_path / "body"
    body.write_bytes(frame(request().SerializeToString()))
    process = await asyncio.create_subprocess_exec(
        *("curl", "-s", http, f"http://{address}{RESERVE}", "--data-binary", f"@{body}"),
        *("-H", "content-type: application/grpc-web+proto"),
        stdout=asyncio.subprocess.PIPE,
    )
    shown, _ = await process.communicate()
    assert b"r1.x" in shown
    assert b"grpc-status:0" in shown.replace(b" ", b"")


@pytest.mark.parametrize("te", ["te: gzip", "te;", "x: y"], ids=["other", "empty", "none"])
async def test_a_call_that_cannot_have_trailers_is_told_so_in_its_headers(
    door: EnvoyDoor, address: str, te: str
) -> None:
    """12, hard limit 7: otherwise there would be an answer, and no status."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "-si", "--http2-prior-knowledge", f"http://{address}{RESERVE}"),
        # Without a body: curl shows no answer that comes before it has sent all.
        *("-H", "content-type: application/grpc", "-H", te, "--data-binary", ""),
        stdout=asyncio.subprocess.PIPE,
    )
    shown, _ = await process.communicate()
    assert b"\r\ngrpc-status: 13\r\n" in shown


@pytest.mark.parametrize("path", [RAISE_FIRST, RAISE_LATER])
async def test_an_exception_that_leaves_the_application_is_internal(
    caller: Caller, path: str
) -> None:
    """12, hard limit 1: Envoy's own answer would be read as OK with an empty message."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.start(path, b"")
    assert caught.value.code() is grpc.StatusCode.INTERNAL


async def test_a_call_that_would_exit_is_internal_and_the_door_goes_on(caller: Caller) -> None:
    """12, hard limit 3."""
    refused = await refusal(caller.reserve(request("exit/call")))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert (await caller.reserve(request())).decision == ALLOW


async def test_messages_above_the_bound_are_refused(caller: Caller) -> None:
    for size in (70_000, 20_000_000):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.reserve(bytes(size))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await caller.reserve(request())).decision == ALLOW


async def test_a_caller_that_hangs_up_does_not_stop_what_was_begun(caller: Caller) -> None:
    """SEM-38: a cancel means unknown; half a decision does not exist."""
    call = caller.start(RESERVE, request("hold/1s").SerializeToString())
    await until_seen(caller, "holding for 1 s")
    call.cancel()
    await until_seen(caller, "held to the end")


async def test_a_stream_ends_when_its_caller_hangs_up(caller: Caller) -> None:
    """12, hard limit 2: nothing but asking tells, once the request has ended."""
    method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = caller.channel.unary_stream(HOLD)
    call = method(b"")
    assert await call.read() == b"begun"
    call.cancel()
    await until_seen(caller, "holding ended")


async def test_a_caller_that_does_not_read_stops_the_writer(caller: Caller) -> None:
    # given a stream without end, and a caller that reads one message
    stream = open_stream(caller, POUR)
    assert isinstance(await stream.read(), bytes)
    # when nothing is read for a while
    before = ""
    async with asyncio.timeout(30):
        while (now := (await seen(caller)).split(", ")[-1]) != before:
            before = now
            await asyncio.sleep(1)
    # then the writer waits, as far ahead as the buffers on the way are large, the kernel's included
    written = int(before.removeprefix("poured "))
    assert 0 < written * POURED_BYTES < 100_000_000
    # and ends with its caller
    stream.cancel()
    await until_seen(caller, "pouring ended")


async def test_the_callers_of_a_full_door_are_turned_away(address: str) -> None:
    async with running(address, EnvoyLimits(connections_max=3)) as door, calling(address) as one:
        # given as many connections as there may be
        assert (await one.reserve(request())).decision == ALLOW
        host, _, port = address.rpartition(":")
        others = [await asyncio.open_connection(host, int(port)) for _ in range(5)]
        # then further ones are closed at once, and the others are served
        ended = 0
        for reader, _ in others:
            try:
                async with asyncio.timeout(0.3):
                    ended += await reader.read(1) == b""
            except TimeoutError:
                continue
            except ConnectionResetError:
                ended += 1
        assert ended == 3
        assert (await one.reserve(request())).decision == ALLOW
        # and its supervisor finds room
        assert await door.is_alive()
        for _, writer in others:
            writer.close()


async def test_large_headers_are_refused_and_never_as_unknown(caller: Caller) -> None:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = caller.channel.unary_unary(RESERVE)
    metadata_of_20_kb = tuple((f"x-{number}", "y" * 1_000) for number in range(20))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(b"", metadata=metadata_of_20_kb, timeout=5)
    assert caught.value.code() is not grpc.StatusCode.UNKNOWN
    assert (await caller.reserve(request())).decision == ALLOW

"""What is grpcio's own: a port for one service, a stop, and a server that may die."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from quotasvc.doors.faults import ListenFailed
from quotasvc.doors.grpcio import DEFAULT_LIMITS, GrpcioDoor, Limits
from quotasvc.planes.decision import DecisionPlane
from quotasvc.v1.decision_pb2 import ALLOW, CheckAndReserveRequest, CheckAndReserveResponse
from tests.support.door import DECISIONS, Caller, ScriptedDecisions, make_table, serving
from tests.support.embedded import until
from tests.support.gate import Gate, allow

RESERVE = f"{DECISIONS}/CheckAndReserve"
REQUEST = CheckAndReserveRequest(request_id="r1", key_id="acme_k1", resource="text/a")
BODY = REQUEST.SerializeToString()


def make_door(
    plane: DecisionPlane, *, listen: str = "127.0.0.1:0", limits: Limits = DEFAULT_LIMITS
) -> GrpcioDoor:
    return GrpcioDoor(make_table(plane), listen, limits=limits)


async def test_a_second_service_on_the_port_is_refused() -> None:
    """08, fact 17: by default it would get half of the calls without a word."""
    first = make_door(ScriptedDecisions(allow))
    address = await first.start()
    second = make_door(ScriptedDecisions(allow), listen=address)
    with pytest.raises(ListenFailed, match=address):
        await second.start()
    await second.stop(0)
    await first.stop(0)


async def test_stop_lets_calls_under_way_end_and_takes_no_new_ones() -> None:
    gate = Gate()
    door = make_door(gate.plane)
    async with serving(door) as caller:
        # given a call under way
        call = caller.start(RESERVE, BODY)
        await gate.has_begun.wait()
        # when the service stops
        stopping = asyncio.create_task(door.stop(5))
        # then new calls are refused
        await _until_refused(caller)
        # and the one under way is still answered
        gate.may_end.set()
        assert CheckAndReserveResponse.FromString(await call).decision == ALLOW
        await stopping
    assert len(gate.plane.asked) == 1


async def test_stop_does_not_wait_for_ever() -> None:
    gate = Gate()
    door = make_door(gate.plane, limits=Limits(call_ms_max=100))
    async with serving(door) as caller:
        call = caller.start(RESERVE, BODY)
        await gate.has_begun.wait()
        began = time.monotonic()
        await door.stop(0.01)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - began < 2


async def test_a_call_that_kills_grpcios_server_does_not_end_the_service(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A path that is not UTF-8 ends grpcio's accept loop: the door starts another server."""
    door = make_door(ScriptedDecisions(allow))
    async with serving(door) as caller:
        # given a caller with a call behind it
        assert (await caller.reserve(REQUEST)).decision == ALLOW
        # when somebody sends such a path
        await _send_path(door.address, b"/a\xff\xfe/b")
        await until(lambda: "a new one took over" in caplog.text)
        # then others are served again
        answer = await caller.start(RESERVE, BODY, wait_for_ready=True)
        assert CheckAndReserveResponse.FromString(answer).decision == ALLOW


async def _until_refused(caller: Caller) -> None:
    """Calls until nobody listens; one that crosses the stop may be cancelled, or get lost."""
    code = None
    while code is not grpc.StatusCode.UNAVAILABLE:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.start(f"{DECISIONS}/Nothing", b"", timeout=0.2)
        code = caught.value.code()


async def _send_path(address: str, path: bytes) -> None:
    """One HTTP/2 request with literal headers, and no more manners than it takes."""
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    headers = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path,
        b":authority": b"x",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
    }
    block = b"".join(
        bytes((0, len(name))) + name + bytes((len(value),)) + value
        for name, value in headers.items()
    )
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
    frame = len(block).to_bytes(3, "big") + b"\1\5" + (1).to_bytes(4, "big") + block
    writer.write(preface + frame)
    await writer.drain()
    writer.close()

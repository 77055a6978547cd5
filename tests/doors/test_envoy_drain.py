"""How the door stops: nobody who moves when told loses a call."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from quotasvc.doors import envoy
from quotasvc.doors.envoy_config import EnvoyLimits
from quotasvc.doors.health import WATCH
from quotasvc.v1.decision_pb2 import ALLOW, CheckAndReserveResponse
from tests.doors.envoy_app import (
    HOLD,
)
from tests.doors.envoys import (
    RESERVE,
    calling,
    needs_envoy,
    open_stream,
    request,
    running,
    until_seen,
)
from tests.support.embedded import until

pytestmark = needs_envoy


async def test_callers_move_to_another_door_without_losing_a_call(address: str) -> None:
    """12, drain sequence: two doors on one port, one stops under load."""
    async with running(address) as one, running(address):
        load = Load(address)
        await load.start(connections=12)
        await until(lambda: load.answered > 200, within_s=10)
        before = load.answered
        await one.stop(10)
        assert one.pid is None
        assert load.answered > before + 200
        await load.stop()
    assert load.failed == []


async def test_calls_under_way_end_and_streams_are_told(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """12, hard limit 4: Envoy tells open streams nothing."""
    monkeypatch.setattr(envoy, "WATCH_S", 0.05)
    async with running(address) as door, calling(address) as caller:
        watching = asyncio.create_task(door.watch())
        stream = open_stream(caller, HOLD)
        assert await stream.read() == b"begun"
        watch: grpc.aio.UnaryStreamMultiCallable[bytes, HealthCheckResponse]
        watch = caller.channel.unary_stream(
            WATCH, response_deserializer=HealthCheckResponse.FromString
        )
        statuses = aiter(watch(HealthCheckRequest().SerializeToString()))
        assert (await anext(statuses)).status == HealthCheckResponse.SERVING
        call = caller.start(RESERVE, request("hold/3s").SerializeToString())
        await until_seen(caller, "holding for 3 s")
        # when the door stops
        stopping = asyncio.create_task(door.stop(10))
        # then its watchers hear of it, its streams are sent elsewhere, and its calls end
        assert [status.status async for status in statuses] == [HealthCheckResponse.NOT_SERVING]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert CheckAndReserveResponse.FromString(await call).decision == ALLOW
        await stopping
        # and the watch, which finds nobody at the end, does not mind
        await watching
        assert caplog.records == []


async def test_a_connection_that_reaches_its_age_loses_no_call(address: str) -> None:
    """Callers are to find new replicas, and not to notice."""
    limits = EnvoyLimits(connection_ms_max=300, drain_s=1)
    async with running(address, limits):
        load = Load(address)
        await load.start(connections=4)
        # when each connection has been sent away several times
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 4, within_s=10)
        await load.stop()
    assert load.failed == []


async def test_a_drain_takes_no_longer_than_its_grace(address: str) -> None:
    async with running(address, EnvoyLimits(drain_s=60)) as door, calling(address) as caller:
        await caller.reserve(request())
        began = time.monotonic()
        await door.stop(0.5)
        assert (door.pid, time.monotonic() - began < 5) == (None, True)


class Load:
    """Calls over several connections until it is stopped."""

    def __init__(self, address: str) -> None:
        self.answered = 0
        self.failed: list[grpc.aio.AioRpcError] = []
        self._address = address
        self._is_stopping = False
        self._callers: list[asyncio.Task[None]] = []

    async def start(self, *, connections: int) -> None:
        self._callers = [asyncio.create_task(self._call()) for _ in range(connections)]

    async def stop(self) -> None:
        self._is_stopping = True
        await asyncio.gather(*self._callers)

    async def _call(self) -> None:
        async with calling(self._address) as caller:
            while not self._is_stopping:
                try:
                    await caller.reserve(request())
                    self.answered += 1
                except grpc.aio.AioRpcError as error:
                    self.failed.append(error)

"""Real Envoys with the tests' application inside, and callers of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from quotasvc.doors.envoy import EnvoyDoor, why_not
from quotasvc.doors.envoy_config import EnvoyLimits
from quotasvc.doors.envoy_tls import Tls
from quotasvc.v1.decision_pb2 import CheckAndReserveRequest
from tests.doors.envoy_app import (
    SEEN,
)
from tests.support.door import DECISIONS, Caller
from tests.tidy.sources import ROOT

needs_envoy = pytest.mark.skipif(why_not() is not None, reason=f"no Envoy door here: {why_not()}")

APPLICATION = "tests.doors.envoy_app:app"
RESERVE = f"{DECISIONS}/CheckAndReserve"
QUICK = EnvoyLimits(drain_s=1)


def request(resource: str = "text/a") -> CheckAndReserveRequest:
    return CheckAndReserveRequest(request_id="r", key_id="k", resource=resource)


def make_door(
    address: str,
    *,
    limits: EnvoyLimits = QUICK,
    tls: Tls | None = None,
    variables: Mapping[str, str] | None = None,
) -> EnvoyDoor:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})}
    return EnvoyDoor(APPLICATION, address, environment=environment, limits=limits, tls=tls)


@asynccontextmanager
async def running(
    address: str, limits: EnvoyLimits = QUICK, *, tls: Tls | None = None
) -> AsyncIterator[EnvoyDoor]:
    door = make_door(address, limits=limits, tls=tls)
    await door.start()
    try:
        yield door
    finally:
        await door.stop(0)


@asynccontextmanager
async def calling(address: str) -> AsyncIterator[Caller]:
    """A caller with a connection of its own."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield Caller(channel)


async def seen(caller: Caller) -> str:
    """What the application has noted."""
    return (await caller.call(SEEN, b"", StringValue)).value


async def until_seen(caller: Caller, what: str) -> None:
    async with asyncio.timeout(5):
        while what not in await seen(caller):
            await asyncio.sleep(0.02)


def open_stream(caller: Caller, path: str) -> grpc.aio.StreamStreamCall[bytes, bytes]:
    method: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = caller.channel.stream_stream(path)
    return method(timeout=30)

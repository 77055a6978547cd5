"""Whoever sends calls here learns whether it should, and at once when that changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from quotasvc.doors.health import CHECK, PROCESS, WATCH, Health
from tests.support.door import Caller, Door, NoDecisions, make_door, refusal, serving

DECISIONS = "quotasvc.v1.DecisionService"

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING


@pytest_asyncio.fixture
async def door() -> Door:
    return make_door(NoDecisions())


async def check(caller: Caller, service: str) -> int:
    request = HealthCheckRequest(service=service)
    return (await caller.call(CHECK, request, HealthCheckResponse)).status


def watch(caller: Caller, service: str) -> AsyncIterator[HealthCheckResponse]:
    method: grpc.aio.UnaryStreamMultiCallable[bytes, HealthCheckResponse]
    method = caller.channel.unary_stream(
        WATCH, response_deserializer=HealthCheckResponse.FromString
    )
    return aiter(method(HealthCheckRequest(service=service).SerializeToString(), timeout=10))


async def test_the_process_serves_once_started_and_a_service_when_said_so(
    door: Door,
) -> None:
    async with serving(door) as caller:
        assert await check(caller, PROCESS) == SERVING
        assert await check(caller, DECISIONS) == NOT_SERVING
        door.health.set_serving(DECISIONS, is_serving=True)
        assert await check(caller, DECISIONS) == SERVING


async def test_a_service_that_does_not_exist_is_not_found(door: Door) -> None:
    async with serving(door) as caller:
        refused = await refusal(check(caller, "nobody"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


@pytest.mark.parametrize("path", [CHECK, WATCH])
async def test_undecodable_questions_are_invalid(door: Door, path: str) -> None:
    async with serving(door) as caller:
        refused = await refusal(caller.start(path, b"\xff"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNDECODABLE")


async def test_a_question_without_a_message_is_invalid(door: Door) -> None:
    async with serving(door) as caller:
        method: grpc.aio.StreamUnaryMultiCallable[bytes, bytes]
        method = caller.channel.stream_unary(CHECK)
        refused = await refusal(method(iter(()), timeout=5))
    assert refused.reason == "UNDECODABLE"


async def test_a_watcher_sees_every_change(door: Door) -> None:
    async with serving(door) as caller:
        statuses = watch(caller, DECISIONS)
        assert (await anext(statuses)).status == NOT_SERVING
        door.health.set_serving(DECISIONS, is_serving=True)
        assert (await anext(statuses)).status == SERVING
        door.health.set_serving(DECISIONS, is_serving=False)
        assert (await anext(statuses)).status == NOT_SERVING


async def test_a_watcher_of_nobody_waits_for_it(door: Door) -> None:
    async with serving(door) as caller:
        statuses = watch(caller, "later")
        assert (await anext(statuses)).status == HealthCheckResponse.SERVICE_UNKNOWN
        door.health.set_serving("later", is_serving=True)
        assert (await anext(statuses)).status == SERVING


async def test_stop_tells_watchers_first_and_does_not_wait_for_them(door: Door) -> None:
    async with serving(door) as caller:
        # given a watcher of a service that serves
        door.health.set_serving(DECISIONS, is_serving=True)
        statuses = watch(caller, DECISIONS)
        assert (await anext(statuses)).status == SERVING
        # when the service stops, with much patience
        began = time.monotonic()
        stopping = asyncio.create_task(door.stop(60))
        # then the watcher hears of it, its stream ends, and so does the service
        assert [answer.status async for answer in statuses] == [NOT_SERVING]
        await stopping
        assert time.monotonic() - began < 10


async def test_what_happens_while_a_watcher_is_told_is_told_next() -> None:
    # given a watcher that has the first status, and has not come back for more
    health = Health([DECISIONS])
    statuses = health.watch(DECISIONS)
    health.set_serving(DECISIONS, is_serving=True)
    assert (await anext(statuses)).status == SERVING
    # when the service stops meanwhile, then it still hears of that
    health.stop()
    assert [answer.status async for answer in statuses] == [NOT_SERVING]


async def test_nothing_serves_again_after_stop(door: Door) -> None:
    async with serving(door):
        await door.stop(0)
        door.health.set_serving(DECISIONS, is_serving=True)
        assert door.health.check(DECISIONS).status == NOT_SERVING

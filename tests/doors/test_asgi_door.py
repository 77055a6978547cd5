"""The application as a whole: its last fence, its orders, and the table behind it."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from quotasvc.api.faults import StatusCode
from quotasvc.domain.outcome import Allowed, Denied
from quotasvc.doors.asgi import Event, Receive, Scope, Send
from quotasvc.doors.asgi_door import AsgiDoor, door_of
from quotasvc.doors.grpc import Grpc
from quotasvc.doors.grpc_frames import frame
from quotasvc.doors.health import CHECK, PROCESS, WATCH
from quotasvc.doors.private import ALIVE, DRAIN
from quotasvc.doors.reflection import PATHS
from quotasvc.doors.stream import Stream
from quotasvc.planes.ask import Ask
from quotasvc.telemetry import Telemetry
from quotasvc.v1.decision_pb2 import ALLOW, CheckAndReserveRequest, CheckAndReserveResponse
from tests.doors.conftest import ECHO, STREAM, Doors
from tests.doors.wire import GRPC, JSON, Request
from tests.support.door import ScriptedDecisions, make_table
from tests.support.embedded import until
from tests.unit.test_render import ALLOWED

RESERVE = "/quotasvc.v1.DecisionService/CheckAndReserve"
BODY = CheckAndReserveRequest(request_id="r", key_id="k", resource="text/a").SerializeToString()
TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def allow(ask: Ask, deadline: float) -> Allowed | Denied:
    return ALLOWED


def serve_decisions(*, telemetry: Telemetry | None = None, call_ms_max: int = 2_000) -> AsgiDoor:
    table = make_table(ScriptedDecisions(allow), telemetry=telemetry)
    return door_of(table, call_ms_max=call_ms_max)


# The last fence: for mistakes of the door itself.


class Broken(Exception):
    """A mistake of the door."""


def break_grpc(monkeypatch: pytest.MonkeyPatch, error: BaseException, events: list[Event]) -> None:
    async def fail(
        _: Grpc, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        for event in events:
            await send(event)
        raise error

    monkeypatch.setattr(Grpc, "serve", fail)


@pytest.mark.parametrize(
    "error", [Broken("hunter2"), SystemExit(1)], ids=lambda error: type(error).__name__
)
async def test_a_mistake_of_the_door_is_internal_and_never_ok(
    make_door: Doors, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """12, hard limit 1: what leaves the application is read as OK with an empty answer."""
    break_grpc(monkeypatch, error, [])
    answer = await Request(ECHO, GRPC, body=frame(b"a")).answer(make_door())
    assert (answer.status, answer.grpc_status, answer.grpc_message) == (200, 13, "")


async def test_a_mistake_outside_of_grpc_is_http_500(make_door: Doors) -> None:
    request = Request(ECHO, JSON, body=b'""')
    del request.scope["method"]
    answer = await request.answer(make_door())
    assert (answer.status, answer.body) == (500, b"")


async def test_a_mistake_after_the_first_bytes_resets_the_call(
    make_door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a server that takes one start only, as all do
    start = {"type": "http.response.start", "status": 200, "headers": ()}
    break_grpc(monkeypatch, Broken(), [start])
    request = Request(ECHO, GRPC, body=b"")
    request.takes_one_start = True
    # then what it says of a second one leaves, and it resets the call
    with pytest.raises(RuntimeError, match="second start"):
        await request.run(make_door())


async def test_a_mistake_that_nobody_waits_for_is_logged_only(
    make_door: Doors, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    break_grpc(monkeypatch, Broken(), [])
    request = Request(ECHO, GRPC, body=b"")
    request.hang_up()
    await request.run(make_door())
    assert request.sent == []
    assert [record.levelname for record in caplog.records] == ["ERROR"]


# Its supervisor's orders.


async def test_the_door_tells_that_its_loop_turns(make_door: Doors) -> None:
    assert await make_door().orders[ALIVE]() == b""


async def test_an_order_to_drain_ends_streams_and_leaves_calls(make_door: Doors) -> None:
    """12, drain sequence 1."""
    has_begun = asyncio.Event()

    async def hold(stream: Stream) -> None:
        has_begun.set()
        await asyncio.Event().wait()

    door = make_door(stream=hold)
    door.health.set_serving(PROCESS, is_serving=True)
    open_stream = asyncio.create_task(Request(STREAM, GRPC).answer(door))
    await has_begun.wait()
    assert await door.orders[DRAIN]() == b""
    assert (await open_stream).grpc_status == StatusCode.UNAVAILABLE
    assert (await Request(ECHO, GRPC, body=frame(b"a")).answer(door)).messages == [b"a"]
    answer = await Request(CHECK, GRPC, body=frame(b"")).answer(door)
    [status] = answer.messages
    assert HealthCheckResponse.FromString(status).status == HealthCheckResponse.NOT_SERVING


async def test_a_watcher_hears_of_a_drain_before_its_stream_ends() -> None:
    door = serve_decisions()
    request = Request(WATCH, GRPC, body=frame(HealthCheckRequest().SerializeToString()))
    watching = asyncio.create_task(request.answer(door))
    await until(lambda: len(request.sent) == 2)
    await door.drain()
    answer = await watching
    statuses = [HealthCheckResponse.FromString(message).status for message in answer.messages]
    assert statuses == [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]
    assert answer.grpc_status == 0


async def test_stop_waits_for_calls_whose_callers_have_gone() -> None:
    """SEM-38: what was begun is finished; the server does not wait for it."""
    may_end, has_begun, has_ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold(ask: Ask, deadline: float) -> Allowed | Denied:
        has_begun.set()
        await may_end.wait()
        has_ended.set()
        return ALLOWED

    door = door_of(make_table(ScriptedDecisions(hold)), call_ms_max=2_000)
    request = Request(RESERVE, GRPC, body=frame(BODY))
    serving = asyncio.create_task(request.run(door))
    await has_begun.wait()
    request.hang_up()
    # when the door stops, and has no patience, then it does not wait
    await door.stop(0)
    assert not has_ended.is_set()
    # when it has some
    stopping = asyncio.create_task(door.stop(5))
    may_end.set()
    await stopping
    assert has_ended.is_set()
    await serving


# The table behind it.


async def test_the_methods_of_the_contract_are_served_by_grpc_and_by_json() -> None:
    door = serve_decisions()
    [body] = (await Request(RESERVE, GRPC, body=frame(BODY)).answer(door)).messages
    assert CheckAndReserveResponse.FromString(body).decision == ALLOW
    asked = b'{"request_id": "r", "key_id": "k", "resource": "text/a"}'
    answer = await Request(RESERVE, JSON, body=asked, http_version="1.1").answer(door)
    shown = json.loads(answer.body)
    assert (shown["decision"], shown["reservation_id"]) == ("ALLOW", "r1.x")


async def test_health_and_reflection_are_served_beside_them() -> None:
    door = serve_decisions()
    assert (await Request(CHECK, GRPC, body=frame(b"")).answer(door)).grpc_status == 0
    for path in PATHS:
        answer = await Request(path, GRPC, body=frame(b"\x3a\x01*")).answer(door)
        assert b"quotasvc.v1.DecisionService" in answer.body
    without = door_of(make_table(ScriptedDecisions(allow)), call_ms_max=1, has_reflection=False)
    answer = await Request(PATHS[0], GRPC, body=frame(b"")).answer(without)
    assert answer.grpc_status == StatusCode.UNIMPLEMENTED


async def test_a_call_without_a_deadline_gets_one() -> None:
    async def dawdle(ask: Ask, deadline: float) -> Allowed | Denied:
        await asyncio.Event().wait()
        return ALLOWED

    door = door_of(make_table(ScriptedDecisions(dawdle)), call_ms_max=30)
    answer = await Request(RESERVE, GRPC, body=frame(BODY)).answer(door)
    assert answer.grpc_status == StatusCode.DEADLINE_EXCEEDED


async def test_a_trace_goes_on_where_the_caller_began_it() -> None:
    spans = InMemorySpanExporter()
    telemetry = Telemetry(clock_ns=time.time_ns, span_processor=SimpleSpanProcessor(spans))
    door = serve_decisions(telemetry=telemetry)
    headers = {**GRPC, b"traceparent": TRACEPARENT}
    await Request(RESERVE, headers, body=frame(BODY)).answer(door)
    [span] = spans.get_finished_spans()
    assert span.parent is not None
    assert f"{span.parent.span_id:x}" == "b7ad6b7169203331"
    telemetry.close()

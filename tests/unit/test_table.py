"""Whatever a method does, the table answers with bytes or a status, and tells telemetry."""

from __future__ import annotations

import asyncio
import time

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from quotasvc.api.call import Call
from quotasvc.api.faults import Status
from quotasvc.api.table import MethodTable
from quotasvc.domain.outcome import Allowed, Denied
from quotasvc.planes.ask import Ask
from quotasvc.telemetry import Telemetry
from quotasvc.v1.decision_pb2 import CheckAndReserveRequest
from tests.support.door import ScriptedDecisions, make_table
from tests.unit.test_render import ALLOWED

RESERVE = "quotasvc.v1.DecisionService/CheckAndReserve"
BODY = CheckAndReserveRequest(request_id="r", key_id="k", resource="text/a").SerializeToString()
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def allow(ask: Ask, deadline: float) -> Allowed | Denied:
    return ALLOWED


async def fail(ask: Ask, deadline: float) -> Allowed | Denied:
    raise RuntimeError("a mistake")


async def answer(
    table: MethodTable, *, body: bytes = BODY, left_s: float = 5.0, traceparent: str = ""
) -> bytes | str:
    """The bytes, or the name of the status."""
    deadline = asyncio.get_running_loop().time() + left_s
    call = Call(deadline=deadline, traceparent=traceparent)
    answered = await table.answer(table.by_path[f"/{RESERVE}"], body, call)
    return answered.code.name if isinstance(answered, Status) else answered


async def test_past_the_deadline_nothing_is_begun() -> None:
    plane = ScriptedDecisions(allow)
    assert await answer(make_table(plane), left_s=0) == "DEADLINE_EXCEEDED"
    assert plane.asked == []


async def test_a_method_that_forgets_the_time_is_cut_off() -> None:
    async def dawdle(ask: Ask, deadline: float) -> Allowed | Denied:
        await asyncio.Event().wait()
        return ALLOWED

    table = make_table(ScriptedDecisions(dawdle))
    assert await answer(table, left_s=0.01) == "DEADLINE_EXCEEDED"


async def test_room_is_given_back_however_a_call_ends() -> None:
    table = make_table(ScriptedDecisions(fail), calls_max=1)
    for _ in range(3):
        assert await answer(table) == "INTERNAL"


async def test_every_call_is_counted_with_its_status() -> None:
    telemetry = Telemetry(clock_ns=time.time_ns)
    table = make_table(ScriptedDecisions(allow), telemetry=telemetry)
    assert isinstance(await answer(table), bytes)
    assert await answer(table, body=b"\xff") == "INVALID_ARGUMENT"
    shown = telemetry.exposition().decode()
    for status in ("OK", "INVALID_ARGUMENT"):
        assert (
            "rpc_server_call_duration_seconds_count{"
            f'rpc_method="{RESERVE}",rpc_response_status_code="{status}",rpc_system_name="grpc"'
            "} 1.0\n"
        ) in shown
    assert 'quotasvc_decisions_total{decision="allow",payer="PLAN",reason=""} 1.0\n' in shown


@pytest.mark.parametrize("status", ["OK", "INTERNAL"])
async def test_every_call_is_traced_where_traces_are_asked_for(status: str) -> None:
    spans = InMemorySpanExporter()
    processor = SimpleSpanProcessor(spans)
    telemetry = Telemetry(clock_ns=time.time_ns, span_processor=processor)
    behave = allow if status == "OK" else fail
    await answer(make_table(ScriptedDecisions(behave), telemetry=telemetry), traceparent=PARENT)
    [span] = spans.get_finished_spans()
    assert span.name == RESERVE
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == status
    assert span.parent is not None
    assert f"{span.parent.span_id:x}" == "b7ad6b7169203331"
    telemetry.close()

"""What a caller sees at the door, whatever is behind it: a real channel, a scripted plane."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

import grpc
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from quotasvc.api.faults import MessageTooLarge
from quotasvc.api.table import MESSAGE_BYTES_MAX
from quotasvc.domain.faults import FailedPrecondition, InvalidArgument
from quotasvc.domain.outcome import Allowed, Denied
from quotasvc.doors.grpcio import Limits
from quotasvc.planes.ask import Ask
from quotasvc.store.faults import StoreUnavailable
from quotasvc.telemetry import Telemetry
from quotasvc.v1.decision_pb2 import (
    ALLOW,
    CheckAndReserveRequest,
    Reservation,
)
from tests.support.door import (
    DECISIONS,
    ScriptedDecisions,
    make_door,
    refusal,
    serving,
)
from tests.support.gate import Gate, allow
from tests.unit.test_render import ALLOWED, LOT_LEG, RESERVATION

RESERVE = f"{DECISIONS}/CheckAndReserve"
REQUEST = CheckAndReserveRequest(request_id="r1", key_id="acme_k1", resource="text/a")
BODY = REQUEST.SerializeToString()
SECRET = "redis://:hunter2@10.0.0.7:6379"


def failing(error: BaseException) -> ScriptedDecisions:
    async def fail(ask: Ask, deadline: float) -> Allowed | Denied:
        raise error

    return ScriptedDecisions(fail)


# What is sent.


async def test_a_call_is_answered() -> None:
    async with serving(make_door(ScriptedDecisions(allow))) as caller:
        answer = await caller.reserve(REQUEST)
    assert (answer.decision, answer.reservation_id) == (ALLOW, "r1.x")


@pytest.mark.parametrize(
    "body",
    [b"\xff", b"\x0a\x05abc", b"\x0a\x02\xff\xfe", b"\x07"],
    ids=["no tag", "cut off", "no UTF-8", "no such wire type"],
)
async def test_undecodable_bytes_are_invalid_and_never_unknown(body: bytes) -> None:
    """08, fact 16: grpcio by itself answers UNKNOWN, on which gateways fail open."""
    plane = ScriptedDecisions(allow)
    async with serving(make_door(plane)) as caller:
        refused = await refusal(caller.reserve(body))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNDECODABLE")
    assert plane.asked == []


async def test_a_bad_field_is_named() -> None:
    plane = ScriptedDecisions(allow)
    async with serving(make_door(plane)) as caller:
        bad = CheckAndReserveRequest(request_id="r1", key_id="k")
        bad.usage.input_tokens = -1
        bad.resource = "text/a"
        refused = await refusal(caller.reserve(bad))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert refused.field == "usage.input_tokens"
    assert plane.asked == []


async def test_a_message_above_64_kib_is_refused_with_its_reason() -> None:
    plane = ScriptedDecisions(allow)
    request = CheckAndReserveRequest(resource="x" * MESSAGE_BYTES_MAX)
    async with serving(make_door(plane)) as caller:
        refused = await refusal(caller.reserve(request))
    assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.reason == MessageTooLarge.reason
    assert plane.asked == []


async def test_a_message_of_5_mb_does_not_get_in() -> None:
    """grpcio refuses it before we see it, so there is no reason with it."""
    plane = ScriptedDecisions(allow)
    async with serving(make_door(plane)) as caller:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await caller.reserve(b"x" * 5_000_000)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # the connection lives
        assert (await caller.reserve(REQUEST)).decision == ALLOW


@pytest.mark.parametrize(
    "path",
    [f"{DECISIONS}/Nothing", "/quotasvc.v1.Nobody/Commit", "/x", "/", "/ü/ü"],
)
async def test_an_unknown_method_says_so(path: str) -> None:
    async with serving(make_door(ScriptedDecisions(allow))) as caller:
        refused = await refusal(caller.start(path, BODY))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNIMPLEMENTED, "UNKNOWN_METHOD")


# What goes wrong.


@pytest.mark.parametrize("kind", [RuntimeError, KeyError, SystemExit, KeyboardInterrupt])
async def test_a_mistake_of_ours_shows_an_error_id_and_nothing_else(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(make_door(failing(kind(SECRET)))) as caller:
        refused = await refusal(caller.reserve(REQUEST))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "hunter2" not in f"{refused}"
    logged = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [r.name for r in logged] == ["quotasvc.api.table"]
    assert refused.metadata["error_id"] in logged[0].getMessage()


async def test_a_fault_of_the_store_says_nothing_of_the_store() -> None:
    async with serving(make_door(failing(StoreUnavailable(SECRET, sent=True)))) as caller:
        refused = await refusal(caller.reserve(REQUEST))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert "google.rpc.RetryInfo" in refused.details
    assert "hunter2" not in f"{refused}"


async def test_a_plane_that_is_cut_off_leaves_the_outcome_unknown() -> None:
    async with serving(make_door(failing(asyncio.CancelledError()))) as caller:
        refused = await refusal(caller.reserve(REQUEST))
    assert refused.code is grpc.StatusCode.UNAVAILABLE


async def test_a_lost_race_shows_the_winner() -> None:
    fault = FailedPrecondition("settled", reason="ALREADY_COMMITTED", winner=RESERVATION)
    async with serving(make_door(failing(fault))) as caller:
        refused = await refusal(caller.reserve(REQUEST))
    winner = Reservation.FromString(refused.details["quotasvc.v1.Reservation"])
    assert (refused.reason, winner.charged_nanos) == ("ALREADY_COMMITTED", 70)


LARGEST = {
    "text": InvalidArgument("ü" * 64, "ü" * 5_000),
    "winner": FailedPrecondition(
        "ü" * 5_000,
        reason="ALREADY_COMMITTED",
        winner=replace(RESERVATION, held_legs=(LOT_LEG,) * 1_000),
    ),
}


@pytest.mark.parametrize("case", LARGEST)
async def test_the_largest_refusal_fits_what_clients_read(case: str) -> None:
    """Beyond 8 KiB of trailers a client shows RESOURCE_EXHAUSTED instead of what was said."""
    fault = LARGEST[case]
    async with serving(make_door(failing(fault))) as caller:
        refused = await refusal(caller.reserve(REQUEST))
    assert refused.reason == fault.reason


async def test_a_trace_goes_on_where_the_caller_began_it() -> None:
    spans = InMemorySpanExporter()
    telemetry = Telemetry(clock_ns=time.time_ns, span_processor=SimpleSpanProcessor(spans))
    door = make_door(ScriptedDecisions(allow), telemetry=telemetry)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with serving(door) as caller:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        method = caller.channel.unary_unary(RESERVE)
        await method(BODY, timeout=5, metadata=(("x", "y"), ("traceparent", parent)))
        await method(BODY, timeout=5)
    first, second = spans.get_finished_spans()
    assert first.parent is not None
    assert f"{first.parent.span_id:x}" == "b7ad6b7169203331"
    assert second.parent is None
    telemetry.close()


# Time.


async def test_a_call_without_a_deadline_gets_one() -> None:
    async with serving(make_door(Gate().plane, limits=Limits(call_ms_max=30))) as caller:
        refused = await refusal(caller.start(RESERVE, BODY, timeout=None))
    assert refused.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert refused.reason == "DEADLINE_EXCEEDED"


async def test_the_plane_has_to_be_done_before_the_caller_gives_up() -> None:
    left: list[float] = []

    async def note(ask: Ask, deadline: float) -> Allowed | Denied:
        left.append(deadline - asyncio.get_running_loop().time())
        return ALLOWED

    async with serving(make_door(ScriptedDecisions(note))) as caller:
        await caller.start(RESERVE, BODY, timeout=1.0)
        await caller.start(RESERVE, BODY, timeout=3_600.0)
        await caller.start(RESERVE, BODY, timeout=None)
    assert 0 < left[0] < 1.0
    assert all(1.0 < s < 2.0 for s in left[1:])


async def test_a_caller_that_hangs_up_does_not_stop_what_was_begun() -> None:
    """SEM-38: a cancel means unknown; half a decision does not exist."""
    gate = Gate()
    async with serving(make_door(gate.plane)) as caller:
        # given a call that has begun
        call = caller.start(RESERVE, BODY)
        await gate.has_begun.wait()
        # when its caller hangs up
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        # then it ends all the same, and the next one is served
        gate.may_end.set()
        await gate.has_ended.wait()
        assert (await caller.reserve(REQUEST)).decision == ALLOW


async def test_more_calls_than_there_is_room_for_are_refused_at_once() -> None:
    gate = Gate()
    async with serving(make_door(gate.plane, calls_max=2)) as caller:
        # given as many calls as there may be
        under_way = [caller.start(RESERVE, BODY) for _ in range(2)]
        await gate.has_begun.wait()
        # when one more comes, then it is refused
        refused = await refusal(caller.reserve(REQUEST))
        assert refused.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused.reason == "OVERLOADED"
        assert "google.rpc.RetryInfo" in refused.details
        # and there is room again when they have ended
        gate.may_end.set()
        await asyncio.gather(*under_way)
        assert (await caller.reserve(REQUEST)).decision == ALLOW

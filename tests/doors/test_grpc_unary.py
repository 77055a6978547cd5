"""A call of one message each way: what the caller sends, and what it gets, byte for byte."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from quotasvc.api.faults import MessageTooLarge, Status, StatusCode, Undecodable, UnknownMethod
from quotasvc.domain.faults import Fault, NotFound
from quotasvc.doors import grpc
from quotasvc.doors.exchange import Exchange
from quotasvc.doors.grpc_frames import frame
from tests.doors.conftest import BYTES_MAX, ECHO, Doors
from tests.doors.wire import GRPC, Request

JSON = {**GRPC, b"content-type": b"application/grpc+json"}
GZIP = {**GRPC, b"grpc-encoding": b"gzip"}


def with_flag(message: bytes) -> bytes:
    return b"\1" + len(message).to_bytes(4, "big") + message


async def test_the_answer_has_no_header_that_is_not_needed(make_door: Doors) -> None:
    """12: one more header on each answer costs about 5 µs."""
    request = Request(ECHO, GRPC, body=frame(b"abc"))
    answer = await request.answer(make_door())
    assert answer.status == 200
    assert answer.headers == {b"content-type": b"application/grpc"}
    assert answer.trailers == {b"grpc-status": b"0"}
    assert answer.messages == [b"abc"]
    assert len(request.sent) == 3


@pytest.mark.parametrize("kind", [b"application/grpc", b"application/grpc+proto"])
async def test_the_answer_is_of_the_kind_of_the_call(make_door: Doors, kind: bytes) -> None:
    request = Request(ECHO, {**GRPC, b"content-type": kind}, body=frame(b"abc"))
    answer = await request.answer(make_door())
    assert answer.headers[b"content-type"] == kind


async def test_json_is_read_and_written(make_door: Doors) -> None:
    got: list[bytes] = []

    def note(body: bytes, exchange: Exchange) -> bytes:
        got.append(body)
        return body

    answer = await Request(ECHO, JSON, body=frame(b'"abc"')).answer(make_door(note))
    assert got == [StringValue(value="abc").SerializeToString()]
    assert answer.messages == [b'"abc"']


@pytest.mark.parametrize("kind", [b"application/grpc+thrift", b"application/grpc-web"])
async def test_other_kinds_are_unsupported(make_door: Doors, kind: bytes) -> None:
    answer = await Request(ECHO, {**GRPC, b"content-type": kind}, body=b"").answer(make_door())
    assert (answer.status, answer.body) == (415, b"")


async def test_other_verbs_are_not_allowed(make_door: Doors) -> None:
    answer = await Request(ECHO, GRPC, body=b"", method="GET").answer(make_door())
    assert answer.status == 405


async def test_a_message_may_come_in_pieces(make_door: Doors) -> None:
    wire = frame(b"x" * 100)
    pieces = [*(wire[at : at + 7] for at in range(0, len(wire), 7)), b""]
    answer = await Request(ECHO, GRPC, body=pieces).answer(make_door())
    assert answer.messages == [b"x" * 100]


async def test_a_compressed_message_is_read_and_answered_plain(make_door: Doors) -> None:
    answer = await Request(ECHO, GZIP, body=with_flag(gzip.compress(b"abc"))).answer(make_door())
    assert answer.messages == [b"abc"]
    # a plain one may come beside the header
    assert (await Request(ECHO, GZIP, body=frame(b"a")).answer(make_door())).messages == [b"a"]


async def test_another_compression_is_unimplemented_and_says_which_would_do(
    make_door: Doors,
) -> None:
    headers = {**GRPC, b"grpc-encoding": b"br"}
    answer = await Request(ECHO, headers, body=with_flag(b"x")).answer(make_door())
    assert answer.grpc_status == StatusCode.UNIMPLEMENTED
    assert answer.headers[b"grpc-accept-encoding"] == b"gzip,identity"


async def test_a_compressed_message_without_its_header_is_internal(make_door: Doors) -> None:
    answer = await Request(ECHO, GRPC, body=with_flag(b"x")).answer(make_door())
    assert answer.grpc_status == StatusCode.INTERNAL
    assert "no header says how" in answer.grpc_message


@pytest.mark.parametrize(
    "headers",
    [{b"te": b"gzip"}, {b"te": b"trailers, deflate"}, {}],
    ids=["other", "more", "none"],
)
async def test_a_call_that_must_not_have_trailers_is_internal(
    make_door: Doors, headers: dict[bytes, bytes]
) -> None:
    """12, hard limit 7: the server drops the trailers, and with them the status, silently."""
    headers[b"content-type"] = b"application/grpc"
    answer = await Request(ECHO, headers, body=frame(b"x")).answer(make_door())
    assert (answer.grpc_status, answer.trailers) == (StatusCode.INTERNAL, None)
    assert "te: trailers" in answer.grpc_message


async def test_a_call_of_a_browser_comes_over_http_1_too(make_door: Doors) -> None:
    """As Envoy translates gRPC-Web, which has its trailers in the body."""
    answer = await Request(ECHO, GRPC, body=frame(b"x"), http_version="1.1").answer(make_door())
    assert (answer.grpc_status, answer.messages) == (0, [b"x"])


async def test_a_message_above_the_bound_is_refused_before_it_arrives(make_door: Doors) -> None:
    # given a request that never ends
    request = Request(ECHO, GRPC)
    request.send(frame(bytes(BYTES_MAX + 1))[:50])
    answer = await request.answer(make_door())
    assert answer.grpc_status == StatusCode.RESOURCE_EXHAUSTED
    [error] = make_door.refused
    assert isinstance(error, MessageTooLarge)


async def test_a_message_of_the_bound_is_served(make_door: Doors) -> None:
    answer = await Request(ECHO, GRPC, body=frame(bytes(BYTES_MAX))).answer(make_door())
    assert answer.messages == [bytes(BYTES_MAX)]


@pytest.mark.parametrize("body", [b"", frame(b"a") + frame(b"b")], ids=["none", "two"])
async def test_any_other_number_of_messages_is_another_method(
    make_door: Doors, body: bytes
) -> None:
    answer = await Request(ECHO, GRPC, body=body).answer(make_door())
    assert answer.grpc_status == StatusCode.UNIMPLEMENTED


async def test_a_message_that_is_cut_off_is_internal(make_door: Doors) -> None:
    answer = await Request(ECHO, GRPC, body=frame(b"abc")[:-1]).answer(make_door())
    assert (answer.grpc_status, answer.grpc_message) == (13, "the last message is cut off")


async def test_json_that_cannot_be_read_is_invalid(make_door: Doors) -> None:
    answer = await Request(ECHO, JSON, body=frame(b"{")).answer(make_door())
    assert answer.grpc_status == StatusCode.INVALID_ARGUMENT
    assert isinstance(make_door.refused[0], Undecodable)


async def test_an_unknown_path_is_unimplemented(make_door: Doors) -> None:
    answer = await Request("/nobody/Nothing", GRPC, body=frame(b"x")).answer(make_door())
    assert answer.grpc_status == StatusCode.UNIMPLEMENTED
    assert isinstance(make_door.refused[0], UnknownMethod)


async def test_a_request_that_does_not_end_does_not_keep_its_place(
    make_door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """12, fact (i): half-open streams have no deadline of their own."""
    monkeypatch.setattr(grpc, "REQUEST_S_MAX", 0.02)
    request = Request(ECHO, GRPC)
    request.send(frame(b"abc"))
    answer = await request.answer(make_door())
    assert answer.grpc_status == StatusCode.DEADLINE_EXCEEDED


# What the rpc knows and says.


@pytest.mark.parametrize(
    ("timeout", "seconds"), [({}, None), ({b"grpc-timeout": b"250m"}, 0.25)], ids=["none", "250 ms"]
)
async def test_the_rpc_knows_the_callers_time_and_headers(
    make_door: Doors, timeout: dict[bytes, bytes], seconds: float | None
) -> None:
    seen: list[Exchange] = []

    def note(body: bytes, exchange: Exchange) -> bytes:
        seen.append(exchange)
        return body

    headers = {**GRPC, **timeout, b"traceparent": b"00-a-b-01"}
    await Request(ECHO, headers, body=frame(b"")).answer(make_door(note))
    [exchange] = seen
    assert exchange.remaining_s == seconds
    assert exchange.header(b"traceparent") == "00-a-b-01"
    assert exchange.header(b"tracestate") == ""


async def test_a_timeout_that_cannot_be_read_is_internal(make_door: Doors) -> None:
    headers = {**GRPC, b"grpc-timeout": b"soon"}
    answer = await Request(ECHO, headers, body=frame(b"")).answer(make_door())
    assert answer.grpc_status == StatusCode.INTERNAL


async def test_what_the_rpc_says_beside_its_message_goes_with_it(make_door: Doors) -> None:
    def speak(body: bytes, exchange: Exchange) -> bytes:
        exchange.answer_headers = ((b"x-first", b"1"),)
        exchange.answer_trailers = ((b"x-last-bin", b"AAE"),)
        return body

    answer = await Request(ECHO, GRPC, body=frame(b"a")).answer(make_door(speak))
    assert answer.headers[b"x-first"] == b"1"
    assert answer.trailers == {b"grpc-status": b"0", b"x-last-bin": b"AAE"}
    assert answer.messages == [b"a"]


REFUSED = Status(code=StatusCode.NOT_FOUND, message="nö", details=b"\x08\x05")


async def test_a_refusal_is_one_frame_of_headers(make_door: Doors) -> None:
    answer = await Request(ECHO, GRPC, body=frame(b"a")).answer(make_door(lambda *_: REFUSED))
    assert (answer.status, answer.body, answer.trailers) == (200, b"", None)
    assert answer.headers == {
        b"content-type": b"application/grpc",
        b"grpc-status": b"5",
        b"grpc-message": b"n%C3%B6",
        b"grpc-status-details-bin": b"CAU",
    }


async def test_a_refusal_with_headers_of_its_own_has_trailers(make_door: Doors) -> None:
    def speak(body: bytes, exchange: Exchange) -> Status:
        exchange.answer_headers = ((b"x-first", b"1"),)
        return REFUSED

    answer = await Request(ECHO, GRPC, body=frame(b"a")).answer(make_door(speak))
    assert answer.headers == {b"content-type": b"application/grpc", b"x-first": b"1"}
    assert (answer.grpc_status, answer.grpc_message, answer.body) == (5, "nö", b"")
    assert answer.trailers is not None


# What goes wrong.


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("no such"), StatusCode.NOT_FOUND),
        (RuntimeError("a mistake"), StatusCode.INTERNAL),
        (SystemExit(1), StatusCode.INTERNAL),
        (KeyboardInterrupt(), StatusCode.INTERNAL),
        (asyncio.CancelledError(), StatusCode.UNAVAILABLE),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_nothing_that_a_rpc_raises_gets_out(
    make_door: Doors, error: BaseException, code: StatusCode
) -> None:
    """12, hard limit 1: out of the application it would be read as OK."""

    def fail(body: bytes, exchange: Exchange) -> bytes:
        raise error

    answer = await Request(ECHO, GRPC, body=frame(b"a")).answer(make_door(fail))
    assert answer.grpc_status == code
    assert make_door.refused == [error]


async def test_a_caller_that_hangs_up_is_served_to_the_end_and_not_answered(
    make_door: Doors,
) -> None:
    """SEM-38: what was begun is finished; half a decision does not exist."""
    request = Request(ECHO, GRPC, body=frame(b"a"))
    has_ended = False

    def finish(body: bytes, exchange: Exchange) -> bytes:
        nonlocal has_ended
        request.hang_up()
        has_ended = True
        return body

    await request.run(make_door(finish))
    assert request.sent == []
    assert has_ended


@pytest.mark.parametrize("sent", [[], [frame(b"abc")[:3]]], ids=["nothing", "a part"])
async def test_a_caller_that_hangs_up_within_its_request_begins_nothing(
    make_door: Doors, sent: list[bytes]
) -> None:
    request = Request(ECHO, GRPC)
    for piece in sent:
        request.send(piece)
    request.hang_up()
    begun: list[bytes] = []

    def note(body: bytes, exchange: Exchange) -> bytes:
        begun.append(body)
        return body

    await request.run(make_door(note))
    assert request.sent == []
    assert begun == []


@pytest.mark.parametrize("refusal", [Fault("x"), REFUSED], ids=["raised", "answered"])
async def test_a_refusal_that_nobody_hears_is_no_failure(
    make_door: Doors, refusal: Fault | Status, caplog: pytest.LogCaptureFixture
) -> None:
    request = Request(ECHO, GRPC, body=frame(b"a"))

    def refuse(body: bytes, exchange: Exchange) -> Status:
        request.hang_up()
        if isinstance(refusal, Fault):
            raise refusal
        return refusal

    await request.run(make_door(refuse))
    assert request.sent == []
    assert caplog.records == []

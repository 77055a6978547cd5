"""Streams over ASGI: messages both ways, deadlines, callers that hang up, and the door's end."""

from __future__ import annotations

import asyncio

import pytest

from quotasvc.api.faults import StatusCode
from quotasvc.domain.faults import DeadlineExceeded, NotFound
from quotasvc.doors import grpc_call
from quotasvc.doors.asgi import Gone
from quotasvc.doors.faults import Malformed
from quotasvc.doors.grpc_call import POLL_S, GrpcCall
from quotasvc.doors.grpc_frames import frame
from quotasvc.doors.stream import Stream
from tests.doors.conftest import BYTES_MAX, STREAM, Doors
from tests.doors.wire import GRPC, Request
from tests.support.embedded import until


class Held:
    """A stream that begins, then waits for ever; how it was ended."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.ended_by: BaseException | None = None

    async def __call__(self, stream: Stream) -> None:
        self.has_begun.set()
        try:
            await asyncio.Event().wait()
        except BaseException as error:
            self.ended_by = error
            raise


async def echo(stream: Stream) -> None:
    while (message := await stream.read()) is not None:
        await stream.write(message)


async def test_messages_go_both_ways_one_by_one(make_door: Doors) -> None:
    door = make_door(stream=echo)
    request = Request(STREAM, GRPC)
    serving = asyncio.create_task(request.answer(door))
    for number in range(3):
        # when one is sent, then it is answered before the next
        request.send(frame(b"%d" % number))
        await until(lambda number=number: len(request.sent) == 2 + number)  # type: ignore[misc]  # mypy cannot infer this lambda
    request.send(b"", is_last=True)
    answer = await serving
    assert answer.messages == [b"0", b"1", b"2"]
    assert answer.trailers == {b"grpc-status": b"0"}


async def test_several_messages_may_arrive_at_once(make_door: Doors) -> None:
    body = frame(b"a") + frame(b"") + frame(b"b")
    answer = await Request(STREAM, GRPC, body=body).answer(make_door(stream=echo))
    assert answer.messages == [b"a", b"", b"b"]


async def test_a_stream_without_messages_is_answered_too(make_door: Doors) -> None:
    answer = await Request(STREAM, GRPC, body=b"").answer(make_door(stream=echo))
    assert (answer.messages, answer.trailers) == ([], {b"grpc-status": b"0"})


async def test_a_refusal_before_any_message_is_one_frame(make_door: Doors) -> None:
    async def refuse(stream: Stream) -> None:
        raise NotFound("no such")

    answer = await Request(STREAM, GRPC, body=b"").answer(make_door(stream=refuse))
    assert (answer.grpc_status, answer.trailers) == (StatusCode.NOT_FOUND, None)


async def test_a_refusal_after_a_message_is_in_the_trailers(make_door: Doors) -> None:
    async def refuse(stream: Stream) -> None:
        assert isinstance(stream, GrpcCall)
        stream.exchange.answer_headers = ((b"x-first", b"1"),)
        stream.exchange.answer_trailers = ((b"x-last", b"2"),)
        await stream.write(b"a")
        raise NotFound("no such")

    answer = await Request(STREAM, GRPC, body=b"").answer(make_door(stream=refuse))
    assert answer.messages == [b"a"]
    assert answer.headers[b"x-first"] == b"1"
    assert answer.trailers is not None
    assert (answer.grpc_status, answer.trailers[b"x-last"]) == (StatusCode.NOT_FOUND, b"2")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("a mistake"), StatusCode.INTERNAL),
        (SystemExit(1), StatusCode.INTERNAL),
        (asyncio.CancelledError(), StatusCode.UNAVAILABLE),
        (Malformed("broken"), StatusCode.INTERNAL),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_nothing_that_a_stream_raises_gets_out(
    make_door: Doors, error: BaseException, code: StatusCode
) -> None:
    """12, hard limits 1 and 3: SystemExit out of a task would end the loop's thread."""

    async def fail(stream: Stream) -> None:
        raise error

    answer = await Request(STREAM, GRPC, body=b"").answer(make_door(stream=fail))
    assert answer.grpc_status == code


# Time.


async def test_a_stream_ends_with_the_callers_time(make_door: Doors) -> None:
    held = Held()
    request = Request(STREAM, {**GRPC, b"grpc-timeout": b"50m"})
    answer = await request.answer(make_door(stream=held))
    assert answer.grpc_status == StatusCode.DEADLINE_EXCEEDED
    assert isinstance(held.ended_by, asyncio.CancelledError)
    assert isinstance(make_door.refused[0], DeadlineExceeded)


async def test_a_stream_without_a_deadline_has_none(make_door: Doors) -> None:
    held = Held()
    request = Request(STREAM, GRPC, body=b"")
    serving = asyncio.create_task(request.run(make_door(stream=held)))
    await held.has_begun.wait()
    # when it has been looked at several times, then it is still there
    await until(lambda: request.polls >= 2)
    assert held.ended_by is None
    request.hang_up()
    await serving


async def test_an_end_that_comes_together_with_the_deadline_is_one_end(make_door: Doors) -> None:
    async def dawdle(stream: Stream) -> None:
        assert isinstance(stream, GrpcCall)
        stream.cut_short(DeadlineExceeded("over"))
        # Too late, and the first counts.
        stream.cut_short(Gone())

    answer = await Request(STREAM, GRPC, body=b"").answer(make_door(stream=dawdle))
    assert answer.grpc_status == StatusCode.DEADLINE_EXCEEDED


# Callers that hang up.


async def test_a_stream_whose_request_is_open_ends_at_once_when_it_waits_for_messages(
    make_door: Doors,
) -> None:
    ended: list[BaseException] = []

    async def wait(stream: Stream) -> None:
        try:
            await stream.read()
        except BaseException as error:
            ended.append(error)
            raise

    request = Request(STREAM, GRPC)
    serving = asyncio.create_task(request.run(make_door(stream=wait)))
    await asyncio.sleep(0)
    request.hang_up()
    await serving
    assert len(ended) == 1
    assert request.sent == []


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "half-closed"])
async def test_a_stream_that_waits_for_something_else_ends_soon(
    *, make_door: Doors, is_open: bool
) -> None:
    """12, hard limit 2: after the request has ended only asking tells."""
    held = Held()
    request = Request(STREAM, GRPC, body=None if is_open else b"")
    serving = asyncio.create_task(request.run(make_door(stream=held)))
    await held.has_begun.wait()
    began = asyncio.get_running_loop().time()
    request.hang_up()
    await serving
    assert isinstance(held.ended_by, asyncio.CancelledError)
    assert asyncio.get_running_loop().time() - began < 10 * POLL_S
    # and nothing is left that looks or waits
    assert request.polls <= 3


async def test_a_stream_that_writes_ends_with_the_next_message(make_door: Doors) -> None:
    written = 0

    async def pour(stream: Stream) -> None:
        nonlocal written
        while True:
            await stream.write(b"x")
            written += 1
            if written == 3:
                request.hang_up()

    request = Request(STREAM, GRPC, body=b"")
    await request.run(make_door(stream=pour))
    assert written == 3


async def test_nobody_is_asked_in_the_first_moments(make_door: Doors) -> None:
    """12, fact (a): once the request has ended every `receive` returns at once."""

    async def short(stream: Stream) -> None:
        assert await stream.read() is None
        assert await stream.read() is None
        await asyncio.sleep(POLL_S / 3)

    request = Request(STREAM, GRPC, body=b"")
    await request.answer(make_door(stream=short))
    assert request.polls == 0


# Back-pressure.


async def test_a_stream_that_does_not_read_is_not_read_for(
    make_door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a caller that sends a lot, and a stream that is busy
    monkeypatch.setattr(grpc_call, "POLL_S", 0.0)
    held = Held()
    request = Request(STREAM, GRPC)
    for _ in range(100):
        request.send(frame(bytes(BYTES_MAX)))
    serving = asyncio.create_task(request.run(make_door(stream=held)))
    # when it has been looked at often enough
    await asyncio.sleep(0.2)
    # then no more than a message has been taken from the server
    assert request.waiting >= 98
    serving.cancel()
    await serving


async def test_a_writer_waits_while_the_caller_does_not_read(make_door: Doors) -> None:
    written = 0

    async def pour(stream: Stream) -> None:
        nonlocal written
        for _ in range(5):
            await stream.write(b"x")
            written += 1

    request = Request(STREAM, GRPC, body=b"")
    request.may_send = asyncio.Semaphore(3)  # the headers, and two messages
    serving = asyncio.create_task(request.answer(make_door(stream=pour)))
    await until(lambda: len(request.sent) == 3)
    assert written == 2
    for _ in range(10):
        request.may_send.release()
    assert (await serving).messages == [b"x"] * 5


# The door's end.


async def test_draining_ends_streams_and_takes_no_new_ones(make_door: Doors) -> None:
    """12, hard limit 4: the server tells open streams nothing of its drain."""
    held = Held()
    door = make_door(stream=held)
    request = Request(STREAM, GRPC)
    serving = asyncio.create_task(request.answer(door))
    await held.has_begun.wait()
    await door.drain()
    assert (await serving).grpc_status == StatusCode.UNAVAILABLE
    late = await Request(STREAM, GRPC, body=b"").answer(door)
    assert late.grpc_status == StatusCode.UNAVAILABLE


async def test_a_stream_that_is_cancelled_with_its_server_is_answered(make_door: Doors) -> None:
    held = Held()
    request = Request(STREAM, GRPC, body=b"")
    serving = asyncio.create_task(request.answer(make_door(stream=held)))
    await held.has_begun.wait()
    serving.cancel()
    assert (await serving).grpc_status == StatusCode.INTERNAL
    await asyncio.sleep(0)
    assert isinstance(held.ended_by, asyncio.CancelledError)

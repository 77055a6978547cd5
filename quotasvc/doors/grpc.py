"""gRPC over ASGI: rpcs of one message each way on the shortest road, all others as streams.

Written for speed where every call passes: each header of an answer costs about 5 µs of CPU, each
timer 6 µs, so there is none that is not needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from quotasvc.api.faults import Status, UnknownMethod
from quotasvc.domain.faults import Fault
from quotasvc.doors.asgi import REQUEST_S_MAX, Event, Gone, Receive, Scope, Send, end_with
from quotasvc.doors.exchange import Exchange, Refuse, Rpc
from quotasvc.doors.faults import Malformed
from quotasvc.doors.grpc_call import GrpcCall
from quotasvc.doors.grpc_frames import Frames, frame, only_message
from quotasvc.doors.grpc_headers import TRAILERS_OK, malformed, remaining_s
from quotasvc.doors.gzip import ACCEPTED, is_gzip
from quotasvc.doors.json_codec import from_json, to_json
from quotasvc.doors.stream import Serve
from quotasvc.doors.sweep import Sweep

JSON = b"application/grpc+json"
CONTENT_TYPES = {kind: kind for kind in (b"application/grpc", b"application/grpc+proto", JSON)}
"""What a call may come as, and is answered as."""

_STARTS: Mapping[bytes, Event] = {
    content_type: {
        "type": "http.response.start",
        "status": 200,
        "headers": ((b"content-type", content_type),),
        "trailers": True,
    }
    for content_type in CONTENT_TYPES
}
_END: Event = {"type": "http.response.trailers", "headers": TRAILERS_OK}


class Grpc:
    """Serves unary rpcs and streams by their paths, and `unknown` at all others."""

    def __init__(
        self,
        unary: Mapping[str, Rpc],
        streams: Mapping[str, Serve],
        unknown: Serve,
        *,
        refuse: Refuse,
        message_bytes_max: int,
    ) -> None:
        self._unary = unary
        self._streams = streams
        self._unknown = unknown
        self._refuse = refuse
        self._message_bytes_max = message_bytes_max
        self._sweep = Sweep()

    async def serve(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """One call, whatever comes of it."""
        content_type = CONTENT_TYPES.get(headers[b"content-type"])
        if content_type is None or scope["method"] != "POST":
            # What gRPC's rules of HTTP say.
            await end_with(send, 415 if content_type is None else 405, ())
            return
        exchange = Exchange(scope["headers"], None)
        frames = Frames(self._message_bytes_max)
        call = GrpcCall(exchange, frames, content_type=content_type, receive=receive, send=send)
        path: str = scope["path"]
        try:
            if refused := self._open(path[1:], headers, exchange, frames):
                await call.end(refused)
            elif rpc := self._unary.get(path):
                await self._serve_unary(rpc, call, receive, send)
            else:
                await self._serve_stream(path[1:], self._streams.get(path, self._unknown), call)
        except Gone:
            # Nobody is left to answer. What the store may be doing for them goes on (SEM-38).
            return

    @property
    def has_streams(self) -> bool:
        """Whether any are under way."""
        return bool(self._sweep.calls)

    def end_streams(self) -> None:
        """Cuts all streams under way: their callers see UNAVAILABLE, and open them elsewhere."""
        for call in tuple(self._sweep.calls):
            call.cut_short(asyncio.CancelledError())

    def _open(
        self, name: str, headers: Mapping[bytes, bytes], exchange: Exchange, frames: Frames
    ) -> Status | None:
        """Reads the request's headers; why it cannot be served, if so."""
        try:
            # Without it the server drops the trailers, and with them the status, without a word.
            if headers.get(b"te") != b"trailers":
                raise Malformed("gRPC needs the header te: trailers")
            exchange.remaining_s = remaining_s(headers.get(b"grpc-timeout"))
            frames.is_gzip = is_gzip(headers.get(b"grpc-encoding", b""))
        except Fault as fault:
            if isinstance(fault, UnknownMethod):
                exchange.answer_trailers = ((b"grpc-accept-encoding", ACCEPTED),)
            return self._status(name, fault)
        return None

    # One message each way.

    async def _serve_unary(self, rpc: Rpc, call: GrpcCall, receive: Receive, send: Send) -> None:
        exchange, content_type = call.exchange, call.content_type
        answer: bytes | Status
        try:
            event = await receive()
            body = event.get("body", b"")
            message = only_message(body, self._message_bytes_max)
            if message is None or event["more_body"]:
                call.take(event)
                async with asyncio.timeout(REQUEST_S_MAX):
                    message = await _read_one(call)
            if content_type is JSON:
                message = from_json(rpc.request, message)
            answer = await rpc.answer(message, exchange)
            if content_type is JSON and isinstance(answer, bytes):
                answer = to_json(rpc.response, answer)
        except Gone:
            raise
        except BaseException as error:
            answer = self._status(rpc.name, error)
        if isinstance(answer, Status):
            await call.end(answer)
        elif exchange.answer_headers or exchange.answer_trailers:
            await call.write(answer)
            await call.end(None)
        else:
            try:
                await send(_STARTS[content_type])
                await send({"type": "http.response.body", "body": frame(answer)})
                await send(_END)
            # Of the server: the caller is gone.
            except OSError:
                raise Gone from None

    # Streams.

    async def _serve_stream(self, name: str, serve: Serve, call: GrpcCall) -> None:
        call.task = asyncio.create_task(_run(serve, call), name=name)
        self._sweep.add(call)
        try:
            await asyncio.wait((call.task,))
        finally:
            self._sweep.calls.discard(call)
            call.task.cancel()
        error = call.cut or (
            asyncio.CancelledError() if call.task.cancelled() else call.task.result()
        )
        if isinstance(error, Gone):
            raise error
        await call.end(None if error is None else self._status(name, error))

    def _status(self, name: str, error: BaseException) -> Status:
        return malformed(error) if isinstance(error, Malformed) else self._refuse(name, error)


async def _run(serve: Serve, call: GrpcCall) -> BaseException | None:
    """What went wrong. As a value: SystemExit out of a task would end the loop's thread."""
    try:
        await serve(call)
    except BaseException as error:
        return error
    return None


async def _read_one(call: GrpcCall) -> bytes:
    """The one message of a call that must send one; with any other number it is another method."""
    message = await call.read()
    if message is None or await call.read() is not None:
        raise UnknownMethod("the method takes one message")
    return message

"""The service that connectconformance talks to: it answers as each request says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, cast

from google.protobuf.any_pb2 import Any as PbAny
from google.protobuf.message import Message
from google.rpc import status_pb2  # type: ignore[import-untyped]  # no py.typed

from quotasvc.api.faults import Status, StatusCode, UnknownMethod
from quotasvc.doors.asgi import Header
from quotasvc.doors.exchange import Exchange, Rpc
from quotasvc.doors.grpc_call import GrpcCall
from quotasvc.doors.json_codec import from_json, to_json
from quotasvc.doors.stream import Serve, Stream
from tests.conformance.tools import stubs

pb = stubs("connectrpc.conformance.v1.service_pb2")

SERVICE = "connectrpc.conformance.v1.ConformanceService"


class Refused(Exception):
    """The request asked for this status."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


def unary() -> Mapping[str, Rpc]:
    """Rpcs of one message each way; Unimplemented is served by nobody."""
    return {f"/{SERVICE}/{name}": _unary(name) for name in ("Unary", "IdempotentUnary")}


def streams() -> Mapping[str, Serve]:
    """All others."""
    served = {"ClientStream": client_stream, "ServerStream": server_stream, "BidiStream": bidi}
    return {f"/{SERVICE}/{name}": serve for name, serve in served.items()}


def _unary(name: str) -> Rpc:
    request, response = getattr(pb, f"{name}Request"), getattr(pb, f"{name}Response")

    async def answer(body: bytes, exchange: Exchange) -> bytes | Status:
        asked = request.FromString(body)
        try:
            payload = await _payload(asked.response_definition, exchange, [asked])
        except Refused as refused:
            return refused.status
        return cast(bytes, response(payload=payload).SerializeToString())

    return Rpc(name=f"{SERVICE}/{name}", request=request, response=response, answer=answer)


class Messages:
    """A stream whose messages are read and written in the codec that its call came in."""

    def __init__(self, stream: Stream, request: type[Message], response: type[Message]) -> None:
        assert isinstance(stream, GrpcCall)
        self.exchange = stream.exchange
        self._stream = stream
        self._is_json = stream.content_type.endswith(b"json")
        self._request = request
        self._response = response

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (body := await self._stream.read()) is not None:
            yield self._request.FromString(
                from_json(self._request, body) if self._is_json else body
            )

    async def write(self, message: Message) -> None:
        body = message.SerializeToString()
        await self._stream.write(to_json(self._response, body) if self._is_json else body)


async def client_stream(stream: Stream) -> None:
    messages = Messages(stream, pb.ClientStreamRequest, pb.ClientStreamResponse)
    asked = [message async for message in messages]
    definition = asked[0].response_definition if asked else pb.UnaryResponseDefinition()
    payload = await _payload(definition, messages.exchange, asked)
    await messages.write(pb.ClientStreamResponse(payload=payload))


async def server_stream(stream: Stream) -> None:
    messages = Messages(stream, pb.ServerStreamRequest, pb.ServerStreamResponse)
    asked = [message async for message in messages]
    if len(asked) != 1:
        raise UnknownMethod("the method takes one message")
    definition = asked[0].response_definition
    _say_beside(messages.exchange, definition)
    for number, data in enumerate(definition.response_data):
        info = _info(messages.exchange, asked) if number == 0 else None
        await _write(messages, pb.ServerStreamResponse, definition, data, info)
    _refuse(definition, messages.exchange, asked, has_answered=bool(definition.response_data))


async def bidi(stream: Stream) -> None:
    messages = Messages(stream, pb.BidiStreamRequest, pb.BidiStreamResponse)
    definition = pb.StreamResponseDefinition()
    asked: list[Any] = []
    number = 0
    is_first, is_full_duplex = True, False
    async for message in messages:
        asked.append(message)
        if is_first:
            is_first, is_full_duplex = False, message.full_duplex
            definition = message.response_definition
            _say_beside(messages.exchange, definition)
        if is_full_duplex:
            if number >= len(definition.response_data):
                break
            data = definition.response_data[number]
            info = (
                _info(messages.exchange, asked)
                if number == 0
                else pb.ConformancePayload.RequestInfo(requests=_packed(asked))
            )
            await _write(messages, pb.BidiStreamResponse, definition, data, info)
            number += 1
            asked = []
    for data in definition.response_data[number:]:
        info = _info(messages.exchange, asked) if number == 0 else None
        await _write(messages, pb.BidiStreamResponse, definition, data, info)
        number += 1
    _refuse(definition, messages.exchange, asked, has_answered=number > 0)


async def _write(
    messages: Messages, response: Any, definition: Any, data: bytes, info: Any
) -> None:
    await asyncio.sleep(definition.response_delay_ms / 1_000)
    payload = pb.ConformancePayload(data=data, request_info=info)
    await messages.write(response(payload=payload))


async def _payload(definition: Any, exchange: Exchange, asked: list[Any]) -> Any:
    _say_beside(exchange, definition)
    await asyncio.sleep(definition.response_delay_ms / 1_000)
    _refuse(definition, exchange, asked, has_answered=False)
    return pb.ConformancePayload(data=definition.response_data, request_info=_info(exchange, asked))


def _say_beside(exchange: Exchange, definition: Any) -> None:
    exchange.answer_headers = _headers(definition.response_headers)
    exchange.answer_trailers = _headers(definition.response_trailers)


def _headers(headers: Iterable[Any]) -> tuple[Header, ...]:
    return tuple(
        (header.name.lower().encode(), value.encode())
        for header in headers
        for value in header.value
    )


def _info(exchange: Exchange, asked: list[Any]) -> Any:
    info = pb.ConformancePayload.RequestInfo(requests=_packed(asked))
    values: dict[str, list[str]] = {}
    for name, value in exchange.headers:
        values.setdefault(name.decode(), []).append(value.decode("latin-1"))
    for named, all_of_it in values.items():
        info.request_headers.add(name=named, value=all_of_it)
    if exchange.remaining_s is not None:
        info.timeout_ms = round(exchange.remaining_s * 1_000)
    return info


def _packed(messages: Iterable[Message]) -> list[PbAny]:
    packed = []
    for message in messages:
        packed.append(PbAny())
        packed[-1].Pack(message)
    return packed


def _refuse(definition: Any, exchange: Exchange, asked: list[Any], *, has_answered: bool) -> None:
    if not definition.HasField("error"):
        return
    error = definition.error
    status = status_pb2.Status(code=error.code, message=error.message, details=error.details)
    if not has_answered:
        status.details.extend(_packed([_info(exchange, asked)]))
    raise Refused(
        Status(
            # Any of the sixteen; this service itself sends nine.
            code=cast(StatusCode, error.code),
            message=error.message,
            details=status.SerializeToString(),
        )
    )

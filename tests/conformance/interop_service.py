"""gRPC's TestService, as far as the interop client's cases go."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, cast

from quotasvc.api.faults import Status, StatusCode
from quotasvc.doors.exchange import Exchange, Rpc
from quotasvc.doors.grpc_call import GrpcCall
from quotasvc.doors.stream import Serve, Stream
from tests.conformance.connect_service import Refused
from tests.conformance.tools import stubs

pb = stubs("interop_pb2")

SERVICE = "grpc.testing.TestService"
INITIAL, TRAILING = b"x-grpc-test-echo-initial", b"x-grpc-test-echo-trailing-bin"


def unary() -> Mapping[str, Rpc]:
    """EmptyCall and UnaryCall."""
    simple = Rpc(
        name=f"{SERVICE}/UnaryCall",
        request=pb.SimpleRequest,
        response=pb.SimpleResponse,
        answer=_simple,
    )
    empty = Rpc(
        name=f"{SERVICE}/EmptyCall",
        request=pb.SimpleRequest,
        response=pb.SimpleResponse,
        answer=_empty,
    )
    return {f"/{rpc.name}": rpc for rpc in (simple, empty)}


def streams() -> Mapping[str, Serve]:
    """The three kinds of streams."""
    served = {
        "StreamingInputCall": _input,
        "StreamingOutputCall": _output,
        "FullDuplexCall": _output,
    }
    return {f"/{SERVICE}/{name}": serve for name, serve in served.items()}


async def _empty(body: bytes, exchange: Exchange) -> bytes | Status:
    return b""


async def _simple(body: bytes, exchange: Exchange) -> bytes | Status:
    request = pb.SimpleRequest.FromString(body)
    _echo(exchange)
    if request.response_status.code:
        return _status(request)
    payload = pb.Payload(body=bytes(request.response_size))
    return cast(bytes, pb.SimpleResponse(payload=payload).SerializeToString())


async def _input(stream: Stream) -> None:
    size = 0
    while (body := await stream.read()) is not None:
        size += len(pb.StreamingInputCallRequest.FromString(body).payload.body)
    answer = pb.StreamingInputCallResponse(aggregated_payload_size=size)
    await stream.write(answer.SerializeToString())


async def _output(stream: Stream) -> None:
    assert isinstance(stream, GrpcCall)
    _echo(stream.exchange)
    while (body := await stream.read()) is not None:
        request = pb.StreamingOutputCallRequest.FromString(body)
        if request.response_status.code:
            raise Refused(_status(request))
        for wanted in request.response_parameters:
            await asyncio.sleep(wanted.interval_us / 1_000_000)
            payload = pb.Payload(body=bytes(wanted.size))
            await stream.write(pb.StreamingOutputCallResponse(payload=payload).SerializeToString())


def _echo(exchange: Exchange) -> None:
    if initial := exchange.header(INITIAL):
        exchange.answer_headers = ((INITIAL, initial.encode()),)
    if trailing := exchange.header(TRAILING):
        # Padded or not, it is the same.
        value = b64decode(trailing + "=" * (-len(trailing) % 4))
        exchange.answer_trailers = ((TRAILING, b64encode(value).rstrip(b"=")),)


def _status(request: Any) -> Status:
    return Status(
        code=cast(StatusCode, request.response_status.code),
        message=request.response_status.message,
        details=b"",
    )

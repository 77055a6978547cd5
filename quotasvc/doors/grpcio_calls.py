"""How grpcio's calls are answered: those of the table bytes for bytes, all others as streams.

No exception of ours gets as far as grpcio, except those that are its own.
"""

from __future__ import annotations

import asyncio
from typing import Never, TypeAlias

import grpc

from quotasvc.api.call import Call, call_deadline
from quotasvc.api.faults import Status
from quotasvc.api.method import Method
from quotasvc.api.table import MethodTable
from quotasvc.doors.companions import Companions
from quotasvc.doors.stream import Serve

# Generic for mypy only. A context reads bytes, or at the end something that is not.
Context: TypeAlias = "grpc.aio.ServicerContext[object, bytes]"
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"

DETAILS = "grpc-status-details-bin"
"""The trailer that carries a google.rpc.Status."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Calls(grpc.GenericRpcHandler):
    """Finds for each path what answers it."""

    def __init__(self, table: MethodTable, companions: Companions, longest_s: float) -> None:
        self._table = table
        self._longest_s = longest_s
        self._loop = asyncio.get_running_loop()
        self._answers: set[asyncio.Task[bytes | Status]] = set()
        self._by_path = {path: self._unary(method) for path, method in table.by_path.items()}
        self._by_path |= {
            path: self._stream(path, serve) for path, serve in companions.by_path.items()
        }
        self._unknown = self._stream("an unknown method", companions.refuse_method)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """What answers this call: grpcio asks it once per call."""
        return self._by_path.get(handler_call_details.method, self._unknown)

    async def drain(self, grace_s: float | None = None) -> None:
        """Waits for the answers under way, asked for or not; the table bounds their time too."""
        if self._answers:
            await asyncio.wait(self._answers, timeout=grace_s)

    # The table's methods.

    def _unary(self, method: Method) -> Handler:
        async def serve(body: bytes, context: Context) -> bytes:
            try:
                answer = await self._answer(method, body, context)
            except Exception as error:
                answer = self._table.refuse(method.name, error)
            if isinstance(answer, Status):
                await _abort(context, answer)
            return answer

        return grpc.unary_unary_rpc_method_handler(serve)

    async def _answer(self, method: Method, body: bytes, context: Context) -> bytes | Status:
        """A caller that hangs up does not stop what the store may be doing for it (SEM-38)."""
        deadline = call_deadline(
            now=self._loop.time(),
            remaining_s=context.time_remaining(),
            longest_s=self._longest_s,
        )
        traceparent = _traceparent(context) if self._table.telemetry.is_tracing else ""
        call = Call(deadline=deadline, traceparent=traceparent)
        answer = self._loop.create_task(self._table.answer(method, body, call))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)
        return await asyncio.shield(answer)

    # What is served beside the table.

    def _stream(self, name: str, answer: Serve) -> Handler:
        async def serve(_: object, context: Context) -> None:
            try:
                await answer(_Messages(context))
                return
            except grpc.aio.BaseError:
                # The caller is gone, or the server: grpcio knows what to do.
                raise
            except Exception as error:
                status = self._table.refuse(name, error)
            await _abort(context, status)

        return grpc.stream_stream_rpc_method_handler(serve)


class _Messages:
    """grpcio's context, as a stream of messages."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def read(self) -> bytes | None:
        body = await self._context.read()
        return body if isinstance(body, bytes) else None

    async def write(self, message: bytes) -> None:
        await self._context.write(message)


async def _abort(context: Context, status: Status) -> Never:
    await context.abort(_CODES[status.code], status.message, ((DETAILS, status.details),))


def _traceparent(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "traceparent":
            return str(value)
    return ""

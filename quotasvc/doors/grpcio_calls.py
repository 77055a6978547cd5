"""How grpcio's calls are answered: those of the table, health, reflection, and all others.

The rpcs of the table are served bytes for bytes. The rest read and write messages one by one,
which fits rpcs of any kind on the wire, unary ones included. No exception of ours gets as far as
grpcio, except those that are its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never, TypeAlias

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from quotasvc.api.call import Call, call_deadline
from quotasvc.api.faults import Status, Undecodable, UnknownMethod
from quotasvc.api.method import Method
from quotasvc.api.table import MethodTable, decode
from quotasvc.doors import health, reflection
from quotasvc.doors.health import Health
from quotasvc.doors.reflection import Reflection

# Generic for mypy only. A context reads bytes, or at the end something that is not.
Context: TypeAlias = "grpc.aio.ServicerContext[object, bytes]"
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"

DETAILS = "grpc-status-details-bin"
"""The trailer that carries a google.rpc.Status."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Calls(grpc.GenericRpcHandler):
    """Finds for each path what answers it."""

    def __init__(
        self, table: MethodTable, health: Health, reflection: Reflection | None, longest_s: float
    ) -> None:
        self._table = table
        self._health = health
        self._reflection = reflection
        self._longest_s = longest_s
        self._loop = asyncio.get_running_loop()
        self._answers: set[asyncio.Task[bytes | Status]] = set()
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._by_path = {path: self._unary(method) for path, method in table.by_path.items()}
        self._by_path |= self._served_beside()
        self._unknown = self._stream("an unknown method", self._refuse_method)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """What answers this call: grpcio asks it once per call."""
        return self._by_path.get(handler_call_details.method, self._unknown)

    def stop(self) -> None:
        """Ends the streams, which would go on for ever."""
        self._health.stop()
        if not self._stopped.done():
            self._stopped.set_result(None)

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

    def _served_beside(self) -> dict[str, Handler]:
        served = {
            health.CHECK: self._check,
            health.WATCH: self._watch,
        }
        if self._reflection is not None:
            served |= dict.fromkeys(reflection.PATHS, self._reflect)
        return {path: self._stream(path, serve) for path, serve in served.items()}

    def _stream(self, name: str, answer: Callable[[Context], Awaitable[None]]) -> Handler:
        async def serve(_: object, context: Context) -> None:
            try:
                await answer(context)
                return
            except grpc.aio.BaseError:
                # The caller is gone, or the server: grpcio knows what to do.
                raise
            except Exception as error:
                status = self._table.refuse(name, error)
            await _abort(context, status)

        return grpc.stream_stream_rpc_method_handler(serve)

    async def _check(self, context: Context) -> None:
        request = decode(HealthCheckRequest, await self._read_one(context))
        await context.write(self._health.check(request.service).SerializeToString())

    async def _watch(self, context: Context) -> None:
        request = decode(HealthCheckRequest, await self._read_one(context))
        async for status in self._health.watch(request.service):
            await context.write(status.SerializeToString())

    async def _reflect(self, context: Context) -> None:
        assert self._reflection is not None
        while (body := await self._read(context)) is not None:
            response = self._reflection.answer(decode(ServerReflectionRequest, body))
            await context.write(response.SerializeToString())

    async def _refuse_method(self, context: Context) -> None:
        raise UnknownMethod("there is no such method here; grpcurl list shows what there is")

    async def _read_one(self, context: Context) -> bytes:
        """The one message of a call that sends one."""
        body = await context.read()
        if not isinstance(body, bytes):
            raise Undecodable("", "no message was sent")
        return body

    async def _read(self, context: Context) -> bytes | None:
        """The next message; None when the caller sends no more, or the door stops."""
        reading = asyncio.ensure_future(context.read())
        try:
            await asyncio.wait((reading, self._stopped), return_when=asyncio.FIRST_COMPLETED)
            body = reading.result() if reading.done() else None
        finally:
            reading.cancel()
        return body if isinstance(body, bytes) else None


async def _abort(context: Context, status: Status) -> Never:
    await context.abort(_CODES[status.code], status.message, ((DETAILS, status.details),))


def _traceparent(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "traceparent":
            return str(value)
    return ""

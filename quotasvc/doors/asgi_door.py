"""The ASGI application: gRPC and Connect on one port, for a server that knows neither.

Nothing may leave it as an exception: the server would answer HTTP 200, which gRPC clients read as
OK with an empty message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from quotasvc.api.call import Call, call_deadline
from quotasvc.api.faults import Status
from quotasvc.api.method import SERVICES, Method
from quotasvc.api.table import MESSAGE_BYTES_MAX, MethodTable
from quotasvc.doors import health
from quotasvc.doors.asgi import Receive, Scope, Send, end_with
from quotasvc.doors.companions import Companions
from quotasvc.doors.connect import Connect
from quotasvc.doors.exchange import Exchange, Refuse, Rpc
from quotasvc.doors.grpc import Grpc
from quotasvc.doors.health import PROCESS, Health
from quotasvc.doors.private import ALIVE, DRAIN, Orders
from quotasvc.doors.reflection import Reflection
from quotasvc.doors.stream import Serve, Stream

FAREWELL_S = 0.5
"""For streams to end by themselves before they are cut."""

POLL_S = 0.01
"""While the door stops; counting costs less than telling."""

log = logging.getLogger(__name__)


class AsgiDoor:
    """Serves rpcs by their paths; made in the loop that serves them."""

    def __init__(
        self,
        unary: Mapping[str, Rpc],
        companions: Companions,
        *,
        streams: Mapping[str, Serve] | None = None,
        refuse: Refuse,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        self.health = companions.health
        self.orders: Orders = {ALIVE: self._alive, DRAIN: self._drain}
        self._companions = companions
        by_path = {path: self._while_open(serve) for path, serve in (streams or {}).items()}
        self._grpc = Grpc(
            unary,
            {**companions.by_path, **by_path},
            companions.refuse_method,
            refuse=refuse,
            message_bytes_max=message_bytes_max,
        )
        self._connect = Connect(unary, refuse=refuse, message_bytes_max=message_bytes_max)
        self._under_way = 0
        self._is_draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = dict(scope["headers"])
        is_grpc = headers.get(b"content-type", b"").startswith(b"application/grpc")
        self._under_way += 1
        try:
            if is_grpc:
                await self._grpc.serve(scope, headers, receive, send)
            else:
                await self._connect.serve(scope, headers, receive, send)
        except BaseException as error:
            log.error("the door failed at %r", scope["path"], exc_info=error)
            await _last_word(send, is_grpc=is_grpc)
        finally:
            self._under_way -= 1

    async def drain(self) -> None:
        """Nothing serves from now on, for those who ask; streams end, and no new ones begin.

        Unary calls are served as ever: callers move when the server tells them.
        """
        self._is_draining = True
        self._companions.stop()
        await _until(lambda: not self._grpc.has_streams, FAREWELL_S)
        self._grpc.end_streams()

    async def stop(self, grace_s: float) -> None:
        """Drains, and lets calls under way end, also those whose callers have gone."""
        await self.drain()
        await _until(lambda: not self._under_way, grace_s)

    def _while_open(self, serve: Serve) -> Serve:
        async def serve_it(stream: Stream) -> None:
            if self._is_draining:
                raise asyncio.CancelledError
            await serve(stream)

        return serve_it

    async def _alive(self) -> bytes:
        return b""

    async def _drain(self) -> bytes:
        await self.drain()
        return b""


def door_of(table: MethodTable, *, call_ms_max: int, has_reflection: bool = True) -> AsgiDoor:
    """A door that serves a method table, and says so to those who ask."""
    names = [service.full_name for service in SERVICES]
    described = Reflection((*names, health.SERVICE)) if has_reflection else None
    companions = Companions(Health(names), described)
    companions.health.set_serving(PROCESS, is_serving=True)
    return AsgiDoor(rpcs_of(table, longest_s=call_ms_max / 1_000), companions, refuse=table.refuse)


def rpcs_of(table: MethodTable, *, longest_s: float) -> dict[str, Rpc]:
    """The methods of a table by path; a call without a deadline, or with a later one, gets this."""
    return {path: _rpc(table, method, longest_s) for path, method in table.by_path.items()}


def _rpc(table: MethodTable, method: Method, longest_s: float) -> Rpc:
    clock = asyncio.get_running_loop().time
    is_tracing = table.telemetry.is_tracing

    async def answer(body: bytes, exchange: Exchange) -> bytes | Status:
        deadline = call_deadline(now=clock(), remaining_s=exchange.remaining_s, longest_s=longest_s)
        traceparent = exchange.header(b"traceparent") if is_tracing else ""
        return await table.answer(method, body, Call(deadline=deadline, traceparent=traceparent))

    return Rpc(name=method.name, request=method.request, response=method.response, answer=answer)


async def _last_word(send: Send, *, is_grpc: bool) -> None:
    """For a call of which nothing was answered; where something was, the server resets it."""
    try:
        if is_grpc:
            # HTTP 500 would be UNKNOWN to gRPC clients, on which gateways let requests pass.
            await end_with(
                send, 200, ((b"content-type", b"application/grpc"), (b"grpc-status", b"13"))
            )
        else:
            await end_with(send, 500, ())
    except OSError:
        log.debug("and nobody is left to hear of it")


async def _until(is_so: Callable[[], bool], within_s: float) -> None:
    """Waits, at most so long."""
    clock = asyncio.get_running_loop().time
    until = clock() + within_s
    while not is_so() and clock() < until:
        await asyncio.sleep(POLL_S)

"""What every door serves beside the table: health, reflection, and a word to all other calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from quotasvc.api.faults import Undecodable, UnknownMethod
from quotasvc.api.table import decode
from quotasvc.doors import health, reflection
from quotasvc.doors.health import Health
from quotasvc.doors.reflection import Reflection
from quotasvc.doors.stream import Serve, Stream


class Companions:
    """Health and, where it is wanted, reflection; `by_path` has what serves each of their rpcs."""

    def __init__(self, health: Health, reflection: Reflection | None) -> None:
        self.health = health
        self._reflection = reflection
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.by_path: Mapping[str, Serve] = self._served()

    def stop(self) -> None:
        """Ends the streams, which would go on for ever."""
        self.health.stop()
        if not self._stopped.done():
            self._stopped.set_result(None)

    async def refuse_method(self, _: Stream) -> None:
        """Serves every path that nothing else serves."""
        raise UnknownMethod("there is no such method here; grpcurl list shows what there is")

    def _served(self) -> dict[str, Serve]:
        served: dict[str, Serve] = {health.CHECK: self._check, health.WATCH: self._watch}
        if self._reflection is not None:
            served |= dict.fromkeys(reflection.PATHS, self._reflect)
        return served

    async def _check(self, stream: Stream) -> None:
        request = decode(HealthCheckRequest, await _read_one(stream))
        await stream.write(self.health.check(request.service).SerializeToString())

    async def _watch(self, stream: Stream) -> None:
        request = decode(HealthCheckRequest, await _read_one(stream))
        async for status in self.health.watch(request.service):
            await stream.write(status.SerializeToString())

    async def _reflect(self, stream: Stream) -> None:
        assert self._reflection is not None
        while (body := await self._read(stream)) is not None:
            response = self._reflection.answer(decode(ServerReflectionRequest, body))
            await stream.write(response.SerializeToString())

    async def _read(self, stream: Stream) -> bytes | None:
        """The next message; None when the caller sends no more, or the door stops."""
        reading = asyncio.ensure_future(stream.read())
        try:
            await asyncio.wait((reading, self._stopped), return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        finally:
            reading.cancel()


async def _read_one(stream: Stream) -> bytes:
    """The one message of a call that sends one."""
    body = await stream.read()
    if body is None:
        raise Undecodable("", "no message was sent")
    return body

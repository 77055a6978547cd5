"""A proxy in front of the store that loses, changes or invents what the store says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from quotasvc.store.endpoint import Endpoint
from tests.support.embedded import until

READ_BYTES_MAX = 1 << 16


class FaultProxy:
    """Passes everything on; replies go through `on_reply` first, and may come out empty."""

    def __init__(self, store: Endpoint) -> None:
        self.on_reply: Callable[[bytes], bytes] = lambda reply: reply
        self.clients = 0
        self._store = store
        self._writers: set[asyncio.StreamWriter] = set()

    def swallow(self) -> None:
        """From now on replies are lost; calls still reach the store."""
        self.on_reply = lambda reply: b""

    def heal(self) -> None:
        """From now on replies pass."""
        self.on_reply = lambda reply: reply

    def say(self, reply: bytes) -> None:
        """Sends to every client what the store did not say."""
        for writer in self._writers:
            writer.write(reply)

    def cut(self) -> None:
        """Closes every connection."""
        for writer in tuple(self._writers):
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until either side hangs up."""
        self.clients += 1
        self._writers.add(writer)
        store_reader, store_writer = await asyncio.open_unix_connection(self._store.path)
        try:
            async with asyncio.TaskGroup() as sides:
                sides.create_task(self._copy(reader, store_writer, lambda call: call))
                sides.create_task(self._copy(store_reader, writer, lambda r: self.on_reply(r)))
        finally:
            self._writers.discard(writer)
            self.clients -= 1

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        change: Callable[[bytes], bytes],
    ) -> None:
        try:
            while data := await reader.read(READ_BYTES_MAX):
                writer.write(change(data))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def fault_proxy(store: Endpoint) -> AsyncIterator[tuple[FaultProxy, Endpoint]]:
    """A proxy on a TCP port of its own, and where to find it."""
    proxy = FaultProxy(store)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    try:
        yield proxy, Endpoint(host="127.0.0.1", port=port)
    finally:
        proxy.cut()
        server.close()
        await until(lambda: proxy.clients == 0)

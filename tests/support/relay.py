"""The Envoy door with the test's own planes behind it: what Envoy's Python is asked, it passes on.

Envoy runs in a process of its own, and a test wants its plane, its gate and its log in this one.
So the application inside Envoy asks back: each request is a connection to the test's socket, on
which the events of ASGI go to and fro. What answers is the real `AsgiDoor`, in the test's loop.
"""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quotasvc.doors.asgi import Event, Receive, Scope, Send
from quotasvc.doors.asgi_door import AsgiDoor
from quotasvc.doors.claim import Claim
from quotasvc.doors.envoy import EnvoyDoor
from quotasvc.doors.health import Health
from quotasvc.doors.lifespan import Lifespan
from quotasvc.doors.private import ALIVE, Orders
from tests.tidy.sources import ROOT

SOCKET = "RELAY_SOCKET"
"""The variable that tells Envoy's Python where to ask."""


class Wire:
    """Objects over a stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> Any:
        """The next object; None at the end."""
        try:
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            return pickle.loads(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None

    def write(self, *words: object) -> None:
        """Sends an object."""
        body = pickle.dumps(words)
        self._writer.write(len(body).to_bytes(4, "big") + body)

    def close(self) -> None:
        """Ends the stream."""
        self._writer.close()


# Inside Envoy.


async def ask_back(scope: Scope, receive: Receive, send: Send) -> None:
    """One request: does what the test's process orders until that has no more orders."""
    wire = Wire(*await asyncio.open_unix_connection(os.environ[SOCKET]))
    wire.write({**scope, "extensions": {}, "state": {}})

    async def obey_receive() -> None:
        wire.write("event", await receive())

    async def obey_send(event: Event) -> None:
        try:
            await send(event)
        except OSError:
            wire.write("sent", ConnectionResetError("the caller is gone"))
        except Exception as error:
            wire.write("sent", RuntimeError(str(error)))
        else:
            wire.write("sent", None)

    tasks = set()
    while (order := await wire.read()) is not None:
        match order:
            case ("receive",):
                tasks.add(asyncio.create_task(obey_receive()))
            case ("send", event):
                tasks.add(asyncio.create_task(obey_send(event)))
            case ("raised", text):
                raise RuntimeError(text)
    wire.close()


class Asking:
    """The application; its supervisor is not the test, and only wants to know that it is there."""

    def __init__(self) -> None:
        self.orders: Orders = {ALIVE: self._alive}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await ask_back(scope, receive, send)

    async def _alive(self) -> bytes:
        return b""


@asynccontextmanager
async def _opened() -> AsyncIterator[Asking]:
    yield Asking()


app = Lifespan(_opened)


# In the test's process.


class Relay:
    """An Envoy that asks back; lives as long as all tests of a process."""

    def __init__(self, address: str, socket: Path) -> None:
        self.address = address
        self.socket = socket


@asynccontextmanager
async def relaying() -> AsyncIterator[Relay]:
    """Starts it, and ends it."""
    with TemporaryDirectory(prefix="relay-") as folder, Claim("127.0.0.1:0") as claim:
        socket = Path(folder) / "asgi"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), SOCKET: str(socket)}
        envoy = EnvoyDoor("tests.support.relay:app", claim.address, environment=environment)
        await envoy.start()
        try:
            yield Relay(claim.address, socket)
        finally:
            await envoy.stop(0)


class RelayedDoor:
    """A door in the test's loop, with the relay's Envoy in front."""

    def __init__(self, door: AsgiDoor, relay: Relay) -> None:
        self.address = relay.address
        self._door = door
        self._relay = relay
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def health(self) -> Health:
        """Of the door."""
        return self._door.health

    async def start(self) -> str:
        """Serves; its address."""
        self._server = await asyncio.start_unix_server(self._serve, self._relay.socket)
        return self.address

    async def stop(self, grace_s: float) -> None:
        """Stops the door, and takes no more requests."""
        await self._door.stop(grace_s)
        if self._server is not None:
            self._server.close()
            self._relay.socket.unlink(missing_ok=True)
            self._server = None
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        wire = Wire(reader, writer)
        (scope,) = await wire.read()
        answers: dict[str, asyncio.Queue[Any]] = {"event": asyncio.Queue(), "sent": asyncio.Queue()}
        listening = asyncio.create_task(self._listen(wire, answers))

        async def receive() -> Event:
            wire.write("receive")
            event: Event = await answers["event"].get()
            return event

        async def send(event: Event) -> None:
            wire.write("send", event)
            failure = await answers["sent"].get()
            if failure is not None:
                raise failure

        try:
            await self._door(scope, receive, send)
        except Exception as error:
            wire.write("raised", str(error))
        finally:
            listening.cancel()
            wire.close()
            with suppress(asyncio.CancelledError, OSError):
                await writer.wait_closed()

    async def _listen(self, wire: Wire, answers: dict[str, asyncio.Queue[Any]]) -> None:
        while (answer := await wire.read()) is not None:
            kind, value = answer
            answers[kind].put_nowait(value)
        # Envoy's side has ended: nobody is kept waiting for it.
        answers["event"].put_nowait({"type": "http.disconnect"})
        answers["sent"].put_nowait(ConnectionResetError("Envoy is gone"))

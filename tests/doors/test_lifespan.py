"""The door is open from the server's start to its end; where it cannot be, nothing starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from quotasvc.doors.asgi import Application, Event, Receive, Scope, Send
from quotasvc.doors.lifespan import Lifespan

STARTUP, SHUTDOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}


class Server:
    """The server's side of the protocol."""

    def __init__(self, opened: Lifespan) -> None:
        self.told: asyncio.Queue[Event] = asyncio.Queue()
        self._orders: asyncio.Queue[Event] = asyncio.Queue()
        self.living = asyncio.create_task(self._live(opened))

    async def _live(self, opened: Lifespan) -> None:
        await opened({"type": "lifespan"}, self._orders.get, self.told.put)

    async def say(self, order: Event) -> Event:
        """What the application answers."""
        self._orders.put_nowait(order)
        return await self.told.get()


async def door(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"served": scope["path"]})


def fail(error: BaseException) -> None:
    raise error


async def test_the_door_is_open_from_start_to_end() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def opened() -> AsyncIterator[Application]:
        seen.append("opened")
        yield door
        seen.append("closed")

    application = Lifespan(opened)
    server = Server(application)
    assert await server.say(STARTUP) == {"type": "lifespan.startup.complete"}
    assert seen == ["opened"]
    # when a request comes
    await application({"type": "http", "path": "/x"}, server.told.get, server.told.put)
    assert await server.told.get() == {"served": "/x"}
    # when the server ends
    assert await server.say(SHUTDOWN) == {"type": "lifespan.shutdown.complete"}
    assert seen == ["opened", "closed"]
    await server.living


@pytest.mark.parametrize("error", [RuntimeError("why"), SystemExit("why")])
async def test_a_door_that_cannot_be_opened_stops_the_server(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """12, fact (l): an exception would mean "no lifespan", and the server would start."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Application]:
        fail(error)
        yield door

    server = Server(Lifespan(opened))
    assert await server.say(STARTUP) == {"type": "lifespan.startup.failed", "message": "why"}
    await server.living
    assert "startup failed" in caplog.text


async def test_a_door_that_cannot_be_closed_says_so(caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Application]:
        yield door
        raise RuntimeError("why")

    server = Server(Lifespan(opened))
    await server.say(STARTUP)
    assert await server.say(SHUTDOWN) == {"type": "lifespan.shutdown.failed", "message": "why"}
    assert "shutdown failed" in caplog.text

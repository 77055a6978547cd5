"""The door is open from the server's start to its end; where it cannot be, nothing starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from quotasvc.doors import private
from quotasvc.doors.asgi import Event, Receive, Scope, Send
from quotasvc.doors.lifespan import Lifespan
from quotasvc.doors.private import ALIVE, Orders
from tests.doors.wire import Request

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


class Door:
    """Says which path it serves, and has an order."""

    def __init__(self) -> None:
        self.orders: Orders = {ALIVE: self.tell}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"served": scope["path"]})

    async def tell(self) -> bytes:
        return b"well"


def fail(error: BaseException) -> None:
    raise error


async def test_the_door_is_open_from_start_to_end() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def opened() -> AsyncIterator[Door]:
        seen.append("opened")
        yield Door()
        seen.append("closed")

    application = Lifespan(opened)
    server = Server(application)
    assert await server.say(STARTUP) == {"type": "lifespan.startup.complete"}
    assert seen == ["opened"]
    # when a request comes
    await application({"type": "http", "path": "/x"}, server.told.get, server.told.put)
    assert await server.told.get() == {"served": "/x"}
    # and so do orders of its supervisor
    asked = Request(ALIVE[1], {}, body=b"", method=ALIVE[0])
    assert (await asked.answer(private.app)).body == b"well"
    # when the server ends
    assert await server.say(SHUTDOWN) == {"type": "lifespan.shutdown.complete"}
    assert seen == ["opened", "closed"]
    await server.living
    # then there is nobody to carry out an order
    asked = Request(ALIVE[1], {}, body=b"", method=ALIVE[0])
    assert (await asked.answer(private.app)).status == 503


@pytest.mark.parametrize("error", [RuntimeError("why"), SystemExit("why")])
async def test_a_door_that_cannot_be_opened_stops_the_server(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """12, fact (l): an exception would mean "no lifespan", and the server would start."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Door]:
        fail(error)
        yield Door()

    server = Server(Lifespan(opened))
    assert await server.say(STARTUP) == {"type": "lifespan.startup.failed", "message": "why"}
    await server.living
    assert "startup failed" in caplog.text


async def test_a_door_that_cannot_be_closed_says_so(caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Door]:
        yield Door()
        raise RuntimeError("why")

    server = Server(Lifespan(opened))
    await server.say(STARTUP)
    assert await server.say(SHUTDOWN) == {"type": "lifespan.shutdown.failed", "message": "why"}
    assert "shutdown failed" in caplog.text

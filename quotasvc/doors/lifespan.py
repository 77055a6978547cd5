"""An ASGI application whose door is opened in the loop that serves it, and closed at its end.

Where it cannot be opened the server is told, and does not start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from quotasvc.doors import private
from quotasvc.doors.asgi import Receive, Scope, Send
from quotasvc.doors.private import Orders

log = logging.getLogger(__name__)


class Door(Protocol):
    """What serves the requests, and its supervisor's orders."""

    orders: Orders

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        ...


class Lifespan:
    """What `opened` gives serves the requests, from the server's start to its end."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Door]]) -> None:
        self._opened = opened
        self._door: Door | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._door is not None, "the server serves before it has started"
        await self._door(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        phase = "startup"
        await receive()
        try:
            async with self._opened() as self._door:
                private.app.open(self._door.orders)
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
                private.app.close()
        # An exception would mean to the server that there is no lifespan, and it would start.
        except BaseException as error:
            log.error("the door's %s failed", phase, exc_info=error)
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

"""The private road into a process that serves: orders of its supervisor, over a Unix socket.

Envoy loads this as a second application, behind a listener of its own: in clear text whatever the
callers' port demands, and with room when that has none. It has a loop of its own too, but each
order is carried out in the loop that serves the calls, so that an answer proves that one turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from quotasvc.doors.asgi import Receive, Scope, Send, end_with

Orders: TypeAlias = Mapping[tuple[str, str], Callable[[], Coroutine[Any, Any, bytes]]]
"""By HTTP method and path: what carries out the order, and gives the answer's body."""

ALIVE, DRAIN = ("GET", "/alive"), ("POST", "/drain")
"""The orders of every door: to answer, and to end streams and take no new ones."""

METRICS = ("GET", "/metrics")
"""Of a door that counts: what it has counted."""


class Road:
    """From any loop to the one that serves."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._orders: Orders = {}

    def open(self, orders: Orders) -> None:
        """From now on orders are carried out, in the loop that says so."""
        self._loop = asyncio.get_running_loop()
        self._orders = orders

    def close(self) -> None:
        """There is nobody any longer to carry them out."""
        self._loop = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One order; the ASGI application."""
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        order = self._orders.get((scope["method"], scope["path"]))
        if self._loop is None or self._loop.is_closed():
            await end_with(send, 503, ())
        elif order is None:
            await end_with(send, 404, ())
        else:
            carried_out = asyncio.run_coroutine_threadsafe(order(), self._loop)
            body = await asyncio.wrap_future(carried_out)
            await end_with(send, 200, ((b"content-length", b"%d" % len(body)),), body)


app = Road()
"""Of this process."""

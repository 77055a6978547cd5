"""What an ASGI server and its application exchange, as far as the doors use it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

# ASGI's own shapes: dictionaries whose values depend on their "type".
Scope: TypeAlias = Mapping[str, Any]
Event: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Header: TypeAlias = tuple[bytes, bytes]
"""A name in lower case, and its value."""


REQUEST_S_MAX = 10.0
"""For all of a request of one message to arrive: whoever takes longer only holds a place."""


class Gone(Exception):
    """The caller has hung up: there is nobody to answer."""


async def next_event(receive: Receive) -> Event:
    """What the server says next. May be cancelled, which the server's own future cannot bear."""
    return await asyncio.shield(asyncio.ensure_future(receive()))


async def end_with(send: Send, status: int, headers: tuple[Header, ...], body: bytes = b"") -> None:
    """A whole answer of plain HTTP."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

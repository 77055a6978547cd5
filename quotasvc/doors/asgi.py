"""What an ASGI server and its application exchange, as far as the doors use it."""

from __future__ import annotations

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


class Gone(Exception):
    """The caller has hung up: there is nobody to answer."""


async def end_with(send: Send, status: int, headers: tuple[Header, ...], body: bytes = b"") -> None:
    """A whole answer of plain HTTP."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

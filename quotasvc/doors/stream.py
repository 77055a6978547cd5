"""The messages of one call, one by one: all that what is served beside the table needs to know.

Fits rpcs of any kind, unary ones included: on the wire they are streams of one message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias


class Stream(Protocol):
    """One call; each door has its own."""

    async def read(self) -> bytes | None:
        """The next message; None when the caller sends no more."""
        ...

    async def write(self, message: bytes) -> None:
        """Sends a message; waits while the caller does not read."""
        ...


Serve: TypeAlias = Callable[[Stream], Awaitable[None]]
"""Serves one call: returns when all is said, raises what the caller is to see as a status."""

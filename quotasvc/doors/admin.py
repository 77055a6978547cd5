"""The operators' port: plain HTTP on loopback, for probes and for Prometheus.

    /healthz    200 while the loop turns: it answers through it
    /readyz     200 if calls can be served, else 503 and what is wrong, one per line
    /metrics    Prometheus text

Three fixed answers need no framework: one request per connection, its head read within bounds of
size and time, its body never.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

from quotasvc.doors.faults import ListenFailed

HEAD_BYTES_MAX = 8_192
REQUEST_S_MAX = 5.0
"""For the head to arrive and the answer to leave."""

TEXT = "text/plain; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"

log = logging.getLogger(__name__)

Answer = tuple[HTTPStatus, str, bytes]
"""Status, content type, body."""


class AdminDoor:
    """Serves an address such as "127.0.0.1:50052"; port 0 means any free one.

    `exposition` gives the metrics, `problems` what stands in the way of serving calls.
    """

    def __init__(
        self,
        listen: str,
        *,
        exposition: Callable[[], Awaitable[bytes]],
        problems: Callable[[], Sequence[str]],
    ) -> None:
        self._listen = listen
        self._exposition = exposition
        self._problems = problems
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        """Listens and serves; the address, with the port that it got."""
        host, _, port = self._listen.rpartition(":")
        try:
            self._server = await asyncio.start_server(
                self._serve, host.strip("[]"), int(port), limit=HEAD_BYTES_MAX
            )
        except OSError as error:
            text = f"cannot listen on {self._listen}: {error.strerror or error}"
            raise ListenFailed(text) from error
        found: int = self._server.sockets[0].getsockname()[1]
        return f"{host}:{found}"

    async def stop(self) -> None:
        """Stops listening; an answer under way takes milliseconds and is not waited for."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_S_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head, await self._answer(head)))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
            # A timeout is an OSError too. Whoever sends no request gets no answer.
            log.debug("admin: no request: %r", error)
        finally:
            writer.close()

    async def _answer(self, head: bytes) -> Answer:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, TEXT, b"only GET\n"
        try:
            return await self._page(path)
        except Exception:
            log.exception("admin: cannot answer %r", path)
            return HTTPStatus.INTERNAL_SERVER_ERROR, TEXT, b"see the log\n"

    async def _page(self, path: bytes) -> Answer:
        match path:
            case b"/healthz":
                return HTTPStatus.OK, TEXT, b"ok\n"
            case b"/readyz":
                problems = self._problems()
                text = "".join(f"{problem}\n" for problem in problems)
                if problems:
                    return HTTPStatus.SERVICE_UNAVAILABLE, TEXT, text.encode()
                return HTTPStatus.OK, TEXT, b"ready\n"
            case b"/metrics":
                return HTTPStatus.OK, METRICS, await self._exposition()
            case _:
                return HTTPStatus.NOT_FOUND, TEXT, b"/healthz /readyz /metrics\n"


def _response(head: bytes, answer: Answer) -> bytes:
    status, content_type, body = answer
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    shown = b"" if head.startswith(b"HEAD ") else body
    return "\r\n".join((*lines, "", "")).encode() + shown

"""One request to an ASGI application, played as the server of the Envoy door plays it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from quotasvc.doors.asgi import Application, Event, Header
from quotasvc.doors.grpc_frames import Frames

GRPC: dict[bytes, bytes] = {b"content-type": b"application/grpc", b"te": b"trailers"}
JSON: dict[bytes, bytes] = {b"content-type": b"application/json"}
ADDRESS = ("127.0.0.1", 50051)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All that came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    trailers: dict[bytes, bytes] | None

    @property
    def grpc_status(self) -> int:
        """From the trailers, or from the headers of an answer that has nothing else."""
        found = self.headers if self.trailers is None else self.trailers
        return int(found[b"grpc-status"])

    @property
    def grpc_message(self) -> str:
        """As the caller's library shows it."""
        found = self.headers if self.trailers is None else self.trailers
        return unquote(found.get(b"grpc-message", b"").decode())

    @property
    def messages(self) -> list[bytes]:
        """Those of the body."""
        frames = Frames(len(self.body))
        frames.feed(self.body)
        found = []
        while (message := frames.next()) is not None:
            found.append(message)
        frames.finish()
        return found


class Request:
    """A request that is sent piece by piece; `run` or `answer` serves it to its end."""

    def __init__(
        self,
        path: str,
        headers: dict[bytes, bytes],
        *,
        body: bytes | Sequence[bytes] | None = None,
        method: str = "POST",
        http_version: str = "2",
    ) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "http_version": http_version,
            "method": method,
            "path": path,
            "headers": list(headers.items()),
            "server": ADDRESS,
        }
        self.sent: list[Event] = []
        self.has_hung_up = False
        self.polls = 0
        self.may_send: asyncio.Semaphore | None = None  # bounds what the application may send
        self.takes_one_start = False
        self._arrived: asyncio.Queue[Event] = asyncio.Queue()
        self._has_ended = False
        if body is not None:
            pieces = [body] if isinstance(body, bytes) else body
            for piece in pieces[:-1]:
                self.send(piece)
            self.send(pieces[-1], is_last=True)

    def send(self, data: bytes, *, is_last: bool = False) -> None:
        """More of the body."""
        event = {"type": "http.request", "body": data, "more_body": not is_last}
        self._arrived.put_nowait(event)

    @property
    def waiting(self) -> int:
        """Pieces that the application has not asked for."""
        return self._arrived.qsize()

    def hang_up(self) -> None:
        """The caller has gone."""
        self.has_hung_up = True
        if not self._has_ended:
            self._arrived.put_nowait({"type": "http.disconnect"})

    async def run(self, application: Application) -> None:
        """Serves the request to its end."""
        await application(self.scope, self._receive, self._tell)

    async def answer(self, application: Application) -> Answer:
        """What the application says."""
        await self.run(application)
        start = self.sent[0]
        assert start["type"] == "http.response.start"
        bodies = [event for event in self.sent if event["type"] == "http.response.body"]
        assert [event.get("more_body", False) for event in bodies] == [
            *[True] * (len(bodies) - 1),
            False,
        ]
        trailers = [event for event in self.sent if event["type"] == "http.response.trailers"]
        assert len(trailers) == start.get("trailers", False)
        return Answer(
            status=start["status"],
            headers=_once_each(start["headers"]),
            body=b"".join(event.get("body", b"") for event in bodies),
            trailers=_once_each(trailers[0]["headers"]) if trailers else None,
        )

    async def _receive(self) -> Event:
        if self._has_ended and self._arrived.empty():
            self.polls += 1
            if self.has_hung_up:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": b"", "more_body": False}
        event = await self._arrived.get()
        self._has_ended = not event.get("more_body", False)
        return event

    async def _tell(self, event: Event) -> None:
        if self.has_hung_up:
            raise ConnectionResetError("as the server says it")
        if self.may_send is not None:
            await self.may_send.acquire()
        if self.takes_one_start and self.sent and event["type"] == "http.response.start":
            raise RuntimeError("a second start")
        self.sent.append(event)


def _once_each(headers: Sequence[Header]) -> dict[bytes, bytes]:
    assert len(dict(headers)) == len(headers)
    return dict(headers)

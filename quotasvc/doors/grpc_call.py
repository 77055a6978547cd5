"""One gRPC call over ASGI, as a stream of messages: its frames, its headers, its end.

The server tells of a caller that hangs up in one of three ways: a send fails; a `receive` under
way returns "http.disconnect"; or, once the request has ended, a new `receive` does so, which
otherwise returns an empty request at once. So there is one under way while the request lasts, and
afterwards somebody has to `look` from time to time.
"""

from __future__ import annotations

import asyncio

from quotasvc.api.call import call_deadline
from quotasvc.api.faults import Status
from quotasvc.doors.asgi import Event, Gone, Header, Receive, Send
from quotasvc.doors.exchange import Exchange
from quotasvc.doors.grpc_frames import Frames, frame
from quotasvc.doors.grpc_headers import TRAILERS_OK, trailers_of

POLL_S = 0.1
"""How often it is asked whether the caller is still there; a younger call is not worth it."""

NO_DEADLINE = float("inf")


class GrpcCall:
    """`read` and `write` messages, then `end`. Where it is cut short, `cut` says why."""

    __slots__ = (
        *("exchange", "deadline", "cut", "task", "_receive", "_send", "_frames", "content_type"),
        *("_receiving", "_has_ended", "_has_started", "_poll_at"),
    )

    def __init__(
        self,
        exchange: Exchange,
        frames: Frames,
        *,
        content_type: bytes,
        receive: Receive,
        send: Send,
    ) -> None:
        self.exchange = exchange
        self.deadline = NO_DEADLINE
        self.cut: BaseException | None = None
        self.task: asyncio.Task[BaseException | None] | None = None  # what serves the call
        self._frames = frames
        self.content_type = content_type
        self._receive = receive
        self._send = send
        self._receiving: asyncio.Task[None] | None = None
        self._has_ended = False  # the request
        self._has_started = False  # the answer
        self._poll_at = 0.0

    # Messages.

    async def read(self) -> bytes | None:
        """The next message; None when the caller sends no more. Cancelling it loses nothing."""
        while (message := self._frames.next()) is None:
            if self.cut is not None:
                raise self.cut
            if self._has_ended:
                self._frames.finish()
                return None
            # Shielded: the server cannot bear a `receive` that is cancelled.
            await asyncio.shield(self._start_receiving())
        return message

    async def write(self, message: bytes) -> None:
        """Sends a message; waits while the caller does not read."""
        if not self._has_started:
            await self._start(self.exchange.answer_headers)
        await self._tell({"type": "http.response.body", "body": frame(message), "more_body": True})

    async def end(self, status: Status | None) -> None:
        """The last word: a refusal, or None for OK."""
        trailers = TRAILERS_OK if status is None else trailers_of(status)
        trailers += self.exchange.answer_trailers
        if not self._has_started:
            if status is not None and not self.exchange.answer_headers:
                # Headers, body and trailers in one frame.
                await self._start(trailers, has_trailers=False)
                await self._tell({"type": "http.response.body"})
                return
            await self._start(self.exchange.answer_headers)
        await self._tell({"type": "http.response.body"})
        await self._tell({"type": "http.response.trailers", "headers": trailers})

    # The caller's patience.

    def watch(self, now: float) -> None:
        """From `now` on time counts."""
        self._poll_at = now + POLL_S
        self.deadline = call_deadline(
            now=now, remaining_s=self.exchange.remaining_s, longest_s=NO_DEADLINE
        )

    def look(self, now: float) -> None:
        """Asks whether the caller is still there, not too often; the answer may cut the call.

        Does not read ahead of what serves the call by more than a message.
        """
        if now >= self._poll_at and (self._has_ended or not self._frames.is_full):
            self._poll_at = now + POLL_S
            self._start_receiving()

    def cut_short(self, cause: BaseException) -> None:
        """Ends what serves the call; the first cause is the one that counts."""
        if self.cut is None:
            self.cut = cause
            if self.task is not None:
                self.task.cancel()

    def take(self, event: Event) -> None:
        """What the server says of the request."""
        if event["type"] == "http.disconnect":
            self.cut_short(Gone())
        elif not self._has_ended:
            self._frames.feed(event["body"])
            self._has_ended = not event["more_body"]

    def _start_receiving(self) -> asyncio.Task[None]:
        if self._receiving is None:
            self._receiving = asyncio.create_task(self._receive_one())
        return self._receiving

    async def _receive_one(self) -> None:
        event = await self._receive()
        self._receiving = None
        self.take(event)

    async def _start(self, headers: tuple[Header, ...], *, has_trailers: bool = True) -> None:
        self._has_started = True
        await self._tell(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": ((b"content-type", self.content_type), *headers),
                "trailers": has_trailers,
            }
        )

    async def _tell(self, event: Event) -> None:
        try:
            await self._send(event)
        # Of the server; the reader of this call is gone.
        except OSError:
            raise Gone from None

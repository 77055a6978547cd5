"""One connection to a store: calls leave together, replies come back in order.

All calls of one turn of the event loop go out in one write. A caller that gives up leaves its
place in the queue, so its late reply can reach nobody else; the nonce that every script echoes
proves it. Knows the wire and deadlines; does not know what is asked, and sends nothing twice but
a script that the server did not have.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import hiredis

from quotasvc.domain.faults import Fault
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.faults import (
    ScriptUnknown,
    StoreDemoted,
    StoreOverloaded,
    StoreUnavailable,
    fault_from_reply,
)
from quotasvc.store.resp import Reply, Word, pack
from quotasvc.store.scripts import Library

SWEEP_S = 0.01
"""How late a deadline may be noticed: one coarse timer for all calls, and none while idle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one connection; times in milliseconds."""

    calls_max: int = 20_000
    """Calls under way, and as many again while waiting for a connection."""

    silence_ms_max: int = 2_000
    """With calls under way and not a byte for so long, the store counts as hung."""

    connect_ms_max: int = 1_000
    """For connecting, logging in and loading all scripts."""

    close_ms_max: int = 1_000
    """How long `close` waits for the calls under way."""


@dataclass(slots=True)
class Counts:
    """What happened on all connections of one executor, for metrics."""

    connects: int = 0
    losses: int = 0
    silences: int = 0
    nonce_mismatches: int = 0
    scripts_reloaded: int = 0


@dataclass(slots=True)
class _Pending:
    """A call that left; its place in the queue is the place of its reply."""

    answer: asyncio.Future[Reply]
    deadline: float
    packed: bytes
    nonce: bytes
    library: Library | None


_INCOMPLETE = object()
"""What the reader returns when it needs more bytes; None is a reply."""


class Connection(asyncio.Protocol):
    """The wire and its queue. Once lost it stays lost; its executor makes a new one."""

    def __init__(self, limits: Limits, counts: Counts, on_lost: Callable[[str], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._counts = counts
        self._on_lost = on_lost
        self._reader = hiredis.Reader(replyError=fault_from_reply, notEnoughData=_INCOMPLETE)
        self._transport: asyncio.Transport | None = None
        self._pending: deque[_Pending] = deque()
        self._outbox: list[bytes] = []
        self._loading: set[Library] = set()
        self._is_sweeping = False
        self._has_heard = False
        self._heard_at = 0.0

    async def open(self, endpoint: Endpoint) -> None:
        """Connects; an OSError says why it cannot."""
        if endpoint.path is not None:
            await self._loop.create_unix_connection(lambda: self, endpoint.path)
        else:
            await self._loop.create_connection(
                lambda: self, endpoint.host, endpoint.port, ssl=endpoint.tls
            )

    def send(
        self,
        packed: bytes,
        deadline: float,
        nonce: bytes = b"",
        library: Library | None = None,
    ) -> asyncio.Future[Reply]:
        """Queues a call. With a nonce its reply must be an array that starts with it."""
        if self._transport is None:
            raise StoreUnavailable("the connection was lost before the call was sent", sent=False)
        if deadline <= self._loop.time():
            raise StoreUnavailable("the deadline had passed before the call was sent", sent=False)
        if len(self._pending) >= self._limits.calls_max:
            raise StoreOverloaded(f"{len(self._pending)} calls to the store are under way")
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._enqueue(_Pending(answer, deadline, packed, nonce, library))
        return answer

    async def drain(self) -> None:
        """Waits for the calls under way, if not for long."""
        if self._pending:
            answers = [call.answer for call in self._pending]
            await asyncio.wait(answers, timeout=self._limits.close_ms_max / 1000)

    def drop(self, reason: str) -> None:
        """Ends the connection now: the outcome of every call under way is unknown."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        transport.abort()
        pending, self._pending = self._pending, deque()
        for call in pending:
            if not call.answer.done():
                call.answer.set_exception(StoreUnavailable(reason, sent=True))
        self._on_lost(reason)

    # The protocol's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The wire is there."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The wire is gone; nothing happens if we cut it ourselves."""
        self.drop(f"the store closed the connection ({exc or 'end of stream'})")

    def data_received(self, data: bytes) -> None:
        """Gives every whole reply to the oldest call."""
        self._has_heard = True
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                self._settle(reply)
        except hiredis.ProtocolError as error:
            self.drop(f"the store does not speak its protocol ({error})")

    # The queue.

    def _enqueue(self, call: _Pending) -> None:
        if not self._pending:
            self._has_heard = True  # silence counts from the first call under way
            self._sweep_soon()
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._pending.append(call)
        self._outbox.append(call.packed)

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._outbox))
            self._outbox.clear()

    def _settle(self, reply: Reply | Fault) -> None:
        if not self._pending:
            self.drop("the store sent a reply that nobody asked for")
            return
        call = self._pending.popleft()
        if call.library and not call.nonce:
            self._loading.discard(call.library)
        if isinstance(reply, Fault):
            self._refuse(call, reply)
            return
        if call.nonce:
            if not isinstance(reply, list) or not reply or reply[0] != call.nonce:
                self._distrust(call)
                return
            del reply[0]
        if not call.answer.done():
            call.answer.set_result(reply)

    def _refuse(self, call: _Pending, fault: Fault) -> None:
        if call.answer.done():
            return
        if isinstance(fault, ScriptUnknown) and call.library is not None:
            self._load_and_send_again(call, call.library)
            return
        call.answer.set_exception(fault)
        if isinstance(fault, StoreDemoted):
            # Behind the same address there may be a new primary by now.
            self.drop(fault.text)

    def _load_and_send_again(self, call: _Pending, library: Library) -> None:
        """Safe, because the script did not run; once, because loading it must have helped. One load
        is enough for all calls behind it: it is large."""
        self._counts.scripts_reloaded += 1
        call.library = None
        if library not in self._loading:
            self._loading.add(library)
            loaded: asyncio.Future[Reply] = self._loop.create_future()
            loaded.cancel()  # nobody waits: if loading fails, the call behind it tells
            self._enqueue(_Pending(loaded, call.deadline, library.pack_load(), b"", library))
        self._enqueue(call)

    def _distrust(self, call: _Pending) -> None:
        """Replies and calls no longer match: from here on any reply could be another's."""
        self._counts.nonce_mismatches += 1
        self._pending.appendleft(call)
        self.drop("a reply did not carry its call's nonce")

    # The clock's side.

    def _sweep_soon(self) -> None:
        if not self._is_sweeping:
            self._is_sweeping = True
            self._loop.call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Fails the calls whose time is up, and the connection when the store hangs."""
        self._is_sweeping = False
        if not self._pending:
            return
        now = self._loop.time()
        if self._has_heard:
            self._has_heard, self._heard_at = False, now
        elif now - self._heard_at > self._limits.silence_ms_max / 1000:
            self._counts.silences += 1
            self.drop(f"the store was silent for {self._limits.silence_ms_max} ms")
            return
        for call in self._pending:
            if call.deadline <= now and not call.answer.done():
                call.answer.set_exception(
                    StoreUnavailable("no answer by the deadline: it may be applied", sent=True)
                )
        self._sweep_soon()


async def ask(endpoint: Endpoint, *commands: tuple[Word, ...], within_s: float) -> list[Reply]:
    """The replies to a few commands, on a connection of their own."""
    connection = Connection(Limits(), Counts(), on_lost=lambda reason: None)
    deadline = asyncio.get_running_loop().time() + within_s
    try:
        async with asyncio.timeout_at(deadline):
            await connection.open(endpoint)
            answers = [connection.send(pack(words), deadline) for words in commands]
            return await asyncio.gather(*answers)
    finally:
        connection.drop("all was asked")

"""The road to one store: one connection, kept up in the background, that all calls share.

Nothing is retried. A call that was not sent says so (`StoreUnavailable.sent` is false); one that
was sent and got no reply has an unknown outcome, and only its caller knows whether it may ask
again. Without a connection a call waits for one until its deadline, which rides out a short
restart. Knows endpoints and scripts; does not know what they are about.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from random import Random
from typing import cast

from quotasvc.domain.faults import Fault
from quotasvc.store.backoff import pause_s
from quotasvc.store.connection import Connection, Counts, Limits
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.faults import ScriptKnown, StoreFull, StoreOverloaded, StoreUnavailable
from quotasvc.store.resp import Reply, Word, pack
from quotasvc.store.scripts import Script, ScriptSet

__all__ = ["Counts", "Executor", "Limits", "Reply", "Word"]

DEFAULT_LIMITS = Limits()

log = logging.getLogger(__name__)


class Executor:
    """Runs commands and scripts on one store; deadlines are absolute times of the loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        scripts: ScriptSet,
        *,
        chance: Random,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.counts = Counts()
        self._endpoint = endpoint
        self._scripts = scripts
        self._libraries = scripts.libraries
        self._chance = chance
        self._limits = limits
        # Behind a proxy that mixes up clients, two counters from 1 would hide the mix-up.
        self._nonces = itertools.count(chance.getrandbits(52))
        self._connection: Connection | None = None
        self._ready = asyncio.Event()
        self._lost = asyncio.Event()
        self._waiting = 0
        self._failure = "not started"
        self._keeper: asyncio.Task[None] | None = None
        self._proof: tuple[tuple[Word, ...], Reply] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether a call would leave at once."""
        return self._connection is not None

    async def start(self, deadline: float) -> None:
        """Connects and loads all scripts; by `deadline` at the latest it raises what is wrong."""
        self._keeper = asyncio.create_task(self._stay_connected(), name="store connection")
        await self._connected(deadline)

    def require(self, question: tuple[Word, ...], answer: Reply) -> None:
        """From the next connection on only a store that gives this answer is talked to."""
        self._proof = (question, answer)

    def distrust(self, reason: str) -> None:
        """Drops the connection: the next one has to give the required answer first."""
        if self._connection is not None:
            self._connection.drop(reason)

    async def close(self) -> None:
        """Lets the calls under way end, briefly, then disconnects for good."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._connection is not None:
            await self._connection.drain()
        if self._connection is not None:
            self._connection.drop("closed")

    async def call(self, *words: Word, deadline: float) -> Reply:
        """One command."""
        connection = self._connection or await self._connected(deadline)
        return await connection.send(pack(words), deadline)

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Word], deadline: float
    ) -> list[Reply]:
        """One script; its reply, outcome code first."""
        connection = self._connection or await self._connected(deadline)
        nonce = b"%d" % next(self._nonces)
        stitched = self._scripts[script]
        packed = self._scripts.pack(stitched, nonce, keys, args)
        # The connection has seen that it is an array.
        return cast("list[Reply]", await connection.send(packed, deadline, nonce, stitched.library))

    async def _connected(self, deadline: float) -> Connection:
        """The connection, waiting for a new one while there is none."""
        if self._waiting >= self._limits.calls_max:
            raise StoreOverloaded(f"{self._waiting} calls wait for the store to come back")
        self._waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                while self._connection is None:
                    await self._ready.wait()
                return self._connection
        except TimeoutError:
            text = f"no connection to the store: {self._failure}"
            raise StoreUnavailable(text, sent=False) from None
        finally:
            self._waiting -= 1

    async def _stay_connected(self) -> None:
        """Connects, again whenever the connection is lost, slower after each failure."""
        attempt = 0
        while True:
            self._lost.clear()
            try:
                self._connection = await self._connect()
                self._ready.set()
                self.counts.connects += 1
                attempt = 0
                await self._lost.wait()
                self.counts.losses += 1
                # Again, for one that was lost before it was ours.
                self._forget(self._failure)
            except (OSError, Fault) as error:
                self._failure = str(error) or type(error).__name__
            log.warning("store: %s", self._failure)
            # Half of it by chance, or all services would come back in the same moment.
            await asyncio.sleep(pause_s(attempt) * (0.5 + self._chance.random() / 2))
            attempt += 1

    async def _connect(self) -> Connection:
        """A connection that is logged in and whose server has all scripts."""
        connection = Connection(self._limits, self.counts, on_lost=self._forget)
        with ExitStack() as undo:
            undo.callback(connection.drop, "could not log in and load the scripts")
            deadline = asyncio.get_running_loop().time() + self._limits.connect_ms_max / 1000
            async with asyncio.timeout_at(deadline):
                await connection.open(self._endpoint)
                answers = [connection.send(packed, deadline) for packed in self._introduction()]
                loads = [connection.send(one.pack_load(), deadline) for one in self._libraries]
                # Refused while the server still reads its log; unanswered where it hangs.
                answers.append(connection.send(pack(("PING",)), deadline))
                # All are waited for: a failure that nobody looks at fills the log.
                await asyncio.gather(*answers, *loads, return_exceptions=True)
                await asyncio.gather(*answers)
                await self._loaded(loads)
                await self._prove(connection, deadline)
            undo.pop_all()
        return connection

    async def _prove(self, connection: Connection, deadline: float) -> None:
        """Refuses a store that is not the one it should be, such as one that lost its data."""
        if self._proof is None:
            return
        question, expected = self._proof
        if await connection.send(pack(question), deadline) != expected:
            raise StoreUnavailable("it has lost its data, or is another store", sent=False)

    async def _loaded(self, loads: Iterable[Awaitable[Reply]]) -> None:
        """A script that the server has is as good as loaded; one that finds it full is loaded when
        it is called, if there is room again, and the others run (those that return go on)."""
        for result in await asyncio.gather(*loads, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(
                result, ScriptKnown | StoreFull
            ):
                raise result

    def _introduction(self) -> Iterator[bytes]:
        """What is sent before any call, all in one write."""
        endpoint = self._endpoint
        if endpoint.password:
            yield pack(("AUTH", endpoint.username, endpoint.password))
        if endpoint.database:
            yield pack(("SELECT", endpoint.database))

    def _forget(self, reason: str) -> None:
        """The connection is lost: calls wait from this moment on."""
        self._failure = reason
        self._connection = None
        self._ready.clear()
        self._lost.set()

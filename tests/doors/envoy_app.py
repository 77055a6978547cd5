"""The application of the tests that run a real Envoy: it behaves, or misbehaves, as it is asked.

Runs inside Envoy's process. What is asked is the `resource` of a reserve.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue

from quotasvc.domain.outcome import Allowed, Denied
from quotasvc.doors.asgi import Receive, Scope, Send
from quotasvc.doors.asgi_door import AsgiDoor, rpcs_of
from quotasvc.doors.companions import Companions
from quotasvc.doors.exchange import Exchange, Rpc
from quotasvc.doors.health import PROCESS, Health
from quotasvc.doors.lifespan import Lifespan
from quotasvc.doors.stream import Stream
from quotasvc.planes.ask import Ask
from tests.support.door import ScriptedDecisions, make_table
from tests.unit.test_render import ALLOWED

FAILING_START = "FAILING_START"
"""The variable that makes the start fail."""

SEEN, WHO, POUR, HOLD, ECHO = (
    f"/test.Envoy/{name}" for name in ("Seen", "Who", "Pour", "Hold", "Echo")
)
RAISE_FIRST, RAISE_LATER = "/test.Raw/First", "/test.Raw/Later"
POURED_BYTES = 10_000

seen: list[str] = []
tasks: set[asyncio.Task[None]] = set()


async def behave(ask: Ask, deadline: float) -> Allowed | Denied:
    match ask.resource:
        case "hold/1s" | "hold/3s" as hold:
            seconds = int(hold[5])
            seen.append(f"holding for {seconds} s")
            await asyncio.sleep(seconds)
            seen.append("held to the end")
        case "block/loop":
            time.sleep(60)
        case "exit/loop":
            tasks.add(asyncio.create_task(leave()))
        case "exit/process":
            os._exit(3)
        case "exit/call":
            sys.exit(1)
    return ALLOWED


async def leave() -> None:
    """A mistake that a background task may make: it ends the loop's thread."""
    sys.exit(1)


async def tell(body: bytes, exchange: Exchange) -> bytes:
    return StringValue(value=", ".join(seen)).SerializeToString()


async def who(body: bytes, exchange: Exchange) -> bytes:
    """What Envoy says of the caller."""
    said = exchange.header(b"x-forwarded-client-cert")
    return StringValue(value=said).SerializeToString()


async def pour(stream: Stream) -> None:
    """Writes without end; says how much, when the caller has gone."""
    written = 0
    try:
        while True:
            await stream.write(bytes(POURED_BYTES))
            written += 1
            seen.append(f"poured {written}")
            del seen[:-10]
    finally:
        seen.append("pouring ended")


async def keep(stream: Stream) -> None:
    """Says that it has begun, and then nothing."""
    await stream.write(b"begun")
    try:
        await asyncio.Event().wait()
    finally:
        seen.append("holding ended")


async def echo(stream: Stream) -> None:
    while (message := await stream.read()) is not None:
        await stream.write(message)


@asynccontextmanager
async def opened() -> AsyncIterator[AsgiDoor]:
    """The door over the table, and what the tests need beside it."""
    if FAILING_START in os.environ:
        raise RuntimeError("this start was to fail")
    table = make_table(ScriptedDecisions(behave))
    companions = Companions(Health(["quotasvc.v1.DecisionService"]), None)
    companions.health.set_serving(PROCESS, is_serving=True)
    told = {
        path: Rpc(name=path[1:], request=Empty, response=StringValue, answer=answer)
        for path, answer in ((SEEN, tell), (WHO, who))
    }
    door = AsgiDoor(
        {**rpcs_of(table, longest_s=5.0), **told},
        companions,
        streams={POUR: pour, HOLD: keep, ECHO: echo},
        refuse=table.refuse,
    )
    yield door
    await door.stop(5)


serve = Lifespan(opened)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The door, and two paths behind which exceptions leave the application."""
    match scope.get("path"):
        case path if path == RAISE_FIRST:
            raise RuntimeError("out of the application")
        case path if path == RAISE_LATER:
            kind = ((b"content-type", b"application/grpc"),)
            start = {"type": "http.response.start", "status": 200, "headers": kind}
            await send({**start, "trailers": True})
            await send({"type": "http.response.body", "body": b"\0", "more_body": True})
            raise RuntimeError("out of the application, later")
        case _:
            await serve(scope, receive, send)

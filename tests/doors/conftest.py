"""A door over one rpc and whatever stream a test has; and one in a real Envoy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from google.protobuf.wrappers_pb2 import StringValue

from quotasvc.api.faults import Status, to_pb_status
from quotasvc.doors.asgi_door import AsgiDoor
from quotasvc.doors.claim import Claim
from quotasvc.doors.companions import Companions
from quotasvc.doors.envoy import EnvoyDoor
from quotasvc.doors.exchange import Exchange, Rpc
from quotasvc.doors.health import Health
from quotasvc.doors.stream import Serve
from tests.doors.envoys import calling, running
from tests.support.door import Caller

ECHO = "/test.Service/Echo"
STREAM = "/test.Service/Stream"
BYTES_MAX = 1_000

Answer = Callable[[bytes, Exchange], Status | bytes]


class Doors:
    """Makes doors; what it refuses, it keeps."""

    def __init__(self) -> None:
        self.refused: list[BaseException] = []

    def refuse(self, name: str, error: BaseException) -> Status:
        """As the table does, without its log."""
        assert name
        self.refused.append(error)
        return to_pb_status(error, currency="USD", error_id="e1")

    def __call__(self, answer: Answer | None = None, stream: Serve | None = None) -> AsgiDoor:
        """A door with an rpc at ECHO, which takes and gives a StringValue, and a stream."""

        async def echo(body: bytes, exchange: Exchange) -> Status | bytes:
            return body if answer is None else answer(body, exchange)

        rpc = Rpc(name=ECHO[1:], request=StringValue, response=StringValue, answer=echo)
        return AsgiDoor(
            {ECHO: rpc},
            Companions(Health(["test.Service"]), None),
            streams={} if stream is None else {STREAM: stream},
            refuse=self.refuse,
            message_bytes_max=BYTES_MAX,
        )


@pytest.fixture
def make_door() -> Doors:
    """Makes doors of the running loop."""
    return Doors()


@pytest_asyncio.fixture
async def address() -> AsyncIterator[str]:
    with Claim("127.0.0.1:0") as claim:
        yield claim.address


@pytest_asyncio.fixture
async def door(address: str) -> AsyncIterator[EnvoyDoor]:
    async with running(address) as door:
        yield door


@pytest_asyncio.fixture
async def caller(door: EnvoyDoor, address: str) -> AsyncIterator[Caller]:
    async with calling(address) as caller:
        yield caller

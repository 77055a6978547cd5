"""A door over two rpcs and whatever streams a test has."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from quotasvc.api.faults import Status, to_pb_status
from quotasvc.doors.asgi_door import AsgiDoor
from quotasvc.doors.companions import Companions
from quotasvc.doors.exchange import Exchange, Rpc
from quotasvc.doors.health import Health
from quotasvc.doors.stream import Serve

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

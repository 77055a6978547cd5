"""The application that the suites call: both services, behind the door that is tested."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from quotasvc.api.faults import Status, to_pb_status
from quotasvc.doors.asgi_door import AsgiDoor
from quotasvc.doors.companions import Companions
from quotasvc.doors.health import Health
from quotasvc.doors.lifespan import Lifespan
from tests.conformance import connect_service, interop_service
from tests.conformance.connect_service import Refused

BYTES_MAX = "CONFORMANCE_BYTES_MAX"
"""The variable that bounds messages."""

BYTES_MAX_DEFAULT = 4 * 1024 * 1024


def refuse(name: str, error: BaseException) -> Status:
    """As asked for, else with the code of the real service; the suites want no details of ours."""
    if isinstance(error, Refused):
        return error.status
    return replace(to_pb_status(error, currency="USD", error_id="0"), details=b"")


@asynccontextmanager
async def opened() -> AsyncIterator[AsgiDoor]:
    """The door of the suites."""
    door = AsgiDoor(
        {**connect_service.unary(), **interop_service.unary()},
        Companions(Health(()), None),
        streams={**connect_service.streams(), **interop_service.streams()},
        refuse=refuse,
        message_bytes_max=int(os.environ.get(BYTES_MAX, "0")) or BYTES_MAX_DEFAULT,
    )
    yield door
    await door.stop(0)


app = Lifespan(opened)

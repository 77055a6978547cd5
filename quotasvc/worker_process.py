"""One process of the Envoy door, from inside: the application that Envoy loads.

Its store has been opened and its catalog put in force by the service that started it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import SystemRandom

from quotasvc.assignment import Assignment, read_assignment
from quotasvc.doors.asgi_door import AsgiDoor, door_of
from quotasvc.doors.lifespan import Lifespan
from quotasvc.doors.private import METRICS
from quotasvc.logs import configure_logs
from quotasvc.planes.catalogs import Catalogs
from quotasvc.private_file import FileFault
from quotasvc.secrets_file import read_secrets
from quotasvc.store.catalog import CatalogStore
from quotasvc.store.seal import require
from quotasvc.supervisor import Supervisor
from quotasvc.worker import Worker, connect, deadline, parse_kept, telemetry_of


@asynccontextmanager
async def opened() -> AsyncIterator[AsgiDoor]:
    """The door of this process, in the loop that serves it."""
    assignment = read_assignment()
    configure_logs(assignment.log, sys.stderr)
    async with AsyncExitStack() as undo:
        yield await _open(assignment, undo)


async def _open(assignment: Assignment, undo: AsyncExitStack) -> AsgiDoor:
    chance = SystemRandom()
    telemetry = telemetry_of(assignment.traces)
    undo.callback(telemetry.close)
    executor = await connect(assignment.endpoint, telemetry, chance, undo)
    require(executor, assignment.store_id)
    secrets = read_secrets(assignment.secrets)
    if secrets is None:
        raise FileFault(f"{assignment.secrets} has gone")
    kept = CatalogStore(executor)
    text = await kept.text(assignment.catalog_version, deadline())
    assert text is not None, "the service has kept it"
    worker = Worker(
        executor,
        store_id=assignment.store_id,
        secrets=secrets,
        catalogs=Catalogs(parse_kept(text), kept, parse_kept),
        telemetry=telemetry,
        chance=chance,
    )
    door = door_of(
        worker.table,
        call_ms_max=assignment.deadline_ms,
        has_reflection=assignment.reflection,
    )

    async def show_metrics() -> bytes:
        return telemetry.exposition()

    door.orders = {**door.orders, METRICS: show_metrics}
    await worker.open(door.health)
    supervisor = Supervisor()
    for name, work in worker.works.items():
        undo.push_async_callback(supervisor.end, name)
        supervisor.keep(name, work)
    undo.push_async_callback(door.stop, assignment.drain_ms / 1_000)
    return door


app = Lifespan(opened)

"""The only place that builds things: from settings to a service that answers, and back.

Everything is stopped in the reverse order of its start, however far that came. Knows every part
by its constructor; decides nothing that a part could decide.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from secrets import token_bytes

from quotasvc.assignment import Assignment
from quotasvc.catalog import DEFAULT_CATALOG, load_catalog
from quotasvc.config import DOOR, Door, Settings, SettingsFault
from quotasvc.demo import create_demo
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.secret import Secrets
from quotasvc.doors.admin import AdminDoor
from quotasvc.doors.envoy import EnvoyDoor, why_not
from quotasvc.doors.envoy_config import EnvoyLimits
from quotasvc.doors.grpcio import GrpcioDoor, Limits
from quotasvc.exposition import merge
from quotasvc.known_stores import KnownStores
from quotasvc.planes.catalogs import Catalogs
from quotasvc.presence import Presence, end_presence, show_presence
from quotasvc.start import Opening, OpenStore, open_catalog, open_store
from quotasvc.store.catalog import CatalogStore
from quotasvc.store.checks import Overrides
from quotasvc.store.control import ControlStore
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.seal import require
from quotasvc.supervisor import Supervisor
from quotasvc.sweeper import Sweeper
from quotasvc.telemetry import HOLDS_LIVE, SWEEPER_LAG
from quotasvc.worker import Worker, clock_ms, connect, deadline, parse_kept, telemetry_of
from quotasvc.workers import Workers

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A service that answers: where, by which catalog, and with which secrets."""

    presence: Presence
    catalog: Catalog
    secrets: Secrets


async def serve(settings: Settings, on_ready: Callable[[Ready], None]) -> None:
    """Serves until SIGINT or SIGTERM; a Fault says why it cannot start."""
    is_stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, is_stopping.set)
    async with AsyncExitStack() as undo:
        starting = asyncio.create_task(Service(settings, undo).start(), name="start")
        stopping = asyncio.create_task(is_stopping.wait(), name="stop signal")
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            on_ready(starting.result())
            await stopping
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        log.info("stopping")
    log.info("stopped")


class Service:
    """One service; what it starts, `undo` stops."""

    def __init__(self, settings: Settings, undo: AsyncExitStack) -> None:
        self._settings = settings
        self._undo = undo
        self._chance = SystemRandom()
        self._telemetry = telemetry_of(settings.traces)
        self._supervisor = Supervisor()
        self._worker: Worker | None = None
        self._workers: Workers | None = None
        self._phase = "starting"

    async def start(self) -> Ready:
        """From nothing to ready."""
        # First, because nothing need be started for a catalog that is refused.
        catalog, source = self._load_catalog()
        self._undo.callback(self._telemetry.close)
        admin = await self._start_admin()
        endpoint = await self._start_store()
        executor = await connect(endpoint, self._telemetry, self._chance, self._undo)
        opened = await open_store(executor, self._opening(), deadline())
        require(executor, opened.store_id)
        kept = CatalogStore(executor)
        await open_catalog(catalog, source, kept, deadline())
        for note in catalog.notes:
            log.info("catalog: %s", note)
        if self._settings.insecure:
            log.warning("--insecure: whoever reaches %s is trusted", self._settings.listen)
        if self._settings.demo:
            await _create_demo(executor, catalog, opened.secrets)
        catalogs = Catalogs(catalog, kept, parse_kept)
        listen = await self._start_door(endpoint, executor, opened, catalogs)
        presence = Presence(
            pid=os.getpid(),
            listen=listen,
            admin=admin,
            store=self._settings.store.name,
            catalog_version=catalog.version,
        )
        self._undo.callback(end_presence, self._settings.data)
        show_presence(self._settings.data, presence)
        self._undo.callback(self._say, "stopping")
        self._say("")
        return Ready(presence=presence, catalog=catalog, secrets=opened.secrets)

    # In the order of their start.

    def _load_catalog(self) -> tuple[Catalog, str]:
        path = self._settings.catalog or DEFAULT_CATALOG
        try:
            catalog = load_catalog(path)
        except OSError as error:
            raise SettingsFault(f"the catalog {path} cannot be read: {error.strerror}") from None
        return catalog, str(path)

    async def _start_admin(self) -> str:
        admin = AdminDoor(
            str(self._settings.admin),
            exposition=self._exposition,
            problems=self._problems,
        )
        self._undo.push_async_callback(admin.stop)
        return await admin.start()

    async def _start_store(self) -> Endpoint:
        if self._settings.store.endpoint is not None:
            return self._settings.store.endpoint
        store = EmbeddedStore(
            self._settings.data, memory_bytes_max=self._settings.memory_mb * 1024 * 1024
        )
        self._undo.push_async_callback(store.stop)
        await store.start()
        self._keep("embedded store", store.watch)
        return store.endpoint

    def _opening(self) -> Opening:
        settings = self._settings
        return Opening(
            store_name=settings.store.name,
            secrets_file=settings.secrets,
            known_stores=KnownStores(settings.data),
            overrides=Overrides(
                allow_unsafe_durability=settings.allow_unsafe_durability,
                allow_unsafe_version=settings.allow_unsafe_version,
                allow_unread_settings=settings.allow_unread_settings,
            ),
            entropy=token_bytes,
            clock_ms=clock_ms,
        )

    async def _start_door(
        self, endpoint: Endpoint, executor: Executor, opened: OpenStore, catalogs: Catalogs
    ) -> str:
        """What serves the calls, and what works beside them; the door's address."""
        worker = Worker(
            executor,
            store_id=opened.store_id,
            secrets=opened.secrets,
            catalogs=catalogs,
            telemetry=self._telemetry,
            chance=self._chance,
        )
        grace_s = self._settings.drain_ms / 1_000
        door: GrpcioDoor | Workers
        if self._is_envoy():
            door = self._workers = self._make_workers(endpoint, opened, catalogs.current)
            await worker.open(None)
        else:
            door = GrpcioDoor(
                worker.table,
                str(self._settings.listen),
                limits=Limits(call_ms_max=self._settings.deadline_ms),
                has_reflection=self._settings.reflection,
            )
            await worker.open(door.health)
        self._worker = worker
        sweeper = Sweeper(worker.agenda, worker.reaper, clock_ms=clock_ms)
        self._telemetry.observe(HOLDS_LIVE, lambda: sweeper.holds_live)
        self._telemetry.observe(SWEEPER_LAG, lambda: sweeper.lag_ms / 1_000)
        for name, work in worker.works.items():
            self._keep(name, work)
        self._keep("sweeper", sweeper.run)
        self._undo.push_async_callback(door.stop, grace_s)
        return await door.start()

    def _is_envoy(self) -> bool:
        """Which door it is; why it cannot be the fast one is said once."""
        if self._settings.door is Door.GRPCIO:
            return False
        reason = why_not()
        if reason is not None and self._settings.door is Door.ENVOY:
            raise SettingsFault(f"{DOOR.flag} envoy: {reason}")
        if reason is not None:
            log.info("the grpcio door serves: %s", reason)
        return reason is None

    def _make_workers(self, endpoint: Endpoint, opened: OpenStore, catalog: Catalog) -> Workers:
        settings = self._settings
        assignment = Assignment(
            endpoint=endpoint,
            store_id=opened.store_id,
            secrets=settings.secrets,
            catalog_version=catalog.version,
            deadline_ms=settings.deadline_ms,
            drain_ms=settings.drain_ms,
            reflection=settings.reflection,
            traces=settings.traces,
            log=settings.log,
        )
        # Envoy counts in seconds, and takes one more than it is told.
        limits = EnvoyLimits(drain_s=max(1, settings.drain_ms // 1_000 - 1))
        make = partial(
            EnvoyDoor,
            "quotasvc.worker_process:app",
            environment=assignment.environment(),
            limits=limits,
        )
        return Workers(str(settings.listen), settings.workers, make, self._supervisor)

    def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._undo.push_async_callback(self._supervisor.end, name)
        self._supervisor.keep(name, work)

    # What operators see.

    async def _exposition(self) -> bytes:
        """The metrics of all processes."""
        own = self._telemetry.exposition()
        return merge(own, await self._workers.expositions()) if self._workers else own

    def _say(self, phase: str) -> None:
        self._phase = phase

    def _problems(self) -> tuple[str, ...]:
        """What stands in the way of serving calls; empty if nothing does."""
        store = self._worker.problem if self._worker else None
        door = self._workers.problem if self._workers else None
        down = (f"{name}: died and will be started again" for name in self._supervisor.down)
        return tuple(problem for problem in (self._phase, store, door, *down) if problem)


async def _create_demo(executor: Executor, catalog: Catalog, secrets: Secrets) -> None:
    control = ControlStore(executor)
    await create_demo(control, catalog, secrets, now_ms=clock_ms(), deadline=deadline())

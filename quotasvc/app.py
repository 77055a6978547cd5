"""The only place that builds things: from settings to a service that answers, and back.

Everything is stopped in the reverse order of its start, however far that came. Knows every part
by its constructor; decides nothing that a part could decide.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from secrets import token_bytes

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from quotasvc.api.decision import DecisionApi
from quotasvc.api.method import SERVICES
from quotasvc.api.table import MethodTable
from quotasvc.api.usage import UsageApi
from quotasvc.catalog import DEFAULT_CATALOG, load_catalog, parse_catalog
from quotasvc.config import Settings, SettingsFault, Traces
from quotasvc.demo import create_demo
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.secret import Secrets
from quotasvc.doors.admin import AdminDoor
from quotasvc.doors.grpcio import GrpcioDoor, Limits
from quotasvc.known_stores import KnownStores
from quotasvc.planes.catalogs import Catalogs
from quotasvc.planes.decision import DecisionPlane
from quotasvc.planes.identity import Identities
from quotasvc.planes.reaper import Reaper
from quotasvc.planes.switches import Switches
from quotasvc.planes.usage import UsagePlane
from quotasvc.presence import Presence, end_presence, show_presence
from quotasvc.start import Opening, OpenStore, open_catalog, open_store
from quotasvc.store import checks, table
from quotasvc.store.agenda import AgendaStore
from quotasvc.store.catalog import CatalogStore
from quotasvc.store.checks import Overrides
from quotasvc.store.control import ControlStore
from quotasvc.store.decision import DecisionStore
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.measured import MeasuredExecutor
from quotasvc.store.scripts import load_scripts
from quotasvc.store.seal import require
from quotasvc.store.switch import SwitchStore
from quotasvc.store.team import TeamDirectory
from quotasvc.store.usage import UsageStore
from quotasvc.store_watch import StoreWatch
from quotasvc.supervisor import Supervisor
from quotasvc.sweeper import Sweeper
from quotasvc.switch_watch import SwitchWatch
from quotasvc.telemetry import (
    HOLDS_LIVE,
    STORE_LOSSES,
    STORE_NONCE_MISMATCHES,
    SWEEPER_LAG,
    Telemetry,
)

START_S_MAX = 5.0
"""For each conversation with the store while starting."""

log = logging.getLogger(__name__)


def clock_ms() -> int:
    """The time of day, in ms."""
    return time.time_ns() // 1_000_000


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
        self._telemetry = Telemetry(
            clock_ns=time.time_ns, span_processor=_span_processor(settings.traces)
        )
        self._supervisor = Supervisor()
        self._watch: StoreWatch | None = None
        self._phase = "starting"

    async def start(self) -> Ready:
        """From nothing to ready."""
        # First, because nothing need be started for a catalog that is refused.
        catalog, source = self._load_catalog()
        self._undo.callback(self._telemetry.close)
        admin = await self._start_admin()
        executor = await self._connect(await self._start_store())
        opened = await open_store(executor, self._opening(), _deadline())
        require(executor, opened.store_id)
        kept = CatalogStore(executor)
        await open_catalog(catalog, source, kept, _deadline())
        for note in catalog.notes:
            log.info("catalog: %s", note)
        if self._settings.insecure:
            log.warning("--insecure: whoever reaches %s is trusted", self._settings.listen)
        if self._settings.demo:
            await _create_demo(executor, catalog, opened.secrets)
        listen = await self._start_planes(executor, opened, Catalogs(catalog, kept, _parse_kept))
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
            exposition=self._telemetry.exposition,
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

    async def _connect(self, endpoint: Endpoint) -> Executor:
        scripts = load_scripts((*table.SCRIPTS, *checks.SCRIPTS))
        executor = MeasuredExecutor(
            endpoint, scripts, chance=self._chance, telemetry=self._telemetry
        )
        self._undo.push_async_callback(executor.close)
        await executor.start(_deadline())
        self._telemetry.observe(STORE_LOSSES, lambda: executor.counts.losses)
        self._telemetry.observe(STORE_NONCE_MISMATCHES, lambda: executor.counts.nonce_mismatches)
        return executor

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

    async def _start_planes(self, executor: Executor, opened: OpenStore, catalogs: Catalogs) -> str:
        """The planes behind their door, and what works beside them; the door's address."""
        store = DecisionStore(executor)
        agenda = AgendaStore(executor)
        reaper = Reaper(catalogs, store, agenda, opened.secrets)
        switches = Switches()
        watch = SwitchWatch(SwitchStore(executor), switches)
        await watch.look(_deadline())
        door = self._door(executor, opened, catalogs, reaper, switches)
        sweeper = Sweeper(agenda, reaper, clock_ms=clock_ms)
        self._telemetry.observe(HOLDS_LIVE, lambda: sweeper.holds_live)
        self._telemetry.observe(SWEEPER_LAG, lambda: sweeper.lag_ms / 1_000)
        self._watch = StoreWatch(executor, opened.store_id, partial(_tell_health, door))
        await self._watch.look()
        self._keep("store watch", self._watch.run)
        self._keep("sweeper", sweeper.run)
        self._keep("switch watch", watch.run)
        self._undo.push_async_callback(door.stop, self._settings.drain_ms / 1_000)
        return await door.start()

    def _door(
        self,
        executor: Executor,
        opened: OpenStore,
        catalogs: Catalogs,
        reaper: Reaper,
        switches: Switches,
    ) -> GrpcioDoor:
        teams = TeamDirectory(executor)
        identities = Identities(teams, opened.secrets)
        decisions = DecisionPlane(
            catalogs=catalogs,
            identities=identities,
            teams=teams,
            store=DecisionStore(executor),
            agenda=AgendaStore(executor),
            reaper=reaper,
            secrets=opened.secrets,
            switches=switches,
            clock_ms=clock_ms,
        )
        usage = UsagePlane(
            catalogs=catalogs,
            identities=identities,
            teams=teams,
            store=UsageStore(executor),
            reaper=reaper,
            clock_ms=clock_ms,
        )
        methods = MethodTable(
            {
                "DecisionService": DecisionApi(decisions, self._telemetry),
                "UsageService": UsageApi(usage),
            },
            currency=catalogs.current.currency,
            telemetry=self._telemetry,
            chance=self._chance,
        )
        return GrpcioDoor(
            methods,
            str(self._settings.listen),
            limits=Limits(call_ms_max=self._settings.deadline_ms),
            has_reflection=self._settings.reflection,
        )

    def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._undo.push_async_callback(self._supervisor.end, name)
        self._supervisor.keep(name, work)

    # What readiness says.

    def _say(self, phase: str) -> None:
        self._phase = phase

    def _problems(self) -> tuple[str, ...]:
        """What stands in the way of serving calls; empty if nothing does."""
        store = self._watch.problem if self._watch else None
        down = (f"{name}: died and will be started again" for name in self._supervisor.down)
        return tuple(problem for problem in (self._phase, store, *down) if problem)


def _span_processor(traces: Traces) -> SpanProcessor | None:
    if traces is Traces.NONE:
        return None
    lines = ConsoleSpanExporter(
        out=sys.stderr, formatter=lambda span: span.to_json(indent=None) + "\n"
    )
    return BatchSpanProcessor(lines)


async def _create_demo(executor: Executor, catalog: Catalog, secrets: Secrets) -> None:
    control = ControlStore(executor)
    await create_demo(control, catalog, secrets, now_ms=clock_ms(), deadline=_deadline())


def _parse_kept(text: str) -> Catalog:
    return parse_catalog(text, source="a catalog of the store")


def _tell_health(door: GrpcioDoor, is_serving: bool) -> None:
    for service in SERVICES:
        door.health.set_serving(service.full_name, is_serving=is_serving)


def _deadline() -> float:
    return asyncio.get_running_loop().time() + START_S_MAX

"""What answers calls, whatever door they come by: the planes on one store, and their watches.

A service with the grpcio door has one of these in its own process; with the Envoy door, one in
each process of the door.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from random import Random

from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from quotasvc.api.decision import DecisionApi
from quotasvc.api.method import SERVICES
from quotasvc.api.table import MethodTable
from quotasvc.api.usage import UsageApi
from quotasvc.catalog import parse_catalog
from quotasvc.config import Traces
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.secret import Secrets
from quotasvc.doors.health import Health
from quotasvc.planes.catalogs import Catalogs
from quotasvc.planes.decision import DecisionPlane
from quotasvc.planes.identity import Identities
from quotasvc.planes.reaper import Reaper
from quotasvc.planes.switches import Switches
from quotasvc.planes.usage import UsagePlane
from quotasvc.store import checks, table
from quotasvc.store.agenda import AgendaStore
from quotasvc.store.decision import DecisionStore
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.measured import MeasuredExecutor
from quotasvc.store.scripts import load_scripts
from quotasvc.store.switch import SwitchStore
from quotasvc.store.team import TeamDirectory
from quotasvc.store.usage import UsageStore
from quotasvc.store_watch import StoreWatch
from quotasvc.switch_watch import SwitchWatch
from quotasvc.telemetry import STORE_LOSSES, STORE_NONCE_MISMATCHES, Telemetry

START_S_MAX = 5.0
"""For each conversation with the store while starting."""


class Worker:
    """Serves `table`; `works` has to be kept going beside it, from `open` on."""

    def __init__(
        self,
        executor: Executor,
        *,
        store_id: str,
        secrets: Secrets,
        catalogs: Catalogs,
        telemetry: Telemetry,
        chance: Random,
    ) -> None:
        self.agenda = AgendaStore(executor)
        decisions = DecisionStore(executor)
        self.reaper = Reaper(catalogs, decisions, self.agenda, secrets)
        switches = Switches()
        teams = TeamDirectory(executor)
        identities = Identities(teams, secrets)
        decision_plane = DecisionPlane(
            catalogs=catalogs,
            identities=identities,
            teams=teams,
            store=decisions,
            agenda=self.agenda,
            reaper=self.reaper,
            secrets=secrets,
            switches=switches,
            clock_ms=clock_ms,
        )
        usage_plane = UsagePlane(
            catalogs=catalogs,
            identities=identities,
            teams=teams,
            store=UsageStore(executor),
            reaper=self.reaper,
            clock_ms=clock_ms,
        )
        self.table = MethodTable(
            {
                "DecisionService": DecisionApi(decision_plane, telemetry),
                "UsageService": UsageApi(usage_plane),
            },
            currency=catalogs.current.currency,
            telemetry=telemetry,
            chance=chance,
        )
        self._switch_watch = SwitchWatch(SwitchStore(executor), switches)
        self._health: Health | None = None
        self._store_watch = StoreWatch(executor, store_id, self._tell)

    @property
    def works(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What runs beside the calls, by name."""
        return {"store watch": self._store_watch.run, "switch watch": self._switch_watch.run}

    @property
    def problem(self) -> str | None:
        """What keeps the store from deciding; empty if nothing does, None before `open`."""
        return self._store_watch.problem

    async def open(self, health: Health | None) -> None:
        """Looks once at all that is watched; `health`, if there is one, is told from now on."""
        self._health = health
        await self._switch_watch.look(deadline())
        await self._store_watch.look()

    def _tell(self, is_serving: bool) -> None:
        if self._health is None:
            return
        for service in SERVICES:
            self._health.set_serving(service.full_name, is_serving=is_serving)


async def connect(
    endpoint: Endpoint, telemetry: Telemetry, chance: Random, undo: AsyncExitStack
) -> Executor:
    """A road to the store, with our scripts loaded; `undo` closes it."""
    scripts = load_scripts((*table.SCRIPTS, *checks.SCRIPTS))
    executor = MeasuredExecutor(endpoint, scripts, chance=chance, telemetry=telemetry)
    undo.push_async_callback(executor.close)
    await executor.start(deadline())
    telemetry.observe(STORE_LOSSES, lambda: executor.counts.losses)
    telemetry.observe(STORE_NONCE_MISMATCHES, lambda: executor.counts.nonce_mismatches)
    return executor


def telemetry_of(traces: Traces) -> Telemetry:
    """What this process counts, and traces where that is asked for."""
    if traces is Traces.NONE:
        return Telemetry(clock_ns=time.time_ns)
    lines = ConsoleSpanExporter(
        out=sys.stderr, formatter=lambda span: span.to_json(indent=None) + "\n"
    )
    return Telemetry(clock_ns=time.time_ns, span_processor=BatchSpanProcessor(lines))


def parse_kept(text: str) -> Catalog:
    """A catalog that the store has kept."""
    return parse_catalog(text, source="a catalog of the store")


def clock_ms() -> int:
    """The time of day, in ms."""
    return time.time_ns() // 1_000_000


def deadline() -> float:
    """For one conversation with the store while starting."""
    return asyncio.get_running_loop().time() + START_S_MAX

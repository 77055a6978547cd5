"""One run from start to end: teams, load, kills, last looks; then the store alone is judged.

By hand, as long and as hard as you like: `python -m tests.chaos.run --operations 90000 --kills 9`.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from redis.exceptions import ResponseError

from quotasvc.store.embedded import EmbeddedStore
from tests.chaos import checker, stored
from tests.chaos.gateway import Counts, Gateway
from tests.chaos.journal import Journal
from tests.chaos.load import Load
from tests.chaos.policy import DESKS, TEAMS, Policy
from tests.chaos.service import Service
from tests.chaos.teams import flip_access, make_teams

JOURNAL = "journal.jsonl"
LOOKS_AT_ONCE = 32
QUIET_S_MAX = 10.0
HANG_S_MAX = 3.0
START_S = 1.0
"""About what a start takes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run shall be."""

    folder: Path
    journal: Path  # all that callers were told
    seed: int
    operations: int
    kills: int  # of the store, and as many of the service
    upsets: int = 0  # hangs of the store, and as many restarts of the service by SIGTERM

    @property
    def data(self) -> Path:
        """The data directory of the service."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """All that the store has on disk."""
        return self.data / "appendonlydir"

    @property
    def earlier(self) -> Path:
        """The same, as it was when the service was killed for the first time."""
        return self.folder / "earlier"


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened."""

    counts: Counts
    load_s: float
    broken_s: float  # of it, until everything decided again


async def run(plan: Plan) -> Figures:
    """The load with its kills. Afterwards nothing runs any more, and the data lie there."""
    policy = Policy(plan.operations)
    service = Service(plan.folder, policy.catalog(datetime.now(UTC)), Random())
    with Journal(plan.journal) as journal:
        try:
            await service.start()
            await make_teams(service.socket, policy, journal)
            figures = await _under_fire(plan, service, journal)
            await _quiet(service.socket)
            await service.stop()
        except BaseException:
            print(service.log_tail(), file=sys.stderr)
            raise
        finally:
            await service.abandon()
    return figures


async def _under_fire(plan: Plan, service: Service, journal: Journal) -> Figures:
    gateway = Gateway(service.target, journal)
    load = Load(gateway, seed=plan.seed, operations=plan.operations)
    began_s = time.monotonic()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        told = group.create_task(load.run())
        broken = group.create_task(_break(plan, service, load))
        group.create_task(flip_access(service.socket, journal, stop))
        told.add_done_callback(lambda _: stop.set())
    load_s = time.monotonic() - began_s
    await gateway.close()
    await _look(load, Gateway(service.target, journal), Random(plan.seed))
    return Figures(gateway.counts, load_s, broken.result())


async def _break(plan: Plan, service: Service, load: Load) -> float:
    """Breaks the store and the service in turn, in the middle of it all. How long it took."""
    chance, broken_s = Random(plan.seed), 0.0
    faults: list[Break] = []
    faults += [_kill_store, _kill_service] * plan.kills
    faults += [_hang_store, _restart_service] * plan.upsets
    if plan.upsets:
        chance.shuffle(faults)
    for number, fault in enumerate(faults, start=1):
        await load.until(plan.operations * number // (len(faults) + 1))
        began_s = time.monotonic()
        if chance.random() < 0.5:
            # What is on disk is then being replaced, if it was not so already.
            with stored.Store(service.socket) as store, suppress(ResponseError):
                store("BGREWRITEAOF")
        await fault(plan, service, chance)
        broken_s += time.monotonic() - began_s
    return broken_s


async def _kill_store(plan: Plan, service: Service, chance: Random) -> None:
    await service.store_again(service.kill_store())


async def _kill_service(plan: Plan, service: Service, chance: Random) -> None:
    await service.gone(service.kill())
    if not plan.earlier.exists():
        shutil.copytree(plan.log, plan.earlier)
    if chance.random() < 0.5:
        # Once more before it is ready, wherever that may be.
        await service.launch()
        await asyncio.sleep(chance.random() * START_S)
        await service.abandon()
    await service.start()


async def _hang_store(plan: Plan, service: Service, chance: Random) -> None:
    """Longer than the service waits or not; what was sent meanwhile is done afterwards."""
    async with service.hung_store():
        await asyncio.sleep(chance.random() * HANG_S_MAX)
    await service.ready()


async def _restart_service(plan: Plan, service: Service, chance: Random) -> None:
    """As an upgrade does: what is under way is answered, or may be asked again."""
    await service.stop()
    await service.start()


Break = Callable[[Plan, Service, Random], Awaitable[None]]


async def _look(load: Load, gateway: Gateway, chance: Random) -> None:
    """Reads everything once more through the front door."""
    gate = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def look(team: str, request: str) -> None:
        async with gate:
            await gateway.find(team, request, chance, kind="final_look")

    async with asyncio.TaskGroup() as group:
        for team, request in load.requests:
            group.create_task(look(team, request))
    for team in TEAMS:
        await gateway.balance(team, DESKS[0].user, chance, kind="final_balance")
        for desk in DESKS:
            await gateway.remains(team, desk.key_id(team), chance, kind="final_remains")
    await gateway.close()


async def _quiet(socket: Path) -> None:
    """Waits until the sweeper has reaped what has expired; the checker says if it never does."""
    deadline = time.monotonic() + QUIET_S_MAX
    with stored.Store(socket) as store:
        while any(store.is_overdue(team) for team in TEAMS) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)


@asynccontextmanager
async def store_alone(plan: Plan) -> AsyncIterator[Path]:
    """The store on the data of the run, with no service that could change anything."""
    store = EmbeddedStore(plan.data)
    await store.start()
    try:
        yield store.socket_path
    finally:
        await store.stop()


async def verdict(plan: Plan) -> list[str]:
    """What the checker says of the data of the run."""
    async with store_alone(plan) as socket:
        return checker.check(plan.journal, socket)


def restore(plan: Plan, log: Path) -> None:
    """Puts a copy of the store's log in its place, as a restored backup would."""
    shutil.rmtree(plan.log)
    shutil.copytree(log, plan.log)


def report(plan: Plan, figures: Figures) -> str:
    """The figures of a run, in words."""
    counts = figures.counts
    return (
        f"seed {plan.seed}: {counts.operations} operations in {figures.load_s:.1f} s "
        f"({figures.broken_s:.1f} s of it broken); {plan.kills} kills of the store and as many of "
        f"the service, {plan.upsets} hangs and as many restarts; {counts.attempts} attempts, "
        f"{counts.unknown} without an answer, {counts.cut} cut off on purpose; "
        f"statuses {dict(counts.codes)}"
    )


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--operations", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=50, help="of the store, and of the service")
    parser.add_argument("--upsets", type=int, default=10, help="hangs, and restarts by SIGTERM")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    plan = Plan(folder, folder / JOURNAL, asked.seed, asked.operations, asked.kills, asked.upsets)
    print(f"seed {plan.seed}, files in {folder}", flush=True)
    figures = asyncio.run(run(plan))
    print(report(plan, figures), flush=True)
    problems = asyncio.run(verdict(plan))
    print("\n".join(problems[:40]) or "every acknowledged answer is accounted for")
    if problems:
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(_main())

"""Where the time of one decision goes: CPU µs in Python by stage, and in the store by script.

`make profile` prints a table for this machine. Stages are timed alone, on real values; the whole
is timed through the method table, bytes in and bytes out, against an embedded store with its log
synced before every reply. Figures move with the machine: read them beside each other.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from quotasvc.api import parse, render
from quotasvc.api.call import Call
from quotasvc.api.decision import DecisionApi
from quotasvc.api.table import MethodTable
from quotasvc.api.usage import UsageApi
from quotasvc.catalog import DEFAULT_CATALOG, load_catalog
from quotasvc.domain import rate_card
from quotasvc.domain.order import Order, Request, compile_order, find_route
from quotasvc.domain.outcome import Allowed
from quotasvc.domain.reservation import ReservationId
from quotasvc.planes.identity import Claim
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.executor import Executor
from quotasvc.store.scripts import load_scripts
from quotasvc.store.table import SCRIPTS
from quotasvc.telemetry import Telemetry
from quotasvc.v1 import common_pb2, decision_pb2
from tests.support.quota import SECRETS, TEAM, Quota

RUNS = 5
CALLS = 2_000
CALLERS = 64
EMPTY = "#!lua name=empty\nredis.register_function('empty', function() return 1 end)"
WIDE = 1_000_000_000
"""Requests and tokens per minute that no run comes near: the gates are looked at all the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: median and range over the runs, in µs of CPU."""

    name: str
    figures: tuple[float, ...]

    def show(self) -> str:
        """The line."""
        low, high = min(self.figures), max(self.figures)
        return f"{self.name:<52}{statistics.median(self.figures):>8.1f}   {low:.1f}-{high:.1f}"


def timed(name: str, stage: Callable[[], object], *, calls: int = CALLS) -> Row:
    """The CPU of one stage, alone."""
    figures = []
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(calls):
            stage()
        figures.append((time.process_time() - began) / calls * 1e6)
    return Row(name, tuple(figures))


def stages(quota: Quota, body: bytes, allowed: Allowed, order: Order) -> list[Row]:
    """What Python does for one decision, step by step."""
    message = decision_pb2.CheckAndReserveRequest.FromString(body)
    ask = parse.from_pb_check_and_reserve(message)
    catalog, route, request = quota.decisions.catalog, order.route, order.request
    rid = ReservationId.verify(allowed.reservation_id, SECRETS.mac_key)
    assert rid is not None
    mask = rate_card.applicable(route.resource, {}, order.valid_from_ms)
    return [
        timed("decode the request", lambda: message.FromString(body)),
        timed("parse and validate it", lambda: parse.from_pb_check_and_reserve(message)),
        timed("check the key", lambda: Claim.of(ask.api_key, None)),
        timed("price the estimate", lambda: rate_card.price(route.resource, mask, ask.usage)),
        timed("compile the order", lambda: compile_order(route, request, quota.clock())),
        timed("sign the reservation id", lambda: rid.sign(SECRETS.mac_key)),
        timed("render the response", lambda: render.to_pb_decision(allowed, catalog)),
        timed("encode it", render.to_pb_decision(allowed, catalog).SerializeToString),
    ]


async def store_us(quota: Quota, work: Callable[[], Awaitable[object]]) -> float:
    """µs of the store's own time per script that `work` runs."""
    await quota.executor.call("CONFIG", "RESETSTAT", deadline=quota.deadline)
    await work()
    text = await quota.executor.call("INFO", "commandstats", deadline=quota.deadline)
    assert isinstance(text, bytes)
    line = next(line for line in text.decode().splitlines() if "fcall" in line)
    return float(line.split("usec_per_call=")[1].split(",")[0])


def server_cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Harness:
    """The method table over the real planes, on a store of its own."""

    def __init__(self, quota: Quota, store: EmbeddedStore) -> None:
        telemetry = Telemetry(clock_ns=time.time_ns)
        services = {
            "DecisionService": DecisionApi(quota.decisions, telemetry),
            "UsageService": UsageApi(quota.usage),
        }
        self.quota = quota
        self.store = store
        self.table = MethodTable(
            services, currency="USD", telemetry=telemetry, chance=random.Random(1)
        )
        self._number = 0
        self._api_key = quota.api_key().text

    def request(self, tokens: int, resource: str = "text/m2.7") -> bytes:
        """A fresh request as a gateway sends it."""
        self._number += 1
        return decision_pb2.CheckAndReserveRequest(
            request_id=f"request-{self._number}",
            api_key=self._api_key,
            resource=resource,
            usage=common_pb2.Usage(input_tokens=700, output_tokens=tokens),
        ).SerializeToString()

    async def answer(self, name: str, bodies: list[bytes]) -> list[bytes]:
        """Calls by many callers at once, bytes in and bytes out."""
        method = self.table.by_path[f"/quotasvc.v1.DecisionService/{name}"]
        waiting, answers = iter(bodies), []

        async def caller() -> None:
            for body in waiting:
                answer = await self.table.answer(method, body, Call(deadline=self.quota.deadline))
                assert isinstance(answer, bytes), answer
                answers.append(answer)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return answers

    def commits(self, answers: list[bytes]) -> list[bytes]:
        """Commits of what was allowed, at less than was held."""
        bodies = []
        for answer in answers:
            response = decision_pb2.CheckAndReserveResponse.FromString(answer)
            assert response.decision == decision_pb2.ALLOW
            message = decision_pb2.CommitRequest(
                reservation_id=response.reservation_id,
                usage=common_pb2.Usage(input_tokens=700, output_tokens=10),
            )
            bodies.append(message.SerializeToString())
        return bodies


async def whole(harness: Harness) -> list[Row]:
    """Everything together: the service's CPU, and the store's, per call."""
    figures: dict[str, list[float]] = {}
    pid = harness.store.pid
    assert pid is not None
    for _ in range(RUNS):
        bodies = [harness.request(100) for _ in range(CALLS)]
        for name in ("CheckAndReserve", "Commit"):
            ours, theirs = time.process_time(), server_cpu_s(pid)
            answers = await harness.answer(name, bodies)
            service = (time.process_time() - ours) / CALLS * 1e6
            server = (server_cpu_s(pid) - theirs) / CALLS * 1e6
            figures.setdefault(f"{name}: service, all of Python", []).append(service)
            figures.setdefault(f"{name}: store process, all of it", []).append(server)
            if name == "CheckAndReserve":
                bodies = harness.commits(answers)
    return [Row(name, tuple(values)) for name, values in figures.items()]


async def scripts(harness: Harness) -> list[Row]:
    """The store's own count of its time inside each script; an empty one for comparison."""
    quota = harness.quota
    await quota.executor.call("FUNCTION", "LOAD", EMPTY, deadline=quota.deadline)

    async def empty() -> None:
        calls = (
            quota.executor.call("FCALL", "empty", 0, deadline=quota.deadline) for _ in range(CALLS)
        )
        await asyncio.gather(*calls)

    figures: dict[str, list[float]] = {}
    for _ in range(RUNS):
        bodies = [harness.request(100) for _ in range(CALLS)]
        answers: list[bytes] = []

        async def reserve(these: list[bytes] = bodies, into: list[bytes] = answers) -> None:
            into += await harness.answer("CheckAndReserve", these)

        async def settle(these: list[bytes] = answers) -> None:
            await harness.answer("Commit", harness.commits(these))

        for name, work in (("an empty script", empty), ("reserve", reserve), ("commit", settle)):
            figures.setdefault(f"script: {name}", []).append(await store_us(quota, work))
    return [Row(name, tuple(values)) for name, values in figures.items()]


async def profile() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder))
        await store.start()
        executor = Executor(store.endpoint, load_scripts(SCRIPTS), chance=random.Random(1))
        await executor.start(asyncio.get_running_loop().time() + 10)
        try:
            await _measure(Harness(await _quota(executor), store))
        finally:
            await executor.close()
            await store.stop()


async def _quota(executor: Executor) -> Quota:
    policy = load_catalog(DEFAULT_CATALOG)
    wide = tuple(replace(row, rpm=WIDE, tpm=WIDE) for row in policy.rate_limits)
    policy = replace(policy, rate_limits=wide)
    quota = Quota(executor, lambda: int(time.time() * 1000), policy)
    await quota.team(plan="ultra")
    await quota.grant("lot", 1_000_000_000)
    return quota


async def _measure(harness: Harness) -> None:
    quota = harness.quota
    await harness.answer("CheckAndReserve", [harness.request(100) for _ in range(CALLERS)])
    body = harness.request(100)
    ask = parse.from_pb_check_and_reserve(decision_pb2.CheckAndReserveRequest.FromString(body))
    allowed = await quota.decisions.check_and_reserve(ask, quota.deadline)
    assert isinstance(allowed, Allowed)
    team = await quota.teams.get(TEAM, quota.deadline)
    assert team is not None
    key = team.team.keys[0]
    route = find_route(quota.decisions.catalog, team.team, key, ask.resource, quota.clock())
    request = Request(
        request_id=ask.request_id,
        key_id=key.key_id,
        resource=ask.resource,
        usage=ask.usage,
        attributes=(),
    )
    assert not isinstance(route, int)
    order = compile_order(route, request, quota.clock())
    assert isinstance(order, Order)
    rows = [*stages(quota, body, allowed, order), *await whole(harness), *await scripts(harness)]
    print(
        f"CPU µs per call: 2 rates, 2 windows, plan pays; {CALLERS} callers, median of {RUNS} runs"
    )
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    for row in rows:
        print(row.show())


if __name__ == "__main__":
    asyncio.run(profile())

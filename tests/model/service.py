"""The real service as the model test sees it: two replicas on one real store, bytes in, bytes out.

Every answer comes back in the oracle's form: a mapping of the contract's field names, ms for times,
without texts; a fault as its status and reason.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed

from quotasvc.api.call import Call
from quotasvc.api.decision import DecisionApi
from quotasvc.api.faults import Status
from quotasvc.api.table import MethodTable
from quotasvc.api.usage import UsageApi
from quotasvc.domain.catalog import Catalog, PeakMode
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import Team
from quotasvc.store.code import Code
from quotasvc.store.declaration import Script
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.executor import Executor, Reply, Word
from quotasvc.store.faults import StoreUnavailable
from quotasvc.store.scripts import ScriptSet
from quotasvc.store.usage import LotInfo
from quotasvc.telemetry import Telemetry
from quotasvc.v1 import decision_pb2, usage_pb2
from tests.model.world import LOTS_MAX, UNPAID_LOTS_MAX
from tests.support.clock import Clock
from tests.support.lots import scripts_of_small_pools
from tests.support.quota import TEAM, Quota

Answer = dict[str, Any]

CALL_S_MAX = 20.0

LOST_REQUEST, LOST_REPLY = "request lost", "reply lost"

_TIME, _DURATION = "google.protobuf.Timestamp", "google.protobuf.Duration"


class Losing(Executor):
    """Tells what the scripts answered; loses one request on its way, or the reply to it."""

    loses = ""
    after = 0
    outcomes: Counter[str]

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Word], deadline: float
    ) -> list[Reply]:
        """One script, or a fault in its place; what was lost has surely run, or surely not."""
        loses = self.loses if self.after == 0 else ""
        self.after -= 1
        if loses == LOST_REQUEST:
            self.loses = ""
            raise StoreUnavailable("the test lost the request", sent=False)
        reply = await super().run(script, keys, args, deadline)
        if loses == LOST_REPLY:
            self.loses = ""
            raise StoreUnavailable("the test lost the reply", sent=True)
        if isinstance(reply[0], int):
            self.outcomes[Code(reply[0]).name] += 1
        return reply


class Service:
    """Two replicas with one clock, on one store that can be killed."""

    def __init__(self, folder: Path, catalogs: tuple[Catalog, ...]) -> None:
        self.clock = Clock()
        self.replica, self.skew_ms = 0, 0
        self._catalogs = {made.version: made for made in catalogs}
        self._store = EmbeddedStore(folder)
        self._stitched = scripts_of_small_pools(LOTS_MAX, UNPAID_LOTS_MAX)
        self.quotas: list[Quota] = []
        self._tables: list[MethodTable] = []
        self._executors: list[Losing] = []
        self.outcomes: Counter[str] = Counter()

    async def start(self) -> None:
        """The store and both replicas."""
        await self._store.start()
        for number in range(2):
            scripts = ScriptSet(self._stitched, clock_ms=self.clock)
            executor = Losing(self._store.endpoint, scripts, chance=random.Random(number))
            executor.outcomes = self.outcomes
            await executor.start(_soon())
            self._executors.append(executor)

    async def stop(self) -> None:
        """Everything."""
        for executor in self._executors:
            await executor.close()
        await self._store.stop()

    async def begin(self, now_ms: int, policy: Catalog) -> None:
        """An empty store, and replicas that know nothing."""
        self.clock.now_ms = now_ms
        self.replica, self.skew_ms = 0, 0
        await self._executors[0].call("FLUSHALL", deadline=_soon())
        first, second = self._executors
        self.quotas = [
            Quota(first, self.clock, policy),
            Quota(second, lambda: self.clock() + self.skew_ms, policy),
        ]
        self._tables = [self._table(quota) for quota in self.quotas]
        self._version = 0
        for quota in self.quotas:
            quota.catalogs._known.update(self._catalogs)  # as if loaded from the store

    def _table(self, quota: Quota) -> MethodTable:
        telemetry = Telemetry(clock_ns=time.time_ns)
        services = {
            "DecisionService": DecisionApi(quota.decisions, telemetry),
            "UsageService": UsageApi(quota.usage),
        }
        return MethodTable(services, currency="USD", telemetry=telemetry, chance=random.Random(1))

    @property
    def executor(self) -> Executor:
        """A road to the store."""
        return self._executors[0]

    async def call(self, name: str, request: Message, replica: int | None = None) -> Answer:
        """One rpc of either service, with what is to be lost on its way."""
        service = "UsageService" if isinstance(request, _USAGE) else "DecisionService"
        table = self._tables[self.replica if replica is None else replica]
        method = table.by_path[f"/quotasvc.v1.{service}/{name}"]
        answer = await table.answer(method, request.SerializeToString(), Call(deadline=_soon()))
        for executor in self._executors:
            executor.loses = ""
        if isinstance(answer, Status):
            return _fault(answer)
        return to_answer(method.response.FromString(answer))

    def lose(self, what: str, after: int) -> None:
        """The next call loses a request to the store, or a reply of it, after so many others."""
        for executor in self._executors:
            executor.loses, executor.after = what, after

    # What is not an rpc yet.

    async def put_team(self, team: Team) -> None:
        """A new version of the document."""
        quota = self.quotas[0]
        version = await quota.control.put_team(team, self._version, quota.deadline)
        assert version is not None
        self._version = version

    async def grant(
        self, lot_id: str, nanos: int, now_ms: int, expire_ms: int | None, *, is_paid: bool
    ) -> None:
        """A lot that is bought now."""
        info = LotInfo(
            origin="top_up" if is_paid else "grant",
            granted=nanos,
            purchase_ms=now_ms,
            grant_ms=now_ms,
            expire_ms=expire_ms,
        )
        quota = self.quotas[0]
        await quota.control.grant_lot(
            TEAM, Payer.CREDITS, lot_id, info, quota.deadline, is_paid=is_paid
        )

    async def fill_wallet(self, nanos: int) -> None:
        """The wallet's one top-up."""
        info = LotInfo(origin="top_up", granted=nanos, purchase_ms=0, grant_ms=0, expire_ms=None)
        quota = self.quotas[0]
        await quota.control.grant_lot(TEAM, Payer.WALLET, "wallet", info, quota.deadline)

    async def revoke(self, lot_id: str) -> None:
        """A lot is taken back."""
        quota = self.quotas[0]
        await quota.control.revoke_lot(TEAM, lot_id, quota.deadline)

    async def due(self, at_ms: int) -> int:
        """How many holds of the team are over by then and not yet reaped."""
        return len(await self.quotas[0].agenda.due_holds(TEAM, at_ms, _soon()))

    async def reap(self, at_ms: int) -> None:
        """Ends them."""
        await self.quotas[0].reaper.reap(TEAM, at_ms, _soon())

    async def sweep(self) -> None:
        """What the sweeper does for the team in one round."""
        reaper, now_ms = self.quotas[1].reaper, self.clock.now_ms
        await self.reap(now_ms)
        await reaper.book(TEAM, _soon())
        await reaper.enter(TEAM, _soon())
        await reaper.purge(TEAM, now_ms, _soon())

    def set_policy(self, made: Catalog) -> None:
        """Another version, on both replicas."""
        for quota in self.quotas:
            quota.catalogs.current = made

    def set_peak_mode(self, mode: PeakMode | None) -> None:
        """An operator's switch, as both replicas have seen it."""
        for quota in self.quotas:
            quota.switches.peak_mode = mode

    async def kill_the_store(self) -> None:
        """The store dies under everybody, and comes back with what it had promised."""
        pid = self._store.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await self._store.stop()
        await self._store.start()
        for executor in self._executors:
            executor.distrust("the test killed the store")
            await executor.call("PING", deadline=_soon())


_USAGE = (
    usage_pb2.GetRemainsRequest,
    usage_pb2.GetBalanceRequest,
    usage_pb2.ListLotsRequest,
)


def _soon() -> float:
    return asyncio.get_running_loop().time() + CALL_S_MAX


def to_answer(message: Message) -> Answer:
    """A message without what is unset, and without texts for people."""
    return {
        field.name: _value(field, value)
        for field, value in message.ListFields()
        if field.name != "message"
    }


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.is_repeated:
        return [_single(field, one) for one in value]
    return _single(field, value)


def _single(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        if field.message_type.full_name in (_TIME, _DURATION):
            return value.seconds * 1_000 + value.nanos // 1_000_000
        return to_answer(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value


def _fault(status: Status) -> Answer:
    """The status and the reason, and the first field that is wrong."""
    answer: Answer = {}
    for detail in status_pb2.Status.FromString(status.details).details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            answer["fault"] = f"{status.code.name}/{info.reason}"
        elif detail.Unpack(bad):
            answer["field"] = bad.field_violations[0].field
    return answer


__all__ = ["Answer", "Service", "decision_pb2", "to_answer"]

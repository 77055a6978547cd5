"""A door and a real channel to it: answers and refusals as callers see them."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed

from quotasvc.api.decision import DecisionApi
from quotasvc.api.table import CALLS_MAX, MethodTable
from quotasvc.api.usage import UsageApi
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.outcome import Allowed, Denied
from quotasvc.doors.asgi_door import door_of
from quotasvc.doors.grpcio import DEFAULT_LIMITS, GrpcioDoor, Limits
from quotasvc.doors.grpcio_calls import DETAILS
from quotasvc.doors.health import Health
from quotasvc.planes.ask import Ask
from quotasvc.planes.decision import DecisionPlane
from quotasvc.planes.usage import UsagePlane
from quotasvc.telemetry import Telemetry
from quotasvc.v1 import decision_pb2, usage_pb2
from tests.support.catalogs import catalog
from tests.support.relay import Relay, RelayedDoor

DECISIONS = "/quotasvc.v1.DecisionService"
USAGE = "/quotasvc.v1.UsageService"
CALL_S = 5.0
"""Deadline of the tests' calls; none should come near it."""

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a failed call shows: the status, the reason, and each detail by its type."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    details: dict[str, bytes]

    @property
    def field(self) -> str:
        """The path of the field that is wrong."""
        bad = error_details_pb2.BadRequest.FromString(self.details["google.rpc.BadRequest"])
        return str(bad.field_violations[0].field)


class Caller:
    """A gateway: calls methods with messages, or with bytes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    async def call(
        self, path: str, request: Message | bytes, answer: type[M], *, timeout: float = CALL_S
    ) -> M:
        """One call; a failure raises AioRpcError."""
        body = request if isinstance(request, bytes) else request.SerializeToString()
        return answer.FromString(await self.start(path, body, timeout=timeout))

    def start(
        self,
        path: str,
        body: bytes,
        *,
        timeout: float | None = CALL_S,
        wait_for_ready: bool = False,
    ) -> grpc.aio.UnaryUnaryCall[bytes, bytes]:
        """One call that may be cancelled."""
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(path)
        return method(body, timeout=timeout, wait_for_ready=wait_for_ready)

    async def reserve(
        self, request: decision_pb2.CheckAndReserveRequest | bytes
    ) -> decision_pb2.CheckAndReserveResponse:
        """CheckAndReserve."""
        answer = decision_pb2.CheckAndReserveResponse
        return await self.call(f"{DECISIONS}/CheckAndReserve", request, answer)

    async def commit(self, request: decision_pb2.CommitRequest) -> decision_pb2.CommitResponse:
        """Commit."""
        return await self.call(f"{DECISIONS}/Commit", request, decision_pb2.CommitResponse)

    async def refund(self, request: decision_pb2.RefundRequest) -> decision_pb2.RefundResponse:
        """Refund."""
        return await self.call(f"{DECISIONS}/Refund", request, decision_pb2.RefundResponse)

    async def find(
        self, request: decision_pb2.GetReservationRequest
    ) -> decision_pb2.GetReservationResponse:
        """GetReservation."""
        answer = decision_pb2.GetReservationResponse
        return await self.call(f"{DECISIONS}/GetReservation", request, answer)

    async def remains(self, request: usage_pb2.GetRemainsRequest) -> usage_pb2.GetRemainsResponse:
        """GetRemains."""
        return await self.call(f"{USAGE}/GetRemains", request, usage_pb2.GetRemainsResponse)

    async def balance(self, request: usage_pb2.GetBalanceRequest) -> usage_pb2.GetBalanceResponse:
        """GetBalance."""
        return await self.call(f"{USAGE}/GetBalance", request, usage_pb2.GetBalanceResponse)

    async def lots(self, request: usage_pb2.ListLotsRequest) -> usage_pb2.ListLotsResponse:
        """ListLots."""
        return await self.call(f"{USAGE}/ListLots", request, usage_pb2.ListLotsResponse)


class ScriptedDecisions(DecisionPlane):
    """A plane that does as the test says, for tests of what is around it."""

    def __init__(self, behave: Callable[[Ask, float], Awaitable[Allowed | Denied]]) -> None:
        self._behave = behave
        self.asked: list[Ask] = []

    @property
    def catalog(self) -> Catalog:
        """The tests' own."""
        return catalog()

    async def check_and_reserve(self, ask: Ask, deadline: float) -> Allowed | Denied:
        """As the test says."""
        self.asked.append(ask)
        return await self._behave(ask, deadline)


class NoDecisions(ScriptedDecisions):
    """For tests that ask for none."""

    def __init__(self) -> None:
        pass


class NoUsage(UsagePlane):
    """For tests that read no figures."""

    def __init__(self) -> None:
        pass


def make_table(
    decisions: DecisionPlane,
    usage: UsagePlane | None = None,
    *,
    calls_max: int = CALLS_MAX,
    telemetry: Telemetry | None = None,
) -> MethodTable:
    """The method table over these planes."""
    telemetry = telemetry or Telemetry(clock_ns=time.time_ns)
    services: dict[str, object] = {
        "DecisionService": DecisionApi(decisions, telemetry),
        "UsageService": UsageApi(usage or NoUsage()),
    }
    return MethodTable(
        services,
        currency="USD",
        telemetry=telemetry,
        chance=random.Random(1),
        calls_max=calls_max,
    )


class Door(Protocol):
    """What the tests need of a door, whichever it is."""

    address: str

    @property
    def health(self) -> Health:
        """Says whether to send calls here."""
        ...

    async def start(self) -> str:
        """Listens and serves; the address."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Lets calls under way end, at most so long."""
        ...


relay: Relay | None = None
"""The Envoy that stands in front of the doors that are made; without one they are grpcio's."""


def make_door(
    decisions: DecisionPlane,
    usage: UsagePlane | None = None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    calls_max: int = CALLS_MAX,
    has_reflection: bool = True,
    telemetry: Telemetry | None = None,
) -> Door:
    """A door of the kind that is tested, not yet started; of `limits` it heeds the time."""
    table = make_table(decisions, usage, calls_max=calls_max, telemetry=telemetry)
    if relay is None:
        return GrpcioDoor(table, "127.0.0.1:0", limits=limits, has_reflection=has_reflection)
    door = door_of(table, call_ms_max=limits.call_ms_max, has_reflection=has_reflection)
    return RelayedDoor(door, relay)


@asynccontextmanager
async def serving(door: Door) -> AsyncIterator[Caller]:
    """Starts the door, connects to it, and stops both at the end of the block."""
    address = await door.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield Caller(channel)
    finally:
        await door.stop(0)


async def refusal(call: Awaitable[object]) -> Refusal:
    """Awaits a call that must fail, in the way in which all of ours do."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return _refusal(error)
    raise AssertionError(f"answered: {answer}")


def _refusal(error: grpc.aio.AioRpcError) -> Refusal:
    trailers = dict(error.trailing_metadata())
    assert DETAILS in trailers, f"no details: {error}"
    status = status_pb2.Status.FromString(trailers[DETAILS])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    details = {detail.TypeName(): detail.value for detail in status.details}
    info = error_details_pb2.ErrorInfo.FromString(details["google.rpc.ErrorInfo"])
    assert info.domain == "quotasvc"
    return Refusal(
        code=error.code(),
        message=status.message,
        reason=info.reason,
        metadata=dict(info.metadata),
        details=details,
    )

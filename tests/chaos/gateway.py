"""A gateway as the contract wants it: it repeats a call with the same content until it is answered.

Some of its calls are cut off on purpose, by a cancel or by a deadline that is too short: their
outcome is unknown, as when a process dies. Every answer goes into the journal.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

import grpc

# googleapis-common-protos marks no package as typed.
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from quotasvc.v1 import decision_pb2 as pb
from quotasvc.v1 import usage_pb2
from tests.chaos import shape
from tests.chaos.journal import Journal
from tests.chaos.service import QUICK_TO_RECONNECT
from tests.chaos.shape import Facts

T = TypeVar("T")

UNKNOWN_OUTCOME = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
)
AGAIN = (*UNKNOWN_OUTCOME, grpc.StatusCode.RESOURCE_EXHAUSTED)
"""Calls that get these are sent again, with the same content."""

PATIENCE_S = 5.0
"""For one attempt."""

ANSWERED_S_MAX = 60.0
"""A call that has no answer after so long fails the run."""

CHANNELS = 4
"""Connections, as if from several gateways."""

CHANNEL = (
    ("grpc.use_local_subchannel_pool", 1),
    *QUICK_TO_RECONNECT,
)


class Unanswered(AssertionError):
    """A call that nobody answered."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A status other than OK that says something definite."""

    code: str
    reason: str
    winner: Facts | None


@dataclass(slots=True)
class Counts:
    """What the load did."""

    operations: int = 0
    attempts: int = 0
    unknown: int = 0
    cut: int = 0
    codes: Counter[str] = field(default_factory=Counter)


class Gateway:
    """Speaks to one address over a few channels."""

    def __init__(self, target: str, journal: Journal) -> None:
        self.counts = Counts()
        self.journal = journal
        self._channels = [
            grpc.aio.insecure_channel(target, options=CHANNEL) for _ in range(CHANNELS)
        ]

    async def close(self) -> None:
        """Ends all connections."""
        for channel in self._channels:
            await channel.close()

    async def reserve(
        self,
        request: pb.CheckAndReserveRequest,
        team: str,
        chance: Random,
        facts: Facts,
        *,
        kind: str = "reserve",
    ) -> pb.CheckAndReserveResponse | Fault:
        """CheckAndReserve; `facts` are what the checker has to know of the request."""
        who = {"team": team, "request": request.request_id, "ask": facts}
        return await self._answer(
            kind, request, pb.CheckAndReserveResponse, shape.reserve, who, chance
        )

    async def commit(
        self, request: pb.CommitRequest, team: str, chance: Random, facts: Facts
    ) -> pb.CommitResponse | Fault:
        """Commit; `facts` are what the checker has to know of the settlement."""
        who = {"team": team, "id": request.reservation_id, "settle": facts}
        return await self._answer("commit", request, pb.CommitResponse, shape.commit, who, chance)

    async def refund(
        self, request: pb.RefundRequest, team: str, chance: Random
    ) -> pb.RefundResponse | Fault:
        """Refund."""
        who = {"team": team, "id": request.reservation_id, "refund_id": request.refund_id}
        return await self._answer("refund", request, pb.RefundResponse, shape.refund, who, chance)

    async def find(
        self, team: str, request_id: str, chance: Random, *, kind: str = "look"
    ) -> pb.GetReservationResponse | Fault:
        """GetReservation, by the request that made it."""
        request = pb.GetReservationRequest(
            request=pb.RequestRef(team_id=team, request_id=request_id)
        )
        who = {"team": team, "request": request_id}
        return await self._answer(kind, request, pb.GetReservationResponse, shape.look, who, chance)

    async def remains(
        self, team: str, key_id: str, chance: Random, *, kind: str = "remains"
    ) -> usage_pb2.GetRemainsResponse | Fault:
        """GetRemains of a key."""
        request = usage_pb2.GetRemainsRequest(key_id=key_id)
        who = {"team": team, "key": key_id}
        return await self._answer(
            kind, request, usage_pb2.GetRemainsResponse, shape.remains, who, chance
        )

    async def balance(
        self, team: str, user: str, chance: Random, *, kind: str = "balance"
    ) -> usage_pb2.GetBalanceResponse | Fault:
        """GetBalance of a team."""
        request = usage_pb2.GetBalanceRequest(team_id=team, actor_user_id=user)
        who = {"team": team}
        return await self._answer(
            kind, request, usage_pb2.GetBalanceResponse, shape.balance, who, chance
        )

    async def _answer(
        self,
        kind: str,
        request: Any,
        response: Callable[[], T],
        facts: Callable[[T], Facts],
        who: Facts,
        chance: Random,
    ) -> T | Fault:
        """Sends a request until there is a definite answer, which goes into the journal."""
        self.counts.operations += 1
        who = {**who, "sent_us": _now_us(), "sent_ms": _wall_ms()}
        deadline = time.monotonic() + ANSWERED_S_MAX
        unknown = 0
        while True:
            self.counts.attempts += 1
            try:
                reply: T = await self._attempt(request, response, chance)
            except grpc.aio.AioRpcError as error:
                code, fault = error.code(), _fault(error)
                self.counts.codes[f"{fault.code} {fault.reason}".strip()] += 1
                if code not in AGAIN:
                    self._note(kind, who, unknown, fault=_fault_facts(fault))
                    return fault
                if code in UNKNOWN_OUTCOME:
                    unknown += 1
                    self.counts.unknown += 1
                if time.monotonic() > deadline:
                    raise Unanswered(f"{kind} {who}: {error.code()} {error.details()}") from error
                await asyncio.sleep(min(0.01 * 2 ** min(unknown, 5), 0.2) * (0.5 + chance.random()))
                continue
            self._note(kind, who, unknown, **facts(reply))
            return reply

    async def _attempt(self, request: Any, response: Callable[[], T], chance: Random) -> T:
        """One attempt; one in twenty is cut off early."""
        channel = chance.choice(self._channels)
        call = channel.unary_unary(
            _path(request),
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,  # type: ignore[attr-defined]  # a message
        )
        cut_s = chance.random() * 0.02 if chance.random() < 0.05 else None
        is_cancel = chance.random() < 0.5
        self.counts.cut += cut_s is not None
        timeout = cut_s if cut_s is not None and not is_cancel else PATIENCE_S
        under_way = call(request, timeout=timeout)
        if cut_s is not None and is_cancel:
            asyncio.get_running_loop().call_later(cut_s, under_way.cancel)
        try:
            reply: T = await under_way
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise _cancelled() from None
        return reply

    def _note(self, kind: str, who: Facts, unknown: int, **facts: Any) -> None:
        self.journal.write(
            kind, **who, got_us=_now_us(), got_ms=_wall_ms(), unknown=unknown, **facts
        )


def _path(request: Any) -> str:
    descriptor = request.DESCRIPTOR
    method = descriptor.name.removesuffix("Request")
    service = next(
        service
        for service in descriptor.file.services_by_name.values()
        if method in service.methods_by_name
    )
    return f"/{service.full_name}/{method}"


def _now_us() -> int:
    return time.monotonic_ns() // 1_000


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _cancelled() -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        grpc.StatusCode.CANCELLED, grpc.aio.Metadata(), grpc.aio.Metadata(), "cut off by the caller"
    )


def _fault(error: grpc.aio.AioRpcError) -> Fault:
    """The reason in the status's details, and the reservation that won, if there is one."""
    reason, winner = "", None
    for name, value in error.trailing_metadata() or ():
        if name != "grpc-status-details-bin":
            continue
        for detail in status_pb2.Status.FromString(value).details:
            info, reservation = error_details_pb2.ErrorInfo(), pb.Reservation()
            if detail.Unpack(info):
                reason = info.reason
            elif detail.Unpack(reservation):
                winner = shape.reservation(reservation)
    return Fault(error.code().name, reason, winner)


def _fault_facts(fault: Fault) -> Facts:
    return {"code": fault.code, "reason": fault.reason, "winner": fault.winner}

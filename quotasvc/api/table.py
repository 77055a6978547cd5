"""The method table: answers bytes with bytes, and whatever goes wrong with a status.

What a transport has to do is left: get the bytes, say until when, send the answer. Nothing
leaves `answer` as an exception, because transports turn those into UNKNOWN, or worse into OK.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from random import Random
from time import perf_counter
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from quotasvc.api.call import Call
from quotasvc.api.faults import (
    MessageTooLarge,
    Status,
    StatusCode,
    Undecodable,
    status_code,
    to_pb_status,
)
from quotasvc.api.method import Method, methods
from quotasvc.domain.faults import DeadlineExceeded, Overloaded
from quotasvc.telemetry import Telemetry

MESSAGE_BYTES_MAX = 65_536
"""The largest valid request is a tenth of it."""

CALLS_MAX = 1_000
"""Calls under way in this process; more only make all of them late."""

OVERTIME_S = 0.05
"""Planes and store keep the deadline themselves; what is still running then has lost it."""

M = TypeVar("M", bound=Message)

log = logging.getLogger(__name__)


class MethodTable:
    """Every method of the contract, by path."""

    def __init__(
        self,
        services: Mapping[str, object],
        *,
        currency: str,
        telemetry: Telemetry,
        chance: Random,
        calls_max: int = CALLS_MAX,
    ) -> None:
        self.by_path: Mapping[str, Method] = {m.path: m for m in methods(services)}
        self.telemetry = telemetry
        self._currency = currency
        self._chance = chance
        self._calls_max = calls_max
        self._under_way = 0

    async def answer(self, method: Method, body: bytes, call: Call) -> bytes | Status:
        """The response as bytes, or why there is none."""
        # Not the loop's clock, which may count in milliseconds.
        began = perf_counter()
        answer: bytes | Status
        self._under_way += 1
        with self.telemetry.traced(method.name, call.traceparent):
            try:
                answer = await self._run(method, body, call)
                outcome = "OK"
            except BaseException as error:
                answer = self.refuse(method.name, error)
                outcome = answer.code.name
            self.telemetry.rpc(method.name, outcome, perf_counter() - began)
        self._under_way -= 1
        return answer

    def refuse(self, name: str, error: BaseException) -> Status:
        """The status of an error; what is our own fault is logged, under the id that is shown."""
        error_id = f"{self._chance.getrandbits(64):016x}"
        if status_code(error) is StatusCode.INTERNAL:
            log.error("%s failed, error id %s", name, error_id, exc_info=error)
        return to_pb_status(error, currency=self._currency, error_id=error_id)

    async def _run(self, method: Method, body: bytes, call: Call) -> bytes:
        if call.deadline <= asyncio.get_running_loop().time():
            raise DeadlineExceeded("the deadline had passed before the call began")
        if self._under_way > self._calls_max:
            raise Overloaded(f"{self._under_way} calls are under way")
        if len(body) > MESSAGE_BYTES_MAX:
            raise MessageTooLarge(f"{len(body)} bytes; at most {MESSAGE_BYTES_MAX}")
        request = decode(method.request, body)
        async with asyncio.timeout_at(call.deadline + OVERTIME_S):
            response = await method.run(request, call)
        return response.SerializeToString()


def decode(message: type[M], body: bytes) -> M:
    """The message that the bytes are, if they are one."""
    try:
        return message.FromString(body)
    except DecodeError:
        raise Undecodable("", f"not a {message.DESCRIPTOR.full_name}") from None

"""One look at all streams now and then: a timer for each would cost more than serving them."""

from __future__ import annotations

import asyncio

from quotasvc.domain.faults import DeadlineExceeded
from quotasvc.doors.grpc_call import GrpcCall

SWEEP_S = 0.02
"""How late a deadline may be noticed."""


class Sweep:
    """Watches the calls that it is given, for their deadlines and for callers that hang up."""

    def __init__(self) -> None:
        self.calls: set[GrpcCall] = set()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, call: GrpcCall) -> None:
        """From now on."""
        call.watch(self._loop.time())
        self.calls.add(call)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_S, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        # A copy: a call that is cut short is discarded.
        for call in tuple(self.calls):
            if now >= call.deadline:
                call.cut_short(DeadlineExceeded("the caller's time is over"))
            else:
                call.look(now)
        # Nothing to watch, nothing to pay.
        self._timer = self._loop.call_later(SWEEP_S, self._look) if self.calls else None

"""What operators switch while services run, in one key that all of them look at."""

from __future__ import annotations

from quotasvc.domain.catalog import PeakMode
from quotasvc.domain.faults import Corrupt
from quotasvc.store import keys
from quotasvc.store.executor import Executor


class SwitchStore:
    """The switches, as the store has them."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def peak_mode(self, deadline: float) -> PeakMode | None:
        """What peak hours were switched to; None: never, the catalog's own mode holds."""
        reply = await self._executor.call("HGET", keys.SWITCHES, "peak", deadline=deadline)
        if reply is None:
            return None
        try:
            return PeakMode(reply.decode() if isinstance(reply, bytes) else "")
        except ValueError:
            raise Corrupt(f"{keys.SWITCHES} peak is {reply!r}, which is no mode") from None

    async def set_peak_mode(self, mode: PeakMode, deadline: float) -> None:
        """Switches peak hours, for every service of this store (J4, SEM-20)."""
        await self._executor.call("HSET", keys.SWITCHES, "peak", mode.value, deadline=deadline)

"""Looks each second at what operators have switched, so that a switch holds within about one."""

from __future__ import annotations

import asyncio
import logging

from quotasvc.domain.faults import Fault
from quotasvc.planes.switches import Switches
from quotasvc.store.switch import SwitchStore

LOOK_S = 1.0
CALL_S_MAX = 2.0

log = logging.getLogger(__name__)


class SwitchWatch:
    """Keeps the switches of this process as the store has them."""

    def __init__(self, store: SwitchStore, switches: Switches, *, look_s: float = LOOK_S) -> None:
        self._store = store
        self._switches = switches
        self._look_s = look_s

    async def look(self, deadline: float) -> None:
        """One look; a change is logged."""
        mode = await self._store.peak_mode(deadline)
        if mode is not self._switches.peak_mode:
            log.info("peak hours: switched to %s", mode.value if mode else "the catalog's mode")
            self._switches.peak_mode = mode

    async def run(self) -> None:
        """Looks for ever. A store that is away changes nothing: the last known switches hold."""
        while True:
            await asyncio.sleep(self._look_s)
            try:
                await self.look(asyncio.get_running_loop().time() + CALL_S_MAX)
            except Fault as fault:
                log.debug("switches: %s", fault.text)

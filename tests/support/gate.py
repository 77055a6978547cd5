"""Planes that do as a test of a door wants it."""

from __future__ import annotations

import asyncio

from quotasvc.domain.outcome import Allowed, Denied
from quotasvc.planes.ask import Ask
from tests.support.door import ScriptedDecisions
from tests.unit.test_render import ALLOWED


async def allow(ask: Ask, deadline: float) -> Allowed | Denied:
    """Whatever is asked."""
    return ALLOWED


class Gate:
    """A plane that begins, and ends when the test lets it."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.has_ended = asyncio.Event()
        self.plane = ScriptedDecisions(self._behave)

    async def _behave(self, ask: Ask, deadline: float) -> Allowed | Denied:
        self.has_begun.set()
        await self.may_end.wait()
        self.has_ended.set()
        return ALLOWED

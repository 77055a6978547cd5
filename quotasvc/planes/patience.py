"""What to do when the store asks for something first, and how often before giving up."""

from __future__ import annotations

from quotasvc.domain.faults import Corrupt, Unavailable
from quotasvc.planes.reaper import Reaper, clock_skew
from quotasvc.store.answer import Answer
from quotasvc.store.code import Code

RECOMPILES_MAX = 3
"""For a stale team version or a calendar boundary, then UNAVAILABLE (SEM-16)."""


class Patience:
    """The rounds that one call has left."""

    def __init__(self) -> None:
        self._recompiles = RECOMPILES_MAX

    async def go_on(self, reaper: Reaper, team_id: str, answer: Answer, deadline: float) -> int:
        """Does what the store asked for; returns the time by which to compile again."""
        match answer.code:
            case Code.REAP:
                # Bounded by the deadline alone: while holds keep ending, each round ends some.
                await reaper.reap(team_id, answer.now_ms, deadline)
            case Code.ENTER:
                await reaper.enter(team_id, deadline)
            case Code.STALE | Code.BOUNDARY:
                self._recompiles -= 1
            case Code.SKEWED:
                raise clock_skew()
            case _:
                raise Corrupt(f"a script answered {answer.code.name}, which it may not")
        if self._recompiles < 0:
            raise Unavailable("the team or the calendar keeps changing", reason="CHANGING")
        return answer.now_ms

"""What to do when the store asks for something first, and how often before giving up."""

from __future__ import annotations

from quotasvc.domain.faults import Corrupt
from quotasvc.planes.reaper import RECOMPILES_MAX, Reaper, changing, clock_skew
from quotasvc.store.agenda import ROUNDS_MAX
from quotasvc.store.answer import Answer
from quotasvc.store.code import Code


class Patience:
    """The rounds that one call has left."""

    def __init__(self) -> None:
        self._recompiles = RECOMPILES_MAX
        self._rounds = ROUNDS_MAX

    async def go_on(self, reaper: Reaper, team_id: str, answer: Answer, deadline: float) -> int:
        """Does what the store asked for; returns the time by which to compile again."""
        match answer.code:
            case Code.REAP | Code.ENTER:
                # While holds keep ending each round ends some; the deadline bounds each round.
                self._rounds -= 1
            case Code.STALE | Code.BOUNDARY:
                self._recompiles -= 1
            case Code.SKEWED:
                raise clock_skew()
            case _:
                raise Corrupt(f"a script answered {answer.code.name}, which it may not")
        if min(self._recompiles, self._rounds) < 0:
            raise changing("the team, its calendar or its holds")
        if answer.code is Code.REAP:
            await reaper.reap(team_id, answer.now_ms, deadline)
        if answer.code is Code.ENTER:
            await reaper.enter(team_id, deadline)
        return answer.now_ms

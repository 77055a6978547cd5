"""The background loop that ends what time has ended, so that decisions seldom have to.

Goes round all partitions about once a second, a few at a time, so that no round is a burst
between the decisions that share the loop. Everything here is right without it (SEM-30); what one
round leaves over is the next one's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from quotasvc.domain.faults import Fault
from quotasvc.planes.reaper import Reaper
from quotasvc.store.agenda import REAP_MAX, AgendaStore
from quotasvc.store.keys import PARTITIONS

ROUND_S = 1.0
PARTITIONS_AT_ONCE = 32
TEAMS_AT_ONCE = 16
TEAMS_MAX = 100
"""Due teams of one partition that one round takes on."""

ROUNDS_PER_COUNT = 10
"""Live holds are counted in every tenth round."""

CALL_S_MAX = 2.0

THE_STORE = "the store"  # no team's id

_Act = Callable[[str, int, float], Awaitable[int]]

log = logging.getLogger(__name__)


class Sweeper:
    """Reaps expired holds, books ended lots, lets others enter, and purges old records."""

    def __init__(
        self,
        store: AgendaStore,
        reaper: Reaper,
        *,
        clock_ms: Callable[[], int],
        round_s: float = ROUND_S,
    ) -> None:
        self.holds_live = 0
        self._store = store
        self._reaper = reaper
        self._clock_ms = clock_ms
        self._pause_s = round_s * PARTITIONS_AT_ONCE / PARTITIONS
        self._clean_ms = clock_ms()
        self._failing: set[str] = set()

    @property
    def lag_ms(self) -> int:
        """How long ago a round last began that left nothing over; about a second if all is well."""
        return max(0, self._clock_ms() - self._clean_ms)

    async def run(self) -> None:
        """Goes round for ever."""
        rounds = 0
        while True:
            began_ms = self._clock_ms()
            is_clean = await self._go_round(is_counting=rounds % ROUNDS_PER_COUNT == 0)
            if is_clean:
                self._clean_ms = began_ms
            rounds += 1

    async def _go_round(self, *, is_counting: bool) -> bool:
        """One round, spread over its time. Returns whether all that was due is done."""
        is_clean, has_answered, holds = True, True, 0
        for first in range(0, PARTITIONS, PARTITIONS_AT_ONCE):
            partitions = range(first, first + PARTITIONS_AT_ONCE)
            try:
                is_clean &= await self.sweep(partitions)
                if is_counting:
                    holds += await self._count(partitions)
            except Fault as fault:
                # The store is away: holds expire all the same, only unreaped.
                has_answered = False
                self._fails(THE_STORE, fault)
            await asyncio.sleep(self._pause_s)
        if has_answered:
            self._succeeds(THE_STORE)
            if is_counting:
                self.holds_live = holds
        return is_clean and has_answered

    async def sweep(self, partitions: Iterable[int]) -> bool:
        """Deals with the due teams of these partitions. Returns whether that was all of them.

        What holds and lots keep is ended for all of them before any record is purged: purges may
        be many, and nobody waits for them.
        """
        now_ms, deadline = self._clock_ms(), _deadline()
        found = await asyncio.gather(
            *(self._store.due_teams(number, now_ms, deadline) for number in partitions)
        )
        is_all = all(len(due) <= TEAMS_MAX for due in found)
        teams = [team_id for due in found for team_id in due[:TEAMS_MAX]]
        ended = await self._for_each(teams, now_ms, self._end)
        purged = await self._for_each(ended, now_ms, self._reaper.purge)
        for team_id in purged:
            self._succeeds(team_id)
        is_all &= len(purged) == len(teams)
        return is_all and all(n < REAP_MAX for n in (*ended.values(), *purged.values()))

    async def _for_each(self, teams: Iterable[str], now_ms: int, act: _Act) -> dict[str, int]:
        """What `act` counts of each team, a few at a time; one's fault is no other one's."""
        counts: dict[str, int] = {}

        async def one(team_id: str) -> None:
            try:
                counts[team_id] = await act(team_id, now_ms, _deadline())
            except Fault as fault:
                self._fails(team_id, fault)

        names = list(teams)
        for i in range(0, len(names), TEAMS_AT_ONCE):
            await asyncio.gather(*(one(team_id) for team_id in names[i : i + TEAMS_AT_ONCE]))
        return counts

    async def _end(self, team_id: str, now_ms: int, deadline: float) -> int:
        """Ends what holds and lots of one team keep. Returns how many holds."""
        reaped = await self._reaper.reap(team_id, now_ms, deadline)
        await self._reaper.book(team_id, _deadline())
        await self._reaper.enter(team_id, _deadline())
        return reaped

    async def _count(self, partitions: Iterable[int]) -> int:
        deadline = _deadline()
        return sum(await asyncio.gather(*(self._store.holds_live(p, deadline) for p in partitions)))

    def _fails(self, who: str, fault: Fault) -> None:
        """Logs the first of a row of failures: the next round tries again anyway."""
        if who not in self._failing:
            self._failing.add(who)
            log.warning("sweeper: %s: %s", who, fault.text)

    def _succeeds(self, who: str) -> None:
        if who in self._failing:
            self._failing.discard(who)
            log.info("sweeper: %s: well again", who)


def _deadline() -> float:
    return asyncio.get_running_loop().time() + CALL_S_MAX

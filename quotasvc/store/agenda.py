"""What time will end, by the store's own lists: holds, records, lots; and what ends it."""

from __future__ import annotations

import asyncio

from quotasvc.domain.reservation import Payer, shorten
from quotasvc.store import keys, table
from quotasvc.store.answer import Answer, decode
from quotasvc.store.decision import MARK_PREFIX
from quotasvc.store.executor import Executor

REAP_MAX = 1_000
"""Expired holds that one round of reaping takes on, pipelined."""

ROUNDS_MAX = 32
"""Rounds of reaping, and of letting lots in, that one call asks for (SEM-16)."""


class AgendaStore:
    """The lists of what is due, and what is done about it."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def due_holds(self, team_id: str, now_ms: int, deadline: float) -> tuple[str, ...]:
        """Ids of holds whose time is over, earliest first."""
        return await self._due(keys.team_keys(team_id).holds, now_ms, REAP_MAX, deadline)

    async def due_records(self, team_id: str, now_ms: int, deadline: float) -> tuple[str, ...]:
        """Ids of records whose time is over, earliest first."""
        return await self._due(keys.team_keys(team_id).purge, now_ms, REAP_MAX, deadline)

    async def due_teams(self, partition: int, now_ms: int, deadline: float) -> tuple[str, ...]:
        """Teams of a partition with something due, earliest first."""
        return await self._due(keys.due(partition), now_ms, REAP_MAX, deadline)

    async def places(
        self,
        team_id: str,
        after: tuple[int, str] | None,
        most: int,
        deadline: float,
        *,
        is_held: bool,
    ) -> list[tuple[int, str]]:
        """The next live holds after a place by the time of their end, or other records by the time
        at which they leave: (time, id) each."""
        team = keys.team_keys(team_id)
        least = "-inf" if after is None else after[0]
        found: list[tuple[int, str]] = []
        offset = 0
        while len(found) < most:
            reply = await self._executor.call(
                *("ZRANGEBYSCORE", team.holds if is_held else team.purge, least, "+inf"),
                *("WITHSCORES", "LIMIT", offset, most),
                deadline=deadline,
            )
            assert isinstance(reply, list)
            words = [word.decode() for word in reply if isinstance(word, bytes)]
            page = [(int(at), name) for name, at in zip(words[::2], words[1::2], strict=True)]
            found += [place for place in page if after is None or place > after]
            if len(page) < most:
                break
            offset += most
        return found[:most]

    async def settle_due(self, team_id: str, deadline: float) -> None:
        """Finds anew when the team is next due."""
        team = keys.team_keys(team_id)
        pool = team.credits
        names = (
            *(team.team, team.holds, team.purge, team.due),
            *(pool.order, pool.available, pool.held, pool.ends, pool.waiting),
        )
        await self._executor.run(table.DUE, names, (team_id,), deadline)

    async def enter(self, team_id: str, payer: Payer, deadline: float) -> Answer:
        """Lets waiting lots of a pool into its order, a batch of them."""
        team = keys.team_keys(team_id)
        pool = team.pool(payer)
        names = (
            team.team,
            team.ledger,
            pool.order,
            pool.available,
            pool.held,
            pool.expired,
            pool.sums,
            pool.parked,
            pool.ends,
            pool.waiting,
        )
        return decode(await self._executor.run(table.ENTER, names, (team_id,), deadline))

    async def book(self, team_id: str, deadline: float) -> Answer:
        """Books the end of Credit lots whose time is over, a batch of them."""
        team = keys.team_keys(team_id)
        pool = team.credits
        names = (team.team, team.ledger, pool.order, pool.available, pool.expired, pool.sums)
        return decode(await self._executor.run(table.BOOK, names, (team_id,), deadline))

    async def holds_live(self, partition: int, deadline: float) -> int:
        """Live holds of a partition; of its first 1,000 teams with something due, if it has more.

        A team with a hold is always listed as due some day.
        """
        teams = await self._executor.call(
            "ZRANGE", keys.due(partition), 0, REAP_MAX - 1, deadline=deadline
        )
        assert isinstance(teams, list)
        lists = [keys.team_keys(t.decode()).holds for t in teams if isinstance(t, bytes)]
        sizes = await asyncio.gather(
            *(self._executor.call("ZCARD", key, deadline=deadline) for key in lists)
        )
        return sum(size for size in sizes if isinstance(size, int))

    async def _due(self, key: str, now_ms: int, most: int, deadline: float) -> tuple[str, ...]:
        found = await self._executor.call(
            "ZRANGEBYSCORE", key, "-inf", now_ms, "LIMIT", 0, most, deadline=deadline
        )
        assert isinstance(found, list)
        return tuple(member.decode() for member in found if isinstance(member, bytes))

    async def purge(self, team_id: str, name: str, digest: str, deadline: float) -> Answer:
        """Removes one record, or mark, if its time is over; `name` is what the list calls it."""
        team = keys.team_keys(team_id)
        is_mark = name.startswith(MARK_PREFIX)
        short_id = name if is_mark else shorten(name)
        key = team.mark(name.removeprefix(MARK_PREFIX)) if is_mark else team.record(digest)
        reply = await self._executor.run(table.PURGE, (key, team.purge), (name, short_id), deadline)
        return decode(reply)

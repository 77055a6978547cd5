"""What the store holds, read with plain commands: nothing here knows how a decision is made."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from quotasvc.domain.reservation import State, lengthen
from quotasvc.store import keys
from quotasvc.store.executor import Executor
from quotasvc.store.field import Field
from quotasvc.store.keys import PoolKeys, TeamKeys
from quotasvc.store.resp import Reply

TEAM_KEY = re.compile(r"q1:\{[^}]+\}:team:(?P<team_id>.+)")

MOVES = ("nanos", "was", "granted", "entered", "available", "expired", "revoked")
"""What an entry says of a lot: charged (`nanos`, in place of `was`), granted, entered from waiting,
or given back to."""

Flat = list[tuple[str, str]]
"""Names with values, in order; a name may come again."""


class Fields(dict[str, str]):
    """A record by full names: `w0` a window's slot, `o0` where an overrun lies, `l1`, `l1e`, `l1n`,
    `l1c` a lot with its expiry, what was held and charged. What is not kept is 0."""

    def __missing__(self, name: str) -> str:
        return "0"

    @staticmethod
    def of(team_id: str, request: str, stored: Mapping[str, str]) -> Fields:
        """The fields of a team's request as stored, renamed, with what goes without saying."""
        fields = Fields({_full_name(name): value for name, value in stored.items()})
        short_id = fields.pop("id", "") + fields.pop("id_end", "")
        fields["id"] = lengthen(short_id, team_id, request)
        fields.setdefault("plan_nanos", fields["plan"])
        if "hold" in fields:
            fields["expire"] = str(int(fields["admit"]) + int(fields["hold"]))
        if fields["state"] == str(State.COMMITTED.value) or fields["provisional"] == "1":
            fields.setdefault("keep", fields["plan"])
            units = int(fields["keep"]) + int(fields["over"])
            fields.setdefault("plan_paid", str(units))
            for i in range(1, int(fields["lots"]) + 1):
                fields.setdefault(f"l{i}c", fields[f"l{i}n"])
        return fields


_FULL = {
    Field.SLOT: "w{}",
    Field.OVER_SLOT: "o{}",
    Field.LOT: "l{}",
    Field.LOT_EXPIRE: "l{}e",
    Field.LOT_HELD: "l{}n",
    Field.LOT_CHARGED: "l{}c",
}


def _full_name(name: str) -> str:
    field = Field(name.rstrip("0123456789"))
    number = name[len(field) :]
    return _FULL.get(field, field.name.lower() + "{}").format(number)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a ledger stream: its own fields, then the movement."""

    team_id: str
    entry: int
    seq: int
    kind: str
    ms: int
    movement: Flat

    @property
    def first(self) -> Mapping[str, str]:
        """The movement by name: of a name that comes again, as those of lots do, its first."""
        return dict(reversed(self.movement))

    def lots(self) -> Iterable[tuple[str, str, int]]:
        """(member, state, nanos) of each movement of a lot."""
        member = ""
        for name, value in self.movement:
            if name == "lot":
                member = value
            elif name in MOVES:
                yield member, name, int(value)


@dataclass(frozen=True, slots=True)
class Books:
    """Every key of the store at one moment."""

    ttls: Mapping[str, int]
    hashes: Mapping[str, Mapping[str, str]]
    zsets: Mapping[str, Mapping[str, float]]
    streams: Mapping[str, tuple[Entry, ...]]

    @staticmethod
    async def read(executor: Executor) -> Books:
        """Reads everything; the keys of other kinds are nobody's balance."""
        names = [_text(name) for name in _list(await _call(executor, "KEYS", "*"))]
        types = [_text(await _call(executor, "TYPE", name)) for name in names]
        ttls = await asyncio.gather(*(_call(executor, "PTTL", name) for name in names))
        hashes, zsets, streams = {}, {}, {}
        for name, kind in zip(names, types, strict=True):
            if kind == "hash":
                hashes[name] = dict(_pairs(await _call(executor, "HGETALL", name)))
            elif kind == "zset":
                found = await _call(executor, "ZRANGE", name, "0", "-1", "WITHSCORES")
                zsets[name] = {member: float(score) for member, score in _pairs(found)}
            elif kind == "stream":
                found = await _call(executor, "XRANGE", name, "-", "+")
                streams[name] = tuple(_entry(item) for item in _list(found))
        pttls = {name: ttl for name, ttl in zip(names, ttls, strict=True) if isinstance(ttl, int)}
        return Books(ttls=pttls, hashes=hashes, zsets=zsets, streams=streams)

    @property
    def teams(self) -> tuple[str, ...]:
        """The ids of all teams."""
        found = (TEAM_KEY.fullmatch(name) for name in self.hashes)
        return tuple(match["team_id"] for match in found if match)

    def team(self, team_id: str) -> TeamBooks:
        """The books of one team."""
        return TeamBooks(self, keys.team_keys(team_id))


@dataclass(frozen=True, slots=True)
class TeamBooks:
    """What the store holds of one team."""

    books: Books
    keys: TeamKeys

    @property
    def counters(self) -> Mapping[str, int]:
        """version, seq, entry, clock_ms, due_ms."""
        found = self.books.hashes[self.keys.team]
        return {name: int(value) for name, value in found.items() if name != "document"}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The team's ledger entries, as written."""
        stream = self.books.streams.get(self.keys.ledger, ())
        return tuple(entry for entry in stream if entry.team_id == self.keys.team_id)

    @property
    def records(self) -> tuple[Mapping[str, str], ...]:
        """The records of the team: those of the partition that its lists name."""
        prefix = self.keys.record("")
        named = {name.split(".")[-2] for name in (*self.holds, *self.purge) if name.count(".") > 2}
        found = {n.removeprefix(prefix): f for n, f in self.books.hashes.items() if prefix in n}
        team_id = self.keys.team_id
        return tuple(Fields.of(team_id, name, f) for name, f in found.items() if name in named)

    @property
    def holds(self) -> Mapping[str, float]:
        """Live holds by expiry."""
        return self.books.zsets.get(self.keys.holds, {})

    @property
    def purge(self) -> Mapping[str, float]:
        """Settled and expired records by purge time."""
        return self.books.zsets.get(self.keys.purge, {})

    @property
    def due_ms(self) -> float | None:
        """When the sweeper is to look at this team."""
        return self.books.zsets.get(self.keys.due, {}).get(self.keys.team_id)

    @property
    def windows(self) -> Mapping[str, Mapping[str, str]]:
        """The team's counters by key."""
        prefix = f"{self.keys.prefix}:win:{self.keys.team_id}:"
        return {name: h for name, h in self.books.hashes.items() if name.startswith(prefix)}

    def cycle_start_ms(self, window: str) -> int:
        """When the present cycle of a window's seat began; 0 where it has none."""
        seat_id = window.removeprefix(f"{self.keys.prefix}:win:{self.keys.team_id}:").split(":")[0]
        seats = json.loads(self.books.hashes[self.keys.team]["document"])["seats"]
        return next((s["cycle_start_ms"] for s in seats if s["seat_id"] == seat_id), 0)

    def lots(self, pool: PoolKeys, state: str) -> Mapping[str, int]:
        """Nanos by lot id in one state."""
        found = self.books.hashes.get(getattr(pool, state), {})
        return {lot_id: int(nanos) for lot_id, nanos in found.items()}

    def order(self, pool: PoolKeys) -> Mapping[str, float]:
        """The lots that can be drawn on, by expiry."""
        return self.books.zsets.get(pool.order, {})

    def every(self, pool: PoolKeys) -> Mapping[str, float]:
        """All lots that there have been, by expiry."""
        return self.books.zsets.get(pool.all, {})

    def waiting(self, pool: PoolKeys) -> Mapping[str, float]:
        """The lots that wait for a place, by the time of their grant."""
        return self.books.zsets.get(pool.waiting, {})

    def info(self, pool: PoolKeys) -> Mapping[str, str]:
        """What never changes about the lots."""
        return self.books.hashes.get(pool.info, {})


async def _call(executor: Executor, *words: str) -> Reply:
    return await executor.call(*words, deadline=asyncio.get_running_loop().time() + 5)


def _list(reply: Reply) -> list[Reply]:
    assert isinstance(reply, list)
    return reply


def _text(reply: Reply) -> str:
    assert isinstance(reply, bytes)
    return reply.decode()


def _pairs(reply: Reply) -> Flat:
    words = [_text(word) for word in _list(reply)]
    return list(zip(words[::2], words[1::2], strict=True))


def _entry(item: Reply) -> Entry:
    _, fields = _list(item)
    flat = _pairs(fields)
    head, movement = dict(flat[:5]), flat[5:]
    return Entry(
        team_id=head["team"],
        entry=int(head["entry"]),
        seq=int(head["seq"]),
        kind=head["kind"],
        ms=int(head["ms"]),
        movement=movement,
    )

"""What the store holds, read with plain commands and no code of the service.

The layout, in the checker's own words. All keys begin with `q1:{tag}:`, where the tag names the
partition of a team; here they are found by their endings.

- `team:<team>`: HASH with `seq` (changes), `entry` (ledger entries), `due_ms` and the document.
- `holds:<team>`, `purge:<team>`: ZSETs of reservation ids, of live holds by expiry and of all
  other records by the time at which they may go.
- `res:<digest>`: HASH, one record under short names (`WORDS`); `state` is 1 held, 2 committed, 3
  released, 4 expired. Of the reservation id `r1.<team>.<body>.<digest>.<seal>` it keeps body and
  seal, perhaps in two fields; `refund_seq` is that of the first refund.
- `win:<team>:<seat>:<allowance>:<unit>:<kind>:<length>:<anchor>`, the kind by its letter: HASH
  with `t`, the total (which includes what is held), `h`, `o`, and in sliding windows the slices by
  number.
- `credits:<team>:…`, `wallet:<team>:…`: `order` is a ZSET of "<purchased>:<lot>" by expiry, of lots
  with something available; `available`, `held`, `consumed`, `expired` and `revoked` are HASHes of
  nanos by lot, where nothing means 0; `ends` has each lot's expiry, `info` what was granted, and
  `all` is a ZSET of the members of all lots, spent ones too.
- `ledger`: the STREAM of a partition; a name may come more than once in an entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

STATES = {1: "HELD", 2: "COMMITTED", 3: "RELEASED", 4: "EXPIRED"}
KINDS = {"s": "sliding", "a": "aligned", "f": "first_use", "c": "cycle"}
UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
MOVES = ("granted", "nanos", "was", "available", "expired", "revoked", "entered")
PARTS = ("available", "held", "consumed", "expired", "revoked")
POOLS = {2: "credits", 3: "wallet"}
WORDS = {
    **{
        "s": "state",
        "x": "hold",
        "a": "admit",
        "p": "cost",
        "A": "actual",
        "W": "written_off",
        "L": "late",
    },
    **{"B": "refunded", "q": "seq", "Q": "commit_seq", "X": "expire_seq", "F": "release_seq"},
    "sq1": "refund_seq",
}
"""What the short names of a record's fields mean; a field that would be 0 is not there."""


@dataclass(slots=True)
class Lot:
    """One lot: what it was granted and where that is now."""

    granted: int
    expire_ms: int  # 0: never
    parts: dict[str, int]
    is_in_order: bool
    is_listed: bool


@dataclass(slots=True)
class Window:
    """One counter."""

    total: int
    held: int
    slices: dict[int, int]


@dataclass(slots=True)
class Entry:
    """One ledger entry: its numbers, and its words as pairs in their order."""

    entry: int
    seq: int
    kind: str
    words: list[tuple[str, str]]

    def first(self, name: str) -> str:
        """The first word of this name."""
        return next((word for key, word in self.words if key == name), "")

    def lots(self) -> Iterator[tuple[str, str, int]]:
        """(lot, what happened, nanos) for each "lot" and what is said of it up to the next one."""
        member = ""
        for name, word in self.words:
            if name == "lot":
                member = word
            elif name in MOVES:
                yield _lot_id(member), name, int(word)


@dataclass(slots=True)
class Team:
    """All of one team."""

    seq: int
    entry: int
    holds: dict[str, int]
    purge: dict[str, int]
    lots: dict[tuple[int, str], Lot]  # by payer and lot id
    windows: dict[tuple[str, str], Window]  # by "<seat>/<allowance>" and "<kind>:<length>"
    records: dict[str, dict[str, str]]  # by reservation id
    ledger: list[Entry]


class Store:
    """A connection that sends plain commands and gives replies as they came over the wire."""

    def __init__(self, socket: Path) -> None:
        self._redis = Redis(unix_socket_path=str(socket), decode_responses=True, protocol=2)
        # The library's own would make a dict of a ledger entry, with one word of each name.
        self._redis.response_callbacks.clear()

    def __call__(self, *words: str | int) -> Any:
        """The reply to one command."""
        return self._redis.execute_command(*words)  # type: ignore[no-untyped-call]  # not typed

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._redis.close()

    @property
    def now_ms(self) -> int:
        """Its clock."""
        seconds, us = self("TIME")
        return int(seconds) * 1_000 + int(us) // 1_000

    def keys(self, pattern: str) -> list[str]:
        """The names of all keys like this; braces stand for themselves in patterns."""
        cursor, found = "0", list[str]()
        while True:
            cursor, page = self("SCAN", cursor, "MATCH", pattern, "COUNT", 1_000)
            found += page
            if cursor == "0":
                return sorted(set(found))

    def hash(self, key: str) -> dict[str, str]:
        """A HASH; empty if there is none."""
        return dict(_pairs(self("HGETALL", key)))

    def scores(self, key: str) -> dict[str, int]:
        """A ZSET of whole scores."""
        found = _pairs(self("ZRANGE", key, 0, -1, "WITHSCORES"))
        return {name: int(score) for name, score in found}

    def prefix(self, team: str) -> str:
        """How all keys of a team begin."""
        (key,) = self.keys(f"q1:*:team:{team}")
        return key.removesuffix(f"team:{team}")

    def is_overdue(self, team: str) -> bool:
        """Whether a hold of the team has expired and still counts."""
        return bool(self("ZCOUNT", f"{self.prefix(team)}holds:{team}", "-inf", self.now_ms))

    def team(self, team: str) -> Team:
        """Everything that it has of a team."""
        prefix = self.prefix(team)
        facts = self.hash(f"{prefix}team:{team}")
        return Team(
            seq=int(facts["seq"]),
            entry=int(facts["entry"]),
            holds=self.scores(f"{prefix}holds:{team}"),
            purge=self.scores(f"{prefix}purge:{team}"),
            lots=dict(self._lots(prefix, team)),
            windows=dict(self._windows(prefix, team)),
            records=dict(self._records(prefix, team)),
            ledger=list(self._ledger(prefix, team)),
        )

    def _lots(self, prefix: str, team: str) -> Iterator[tuple[tuple[int, str], Lot]]:
        for payer, pool in POOLS.items():
            name = f"{prefix}{pool}:{team}"
            parts = {part: self.hash(f"{name}:{part}") for part in PARTS}
            ends = self.hash(f"{name}:ends")
            order, every = (
                {_lot_id(member) for member in self("ZRANGE", f"{name}:{kind}", 0, -1)}
                for kind in ("order", "all")
            )
            for lot, info in self.hash(f"{name}:info").items():
                yield (
                    (payer, lot),
                    Lot(
                        granted=json.loads(info)["granted"],
                        expire_ms=int(ends[lot]),
                        parts={part: int(parts[part].get(lot, 0)) for part in PARTS},
                        is_in_order=lot in order,
                        is_listed=lot in every,
                    ),
                )

    def _windows(self, prefix: str, team: str) -> Iterator[tuple[tuple[str, str], Window]]:
        start = f"{prefix}win:{team}:"
        for key in self.keys(f"{start}*"):
            seat, allowance, _, kind, length = key.removeprefix(start).split(":")[:5]
            facts = self.hash(key)
            slices = {int(name): int(value) for name, value in facts.items() if name.isdigit()}
            yield (
                (f"{seat}/{allowance}", f"{KINDS[kind]}:{_length_ms(length)}"),
                Window(total=int(facts["t"]), held=int(facts["h"]), slices=slices),
            )

    def _records(self, prefix: str, team: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Those that this team lists, and those that no team of the partition does."""
        owners = self.owners(prefix)
        for key in self.keys(f"{prefix}res:*"):
            digest = key.removeprefix(f"{prefix}res:")
            if owners.get(digest, team) != team:
                continue
            facts = self.hash(key)
            body, _, seal = (facts["i"] + facts.get("j", "")).rpartition(".")
            name = f"r1.{team}.{body}.{digest}.{seal}"
            yield name, {word: facts[short] for short, word in WORDS.items() if short in facts}

    def owners(self, prefix: str) -> dict[str, str]:
        """The team by the digest of a record, by the lists of a partition's teams."""
        return {
            name.split(".")[-2]: key.removeprefix(f"{prefix}{kind}:")
            for kind in ("holds", "purge")
            for key in self.keys(f"{prefix}{kind}:*")
            for name in self.scores(key)
        }

    def _ledger(self, prefix: str, team: str) -> Iterator[Entry]:
        for _, flat in self("XRANGE", f"{prefix}ledger", "-", "+"):
            words = list(_pairs(flat))
            facts = dict(words)
            if facts["team"] == team:
                yield Entry(int(facts["entry"]), int(facts["seq"]), facts["kind"], words)


def _pairs(flat: list[str]) -> Iterator[tuple[str, str]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _lot_id(member: str) -> str:
    return member.partition(":")[2]


def _length_ms(text: str) -> int:
    """What a name in the store spells like 5h."""
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * UNIT_MS[unit]

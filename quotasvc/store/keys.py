"""Every key name in the store; no other file spells one.

All keys of a partition share one hash tag, so that a decision is one script on one slot. The tag
of partition p is `p<nnn>` plus the first letters that bring its slot into [64p, 64p + 63]: the
256 partitions then lie evenly on any number of shards. A tag can never be renamed.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from string import ascii_lowercase

from quotasvc.domain.catalog import Allowance, Window, short_time
from quotasvc.domain.reservation import Payer

SCHEMA = "q1"
SCHEMA_NUMBER = 3
"""How what is stored is to be read. The number is raised when that changes: a store of another one
is refused at start. The names keep their prefix, or the mark of an older store would not be found.

1: a window's slices under their own numbers, records by the names of their fields.
2: slices modulo the ring, records of short fields and short ids.
"""

PARTITIONS = 256
_SLOTS_PER_PARTITION = 64

SCHEMA_MARKER = f"{SCHEMA}:{{sys}}:schema"
"""HASH {schema, store_id, secrets: their fingerprint}. Written once, when a store is begun."""

CATALOG_IN_FORCE = f"{SCHEMA}:{{sys}}:catalog"
"""STRING: the version that the latest `serve` brought. Its successor must keep its ids (SEM-18)."""

SWITCHES = f"{SCHEMA}:{{sys}}:switches"
"""HASH {peak: auto | on | off}: what operators switch; services look at it each second."""


def catalog(version: str) -> str:
    """STRING: the text of a catalog version that has decided something; never removed (SEM-2)."""
    return f"{SCHEMA}:{{sys}}:catalog:{version}"


def slot(tag: str) -> int:
    """The cluster slot of a hash tag: CRC16 (XMODEM) modulo 16,384."""
    return crc_hqx(tag.encode(), 0) % 16_384


@lru_cache(maxsize=PARTITIONS)
def partition_tag(partition: int) -> str:
    """The hash tag of a partition, 0 … 255."""
    tags = (
        f"p{partition:03d}{''.join(letters)}"
        for length in range(4)
        for letters in product(ascii_lowercase, repeat=length)
    )
    return next(tag for tag in tags if slot(tag) // _SLOTS_PER_PARTITION == partition)


def partition(team_id: str) -> int:
    """The partition of a team: a stable hash of its id."""
    return blake2b(team_id.encode(), digest_size=1).digest()[0]


def due(partition_number: int) -> str:
    """ZSET: the partition's teams by the time at which something of theirs is due."""
    return f"{SCHEMA}:{{{partition_tag(partition_number)}}}:due"


def ledger(partition_number: int) -> str:
    """STREAM: the outbox of the partition's teams (SEM-39)."""
    return f"{SCHEMA}:{{{partition_tag(partition_number)}}}:ledger"


@dataclass(frozen=True, slots=True)
class PoolKeys:
    """A pool's lots: the order, the immutable facts, and the nanos of each lot in each state."""

    order: str
    available: str
    held: str
    consumed: str
    expired: str
    revoked: str
    ends: str  # when each lot expires, in ms; 0: never
    info: str
    waiting: str  # ZSET: paid lots without a place in the order, by the time of their grant
    parked: str  # HASH: their nanos
    all: str  # ZSET: every lot that there has been, as they were or would be in the order
    sums: str  # HASH: what was granted, has expired and was revoked in all


@dataclass(frozen=True, slots=True)
class TeamKeys:
    """The keys of one team. Built once per team and cached: names are the same for ever."""

    team_id: str
    prefix: str
    team: str  # HASH: version, document, seq, entry, clock_ms, due_ms
    holds: str  # ZSET: reservation ids of live holds, by expiry
    purge: str  # ZSET: ids of settled and expired records and of marks, by purge time
    due: str
    ledger: str
    credits: PoolKeys
    wallet: PoolKeys

    def pool(self, payer: int) -> PoolKeys:
        """The pool of a payer; whoever is not the wallet's is paid by Credits."""
        return self.wallet if payer == Payer.WALLET else self.credits

    def record(self, digest: str) -> str:
        """HASH: the one record of a request. Purged by time, never by TTL."""
        return f"{self.prefix}:res:{digest}"

    def mark(self, name: str) -> str:
        """HASH: an old reservation's usage was recorded. Purged by time, never by TTL."""
        return f"{self.prefix}:mark:{name}"

    def rate(self, rate_limit_id: str, unit: str) -> str:
        """HASH: requests or tokens of the last minute; ZSET: connections by their lease's end."""
        return f"{self.prefix}:rate:{self.team_id}:{rate_limit_id}:{unit}"

    def slots(self, seat_id: str) -> str:
        """ZSET: requests of a seat that are under way, by the end of their lease (SEM-20)."""
        return f"{self.prefix}:slots:{self.team_id}:{seat_id}"

    def window(self, seat_id: str, allowance: Allowance, window: Window) -> str:
        """HASH: one counter of a seat, named as SEM-18 says: `…:<s|a|f|c>:<length>:<anchor>`.

        The kind by its letter and times like 5h: a full window's name counts in its 1,100 bytes.
        """
        return (
            f"{self.prefix}:win:{self.team_id}:{seat_id}:{allowance.allowance_id}:{allowance.unit}"
            f":{window.kind.value[0]}:{short_time(window.length_ms)}:{window.anchor}"
        )


def lot_member(purchase_ms: int, lot_id: str) -> str:
    """A lot's place in the order of its pool, among those that expire with it (SEM-21)."""
    return f"{purchase_ms:013d}:{lot_id}"


@lru_cache(maxsize=65_536)
def team_keys(team_id: str) -> TeamKeys:
    """The keys of a team; `team_id` is well-formed (domain.team.TEAM_ID)."""
    number = partition(team_id)
    prefix = f"{SCHEMA}:{{{partition_tag(number)}}}"
    return TeamKeys(
        team_id=team_id,
        prefix=prefix,
        team=f"{prefix}:team:{team_id}",
        holds=f"{prefix}:holds:{team_id}",
        purge=f"{prefix}:purge:{team_id}",
        due=due(number),
        ledger=ledger(number),
        credits=_pool_keys(f"{prefix}:credits:{team_id}"),
        wallet=_pool_keys(f"{prefix}:wallet:{team_id}"),
    )


def _pool_keys(prefix: str) -> PoolKeys:
    return PoolKeys(
        order=f"{prefix}:order",
        available=f"{prefix}:available",
        held=f"{prefix}:held",
        consumed=f"{prefix}:consumed",
        expired=f"{prefix}:expired",
        revoked=f"{prefix}:revoked",
        ends=f"{prefix}:ends",
        info=f"{prefix}:info",
        waiting=f"{prefix}:waiting",
        parked=f"{prefix}:parked",
        all=f"{prefix}:all",
        sums=f"{prefix}:sums",
    )

"""The scripts, declared: their keys, arguments and flags, and the constants that Lua shares.

What stands here is what Lua reads by name; nothing is typed twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from quotasvc.domain.lot import LOTS_MAX
from quotasvc.domain.reservation import EXPIRED_RECORD_MS, SETTLED_RECORD_MS, State
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.declaration import Arg, Constants, Script

SKEW_MS_MAX = 30_000
"""How far the service's clock and the store's may be apart (SEM-37)."""

SLICES_MAX = 121
"""Slices of a full sliding window: 120 and the one that is leaving."""


class Code(IntEnum):
    """The first number of every reply. Append only: old scripts keep answering with theirs."""

    GRANTED = 1
    SHORT = 2
    REPLAYED = 3
    CONFLICT = 4
    STALE = 5
    BOUNDARY = 6
    REAP = 7
    SKEWED = 8
    COMMITTED = 9
    SETTLED = 10
    REFUNDED = 11
    EXCEEDS = 12
    UNKNOWN = 13
    EXPIRED = 14
    TOO_EARLY = 15
    PURGED = 16
    TOO_MANY = 17
    FOUND = 18


class KindCode(IntEnum):
    """Window kinds as Lua knows them."""

    SLIDING = 1
    ALIGNED = 2


class StraddleCode(IntEnum):
    """Straddles as Lua knows them."""

    STRICT = 1
    SPLIT = 2
    ABSORB = 3


CONSTANTS: Mapping[str, Constants] = {
    "OUTCOME": Code,
    "STATE": State,
    "KIND": KindCode,
    "STRADDLE": StraddleCode,
    "BOUND": {
        "amount": AMOUNT_MAX,
        "lots": LOTS_MAX,
        "slices": SLICES_MAX,
        "skew_ms": SKEW_MS_MAX,
        "settled_record_ms": SETTLED_RECORD_MS,
        "expired_record_ms": EXPIRED_RECORD_MS,
    },
}

_GATE = (Arg("witness_ms"), Arg("valid_from_ms"), Arg("valid_until_ms"))
_POOL = ("pool_available", "pool_held", "pool_consumed", "pool_expired", "pool_revoked")
_SETTLE_KEYS = ("team", "record", "holds", "purge", "due", "ledger", "pool_order", *_POOL)

RESERVE = Script(
    name="decision/reserve",
    keys=(
        "team",
        "record",
        "holds",
        "due",
        "pool_order",
        "pool_available",
        "pool_held",
        "pool_revoked",
        "pool_ends",
    ),
    rest_keys="windows",
    args=(
        *_GATE,
        Arg("team_id", str),
        Arg("team_version"),
        Arg("reservation_id", str),
        Arg("content", str),
        Arg("check_only"),
        Arg("cost"),
        Arg("pool"),
        Arg("hold_ms"),
        Arg("plan_amount"),
        Arg("straddle"),
        Arg("split_min"),
    ),
    rest_args=Arg("windows"),
    constants=CONSTANTS,
)

COMMIT = Script(
    name="decision/commit",
    keys=_SETTLE_KEYS,
    rest_keys="windows",
    args=(
        *_GATE,
        Arg("team_id", str),
        Arg("reservation_id", str),
        Arg("settlement", str),
        Arg("outcome"),
        Arg("as_reserved"),
        Arg("actual"),
        Arg("plan_amount"),
        Arg("is_counted"),
        Arg("straddle"),
    ),
    rest_args=Arg("windows"),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

REFUND = Script(
    name="decision/refund",
    keys=_SETTLE_KEYS,
    rest_keys="windows",
    args=(*_GATE, Arg("team_id", str), Arg("reservation_id", str), Arg("refund_id", str)),
    rest_args=Arg("windows"),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

EXPIRE = Script(
    name="decision/expire",
    keys=_SETTLE_KEYS,
    rest_keys="windows",
    args=(*_GATE, Arg("team_id", str), Arg("reservation_id", str)),
    rest_args=Arg("windows"),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

FIND = Script(
    name="decision/find",
    keys=("team", "record"),
    flags=("no-writes",),
    constants=CONSTANTS,
)

PURGE = Script(
    name="decision/purge",
    keys=("record", "purge"),
    args=(Arg("reservation_id", str),),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

DUE = Script(
    name="decision/due",
    keys=("team", "holds", "purge", "due"),
    args=(Arg("team_id", str),),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

REMAINS = Script(
    name="usage/remains",
    keys=("team",),
    rest_keys="windows",
    args=(*_GATE, Arg("team_version")),
    rest_args=Arg("windows"),
    flags=("no-writes",),
    constants=CONSTANTS,
)

LOTS = Script(
    name="usage/lots",
    keys=("team", *_POOL, "pool_info"),
    flags=("no-writes",),
    constants=CONSTANTS,
)

GRANT_LOT = Script(
    name="control/grant_lot",
    keys=("team", "ledger", "pool_order", "pool_available", "pool_held", "pool_ends", "pool_info"),
    args=(
        Arg("team_id", str),
        Arg("pool"),
        Arg("lot_id", str),
        Arg("member", str),
        Arg("expire_ms"),
        Arg("nanos"),
        Arg("info", str),
    ),
    constants=CONSTANTS,
)

PUT_TEAM = Script(
    name="control/put_team",
    keys=("team", "ledger"),
    args=(Arg("team_id", str), Arg("version"), Arg("document", str)),
    constants=CONSTANTS,
)

SCRIPTS = (
    RESERVE,
    COMMIT,
    REFUND,
    EXPIRE,
    FIND,
    PURGE,
    DUE,
    REMAINS,
    LOTS,
    GRANT_LOT,
    PUT_TEAM,
)

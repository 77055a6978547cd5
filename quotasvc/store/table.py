"""The scripts, declared: their keys, arguments and flags, and the constants that Lua shares.

What stands here is what Lua reads by name; nothing is typed twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from quotasvc.domain.gate import PLACE_FIRST
from quotasvc.domain.lot import LOTS_MAX, UNPAID_LOTS_MAX
from quotasvc.domain.reservation import (
    EXPIRED_RECORD_MS,
    EXTENDED_MS_MAX,
    LEASE_MS,
    REFUNDS_MAX,
    REPORTED_RECORD_MS,
    SETTLED_RECORD_MS,
    State,
)
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.code import Code, KindCode, ModeCode, RefundKind, StraddleCode
from quotasvc.store.declaration import Arg, Constants, Script
from quotasvc.store.field import Field

SKEW_MS_MAX = 30_000
"""How far the service's clock and the store's may be apart (SEM-37)."""

RING = 128
"""Fields for the slices of a sliding window: at most 121 of them are in use at a time."""

BATCH = 100
"""Lots that one script books or lets enter."""

TEXT_BYTES_MAX = 60
"""Of a value in a HASH that shall stay compact; the server's bound is 64."""

# All but `reserve` may write where memory is full: what has begun ends, what was paid for arrives,
# and who may use nothing any more is shut out. That takes little, and none of it can wait.
CONSTANTS: Mapping[str, Constants] = {
    "OUTCOME": Code,
    "STATE": State,
    "KIND": KindCode,
    "STRADDLE": StraddleCode,
    "REFUND": RefundKind,
    "MODE": ModeCode,
    "FIELD": {field.name.lower(): field.value for field in Field},
    "BOUND": {
        "amount": AMOUNT_MAX,
        "lots": LOTS_MAX,
        "unpaid_lots": UNPAID_LOTS_MAX,
        "legs": LOTS_MAX,
        "batch": BATCH,
        "ring": RING,
        "gate": PLACE_FIRST,
        "text": TEXT_BYTES_MAX,
        "refunds": REFUNDS_MAX,
        "skew_ms": SKEW_MS_MAX,
        "lease_ms": LEASE_MS,
        "extended_ms": EXTENDED_MS_MAX,
        "settled_record_ms": SETTLED_RECORD_MS,
        "reported_record_ms": REPORTED_RECORD_MS,
        "expired_record_ms": EXPIRED_RECORD_MS,
    },
}

_GATE_ARGS = (Arg("witness_ms"), Arg("valid_from_ms"), Arg("valid_until_ms"))
_SETTLE_ARGS = (*_GATE_ARGS, Arg("team_version"))
_MOVES = (
    *("pool_order", "pool_available", "pool_held", "pool_consumed", "pool_expired"),
    *("pool_revoked", "pool_sums"),
)
_DRAWS = ("pool_ends", "pool_waiting")
_LISTS = ("holds", "purge", "due")
_LIMITS = Arg("limits")

RESERVE = Script(
    name="decision/reserve",
    keys=(
        *("team", "record", "holds", "due"),
        *("pool_order", "pool_available", "pool_held", "pool_revoked", *_DRAWS),
    ),
    rest_keys="limits",
    args=(
        *_GATE_ARGS,
        Arg("ahead_ms"),
        Arg("team_version"),
        Arg("mode"),
        Arg("cost"),
        Arg("pool"),
        Arg("hold_ms"),
        Arg("tokens"),
        Arg("plan_amount"),
        Arg("straddle"),
        Arg("split_min"),
        Arg("team_id", str),
        Arg("reservation_id", str),
        Arg("short_id", str),
        Arg("digest", str),
        Arg("content", str),
        Arg("usage", str),
    ),
    rest_args=_LIMITS,
    can_look=True,
    constants=CONSTANTS,
)

RESERVE_LOOK = RESERVE.look
"""Answers and writes nothing: CHECK_ONLY, what-ifs, and any request that a full store is asked."""

COMMIT = Script(
    name="decision/commit",
    keys=("team", "record", *_LISTS, "ledger", *_MOVES, *_DRAWS),
    rest_keys="limits",
    args=(
        *_SETTLE_ARGS,
        Arg("outcome"),
        Arg("as_reserved"),
        Arg("actual"),
        Arg("plan_amount"),
        Arg("tokens"),
        Arg("rates"),
        Arg("is_counted"),
        Arg("straddle"),
        Arg("team_id", str),
        Arg("reservation_id", str),
        Arg("short_id", str),
        Arg("digest", str),
        Arg("settlement", str),
        Arg("usage", str),
    ),
    rest_args=_LIMITS,
    flags=("allow-oom",),
    constants=CONSTANTS,
)

RELEASE = Script(
    name="decision/release",
    keys=("team", "record", *_LISTS, "ledger", *_MOVES),
    rest_keys="limits",
    args=(
        *_SETTLE_ARGS,
        Arg("team_id", str),
        Arg("reservation_id", str),
        Arg("short_id", str),
        Arg("digest", str),
    ),
    rest_args=_LIMITS,
    flags=("allow-oom",),
    constants=CONSTANTS,
)

REFUND = Script(
    name="decision/refund",
    keys=("team", "record", "purge", "ledger", *_MOVES),
    rest_keys="limits",
    args=(
        *_SETTLE_ARGS,
        Arg("kind"),
        Arg("nanos"),
        Arg("units"),
        Arg("seen"),
        Arg("is_counted"),
        Arg("team_id", str),
        Arg("reservation_id", str),
        Arg("short_id", str),
        Arg("refund_id", str),
        Arg("scope", str),
        Arg("usage", str),
    ),
    rest_args=_LIMITS,
    flags=("allow-oom",),
    constants=CONSTANTS,
)

EXPIRE = Script(
    name="decision/expire",
    keys=("team", "record", *_LISTS, "ledger", *_MOVES),
    rest_keys="limits",
    args=(
        *_GATE_ARGS,
        Arg("is_charged"),
        Arg("team_id", str),
        Arg("reservation_id", str),
        Arg("short_id", str),
        Arg("digest", str),
    ),
    rest_args=_LIMITS,
    flags=("allow-oom",),
    constants=CONSTANTS,
)

EXTEND = Script(
    name="decision/extend",
    keys=("team", "record", "holds", "due"),
    rest_keys="limits",
    args=(
        *_GATE_ARGS,
        Arg("hold_ms"),
        Arg("reservation_id", str),
        Arg("short_id", str),
        Arg("digest", str),
    ),
    rest_args=_LIMITS,
    flags=("allow-oom",),
    constants=CONSTANTS,
)

RECORD_USAGE = Script(
    name="decision/record_usage",
    keys=("team", "record", "old_record", "mark", *_LISTS, "ledger", *_MOVES, *_DRAWS),
    rest_keys="limits",
    args=(
        *_GATE_ARGS,
        Arg("team_version"),
        Arg("outcome"),
        Arg("cost"),
        Arg("pool"),
        Arg("tokens"),
        Arg("plan_amount"),
        Arg("is_counted"),
        Arg("straddle"),
        Arg("split_min"),
        Arg("team_id", str),
        Arg("reservation_id", str),
        Arg("short_id", str),
        Arg("digest", str),
        Arg("content", str),
        Arg("usage", str),
        Arg("old_id", str),
        Arg("mark_id", str),
    ),
    rest_args=_LIMITS,
    flags=("allow-oom",),
    constants=CONSTANTS,
)

CONFIRM = Script(
    name="decision/confirm",
    keys=("team", "record"),
    args=(*_GATE_ARGS, Arg("team_version"), Arg("content", str)),
    flags=("no-writes",),
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
    args=(Arg("name", str), Arg("short_id", str)),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

DUE = Script(
    name="decision/due",
    keys=("team", *_LISTS, "pool_order", "pool_available", "pool_held", *_DRAWS),
    args=(Arg("team_id", str),),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

ENTER = Script(
    name="decision/enter",
    keys=(
        *("team", "ledger", "pool_order", "pool_available", "pool_held", "pool_expired"),
        *("pool_sums", "pool_parked", *_DRAWS),
    ),
    args=(Arg("team_id", str),),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

BOOK = Script(
    name="decision/book",
    keys=("team", "ledger", "pool_order", "pool_available", "pool_expired", "pool_sums"),
    args=(Arg("team_id", str),),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

REMAINS = Script(
    name="usage/remains",
    keys=("team",),
    rest_keys="limits",
    args=(*_GATE_ARGS, Arg("team_version")),
    rest_args=_LIMITS,
    flags=("no-writes",),
    constants=CONSTANTS,
)

LOTS = Script(
    name="usage/lots",
    keys=(
        *("team", "pool_order", "pool_available", "pool_held", "pool_consumed", "pool_expired"),
        *("pool_revoked", "pool_info", "pool_parked", "pool_all", *_DRAWS),
    ),
    args=(Arg("section"), Arg("size"), Arg("after", str)),
    flags=("no-writes",),
    constants=CONSTANTS,
)

BALANCE = Script(
    name="usage/balance",
    keys=("team", "pool_order", "pool_available", "pool_held", "pool_parked", "pool_sums", *_DRAWS),
    flags=("no-writes",),
    constants=CONSTANTS,
)

GRANT_LOT = Script(
    name="control/grant_lot",
    keys=(
        *("team", "ledger", "due", "pool_order", "pool_available", "pool_held", "pool_info"),
        *("pool_parked", "pool_all", "pool_sums", *_DRAWS),
    ),
    args=(Arg("pool"), Arg("expire_ms"), Arg("is_paid"), Arg("team_id", str)),
    rest_args=Arg("lots", str),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

REVOKE_LOT = Script(
    name="control/revoke_lot",
    keys=(
        *("team", "ledger", "due", "pool_order", "pool_available", "pool_revoked", "pool_info"),
        *("pool_parked", "pool_sums", *_DRAWS),
    ),
    args=(Arg("team_id", str), Arg("lot_id", str)),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

PUT_TEAM = Script(
    name="control/put_team",
    keys=("team", "ledger"),
    args=(Arg("version"), Arg("team_id", str), Arg("document", str)),
    flags=("allow-oom",),
    constants=CONSTANTS,
)

SCRIPTS = (
    RESERVE,
    COMMIT,
    RELEASE,
    REFUND,
    EXPIRE,
    EXTEND,
    RECORD_USAGE,
    CONFIRM,
    FIND,
    PURGE,
    DUE,
    ENTER,
    BOOK,
    REMAINS,
    LOTS,
    BALANCE,
    GRANT_LOT,
    REVOKE_LOT,
    PUT_TEAM,
)

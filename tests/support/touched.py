"""Which keys of a scene each call touches: what it reads or writes, and nothing beside."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.scene import (
    CHARGED,
    CONNECTIONS,
    HELD,
    LISTS,
    NAMES,
    NEW,
    POOL,
    RPM,
    SLOTS,
    TPM,
    USED,
    WEEK,
    WINDOW,
)

WINDOWS, LEASES = (WINDOW, WEEK), (CONNECTIONS, SLOTS)
DRAWN = (POOL.order, POOL.available, POOL.held, POOL.waiting)
ADMITTED = (NAMES.team, NAMES.holds, NAMES.due, *DRAWN, *WINDOWS, RPM, TPM, *LEASES)
SETTLED = (NAMES.team, NAMES.ledger, *LISTS, *WINDOWS, POOL.order, POOL.held, POOL.consumed)
RETURNED = (*SETTLED, *LEASES, POOL.available, POOL.revoked)
REPORTED = (*SETTLED, POOL.available, POOL.waiting, RPM, TPM, USED)
REFUNDED = (NAMES.team, NAMES.ledger, NAMES.purge, *WINDOWS)
SHOWN = (NAMES.team, *DRAWN, POOL.parked, POOL.sums)

TOUCHED: Mapping[str, tuple[str, ...]] = {
    "reserve": (*ADMITTED, NEW),
    "reserve_too_much": (*ADMITTED, NEW, POOL.ends, POOL.revoked),
    "check_only": ADMITTED,
    "commit_less": (*RETURNED, HELD, TPM),
    "commit_more": (*SETTLED, *LEASES, HELD, TPM, POOL.available, POOL.waiting),
    "late_commit": (*SETTLED, *LEASES, HELD, POOL.available, POOL.waiting),
    "release": (*RETURNED, HELD),
    "release_into_an_ended_lot": (
        *(*SETTLED, *LEASES, HELD),
        *(POOL.revoked, POOL.expired, POOL.sums),
    ),
    "refund_all": (*REFUNDED, CHARGED),
    "refund_usage": (*REFUNDED, CHARGED),
    "refund_amount": (*REFUNDED, CHARGED),
    "refund_an_expiry": (
        *(*REFUNDED, HELD, POOL.order, POOL.held, POOL.consumed),
        *(POOL.available, POOL.revoked),
    ),
    "reap": (*RETURNED, HELD),
    "reap_and_charge": (*SETTLED, *LEASES, HELD),
    "extend": (NAMES.team, HELD, NAMES.holds, NAMES.due, *LEASES),
    "record_usage": REPORTED,
    "record_usage_of_old": (*REPORTED, CHARGED),
    "refuse": (NAMES.team, NEW),
    "refuse_a_replay": (NAMES.team, HELD),
    "find": (NAMES.team, HELD),
    "find_charged": (NAMES.team, CHARGED),
    "purge": (NAMES.purge, CHARGED),
    "due": (NAMES.team, *LISTS, POOL.order, POOL.waiting),
    "enter": (
        *(NAMES.team, NAMES.ledger, *DRAWN),
        *(POOL.ends, POOL.expired, POOL.parked, POOL.sums),
    ),
    "book": (NAMES.team, NAMES.ledger, POOL.order, POOL.available, POOL.expired, POOL.sums),
    "remains": (*SHOWN, *WINDOWS),
    "lots": (
        *(NAMES.team, POOL.available, POOL.consumed, POOL.expired, POOL.held),
        *(POOL.all, POOL.info, POOL.order, POOL.parked, POOL.revoked, POOL.waiting),
    ),
    "balance": SHOWN,
    "grant": (
        NAMES.team,
        NAMES.ledger,
        NAMES.due,
        *DRAWN,
        POOL.all,
        POOL.ends,
        POOL.info,
        POOL.parked,
        POOL.sums,
    ),
    "revoke": (
        *(NAMES.team, NAMES.ledger, NAMES.due, POOL.order, POOL.available, POOL.waiting),
        *(POOL.ends, POOL.info, POOL.parked, POOL.revoked, POOL.sums),
    ),
    "put_team": (NAMES.team, NAMES.ledger),
}
"""What each call cannot do without, and so has to look at before it writes."""

"""Revoking a lot by hand, until the control plane does it (SEM-42)."""

from __future__ import annotations

from tests.support.books import Books
from tests.support.quota import TEAM, Quota


async def revoke(quota: Quota, lot_id: str) -> None:
    """What the control plane will do (SEM-42): all that is available becomes revoked."""
    team = (await Books.read(quota.executor)).team(TEAM)
    pool, counters = team.keys.credits, team.counters
    available = team.lots(pool, "available").get(lot_id, 0)
    [member] = [m for m in team.order(pool) if m[14:] == lot_id] or [f"{0:013d}:{lot_id}"]
    seq, entry = str(counters["seq"] + 1), str(counters["entry"] + 1)
    head = ("team", TEAM, "entry", entry, "seq", seq, "kind", "revoke", "ms", "0")
    for words in (
        ("HSET", pool.revoked, lot_id, str(available)),
        ("HDEL", pool.available, lot_id),
        ("ZREM", pool.order, member),
        ("HSET", team.keys.team, "seq", seq, "entry", entry),
        ("XADD", team.keys.ledger, "*", *head, "lot", member, "revoked", str(available)),
    ):
        await quota.executor.call(*words, deadline=quota.deadline)

"""Gates: limits that no payer can make up for: rate limits of a team, and a seat's concurrency.

They have their own scope, deny with a short retry, and never fall through to Credits (J2). At peak
they are tighter (J1, J5). Pure: whether it is peak comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from quotasvc.domain.catalog import Catalog, Plan, RateLimit
from quotasvc.domain.peak import tightened
from quotasvc.domain.unit import AMOUNT_MAX, Usage

RATE_MS = 60_000
"""Requests and tokens are counted over the last minute."""

RATE_SLICE_MS = 500

PLACE_FIRST = 99
"""From this place on a limit of an order is a gate, below it a window of the plan. Each row of the
catalog's rate limits has three places, in the order of GateKind; that this is a multiple of three
lets scripts tell which of them a place is."""

ROWS_MAX = 24
CONCURRENCY_ID = "concurrency"
CONCURRENCY_PLACE = PLACE_FIRST + 3 * ROWS_MAX


class GateKind(IntEnum):
    """What is counted; the numbers are places within a row, and known to the scripts."""

    REQUESTS = 0
    TOKENS = 1
    CONNECTIONS = 2
    CONCURRENCY = 3


_NAMES = {GateKind.REQUESTS: "rpm", GateKind.TOKENS: "tpm", GateKind.CONNECTIONS: "connections"}
_UNITS = {
    GateKind.REQUESTS: "requests",
    GateKind.TOKENS: "tokens",
    GateKind.CONNECTIONS: "connections",
    GateKind.CONCURRENCY: "requests",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate of an order. `limit` is None where the cap is not in force: slots are taken all
    the same (SEM-52). `need` is what the request wants of it."""

    kind: GateKind
    place: int
    rate_limit_id: str  # empty: the cap on concurrency
    limit: int | None
    need: int

    @property
    def is_leased(self) -> bool:
        """Counted by leases that end, not by a window that slides."""
        return self.kind in (GateKind.CONNECTIONS, GateKind.CONCURRENCY)

    @property
    def limit_id(self) -> str:
        """As answers name it."""
        if self.kind is GateKind.CONCURRENCY:
            return CONCURRENCY_ID
        return f"rate/{self.rate_limit_id}/{_NAMES[self.kind]}"

    @property
    def unit(self) -> str:
        """What its figures count."""
        return _UNITS[self.kind]


Row = tuple[int, RateLimit]
"""A rate-limit row with its index in the catalog."""


def rows_for(catalog: Catalog, resource_id: str) -> tuple[Row, ...]:
    """The rows that apply to a resource: all that match (J3)."""
    return tuple(
        (index, row)
        for index, row in enumerate(catalog.rate_limits)
        if resource_id in row.resources
    )


def scopes(rows: tuple[Row, ...]) -> int:
    """The rows as a mask, for reservation ids."""
    return sum(1 << index for index, _ in rows)


def rows_of(catalog: Catalog, mask: int) -> tuple[Row, ...]:
    """The rows that a mask names."""
    return tuple((index, row) for index, row in enumerate(catalog.rate_limits) if mask >> index & 1)


def tokens(usage: Usage) -> int:
    """What counts for tokens per minute (SEM-2b), as far as an amount goes (SEM-3)."""
    return min(usage.prompt_tokens + usage.amounts.get("output_tokens", 0), AMOUNT_MAX)


def gates(
    rows: tuple[Row, ...], plan: Plan | None, token_count: int, *, at_peak: bool
) -> tuple[Gate, ...]:
    """The gates of one admission: rows in the catalog's order, then the seat's cap."""
    found = [gate for row in rows for gate in _of_row(row, token_count, at_peak=at_peak)]
    if plan is not None and plan.peak_concurrency is not None:
        found.append(concurrency(plan.peak_concurrency if at_peak else None))
    return tuple(found)


def concurrency(limit: int | None) -> Gate:
    """The cap on a seat's live slots."""
    return Gate(
        kind=GateKind.CONCURRENCY, place=CONCURRENCY_PLACE, rate_limit_id="", limit=limit, need=1
    )


def settled_gates(rows: tuple[Row, ...], plan: Plan | None) -> tuple[Gate, ...]:
    """The gates that a settlement touches: tokens are corrected, leases end."""
    return tuple(
        gate for gate in gates(rows, plan, 0, at_peak=False) if gate.kind is not GateKind.REQUESTS
    )


def is_tighter_at_peak(rows: tuple[Row, ...], plan: Plan | None) -> bool:
    """Whether peak hours change any of the gates."""
    has_cap = plan is not None and plan.peak_concurrency is not None
    return has_cap or any(row.peak_permille < 1000 for _, row in rows)


def _of_row(indexed: Row, token_count: int, *, at_peak: bool) -> Iterator[Gate]:
    index, row = indexed
    wanted = (
        (GateKind.REQUESTS, row.rpm, 1),
        (GateKind.TOKENS, row.tpm, token_count),
        (GateKind.CONNECTIONS, row.connections, 1),
    )
    for kind, limit, need in wanted:
        if limit is not None:
            yield Gate(
                kind=kind,
                place=PLACE_FIRST + 3 * index + kind,
                rate_limit_id=row.rate_limit_id,
                limit=tightened(limit, row.peak_permille) if at_peak else limit,
                need=need,
            )

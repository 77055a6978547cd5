"""Lots: prepaid amounts of one origin and one expiry, and the balances that they make."""

from __future__ import annotations

from dataclasses import dataclass

LOTS_MAX = 1_000
"""Open lots in a pool, and so the bound of every loop over them (SEM-24)."""

UNPAID_LOTS_MAX = 900
"""From so many open lots on a grant that nobody has paid for is refused (SEM-24)."""

LOT_NANOS_MAX = 9_000_000_000_000_000
"""What one lot holds at most; a larger amount is granted as several (SEM-3), to a wallet not."""

WALLET_LOT = "wallet"
"""A wallet is a pool of one lot without expiry, to which top-ups add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One lot as it stands at a moment: granted is always the sum of the five others."""

    lot_id: str
    origin: str
    granted: int
    available: int
    held: int
    consumed: int
    expired: int
    revoked: int
    purchase_ms: int
    grant_ms: int
    expire_ms: int | None
    waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LotPlace:
    """Where a page of lots begins: in which section of the list, and behind which lot of it.

    Sections: 1, open lots in the order of drawing; 2, waiting ones, oldest first; 3, all others.
    """

    section: int = 1
    after: str = ""  # as the order of drawing names lots; empty: with the section's first


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Sums over lots, in nanos; exact whatever their size (L6)."""

    available: int
    held: int
    waiting: int
    settled: int

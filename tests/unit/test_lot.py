"""Lots as values, and their bounds (SEM-3, SEM-24)."""

from __future__ import annotations

from quotasvc.domain.lot import LOT_NANOS_MAX, LOTS_MAX, UNPAID_LOTS_MAX, Lot
from quotasvc.domain.unit import AMOUNT_MAX

LOT = Lot(
    lot_id="lot",
    origin="top_up",
    granted=100,
    available=100,
    held=0,
    consumed=0,
    expired=0,
    revoked=0,
    purchase_ms=10,
    grant_ms=10,
    expire_ms=1_000,
)


def test_a_lot_waits_only_where_it_says_so() -> None:
    # SEM-24
    assert not LOT.waiting


def test_a_pool_is_bounded_in_lots_and_a_lot_in_nanos() -> None:
    # SEM-3, SEM-24, L1, L2
    assert (LOTS_MAX, UNPAID_LOTS_MAX) == (1_000, 900)
    assert LOT_NANOS_MAX == 9_000_000_000_000_000 < AMOUNT_MAX

"""Lots as values: open or not, and their order (SEM-21, SEM-24)."""

from __future__ import annotations

from dataclasses import replace

import pytest

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


@pytest.mark.parametrize(
    ("available", "held", "is_open"), [(1, 0, True), (0, 1, True), (0, 0, False)]
)
def test_a_lot_is_open_while_something_is_available_or_held(
    available: int, held: int, *, is_open: bool
) -> None:
    assert replace(LOT, available=available, held=held).is_open is is_open


def test_lots_are_ordered_by_expiry_purchase_and_id() -> None:
    in_order = [
        replace(LOT, expire_ms=5, purchase_ms=9, lot_id="z"),
        replace(LOT, expire_ms=7, purchase_ms=1, lot_id="z"),
        replace(LOT, expire_ms=7, purchase_ms=2, lot_id="B"),
        replace(LOT, expire_ms=7, purchase_ms=2, lot_id="a10"),
        replace(LOT, expire_ms=7, purchase_ms=2, lot_id="a2"),
        replace(LOT, expire_ms=None, purchase_ms=0, lot_id="a"),
        replace(LOT, expire_ms=None, purchase_ms=3, lot_id="a"),
    ]
    assert sorted(reversed(in_order), key=lambda lot: lot.draw_order) == in_order


def test_a_lot_waits_only_where_it_says_so() -> None:
    # SEM-24
    assert not LOT.waiting


def test_a_pool_is_bounded_in_lots_and_a_lot_in_nanos() -> None:
    # SEM-3, SEM-24, L1, L2
    assert (LOTS_MAX, UNPAID_LOTS_MAX) == (1_000, 900)
    assert LOT_NANOS_MAX == 9_000_000_000_000_000 < AMOUNT_MAX

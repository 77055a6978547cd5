"""Balances: sums over a pool's lots, exact whatever their size (SEM-3, SEM-53)."""

from __future__ import annotations

from collections.abc import Mapping

from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.resp import Reply
from quotasvc.store.usage import SUM_LIMB, _balance

NOW_MS = 1_000


def flat(amounts: Mapping[str, int]) -> list[Reply]:
    """Names and amounts as the store returns a HASH."""
    return [word.encode() for pair in amounts.items() for word in (pair[0], str(pair[1]))]


def sums(**totals: int) -> dict[str, int]:
    """Sums as they are kept: each as two numbers."""
    kept = {}
    for name, total in totals.items():
        kept[f"{name}_high"], kept[name] = divmod(total, SUM_LIMB)
    return kept


def test_a_balance_sums_exactly_whatever_its_size() -> None:
    # given lots whose sum is far above 2^53, one of them waiting (L6, SEM-53)
    large = {"a": AMOUNT_MAX, "b": AMOUNT_MAX}
    granted, gone = 8 * AMOUNT_MAX + 7, 2 * AMOUNT_MAX
    found = _balance(
        [
            flat(large),
            flat(large),
            [],
            flat({"late": 7}),
            flat({"late": 0}),
            flat(sums(granted=granted, expired=gone)),
        ],
        NOW_MS,
    )
    # then each state is told apart, and what waits is not available
    assert found.available == 2 * AMOUNT_MAX
    assert found.held == 2 * AMOUNT_MAX
    assert found.waiting == 7
    assert found.settled == 2 * AMOUNT_MAX


def test_what_is_over_is_not_available_before_it_is_booked() -> None:
    # SEM-22: given one lot that is over and two that wait, of which one is
    found = _balance(
        [
            flat({"a": 5, "b": 6}),
            [],
            [b"a"],
            flat({"c": 7, "d": 8}),
            flat({"c": NOW_MS, "d": NOW_MS + 1}),
            flat(sums(granted=100, revoked=70)),
        ],
        NOW_MS,
    )
    # then it is neither available nor spent
    assert (found.available, found.waiting, found.held) == (6, 8, 0)
    assert found.settled == 100 - 70 - 5 - 6 - 7 - 8


def test_an_empty_pool_has_nothing() -> None:
    found = _balance([[], [], [], [], [], []], NOW_MS)
    assert (found.available, found.held, found.waiting, found.settled) == (0, 0, 0, 0)

"""Catalog values that stand alone: what they say where a catalog's author says nothing (SEM-14)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.catalog import Window, WindowKind
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.unit import AMOUNT_MAX, Usage
from tests.support.catalogs import DAY_OF_TEN, allowance, catalog
from tests.support.clock import HOUR


def test_a_sliding_window_has_120_slices_unless_said_otherwise() -> None:
    # SEM-14
    window = Window(window_id="w", kind=WindowKind.SLIDING, length_ms=5 * HOUR, limit=1)
    assert window.slice_ms == 5 * HOUR // 120


@pytest.mark.parametrize(("length_ms", "slice_ms"), [(120, 1), (121, 2), (240, 2), (241, 3)])
def test_a_slice_is_rounded_up_to_whole_milliseconds(length_ms: int, slice_ms: int) -> None:
    # SEM-14
    window = Window(window_id="w", kind=WindowKind.SLIDING, length_ms=length_ms, limit=1)
    assert window.slice_ms == slice_ms


def test_what_a_usage_deducts_may_be_as_large_as_an_amount_can_be() -> None:
    # SEM-3: given units that weigh one each
    counted = allowance("vlm", "requests", ("vlm/a",), DAY_OF_TEN)
    assert counted.amount("vlm/a", Usage.of(requests=AMOUNT_MAX), 0) == AMOUNT_MAX
    with pytest.raises(InvalidArgument) as refused:
        counted.amount("vlm/a", Usage.of(requests=AMOUNT_MAX + 1), 0)
    assert refused.value.reason == "USAGE_TOO_LARGE"


@pytest.mark.parametrize(("credits_", "nanos"), [(1, 1_000_000_000), (1_000, 1_000_000)])
def test_credits_are_whole_nanos(credits_: int, nanos: int) -> None:
    # SEM-1, D8
    rules = replace(catalog().credits, per_currency_unit=credits_)
    assert rules.nanos_per_credit == nanos

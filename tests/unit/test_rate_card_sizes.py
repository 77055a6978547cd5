"""Prices by the size of a prompt: from a row's first token to its last, and no further (SEM-2a)."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from quotasvc.domain.catalog import PriceRow, Resource
from quotasvc.domain.rate_card import applicable, gaps, price
from quotasvc.domain.unit import Usage


def sized(*rows: PriceRow) -> Resource:
    """A resource that measures input."""
    return Resource(
        resource_id="test/one",
        measures=("requests", "input_tokens"),
        rows=rows,
        estimate_default=MappingProxyType({}),
        estimate_min=MappingProxyType({}),
        covered=True,
    )


def row(nanos: int, *, first: int = 0, last: int | None = None) -> PriceRow:
    """A price of prompts of these sizes."""
    return PriceRow(
        per=1,
        nanos=MappingProxyType({"input_tokens": nanos}),
        prompt_tokens_min=first,
        prompt_tokens_max=last,
    )


ALL = ("requests", "input_tokens")
"""What has no price where no row holds: not even the request is free then."""


@pytest.mark.parametrize(("tokens", "unpriced"), [(100, ()), (101, ALL)])
def test_beyond_the_last_size_of_a_row_nothing_is_priced(
    tokens: int, unpriced: tuple[str, ...]
) -> None:
    # SEM-2a: given a price for prompts of up to 100 tokens, and none above
    one = sized(row(2, last=100))
    found = price(one, applicable(one, {}, 0), Usage.of(input_tokens=tokens))
    assert found.unpriced == unpriced
    assert found.nanos == (0 if unpriced else 200)
    assert gaps(one, applicable(one, {}, 0)) == ALL


@pytest.mark.parametrize(
    ("first", "tokens", "unpriced"), [(10, 9, ALL), (10, 10, ()), (1, 1, ()), (1, 0, ("requests",))]
)
def test_below_the_first_size_of_a_row_nothing_is_priced(
    first: int, tokens: int, unpriced: tuple[str, ...]
) -> None:
    # SEM-2a
    one = sized(row(2, first=first))
    found = price(one, applicable(one, {}, 0), Usage.of(input_tokens=tokens))
    assert found.unpriced == unpriced


def test_a_price_of_one_size_alone_is_of_no_other() -> None:
    # given a price of empty prompts, one of prompts of a token, and one of larger ones
    one = sized(row(0, last=0), row(7, first=1, last=1), row(1, first=2))
    mask = applicable(one, {}, 0)
    costs = [price(one, mask, Usage.of(input_tokens=n)).nanos for n in range(4)]
    assert costs == [0, 7, 2, 3]
    assert gaps(one, mask) == ()

"""Usage as a value: which units, how it is kept in a record, and what of it is content (SEM-4)."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotasvc.domain.unit import AMOUNT_MAX, NANOS_PER_CURRENCY_UNIT, UNITS, Usage, usage_field

MEASURES = ("requests", "input_tokens", "output_tokens", "pages")


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (Usage.of(), ""),
        (Usage.of(requests=1, input_tokens=700, output_tokens=100), "1.700.100"),
        (Usage.of(output_tokens=5), "..5"),
        (Usage.of(requests=0), "0"),
        (Usage.of(input_tokens=0, pages=AMOUNT_MAX), ".0..9007199254740991"),
    ],
)
def test_usage_is_kept_short_and_a_sent_zero_is_told_from_nothing(usage: Usage, text: str) -> None:
    # SEM-35
    assert usage.pack(MEASURES) == text
    assert Usage.unpack(text, MEASURES) == usage


@given(amounts=st.dictionaries(st.sampled_from(MEASURES), st.integers(0, AMOUNT_MAX)))
def test_what_was_kept_is_read_as_it_was(amounts: dict[str, int]) -> None:
    usage = Usage(MappingProxyType(amounts))
    assert Usage.unpack(usage.pack(MEASURES), MEASURES) == usage


def test_requests_are_one_unless_sent_and_all_else_is_nothing() -> None:
    # SEM-4
    assert [Usage.of().get(unit) for unit in ("requests", "images")] == [1, 0]
    assert [Usage.of(requests=0, images=2).get(unit) for unit in ("requests", "images")] == [0, 2]


def test_prompt_tokens_are_all_that_was_read() -> None:
    # SEM-2b
    usage = Usage.of(input_tokens=1, cache_read_tokens=20, cache_write_tokens=300, output_tokens=9)
    assert usage.prompt_tokens == 321
    assert Usage.of(output_tokens=9).prompt_tokens == 0


def test_one_nano_is_a_billionth_of_the_currency_unit() -> None:
    # SEM-1, SEM-3
    assert NANOS_PER_CURRENCY_UNIT == 10**9
    assert AMOUNT_MAX == 2**53 - 1


def test_a_unit_is_complained_about_by_its_field() -> None:
    assert [usage_field(unit) for unit in UNITS] == [f"usage.{unit}" for unit in UNITS]
    assert usage_field("pages") == 'usage.custom["pages"]'

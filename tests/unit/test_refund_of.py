"""Refunds by usage: what was charged less the price of what remains (SEM-29, SEM-49)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotasvc.domain import rate_card
from quotasvc.domain.catalog import Allowance
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.refund import Refund, refund_of
from quotasvc.domain.unit import COST, Usage
from tests.support.catalogs import CREDIT, DAY_OF_TEN, allowance, price, resource

TEXT = resource(
    "text/a",
    price(per=3, output_tokens=CREDIT, input_tokens=1),
    measures=("input_tokens", "output_tokens"),
    default={"output_tokens": 5},
)
RATES = rate_card.applicable(TEXT, {}, 0)
VLM = resource("vlm/a", price(requests=CREDIT), measures=(), default={"requests": 1})
COUNTED = allowance("vlm", "requests", ("vlm/a",), DAY_OF_TEN, weights={"vlm/a": 3})


def cost(usage: Usage) -> int:
    """The list price of a usage of text/a."""
    return rate_card.price(TEXT, RATES, usage).nanos


def refund(wanted: Usage, actual: Usage, **others: Any) -> Refund:
    """A refund of text/a, where all was charged and nothing refunded unless said otherwise."""
    facts: dict[str, Any] = {
        "allowance": None,
        "before": Usage.of(),
        "charged": cost(actual),
        "by_usage": 0,
    }
    return refund_of(resource=TEXT, rates=RATES, actual=actual, wanted=wanted, **facts | others)


def counted(wanted: int, before: int = 0) -> Refund:
    """A refund of some of ten requests that the plan counted three each."""
    return refund_of(
        resource=VLM,
        rates=rate_card.applicable(VLM, {}, 0),
        allowance=COUNTED,
        actual=Usage.of(requests=10),
        before=Usage.of(requests=before) if before else Usage.of(),
        wanted=Usage.of(requests=wanted),
        charged=10 * CREDIT,
        by_usage=before * CREDIT,
    )


def test_what_remains_is_priced_by_its_own_size() -> None:
    # given prices that double for prompts of more than 20 tokens, and a large one of 43 (SEM-29)
    tiered = resource(
        "text/tiered",
        replace(price(input_tokens=CREDIT, output_tokens=2 * CREDIT), prompt_tokens_max=20),
        replace(price(input_tokens=2 * CREDIT, output_tokens=4 * CREDIT), prompt_tokens_min=21),
        measures=("input_tokens", "output_tokens"),
        default={"output_tokens": 5},
    )
    charged = (43 * 2 + 34 * 4) * CREDIT
    # when all of the prompt goes back
    found = refund_of(
        resource=tiered,
        rates=rate_card.applicable(tiered, {}, 0),
        allowance=None,
        actual=Usage.of(input_tokens=43, output_tokens=34),
        before=Usage.of(),
        wanted=Usage.of(input_tokens=43, output_tokens=32),
        charged=charged,
        by_usage=0,
    )
    # then the two tokens that remain cost what they cost without a large prompt
    assert found.nanos == charged - 2 * 2 * CREDIT


def test_what_remains_is_priced_anew_and_the_rest_goes_back() -> None:
    found = refund(Usage.of(output_tokens=3), Usage.of(output_tokens=10))
    # 10 tokens are 3,333,334 nanos and 7 are 2,333,334: each rounded up once
    assert found.nanos == 3_333_334 - 2_333_334
    assert found.usage == Usage.of(output_tokens=3)
    assert found.units == 0


@given(used=st.integers(0, 1_000), parts=st.lists(st.integers(0, 200), max_size=6))
def test_refunds_by_parts_come_to_the_price_of_what_is_left(used: int, parts: list[int]) -> None:
    actual, before, back, refunded = Usage.of(output_tokens=used), Usage.of(), 0, 0
    for part in parts:
        part = min(part, used - refunded)
        found = refund(Usage.of(output_tokens=part), actual, before=before, by_usage=back)
        back, before, refunded = back + found.nanos, found.usage, refunded + part
    assert back == cost(actual) - cost(Usage.of(output_tokens=used - refunded))


def test_a_written_off_part_is_used_up_before_anything_goes_back() -> None:
    # SEM-49: given 30 tokens, of whose price a half was charged
    actual = Usage.of(output_tokens=30)
    charged = cost(actual) // 2
    assert refund(Usage.of(output_tokens=1), actual, charged=charged).nanos == 0
    assert refund(Usage.of(output_tokens=15), actual, charged=charged).nanos == 0
    assert refund(Usage.of(output_tokens=18), actual, charged=charged).nanos == CREDIT
    assert refund(actual, actual, charged=charged).nanos == charged


def test_each_refund_looks_at_all_that_went_back_before() -> None:
    actual = Usage.of(output_tokens=9, input_tokens=3)
    first = refund(Usage.of(output_tokens=3), actual)
    second = refund(
        Usage.of(output_tokens=6, input_tokens=3), actual, before=first.usage, by_usage=first.nanos
    )
    assert first.nanos + second.nanos == cost(actual)
    assert second.usage == Usage.of(output_tokens=9, input_tokens=3)


def test_what_was_refunded_before_is_remembered_beside_what_is_refunded_now() -> None:
    # SEM-29: given refunds that name one unit each
    actual = Usage.of(output_tokens=9, input_tokens=3)
    first = refund(Usage.of(output_tokens=4), actual)
    second = refund(Usage.of(input_tokens=3), actual, before=first.usage, by_usage=first.nanos)
    assert first.usage == Usage.of(output_tokens=4)
    assert second.usage == Usage.of(input_tokens=3, output_tokens=4)


def test_a_unit_that_is_not_named_is_not_refunded_not_even_requests() -> None:
    # S3: given a resource that prices requests, which are 1 unless sent
    found = refund_of(
        resource=VLM,
        rates=rate_card.applicable(VLM, {}, 0),
        allowance=None,
        actual=Usage.of(),
        before=Usage.of(),
        wanted=Usage.of(),
        charged=CREDIT,
        by_usage=0,
    )
    assert (found.nanos, dict(found.usage.amounts)) == (0, {})


@pytest.mark.parametrize(
    ("wanted", "before", "field"),
    [
        (Usage.of(output_tokens=11), Usage.of(), "usage.output_tokens"),
        (Usage.of(output_tokens=5), Usage.of(output_tokens=6), "usage.output_tokens"),
        (Usage.of(requests=2), Usage.of(), "usage.requests"),
        (Usage.of(input_tokens=1), Usage.of(), "usage.input_tokens"),
    ],
)
def test_more_than_was_used_and_not_refunded_is_refused(
    wanted: Usage, before: Usage, field: str
) -> None:
    # S3
    with pytest.raises(InvalidArgument, match="were used and not refunded") as refused:
        refund(wanted, Usage.of(output_tokens=10), before=before)
    assert refused.value.field == field


def test_a_counted_allowance_gets_its_units_back() -> None:
    # S4
    assert (counted(4).units, counted(4).nanos) == (12, 4 * CREDIT)
    assert counted(6, before=4).units == 18


def test_an_allowance_of_cost_gets_back_nanos_and_no_units() -> None:
    general: Allowance = allowance("general", COST, ("text/a",))
    found = refund(Usage.of(output_tokens=3), Usage.of(output_tokens=10), allowance=general)
    assert found.units == 0

"""The rate card: prices are exact, rounded up once, and free only where that is stated."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotasvc.catalog import DEFAULT_CATALOG, load_catalog
from quotasvc.domain.catalog import PriceRow, Resource
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.rate_card import (
    Price,
    applicable,
    estimate,
    gaps,
    in_force,
    price,
    unmeasured,
)
from quotasvc.domain.unit import AMOUNT_MAX, UNITS, Usage

CATALOG = load_catalog(DEFAULT_CATALOG)
ONE_CREDIT = CATALOG.credits.nanos_per_credit
M3 = CATALOG.resources["text/m3"]
VLM = CATALOG.resources["vlm/api-vlm"]
VIDEO = CATALOG.resources["video/hailuo-2.3"]
JULY_22_MS = 1_784_678_400_000
"""2026-07-22T00:00:00Z: API-vlm becomes cheaper (2.5)."""


def resource(*rows: PriceRow, measures: tuple[str, ...] = ("requests", "songs")) -> Resource:
    return Resource(
        resource_id="test/one",
        measures=measures,
        rows=rows,
        estimate_default=MappingProxyType({}),
        estimate_min=MappingProxyType({}),
        covered=True,
    )


def row(per: int = 1, **nanos: int) -> PriceRow:
    return PriceRow(per=per, nanos=MappingProxyType(nanos))


def charge(
    one: Resource, usage: Usage, attributes: Mapping[str, str] | None = None, at_ms: int = 0
) -> Price:
    return price(one, applicable(one, attributes or {}, at_ms), usage)


# D8, D10: what a credit buys


def test_three_cents_are_thirty_credits() -> None:
    # D8 (S0:13): "a resource priced at $0.03 consumes 30 credits"
    charged = charge(resource(row(songs=30_000_000)), Usage.of(songs=1))
    assert charged.nanos == 30_000_000 == 30 * ONE_CREDIT


def test_one_token_is_a_fraction_of_a_credit() -> None:
    # D10: $0.30 per 1M tokens is 0.0003 credits a token, and no part of it is lost
    charged = charge(CATALOG.resources["text/m2.7"], Usage.of(input_tokens=1))
    assert charged.nanos == 300
    assert Fraction(charged.nanos, ONE_CREDIT) == Fraction(3, 10_000)


def test_several_components_are_summed() -> None:
    charged = charge(
        M3,
        Usage.of(
            input_tokens=700, output_tokens=100, cache_read_tokens=2_000, cache_write_tokens=10
        ),
    )
    assert charged == Price(700 * 300 + 100 * 1200 + 2_000 * 60 + 10 * 375, (), False)


# SEM-2: rounded up once, per request


def test_a_request_is_rounded_up_once_not_per_unit() -> None:
    # given two units whose single prices are each a third of a nano
    thirds = resource(
        row(3, input_tokens=1, output_tokens=1),
        measures=("requests", "input_tokens", "output_tokens"),
    )
    # then their sum is rounded, once
    assert charge(thirds, Usage.of(input_tokens=1)).nanos == 1
    assert charge(thirds, Usage.of(input_tokens=1, output_tokens=1)).nanos == 1
    assert charge(thirds, Usage.of(input_tokens=2, output_tokens=2)).nanos == 2


def test_a_multiplier_is_applied_before_rounding() -> None:
    scaled = resource(row(songs=1), PriceRow(per=1, nanos={}, multiplier=(3, 2)))
    assert charge(scaled, Usage.of(songs=1)).nanos == 2
    assert charge(scaled, Usage.of(songs=2)).nanos == 3


# 2.5: tiers by the whole request's size


@pytest.mark.parametrize(
    ("usage", "nanos"),
    [
        (Usage.of(input_tokens=512_000), 512_000 * 300),
        (Usage.of(input_tokens=512_001), 512_001 * 600),
        # cache hits and writes count for the size (2.5), output does not
        (Usage.of(input_tokens=1, cache_read_tokens=511_999), 300 + 511_999 * 60),
        (Usage.of(input_tokens=1, cache_read_tokens=512_000), 600 + 512_000 * 120),
        (Usage.of(input_tokens=1, cache_write_tokens=512_000), 600 + 512_000 * 750),
        (Usage.of(input_tokens=512_000, output_tokens=9), 512_000 * 300 + 9 * 1200),
        (Usage.of(input_tokens=512_001, output_tokens=9), 512_001 * 600 + 9 * 2400),
    ],
)
def test_the_long_context_tier_prices_the_whole_request(usage: Usage, nanos: int) -> None:
    assert charge(M3, usage).nanos == nanos


@pytest.mark.parametrize(
    ("unit", "standard", "priority"),
    [
        ("input_tokens", (300, 600), (450, 900)),
        ("output_tokens", (1200, 2400), (1800, 3600)),
        ("cache_read_tokens", (60, 120), (90, 180)),
    ],
)
def test_priority_costs_half_as_much_again(
    unit: str, standard: tuple[int, int], priority: tuple[int, int]
) -> None:
    # 2.5: M3 priority is listed with its own prices, which are 1.5 times the standard ones
    for size, tier in ((0, 0), (512_001, 1)):
        base = Usage(MappingProxyType({"input_tokens": size}))
        more = Usage(MappingProxyType({"input_tokens": size, unit: 1_000}))
        if unit == "input_tokens":
            more = Usage(MappingProxyType({"input_tokens": size + 1_000}))
        for attributes, expected in (({}, standard), ({"service_tier": "priority"}, priority)):
            added = charge(M3, more, attributes).nanos - charge(M3, base, attributes).nanos
            assert added == 1_000 * expected[tier]


# SEM-2: dates


@pytest.mark.parametrize(
    ("at_ms", "nanos"), [(JULY_22_MS - 1, 60_000_000), (JULY_22_MS, 10_000_000)]
)
def test_a_price_changes_at_its_date(at_ms: int, nanos: int) -> None:
    assert charge(VLM, Usage.of(), at_ms=at_ms).nanos == nanos


def test_commit_prices_with_the_rows_of_the_reserve() -> None:
    # given a reserve just before the price falls
    mask = applicable(VLM, {}, JULY_22_MS - 1)
    # then its mask keeps the old price, whenever it is used
    assert price(VLM, mask, Usage.of(requests=2)).nanos == 120_000_000


def test_prices_are_steady_between_their_dates() -> None:
    # SEM-16: an order is valid while no date passes
    assert in_force(VLM, JULY_22_MS - 1) == (0, JULY_22_MS)
    assert in_force(VLM, JULY_22_MS) == (JULY_22_MS, AMOUNT_MAX)
    assert in_force(M3, 5) == (0, AMOUNT_MAX)
    # and of several dates the nearest count
    dates = ((1, 10), (10, 20), (20, 30), (30, 40))
    rows = (PriceRow(per=1, nanos={"songs": 1}, from_ms=a, until_ms=b) for a, b in dates)
    assert in_force(resource(*rows), 25) == (20, 30)


def test_a_row_without_attributes_may_have_dates_on_both_sides() -> None:
    promotion = PriceRow(per=1, nanos=MappingProxyType({"songs": 1}), from_ms=10, until_ms=20)
    one = resource(promotion)
    assert [applicable(one, {}, at_ms) for at_ms in (9, 10, 19, 20)] == [0, 1, 1, 0]
    ends = resource(PriceRow(per=1, nanos={"songs": 1}, until_ms=20))
    begins = resource(PriceRow(per=1, nanos={"songs": 1}, from_ms=20))
    assert [applicable(ends, {}, at_ms) for at_ms in (0, 19, 20)] == [1, 1, 0]
    assert [applicable(begins, {}, at_ms) for at_ms in (0, 19, 20)] == [0, 0, 1]


# 2.5: attributes


@pytest.mark.parametrize(
    ("resource_id", "resolution", "seconds", "nanos"),
    [
        ("video/hailuo-2.3-fast", "768P", "6", 190_000_000),
        ("video/hailuo-2.3-fast", "768P", "10", 320_000_000),
        ("video/hailuo-2.3-fast", "1080P", "6", 330_000_000),
        ("video/hailuo-2.3", "768P", "6", 280_000_000),
        ("video/hailuo-2.3", "768P", "10", 560_000_000),
        ("video/hailuo-2.3", "1080P", "6", 490_000_000),
    ],
)
def test_a_clip_is_priced_by_resolution_and_seconds(
    resource_id: str, resolution: str, seconds: str, nanos: int
) -> None:
    attributes = {"resolution": resolution, "seconds": seconds}
    charged = charge(CATALOG.resources[resource_id], Usage.of(clips=2), attributes)
    assert charged == Price(2 * nanos, (), False)


def test_attributes_that_no_row_looks_at_change_nothing() -> None:
    assert applicable(M3, {"colour": "blue"}, 0) == applicable(M3, {}, 0)


# SEM-2a, SEM-46: free is stated, never inferred


@pytest.mark.parametrize("attributes", [{}, {"resolution": "1080P", "seconds": "10"}])
def test_attributes_that_match_no_row_leave_the_unit_unpriced(
    attributes: dict[str, str],
) -> None:
    charged = charge(VIDEO, Usage.of(clips=1), attributes)
    assert charged == Price(0, ("requests", "clips"), False)


def test_an_amount_of_zero_is_not_unpriced_but_not_free_either() -> None:
    assert charge(VIDEO, Usage.of(clips=0, requests=0)) == Price(0, (), False)


def test_requests_are_exempt_where_another_unit_is_priced() -> None:
    assert charge(resource(row(songs=7)), Usage.of(songs=1, requests=5)) == Price(7, (), False)


def test_requests_cost_where_a_row_prices_them() -> None:
    # SEM-4: `requests` is 1 unless sent
    one = resource(row(requests=5, songs=7))
    assert charge(one, Usage.of(songs=1)).nanos == 12
    assert charge(one, Usage.of(songs=1, requests=3)).nanos == 22
    assert charge(one, Usage.of(songs=1, requests=0)).nanos == 7


def test_only_a_stated_zero_is_free() -> None:
    # SEM-46: rows apply by attributes and size, whatever the amounts
    free = CATALOG.resources["music/music-2.6-free"]
    assert charge(free, Usage.of(songs=9)) == Price(0, (), True)
    assert charge(M3, Usage.of(input_tokens=0)) == Price(0, (), False)
    assert charge(resource(), Usage.of()).zero is False


def test_a_row_of_zero_beside_a_price_is_not_free() -> None:
    one = resource(
        row(input_tokens=0, output_tokens=3),
        measures=("requests", "input_tokens", "output_tokens"),
    )
    assert charge(one, Usage.of(input_tokens=5)) == Price(0, (), False)


def test_gaps_are_the_units_that_a_commit_could_bring_unpriced() -> None:
    # given a resource whose songs are priced for one style only
    styled = PriceRow(per=1, nanos=MappingProxyType({"songs": 1}), attributes=(("style", "jazz"),))
    one = resource(row(images=1), styled, measures=("requests", "images", "songs"))
    # then a reserve of another style has a gap, although it names no songs
    plain = applicable(one, {}, 0)
    assert price(one, plain, Usage.of(images=1)).unpriced == ()
    assert gaps(one, plain) == ("songs",)
    assert gaps(one, applicable(one, {"style": "jazz"}, 0)) == ()


@pytest.mark.parametrize("resource_id", CATALOG.resources)
def test_sizes_leave_no_gap_in_the_default_catalog(resource_id: str) -> None:
    one = CATALOG.resources[resource_id]
    attributes = {"resolution": "768P", "seconds": "6"}
    assert gaps(one, applicable(one, attributes, JULY_22_MS)) == ()


# SEM-3: amounts stay below 2^53


def test_the_largest_price_fits_and_the_next_is_a_fault() -> None:
    one = resource(row(songs=1))
    assert charge(one, Usage.of(songs=AMOUNT_MAX)).nanos == AMOUNT_MAX
    with pytest.raises(InvalidArgument) as fault:
        charge(one, Usage.of(songs=AMOUNT_MAX + 1))
    assert (fault.value.reason, fault.value.field) == ("USAGE_TOO_LARGE", "usage")


# SEM-4, SEM-13: units and estimates


def test_units_that_are_not_measured_are_named_sent_zeros_included() -> None:
    assert unmeasured(M3, Usage.of(input_tokens=1, songs=0, clips=2)) == ("songs", "clips")
    assert unmeasured(M3, Usage.of(requests=1, output_tokens=0)) == ()


@pytest.mark.parametrize(
    ("named", "held"),
    [
        ({}, {"input_tokens": 1, "output_tokens": 1024}),
        # streaming: the output is unknown at reserve
        ({"input_tokens": 700}, {"input_tokens": 700, "output_tokens": 1024}),
        # a named unit is at least its minimum, a sent zero is named
        ({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 0, "output_tokens": 1}),
        ({"output_tokens": 50}, {"input_tokens": 1, "output_tokens": 50}),
    ],
)
def test_a_hold_is_never_smaller_than_its_estimate(
    named: dict[str, int], held: dict[str, int]
) -> None:
    assert estimate(M3, Usage.of(**named)).amounts == held


def test_a_usage_that_names_enough_is_held_as_it_is() -> None:
    usage = Usage.of(input_tokens=700, output_tokens=100)
    assert estimate(M3, usage) is usage


# The oracle: fractions, summed and rounded up once


MEASURES = ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "clips")
AMOUNTS = st.integers(0, 10**6)
PERS = st.sampled_from((1, 3, 7, 1_000, 10**6))


@st.composite
def resources(draw: st.DrawFn) -> Resource:
    """Tiers that cover all sizes, and multipliers that may overlap each other."""
    cuts = sorted(draw(st.sets(st.integers(1, 50), max_size=3)))
    tiers = [
        PriceRow(
            per=draw(PERS),
            nanos=draw(st.dictionaries(st.sampled_from(MEASURES), AMOUNTS, max_size=4)),
            prompt_tokens_min=floor,
            prompt_tokens_max=None if after is None else after - 1,
        )
        for floor, after in zip((0, *cuts), (*cuts, None), strict=True)
    ]
    scales = [
        PriceRow(
            per=1,
            nanos={},
            multiplier=(draw(st.integers(1, 9)), draw(st.integers(1, 9))),
            prompt_tokens_min=draw(st.integers(0, 50)),
            attributes=draw(st.sampled_from(((), (("tier", "fast"),)))),
        )
        for _ in range(draw(st.integers(0, 2)))
    ]
    return resource(*draw(st.permutations(tiers + scales)), measures=MEASURES)


def exact(one: Resource, mask: int, usage: Usage) -> Fraction:
    """The price by its definition, row by row."""
    size = usage.prompt_tokens
    total, factor = Fraction(0), Fraction(1)
    for index, each in enumerate(one.rows):
        last = AMOUNT_MAX if each.prompt_tokens_max is None else each.prompt_tokens_max
        if mask >> index & 1 and each.prompt_tokens_min <= size <= last:
            factor *= Fraction(*(each.multiplier or (1, 1)))
            total += sum(Fraction(n * usage.get(u), each.per) for u, n in each.nanos.items())
    return total * factor


@given(
    one=resources(),
    amounts=st.dictionaries(st.sampled_from(MEASURES), st.integers(0, 60)),
    attributes=st.sampled_from(({}, {"tier": "fast"}, {"tier": "slow"})),
)
def test_a_price_is_the_exact_sum_rounded_up_once(
    one: Resource, amounts: dict[str, int], attributes: dict[str, str]
) -> None:
    usage = Usage.of(**amounts)
    mask = applicable(one, attributes, 0)
    charged = price(one, mask, usage)
    assert charged.nanos == ceil(exact(one, mask, usage))
    assert set(charged.unpriced) <= set(MEASURES) <= set(UNITS)

"""The default catalog charges what the seeds say: prices by size, date and attribute; weights."""

from __future__ import annotations

from datetime import date

import pytest

from quotasvc.catalog import DEFAULT_CATALOG, load_catalog
from quotasvc.domain import rate_card
from quotasvc.domain.catalog import Allowance, Resource
from quotasvc.domain.unit import Usage
from quotasvc.domain.window import day_start_ms

CATALOG = load_catalog(DEFAULT_CATALOG)
DOLLAR = 1_000_000_000
CENT = DOLLAR // 100
CREDIT = CATALOG.credits.nanos_per_credit
CHANGE_MS = day_start_ms(date(2026, 7, 22), "UTC")
STANDARD = ("starter-legacy", "plus-legacy", "max-legacy")
HIGHSPEED = ("plus-hs-legacy", "max-hs-legacy", "ultra-hs-legacy")
NEW = ("plus", "max", "ultra")


def resource(resource_id: str) -> Resource:
    return CATALOG.resources[resource_id]


def nanos(resource_id: str, usage: Usage, at_ms: int = CHANGE_MS, **attributes: str) -> int:
    """The list price, with nothing left unpriced."""
    one = resource(resource_id)
    found = rate_card.price(one, rate_card.applicable(one, attributes, at_ms), usage)
    assert found.unpriced == ()
    return found.nanos


def allowance(plan_id: str, resource_id: str) -> Allowance:
    found = CATALOG.plans[plan_id].allowance_for(resource_id)
    assert found is not None
    return found


def deducts(plan_id: str, resource_id: str, usage: Usage) -> int:
    cost = nanos(resource_id, usage)
    return allowance(plan_id, resource_id).amount(resource_id, usage, cost)


# Credits


def test_three_cents_are_thirty_credits() -> None:
    # D8 (S0:13, S4:29): "$0.03 consumes 30 credits"; 100,000 tokens of M2.7 cost that (2.5)
    cost = nanos("text/m2.7", Usage.of(input_tokens=100_000))
    assert cost == 3 * CENT == 30 * CREDIT


def test_one_token_is_three_ten_thousandths_of_a_credit() -> None:
    # D10: below a credit nothing is rounded
    assert nanos("text/m2.7", Usage.of(input_tokens=1)) * 10_000 == 3 * CREDIT


@pytest.mark.parametrize(("dollars", "credits"), [(5, 5_000), (25, 25_000), (100, 100_000)])
def test_a_package_buys_its_price_in_credits(dollars: int, credits: int) -> None:
    # G13 (S4:33-35): no bonus on larger packs
    (package,) = (one for one in CATALOG.credits.packages if one.credits == credits)
    assert package.price_nanos == dollars * DOLLAR == credits * CREDIT


# Prices by date: API-vlm


@pytest.mark.parametrize(
    ("at_ms", "cents"), [(0, 6), (CHANGE_MS - 1, 6), (CHANGE_MS, 1), (CHANGE_MS * 2, 1)]
)
def test_api_vlm_is_cheaper_from_its_date_on(at_ms: int, cents: int) -> None:
    # 2.5: $0.06 a request, $0.01 from 2026-07-22, without a gap or an overlap
    assert nanos("vlm/api-vlm", Usage.of(requests=1), at_ms) == cents * CENT


def test_an_order_ends_where_a_price_does() -> None:
    # SEM-16
    vlm = resource("vlm/api-vlm")
    assert rate_card.in_force(vlm, CHANGE_MS - 1) == (0, CHANGE_MS)
    assert rate_card.in_force(vlm, CHANGE_MS)[0] == CHANGE_MS


def test_api_vlm_beside_the_plan_is_charged_to_credits_at_list_price() -> None:
    # B11 (S1:107), D8
    assert nanos("vlm/api-vlm", Usage.of(requests=1), CHANGE_MS - 1) == 60 * CREDIT
    assert nanos("vlm/api-vlm", Usage.of(requests=1), CHANGE_MS) == 10 * CREDIT


# Prices by size: M3


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        # 2.5, in nanos a token: $0.30 a million is 300
        (Usage.of(input_tokens=512_000), 512_000 * 300),
        (Usage.of(input_tokens=512_001), 512_001 * 600),
        (Usage.of(input_tokens=512_000, output_tokens=9), 512_000 * 300 + 9 * 1_200),
        (Usage.of(input_tokens=512_001, output_tokens=9), 512_001 * 600 + 9 * 2_400),
        # cache hits count for the size
        (Usage.of(input_tokens=1, cache_read_tokens=511_999), 300 + 511_999 * 60),
        (Usage.of(input_tokens=1, cache_read_tokens=512_000), 600 + 512_000 * 120),
    ],
)
def test_the_size_of_the_whole_request_chooses_the_price(usage: Usage, price: int) -> None:
    # SEM-2b: up to 512k prompt tokens, or more
    assert nanos("text/m3", usage) == price


@pytest.mark.parametrize(
    ("usage", "price"),
    [
        # 2.5: 0.45, 1.80 and 0.09 a million; 0.90, 3.60 and 0.18 for long prompts
        (Usage.of(input_tokens=1_000), 1_000 * 450),
        (Usage.of(output_tokens=1_000), 1_000 * 1_800),
        (Usage.of(cache_read_tokens=1_000), 1_000 * 90),
        (Usage.of(input_tokens=600_000), 600_000 * 900),
        (Usage.of(input_tokens=600_000, output_tokens=9), 600_000 * 900 + 9 * 3_600),
        (Usage.of(cache_read_tokens=600_000), 600_000 * 180),
    ],
)
def test_priority_costs_half_as_much_again(usage: Usage, price: int) -> None:
    assert nanos("text/m3", usage, service_tier="priority") == price


# Prices by attribute: clips


@pytest.mark.parametrize(
    ("resource_id", "resolution", "seconds", "cents"),
    [
        # 2.5
        ("video/hailuo-2.3-fast", "768P", "6", 19),
        ("video/hailuo-2.3-fast", "768P", "10", 32),
        ("video/hailuo-2.3-fast", "1080P", "6", 33),
        ("video/hailuo-2.3", "768P", "6", 28),
        ("video/hailuo-2.3", "768P", "10", 56),
        ("video/hailuo-2.3", "1080P", "6", 49),
    ],
)
def test_a_clip_costs_by_resolution_and_seconds(
    resource_id: str, resolution: str, seconds: str, cents: int
) -> None:
    charged = nanos(resource_id, Usage.of(clips=1), resolution=resolution, seconds=seconds)
    assert charged == cents * CENT


@pytest.mark.parametrize("attributes", [{}, {"resolution": "1080P", "seconds": "10"}])
def test_a_clip_of_no_listed_kind_has_no_price(attributes: dict[str, str]) -> None:
    # SEM-2a: it is no free clip
    one = resource("video/hailuo-2.3")
    found = rate_card.price(one, rate_card.applicable(one, attributes, 0), Usage.of(clips=1))
    assert "clips" in found.unpriced
    assert not found.zero


# What plans deduct


@pytest.mark.parametrize("plan_id", STANDARD)
def test_api_vlm_deducts_three_requests_of_m2_7(plan_id: str) -> None:
    # D2 (S1:107): "each API-vlm request deducts 3 M2.7 requests"
    assert allowance(plan_id, "vlm/api-vlm") is allowance(plan_id, "text/m2.7")
    assert deducts(plan_id, "vlm/api-vlm", Usage.of(requests=1)) == 3
    assert deducts(plan_id, "text/m2.7", Usage.of(requests=1, input_tokens=9)) == 1


@pytest.mark.parametrize("plan_id", HIGHSPEED)
def test_api_vlm_deducts_three_requests_of_m2_7_highspeed(plan_id: str) -> None:
    # D3 (S1:107): the same weight, from the allowance of the plan's own text model
    assert allowance(plan_id, "vlm/api-vlm") is allowance(plan_id, "text/m2.7-highspeed")
    assert deducts(plan_id, "vlm/api-vlm", Usage.of(requests=2)) == 6
    assert deducts(plan_id, "text/m2.7-highspeed", Usage.of(requests=1, output_tokens=9)) == 1


def test_starter_is_used_up_by_five_hundred_api_vlm_requests() -> None:
    # D2, 2.4: 1,500 requests in five hours
    five_hours = allowance("starter-legacy", "vlm/api-vlm").windows[0]
    assert deducts("starter-legacy", "vlm/api-vlm", Usage.of(requests=500)) == five_hours.limit


@pytest.mark.parametrize("plan_id", NEW)
def test_api_vlm_deducts_its_price_from_a_shared_bar(plan_id: str) -> None:
    # D5 (S3:11), M7: no weight in the new model
    assert deducts(plan_id, "vlm/api-vlm", Usage.of(requests=1)) == 1 * CENT


@pytest.mark.parametrize("plan_id", NEW)
def test_what_is_free_at_list_price_deducts_nothing(plan_id: str) -> None:
    # D6 (S3:11)
    assert deducts(plan_id, "music/music-2.6-free", Usage.of(songs=5)) == 0


@pytest.mark.parametrize("plan_id", [*NEW, *STANDARD, *HIGHSPEED])
def test_a_week_is_ten_times_five_hours(plan_id: str) -> None:
    # C5 (S1:128), E4: of each tier's own limit
    five_hours, week = allowance(plan_id, "text/m2.7").windows
    assert five_hours.limit is not None
    assert week.limit == 10 * five_hours.limit

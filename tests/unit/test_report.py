"""Reports: usage without a hold compiles to an order that charges all of it (SEM-34)."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from quotasvc.domain.catalog import Catalog, PeakMode, RateLimit
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.order import Order, Request, Route
from quotasvc.domain.report import GOOD_FOR_MS, compile_report
from quotasvc.domain.reservation import Payer
from quotasvc.domain.unit import AMOUNT_MAX, Usage
from tests.support.catalogs import CREDIT, DAY_OF_TEN, allowance, catalog, plan, price, resource
from tests.support.clock import DAY, HOUR, START_MS
from tests.support.orders import POLICY, request, route

ROW = RateLimit(
    rate_limit_id="text",
    resources=frozenset(("text/a",)),
    rpm=10,
    tpm=100,
    connections=5,
    peak_permille=500,
)


def reported(found: Route, asked: Request) -> Order:
    """The order of a report made now."""
    return compile_report(found, replace(asked, is_report=True), START_MS)


def test_usage_is_charged_as_sent() -> None:
    # S7: given usage below what a request would hold
    made = reported(route(), request(usage=Usage.of(output_tokens=2)))
    assert (made.cost_nanos, made.tokens) == (2 * CREDIT, 2)
    assert made.estimate == Usage.of(output_tokens=2)
    assert made.plan is not None
    assert made.plan.amount == 2 * CREDIT
    assert (made.pool, made.hold_ms) == (Payer.CREDITS, 0)


def test_nothing_named_is_nothing_used() -> None:
    # S7: no default stands in
    made = reported(route(), request())
    assert (made.cost_nanos, made.plan) == (0, None)


def test_requests_are_one_unless_sent() -> None:
    # S7, SEM-4
    found = route(resource_id="vlm/a")
    one = reported(found, request("vlm/a"))
    none = reported(found, request("vlm/a", usage=Usage.of(requests=0)))
    assert one.plan is not None
    assert (one.cost_nanos, one.plan.amount) == (CREDIT, 3)
    assert (none.cost_nanos, none.plan) == (0, None)


@pytest.mark.parametrize("resource_id", ["video/a", "voice/clone"])
def test_what_the_plan_does_not_include_the_pool_pays(resource_id: str) -> None:
    found = route(resource_id=resource_id, payg=resource_id == "voice/clone")
    usage = Usage.of(clips=1) if resource_id == "video/a" else Usage.of(characters=1)
    made = reported(found, request(resource_id, usage=usage))
    assert made.plan is None
    assert made.pool is found.pool


def test_priced_usage_of_none_of_the_counted_unit_leaves_the_plan_alone() -> None:
    # given a plan that counts songs of what is priced by requests too
    mixed = resource(
        "mixed/a",
        price(requests=CREDIT, songs=CREDIT),
        measures=("songs",),
        default={"requests": 1},
    )
    songs = allowance("songs", "songs", ("mixed/a",), DAY_OF_TEN)
    policy = replace(
        catalog(plans=(plan("plus", songs),)), resources=MappingProxyType({"mixed/a": mixed})
    )
    made = reported(route(policy=policy, resource_id="mixed/a"), request("mixed/a"))
    assert (made.cost_nanos, made.plan, made.pool) == (CREDIT, None, Payer.CREDITS)


def test_a_key_that_ended_is_good_for_reports_for_a_day() -> None:
    # SEM-34
    assert GOOD_FOR_MS == DAY


def test_what_is_free_is_counted_by_no_plan() -> None:
    # SEM-46: given a plan that counts songs, which cost nothing or next to nothing
    for nanos, amount in ((0, None), (1, 2)):
        song = resource("song/a", price(songs=nanos), measures=("songs",), default={"songs": 1})
        songs = allowance("songs", "songs", ("song/a",), DAY_OF_TEN, weights={"song/a": 2})
        policy = replace(
            catalog(plans=(plan("plus", songs),)), resources=MappingProxyType({"song/a": song})
        )
        found = route(policy=policy, resource_id="song/a")
        made = reported(found, request("song/a", usage=Usage.of(songs=1)))
        assert (made.plan.amount if made.plan else None) == amount


def test_a_report_counts_for_rates_and_takes_neither_slot_nor_connection() -> None:
    # R5: given a plan with a cap, and peak hours
    capped = tuple(replace(p, peak_concurrency=1) for p in POLICY.plans.values())
    policy = replace(catalog(plans=capped), rate_limits=(ROW,))
    policy = replace(policy, peak=replace(policy.peak, mode=PeakMode.ON))
    made = reported(route(policy=policy), request(usage=Usage.of(output_tokens=7)))
    assert [(gate.limit_id, gate.limit, gate.need) for gate in made.gates] == [
        ("rate/text/rpm", 10, 1),
        ("rate/text/tpm", 100, 7),
    ]
    assert not made.is_peak


def test_a_report_holds_while_instances_and_prices_are_the_same() -> None:
    # SEM-16
    monday_ms = START_MS - 7 * HOUR
    made = reported(route(), request(usage=Usage.of(output_tokens=1)))
    assert (made.valid_from_ms, made.valid_until_ms) == (monday_ms, monday_ms + 7 * DAY)
    dated = replace(POLICY.resources["text/a"], rows=())
    rows = tuple(
        replace(row, from_ms=START_MS - HOUR, until_ms=START_MS + HOUR)
        for row in POLICY.resources["text/a"].rows
    )
    policy: Catalog = replace(POLICY, resources={"text/a": replace(dated, rows=rows)})
    made = reported(route(policy=policy), request(usage=Usage.of(output_tokens=1)))
    assert (made.valid_from_ms, made.valid_until_ms) == (START_MS - HOUR, START_MS + HOUR)
    nothing = reported(route(None), request(usage=Usage.of(output_tokens=1)))
    assert (nothing.valid_from_ms, nothing.valid_until_ms) == (0, AMOUNT_MAX)


def test_unmeasured_and_unpriced_usage_is_refused() -> None:
    # SEM-2a, SEM-34
    with pytest.raises(InvalidArgument) as refused:
        reported(route(), request(usage=Usage.of(songs=1)))
    assert (refused.value.field, refused.value.reason) == ("usage.songs", "UNMEASURED_UNIT")
    with pytest.raises(InvalidArgument) as refused:
        reported(route(resource_id="clip/tiered"), request("clip/tiered", usage=Usage.of(clips=1)))
    assert (refused.value.field, refused.value.reason) == ("usage.clips", "UNPRICED_USAGE")

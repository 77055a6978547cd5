"""Orders: what a request compiles to, for which time, and what it is refused for (SEM-10 … 16)."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from quotasvc.domain.catalog import Catalog, PeakMode, PriceRow, Window, WindowKind
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.order import (
    Order,
    Request,
    compile_order,
    instance_bounds,
    refuse_unmeasured,
    refuse_unpriced,
    window_term,
)
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.reservation import HOLD_MS_DEFAULT, Payer
from quotasvc.domain.unit import AMOUNT_MAX, COST, Usage
from tests.support.catalogs import (
    CREDIT,
    DAY_OF_TEN,
    FIVE_HOURS,
    TEXT,
    WEEK,
    allowance,
    catalog,
    plan,
    price,
    resource,
)
from tests.support.clock import DAY, HOUR, MINUTE, START_MS
from tests.support.orders import POLICY, order, request, route
from tests.support.people import seat

# Orders.


def test_an_order_asks_the_plan_for_the_price_and_the_pool_for_the_rest() -> None:
    compiled = order(route(), request(usage=Usage.of(output_tokens=30)))
    assert compiled.cost_nanos == 30 * CREDIT
    assert compiled.plan is not None
    assert compiled.plan.amount == 30 * CREDIT
    assert [term.place for term in compiled.plan.windows] == [0, 1]
    assert compiled.pool is Payer.CREDITS


def test_an_order_of_a_counted_allowance_asks_for_weighted_units() -> None:
    # D2
    compiled = order(route(resource_id="vlm/a"), request("vlm/a", usage=Usage.of(requests=2)))
    assert compiled.plan is not None
    assert (compiled.plan.amount, compiled.cost_nanos) == (6, 2 * CREDIT)


def test_what_the_plan_does_not_include_is_asked_of_the_pool_alone() -> None:
    compiled = order(route(resource_id="video/a"), request("video/a"))
    assert compiled.plan is None
    assert compiled.pool is Payer.CREDITS


def test_nobody_to_pay_is_no_resources() -> None:
    found = route(None, access=False)
    assert compile_order(found, request(), START_MS) is DenialReason.NO_RESOURCES


def test_what_is_free_asks_for_nothing() -> None:
    # SEM-46: it passes without anybody who could pay, and else only remembers who would pay more
    for plan_id, access, pool in ((None, False, None), ("plus", True, Payer.CREDITS)):
        found = route(plan_id, access=access, resource_id="music/free")
        compiled = order(found, request("music/free"))
        assert (compiled.plan, compiled.cost_nanos, compiled.pool) == (None, 0, pool)


def test_windows_for_later_purchases_are_left_out() -> None:
    # C6, J6, J7
    later = replace(DAY_OF_TEN, purchased_from_ms=1_000)
    general = allowance("general", "cost", TEXT, FIVE_HOURS, later)
    policy = catalog(plans=(plan("plus", general),))
    for purchased_ms, places in ((999, [0]), (1_000, [0, 1])):
        compiled = order(route(policy=policy, purchased_ms=purchased_ms), request())
        assert compiled.plan is not None
        assert [term.place for term in compiled.plan.windows] == places


@pytest.mark.parametrize(
    ("asked_ms", "expected_ms"), [(None, HOLD_MS_DEFAULT), (1_000, 1_000), (HOUR, HOUR)]
)
def test_a_hold_lasts_as_asked(asked_ms: int | None, expected_ms: int) -> None:
    assert order(route(), request(hold_ms=asked_ms)).hold_ms == expected_ms


def test_a_hold_is_cut_to_the_shortest_sliding_window() -> None:
    # SEM-30, SEM-51
    short = Window(
        window_id="m", kind=WindowKind.SLIDING, length_ms=6 * MINUTE, limit=100 * CREDIT, slices=60
    )
    longer = replace(short, window_id="n", length_ms=7 * MINUTE)
    policy = catalog(plans=(plan("plus", allowance("general", "cost", TEXT, longer, short)),))
    compiled = order(route(policy=policy), request(hold_ms=HOUR))
    assert compiled.hold_ms == 6 * MINUTE - 6_000
    # where no window of the plan is concerned, nothing is cut
    assert order(route(None), request(hold_ms=HOUR)).hold_ms == HOUR


# Validity (SEM-16).


def test_an_order_holds_until_its_first_instance_ends() -> None:
    # given a resource of a day, and one of a week
    monday_ms = START_MS - 7 * HOUR
    daily = order(route(resource_id="image/a"), request("image/a"))
    weekly = order(route(), request())
    assert (daily.valid_from_ms, daily.valid_until_ms) == (monday_ms, monday_ms + DAY)
    assert (weekly.valid_from_ms, weekly.valid_until_ms) == (monday_ms, monday_ms + 7 * DAY)


def test_an_order_without_a_calendar_holds_for_ever() -> None:
    compiled = order(route(None), request())
    assert (compiled.valid_from_ms, compiled.valid_until_ms) == (0, AMOUNT_MAX)


def test_an_order_holds_until_a_price_changes() -> None:
    # given a price that ends in two hours, when another begins
    edge_ms = START_MS + 2 * HOUR
    text = resource(
        "text/a",
        replace(price(output_tokens=CREDIT), until_ms=edge_ms),
        replace(price(output_tokens=2 * CREDIT), from_ms=edge_ms),
        measures=("output_tokens",),
        default={"output_tokens": 5},
    )
    policy = replace(POLICY, resources=MappingProxyType({"text/a": text}))
    found = route(policy=policy)
    before = order(found, request(), edge_ms - 1)
    after = order(found, request(), edge_ms)
    assert before.valid_until_ms == after.valid_from_ms == edge_ms
    assert (before.cost_nanos, after.cost_nanos) == (5 * CREDIT, 10 * CREDIT)
    assert before.rates != after.rates


def test_an_order_of_several_calendars_holds_while_all_of_them_do() -> None:
    # SEM-16: given a day within a week, in either order
    monday_ms = START_MS - 7 * HOUR
    day = replace(DAY_OF_TEN, limit=100 * CREDIT)
    for windows in ((day, WEEK), (WEEK, day)):
        policy = catalog(plans=(plan("plus", allowance("general", COST, TEXT, *windows)),))
        compiled = order(route(policy=policy), request(), monday_ms + DAY)
        assert (compiled.valid_from_ms, compiled.valid_until_ms) == (
            *(monday_ms + DAY, monday_ms + 2 * DAY),
        )


def test_windows_without_a_calendar_bound_nothing() -> None:
    # SEM-16: given a window that slides, and one that opens with its first use
    first_use = replace(FIVE_HOURS, window_id="f", kind=WindowKind.FIRST_USE)
    held = seat("s1", "ann")
    held = replace(held, cycle_start_ms=START_MS - DAY, paid_until_ms=START_MS + DAY)
    terms = [window_term(0, window, START_MS, held) for window in (FIVE_HOURS, first_use)]
    assert [(term.start_ms, term.end_ms) for term in terms] == [(0, 0), (0, 0)]
    assert instance_bounds(terms) == instance_bounds(()) == (0, AMOUNT_MAX)


def test_without_gates_that_tighten_it_is_never_peak() -> None:
    # J4: given peak hours that an operator has switched on
    compiled = compile_order(route(), request(), START_MS, PeakMode.ON)
    assert isinstance(compiled, Order)
    assert not compiled.is_peak
    assert compiled.peak_until_ms == AMOUNT_MAX


# What is refused.


def test_an_unmeasured_unit_is_named_with_the_measured_ones() -> None:
    # SEM-2a
    with pytest.raises(InvalidArgument, match=r"measures requests, images, not songs") as refused:
        refuse_unmeasured(POLICY.resources["image/a"], Usage.of(images=1, songs=0))
    assert (refused.value.field, refused.value.reason) == ("usage.songs", "UNMEASURED_UNIT")


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [((), "no attributes"), ((("a", "b"), ("resolution", "4K")), "a=b, resolution=4K")],
)
def test_an_unpriced_request_is_named_with_its_attributes(
    attributes: tuple[tuple[str, str], ...], shown: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"covers clips with {shown}") as refused:
        compile_order(
            route(resource_id="clip/tiered"),
            request("clip/tiered", attributes=attributes),
            START_MS,
        )
    assert (refused.value.field, refused.value.reason) == ("usage.clips", "UNPRICED_USAGE")


def test_the_first_unit_without_a_price_is_the_one_at_fault() -> None:
    # SEM-2a: requests are exempt where another unit needs a price
    image = POLICY.resources["image/a"]
    with pytest.raises(InvalidArgument, match="covers images, clips with no attr") as refused:
        refuse_unpriced(image, ("requests", "images", "clips", "images"), ())
    assert refused.value.field == "usage.images"


def odd(*rows: PriceRow, minimum: int = 0) -> Catalog:
    """A catalog whose text/a the loader would refuse: it has no minimum above 0."""
    text = replace(
        resource("text/a", *rows, measures=("output_tokens",), default={"output_tokens": 5}),
        estimate_min=MappingProxyType({"output_tokens": minimum}),
    )
    return replace(POLICY, resources=MappingProxyType({"text/a": text}))


def test_a_resource_without_any_price_is_unpriced_by_its_requests() -> None:
    bare = replace(resource("text/a", measures=(), default={}), estimate_min=MappingProxyType({}))
    policy = replace(POLICY, resources=MappingProxyType({"text/a": bare}))
    with pytest.raises(InvalidArgument) as refused:
        compile_order(route(policy=policy), request(), START_MS)
    assert (refused.value.field, refused.value.reason) == ("usage.requests", "UNPRICED_USAGE")


def test_an_estimate_of_nothing_on_a_priced_resource_is_refused() -> None:
    # SEM-2a, SEM-13
    found = route(policy=odd(price(output_tokens=CREDIT)))
    with pytest.raises(InvalidArgument) as refused:
        compile_order(found, request(usage=Usage.of(output_tokens=0)), START_MS)
    assert (refused.value.field, refused.value.reason) == ("usage", "EMPTY_ESTIMATE")


def test_an_estimate_of_none_of_the_counted_unit_is_refused() -> None:
    # given a plan that counts songs of a resource that is priced by requests too
    mixed = resource(
        "mixed/a",
        price(requests=CREDIT, songs=CREDIT),
        measures=("songs",),
        default={"requests": 1},
    )
    counted = allowance("songs", "songs", ("mixed/a",), DAY_OF_TEN)
    policy = replace(
        catalog(plans=(plan("plus", counted),)), resources=MappingProxyType({"mixed/a": mixed})
    )
    found = route(policy=policy, resource_id="mixed/a")
    with pytest.raises(InvalidArgument) as refused:
        compile_order(found, request("mixed/a"), START_MS)
    assert (refused.value.field, refused.value.reason) == ("usage.songs", "EMPTY_ESTIMATE")


def test_a_counted_amount_above_two_to_the_53_is_refused() -> None:
    # given units that are cheap and weigh three each (SEM-3)
    cheap = resource("vlm/a", price(requests=1), measures=(), default={"requests": 1})
    policy = replace(POLICY, resources=MappingProxyType({"vlm/a": cheap}))
    found = route(policy=policy, resource_id="vlm/a")
    usage = Usage.of(requests=AMOUNT_MAX // 3 + 1)
    with pytest.raises(InvalidArgument) as refused:
        compile_order(found, request("vlm/a", usage=usage), START_MS)
    assert (refused.value.field, refused.value.reason) == ("usage.requests", "USAGE_TOO_LARGE")


# Content (SEM-35).


def test_a_request_is_neither_a_check_nor_a_report_unless_it_says_so() -> None:
    asked = Request(
        request_id="r1", key_id="acme_k1", resource="text/a", usage=Usage.of(), attributes=()
    )
    assert (asked.check_only, asked.is_report, asked.old_id, asked.outcome) == (
        *(False, False, None, 0),
    )
    assert asked.hold_ms is None


def test_content_is_what_was_sent() -> None:
    # given requests that differ in one field, or in nothing that is content
    base = request(usage=Usage.of(output_tokens=1))
    same = (replace(base, request_id="r2"), replace(base, check_only=True))
    other = (
        replace(base, key_id="acme_k2"),
        replace(base, resource="text/b"),
        replace(base, usage=Usage.of(output_tokens=1, input_tokens=0)),
        replace(base, attributes=(("a", "b"),)),
        replace(base, hold_ms=600_000),
        replace(base, hold_ms=1_000),
    )
    assert {found.content for found in same} == {base.content}
    assert len({base.content, *(found.content for found in other)}) == 1 + len(other)


def test_the_order_of_the_units_is_not_content() -> None:
    one = request(usage=Usage(MappingProxyType({"input_tokens": 1, "output_tokens": 2})))
    two = request(usage=Usage(MappingProxyType({"output_tokens": 2, "input_tokens": 1})))
    assert one.content == two.content


def test_a_units_name_cannot_pass_for_another_usage() -> None:
    # given a custom unit whose name looks like two amounts
    one = request(usage=Usage(MappingProxyType({"a": 1, "b": 2})))
    two = request(usage=Usage(MappingProxyType({"a=1,b": 2})))
    assert one.content != two.content

"""What peak hours, cycles and reports make of an order (SEM-14, SEM-16, SEM-20, SEM-50)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.catalog import (
    Catalog,
    PeakMode,
    PeakSchedule,
    PriceRow,
    RateLimit,
    Window,
    WindowKind,
)
from quotasvc.domain.order import Order, Route, compile_order, find_route
from quotasvc.domain.unit import AMOUNT_MAX, COST, Usage
from tests.support.catalogs import CREDIT, TEXT, allowance, catalog, plan
from tests.support.clock import DAY, HOUR, START_MS
from tests.support.orders import order, request, route
from tests.support.people import key, member, seat, team

SCHEDULE = PeakSchedule(
    weekdays=(0, 1, 2, 3, 4),
    from_minute=15 * 60,
    until_minute=17 * 60 + 30,
    zone="Asia/Shanghai",
    mode=PeakMode.AUTO,
)
"""START_MS is a Monday, 15:00 there: the first moment of peak hours."""

PEAK_END_MS = START_MS + 2 * HOUR + HOUR // 2
FRIDAY_END_MS = PEAK_END_MS - 3 * DAY

ROW = RateLimit(
    rate_limit_id="text",
    resources=frozenset(("text/a", "music/free")),
    rpm=10,
    tpm=100,
    connections=None,
    peak_permille=500,
)


def policy(row: RateLimit = ROW, schedule: PeakSchedule = SCHEDULE) -> Catalog:
    """One plan with nothing of a calendar, and one row of rate limits."""
    window = Window(window_id="h", kind=WindowKind.FIRST_USE, length_ms=HOUR, limit=100 * CREDIT)
    general = allowance("general", COST, TEXT, window)
    return replace(catalog(plans=(plan("plus", general),)), rate_limits=(row,), peak=schedule)


def compiled(found: Route, now_ms: int, mode: PeakMode | None = None) -> Order:
    """The order of 20 tokens under a switch."""
    made = compile_order(found, request(usage=Usage.of(output_tokens=20)), now_ms, mode)
    assert isinstance(made, Order)
    return made


def limits(made: Order) -> list[int | None]:
    """What each gate allows."""
    return [gate.limit for gate in made.gates]


# Gates and peak hours.


def test_an_order_brings_its_gates_and_what_it_wants_of_each() -> None:
    made = compiled(route(policy=policy()), PEAK_END_MS)
    assert [(gate.limit_id, gate.need) for gate in made.gates] == [
        ("rate/text/rpm", 1),
        ("rate/text/tpm", 20),
    ]
    assert made.tokens == 20


def test_tokens_are_those_of_the_estimate() -> None:
    # R1, SEM-13: given a request that names none, and a default of five
    assert order(route(policy=policy()), request()).tokens == 5


@pytest.mark.parametrize(
    ("now_ms", "shown", "bounds"),
    [
        (START_MS - 1, [10, 100], (FRIDAY_END_MS, START_MS)),
        (START_MS, [5, 50], (START_MS, PEAK_END_MS)),
        (PEAK_END_MS - 1, [5, 50], (START_MS, PEAK_END_MS)),
        (PEAK_END_MS, [10, 100], (PEAK_END_MS, START_MS + DAY)),
    ],
)
def test_an_order_holds_until_peak_hours_begin_or_end(
    now_ms: int, shown: list[int], bounds: tuple[int, int]
) -> None:
    # J1, J4, SEM-16
    made = compiled(route(policy=policy()), now_ms)
    assert limits(made) == shown
    assert (made.valid_from_ms, made.valid_until_ms) == bounds
    assert made.peak_until_ms == bounds[1]


@pytest.mark.parametrize(
    ("switched", "own", "shown"),
    [
        (None, PeakMode.ON, [5, 50]),
        (None, PeakMode.OFF, [10, 100]),
        (PeakMode.ON, PeakMode.OFF, [5, 50]),
        (PeakMode.OFF, PeakMode.ON, [10, 100]),
        (PeakMode.AUTO, PeakMode.OFF, [5, 50]),
    ],
)
def test_what_an_operator_switched_overrules_the_catalog(
    switched: PeakMode | None, own: PeakMode, shown: list[int]
) -> None:
    # SEM-20
    found = route(policy=policy(schedule=replace(SCHEDULE, mode=own)))
    assert limits(compiled(found, START_MS, switched)) == shown


def test_peak_hours_that_tighten_nothing_bound_no_order() -> None:
    made = compiled(route(policy=policy(replace(ROW, peak_permille=1_000))), START_MS)
    assert limits(made) == [10, 100]
    assert (made.valid_from_ms, made.valid_until_ms) == (0, AMOUNT_MAX)


def test_what_is_free_passes_the_gates_too() -> None:
    # R1, SEM-2a
    made = order(route(None, policy=policy(), resource_id="music/free"), request("music/free"))
    assert made.cost_nanos == 0
    assert [gate.limit_id for gate in made.gates] == ["rate/text/rpm", "rate/text/tpm"]


def test_a_key_without_a_seat_takes_no_slot() -> None:
    # R3: given a plan with a cap, in force or not, and keys that are not of it
    capped = policy(replace(ROW, resources=frozenset()))
    [only] = capped.plans.values()
    capped = replace(capped, plans={"plus": replace(only, peak_concurrency=2)})
    assert limits(compiled(route(policy=capped), START_MS)) == [2]
    assert limits(compiled(route(policy=capped), PEAK_END_MS)) == [None]
    assert limits(compiled(route(None, policy=capped), START_MS)) == []
    assert limits(compiled(route(payg=True, policy=capped), START_MS)) == []


# Edges that change what is denied.


def test_an_order_knows_when_a_denial_may_end_by_prices_or_the_seat() -> None:
    # D4: given a seat that ends in an hour, and prices that change in two
    general = policy()
    text = general.resources["text/a"]
    [row] = text.rows
    prices: tuple[PriceRow, ...] = (
        replace(row, until_ms=START_MS + 2 * HOUR),
        replace(row, from_ms=START_MS + 2 * HOUR),
    )
    dated = replace(general, resources={"text/a": replace(text, rows=prices)})
    held = replace(seat("s1", "ann"), paid_until_ms=START_MS + HOUR, renews=False)
    who = key(1, "ann")
    people = team((member("ann"),), seats=(held,), keys=(who,))
    for now_ms, steady in (
        (START_MS, (0, START_MS + HOUR)),
        (START_MS + HOUR, (START_MS + HOUR, START_MS + 2 * HOUR)),
        (START_MS + 2 * HOUR, (START_MS + 2 * HOUR, AMOUNT_MAX)),
    ):
        found = find_route(dated, people, who, "text/a", now_ms)
        assert isinstance(found, Route)
        made = compiled(found, now_ms, PeakMode.OFF)
        assert (made.valid_from_ms, made.valid_until_ms) == steady
        assert made.steady_until_ms == steady[1]


# Instances of windows that no calendar makes.


@pytest.mark.parametrize("paid_until_ms", [None, START_MS + DAY])
def test_a_cycles_instance_is_the_seats(paid_until_ms: int | None) -> None:
    # W5, SEM-14: given a seat whose billing cycle began a day ago
    cycle = Window(window_id="c", kind=WindowKind.CYCLE, length_ms=0, limit=100 * CREDIT)
    general = catalog(plans=(plan("plus", allowance("general", COST, TEXT, cycle)),))
    held = replace(seat("s1", "ann"), cycle_start_ms=START_MS - DAY, paid_until_ms=paid_until_ms)
    who = key(1, "ann")
    found = find_route(
        general, team((member("ann"),), seats=(held,), keys=(who,)), who, "text/a", START_MS
    )
    assert isinstance(found, Route)
    made = compiled(found, START_MS)
    assert made.plan is not None
    [term] = made.plan.windows
    # then that is its instance, without an end where the cycle has none
    assert (term.start_ms, term.end_ms) == (START_MS - DAY, paid_until_ms or 0)
    # and it bounds no order: the seat's own end does
    grace_ms = general.team_rules.renewal_grace_ms
    assert made.valid_until_ms == (paid_until_ms + grace_ms if paid_until_ms else AMOUNT_MAX)


def test_a_window_opened_by_use_has_no_instance_of_its_own() -> None:
    made = compiled(route(policy=policy()), START_MS)
    assert made.plan is not None
    [term] = made.plan.windows
    assert (term.start_ms, term.end_ms) == (0, 0)


# Content.


def test_a_report_is_other_content_than_a_request_and_names_its_old_reservation() -> None:
    # SEM-50, S7
    asked = request(usage=Usage.of(output_tokens=1))
    report = replace(asked, is_report=True)
    old = replace(report, old_id="r1.x")
    assert len({asked.content, report.content, old.content}) == 3
    assert replace(report, outcome=2).content == report.content

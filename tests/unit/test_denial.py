"""Denials as values: from what was short to what is said, without any store (SEM-7 … 9, 47, 48)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.denial import Shortage, clears_ms, early, explain, no_resources
from quotasvc.domain.order import Order, Route, compile_order, find_route
from quotasvc.domain.outcome import Denial, DenialReason, LimitStatus, RemedyKind
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import Role
from quotasvc.domain.unit import Usage
from tests.support.catalogs import CREDIT, catalog
from tests.support.clock import HOUR, START_MS
from tests.support.orders import order as compiled_order
from tests.support.orders import request, route
from tests.support.people import key, member, seat, team

POLICY = catalog()

FIVE_HOUR = LimitStatus(
    limit_id="general/five_hour",
    kind="sliding",
    unit="cost",
    limit=100 * CREDIT,
    used=70 * CREDIT,
    held=20 * CREDIT,
    reset_ms=START_MS + HOUR,
)
WEEK = replace(FIVE_HOUR, limit_id="general/week", kind="aligned", limit=1_000 * CREDIT)


def order(
    tokens: int, plan_id: str | None = "plus", *, access: bool = True, role: Role = Role.OWNER
) -> Order:
    """A request for so many credits."""
    who = key(1, "ann")
    seats = (seat("s1", "ann", plan_id),) if plan_id else ()
    people = team((member("ann", role, access=access),), seats=seats, keys=(who,))
    route = find_route(POLICY, people, who, "text/a", START_MS)
    assert isinstance(route, Route)
    compiled = compile_order(route, request(usage=Usage.of(output_tokens=tokens)), START_MS)
    assert isinstance(compiled, Order)
    return compiled


def shortage(
    *fits_ms: int | None, available: int = 0, held: int = 0, limits: tuple[LimitStatus, ...] = ()
) -> Shortage:
    """What the store found short; pool figures in credits."""
    return Shortage(
        limits=limits or (FIVE_HOUR, WEEK)[: len(fits_ms)],
        fits_ms=fits_ms,
        pool_available=available * CREDIT,
        pool_held=held * CREDIT,
        is_ahead=False,
    )


def explained(compiled: Order, found: Shortage, *plans: str) -> Denial:
    """The denial where time cures what it can, as far as the store saw."""
    return explain(compiled, found, POLICY, START_MS, clears_ms(compiled, found), plans)


@pytest.mark.parametrize(
    "reason",
    [
        DenialReason.KEY_INVALID,
        DenialReason.KEY_DISABLED,
        DenialReason.UNKNOWN_RESOURCE,
        DenialReason.NOT_COVERED,
    ],
)
def test_an_early_denial_says_why_and_promises_nothing(reason: DenialReason) -> None:
    denial = early(reason)
    assert denial.reason is reason
    assert denial.message.endswith(".")
    assert (denial.retry_after_ms, denial.only_in_flight, denial.obstacles) == (None, False, ())
    kinds = [remedy.kind for remedy in denial.remedies]
    assert kinds == ([RemedyKind.SWITCH_TO_PAYG] if reason is DenialReason.NOT_COVERED else [])


def test_the_reasons_are_numbered_in_the_order_of_the_checks() -> None:
    # SEM-7, and the obstacle that is never a headline last
    assert [reason.name for reason in sorted(DenialReason)] == [
        "KEY_INVALID",
        "KEY_DISABLED",
        "UNKNOWN_RESOURCE",
        "NOT_COVERED",
        "NO_RESOURCES",
        "RATE_LIMITED",
        "CONCURRENCY_LIMITED",
        "NOT_IN_PLAN",
        "WINDOW_EXHAUSTED",
        "CREDITS_EXHAUSTED",
        "WALLET_EXHAUSTED",
        "CREDITS_ACCESS_OFF",
    ]


def test_retry_after_is_the_latest_of_the_windows_that_must_clear() -> None:
    denial = explained(order(50), shortage(START_MS + 7, START_MS + 9, available=1))
    assert denial.retry_after_ms == 9
    assert [obstacle.reset_ms for obstacle in denial.obstacles if obstacle.limit_id] == [
        START_MS + 7,
        START_MS + 9,
    ]
    assert denial.remedies[0].until_ms == START_MS + 9


def test_what_fits_everywhere_is_clear_already() -> None:
    # SEM-8: given windows that have room, and an instant that no answer rounds up
    assert clears_ms(order(50), shortage(0, 0)) == 0
    assert clears_ms(order(50), replace(shortage(), is_unpaid=False)) == 0


def test_retry_after_is_never_nothing() -> None:
    denial = explained(order(50), shortage(START_MS, 0))
    assert denial.retry_after_ms == 1


def test_one_window_that_never_clears_leaves_no_time_to_name() -> None:
    denial = explained(order(50), shortage(START_MS + 7, None))
    assert denial.retry_after_ms is None
    assert RemedyKind.WAIT not in [remedy.kind for remedy in denial.remedies]


@pytest.mark.parametrize(
    ("plan_id", "tokens", "available", "held", "in_flight"),
    [
        ("plus", 30, 0, 0, True),  # 100 - 70 used: fits without the holds of the window
        ("plus", 31, 0, 0, False),
        ("plus", 40, 4, 6, True),  # 30 of the plan, and all of the pool
        ("plus", 41, 4, 6, False),
        ("strict", 30, 0, 0, True),
        ("strict", 31, 10, 10, False),
        ("strict", 31, 10, 21, True),  # the pool alone
        ("absorb", 900, 0, 0, True),
        ("deny", 31, 0, 50, False),  # no pool is its to use
        (None, 31, 10, 21, True),
        (None, 32, 10, 21, False),
    ],
)
def test_only_in_flight_means_it_would_pass_without_holds(
    plan_id: str | None, tokens: int, available: int, held: int, *, in_flight: bool
) -> None:
    compiled = order(tokens, plan_id)
    windows = len(compiled.plan.windows) if compiled.plan else 0
    found = shortage(*[START_MS + HOUR] * windows, available=available, held=held)
    denial = explained(compiled, found)
    assert denial.only_in_flight is in_flight
    if in_flight:
        assert denial.retry_after_ms == 1_000


@pytest.mark.parametrize(
    ("plan_id", "tokens", "room", "in_flight"),
    [
        ("absorb", 900, 0, False),
        ("absorb", 900, 1, True),  # any room at all (SEM-11)
        ("plus", 31, 31 * CREDIT - 1, False),
        ("plus", 31, 31 * CREDIT, True),
    ],
)
def test_without_a_pool_the_last_nano_decides_what_is_in_flight(
    plan_id: str, tokens: int, room: int, *, in_flight: bool
) -> None:
    # SEM-8, D5: given a window that would have this room without holds, and no access to Credits
    window = replace(FIVE_HOUR, used=100 * CREDIT - room, held=room)
    found = shortage(START_MS + HOUR, 0, limits=(window, WEEK))
    denial = explained(order(tokens, plan_id, access=False), found)
    assert denial.only_in_flight is in_flight


def test_a_window_that_has_room_is_no_obstacle() -> None:
    # SEM-7, D2
    denial = explained(order(50), shortage(0, START_MS + 9, available=1))
    named = [obstacle.limit_id for obstacle in denial.obstacles]
    assert named == ["general/week", ""]
    # and the message is about the one that is full
    assert denial.message == (
        "The request needs 0.05 USD, and plus's general/week has 0.91 USD of 1.00 USD left."
    )


def test_a_cycle_shows_its_end_though_time_alone_does_not_help() -> None:
    # W5, SEM-47: given a window that has room once it is renewed, and one that never has
    full = shortage(None, None, available=1)
    found = replace(full, renewing=frozenset(("week",)))
    denial = explained(order(50), found)
    assert [o.reset_ms for o in denial.obstacles] == [None, WEEK.reset_ms, None]
    assert denial.retry_after_ms is None


def test_a_full_window_without_a_limit_is_told_without_one() -> None:
    # given an unlimited window that holds nearly 2^53
    unlimited = replace(FIVE_HOUR, limit=None)
    compiled = order(50, "unlimited", access=False)
    denial = explained(compiled, shortage(None, limits=(unlimited,)))
    obstacle = denial.obstacles[0]
    assert (obstacle.limit, obstacle.remaining) == (0, 0)
    assert denial.message.endswith("has 0.00 USD of 0.00 USD left.")


def test_counted_units_are_told_as_units() -> None:
    # D2: given a day's images that are used up
    day = replace(FIVE_HOUR, limit_id="images/day", unit="images", limit=10, used=7, held=0)
    found = route(resource_id="image/a")
    compiled = compiled_order(found, request("image/a", usage=Usage.of(images=4)))
    denial = explained(compiled, shortage(START_MS + HOUR, limits=(day,), available=1))
    assert denial.message == (
        "The request needs 4 images, and plus's images/day has 3 images of 10 images left."
    )


@pytest.mark.parametrize(
    ("nanos", "shown"),
    [
        (1, "0.000000001 USD"),
        (1_000_000, "0.001 USD"),
        (100_000_000, "0.10 USD"),
        (1_000_000_000, "1.00 USD"),
        (12_345_678_900, "12.3456789 USD"),
    ],
)
def test_money_is_written_exactly(nanos: int, shown: str) -> None:
    # given a pool that has this much, and a request of far more
    found = replace(shortage(), pool_available=nanos)
    denial = explained(order(99_999, None), found)
    assert denial.reason is DenialReason.CREDITS_EXHAUSTED
    assert denial.message.endswith(f"the team's Credits have {shown}.")


def nobody(role: Role = Role.READER) -> Route:
    """A member without seat and without access, in a team with a free seat (A4, B7)."""
    who = key(1, "ann")
    people = team((member("ann", role, access=False),), seats=(seat("s1", None),), keys=(who,))
    route = find_route(POLICY, people, who, "text/a", START_MS)
    assert isinstance(route, Route)
    return route


def test_no_resources_names_the_switch_where_it_is_off() -> None:
    denial = no_resources(nobody(), request(), POLICY, START_MS)
    assert [(o.payer, o.reason) for o in denial.obstacles] == [
        (Payer.CREDITS, DenialReason.CREDITS_ACCESS_OFF)
    ]
    assert [remedy.kind for remedy in denial.remedies] == [
        RemedyKind.USE_CREDITS,
        RemedyKind.ASK_ASSIGNMENT,
        RemedyKind.SWITCH_TO_PAYG,
    ]
    assert denial.remedies[1].free_seats == 1


def test_a_window_shows_what_is_above_its_limit() -> None:
    over = replace(FIVE_HOUR, used=110 * CREDIT)
    assert (over.remaining, over.over) == (0, 30 * CREDIT)
    assert (FIVE_HOUR.remaining, FIVE_HOUR.over) == (10 * CREDIT, 0)
    unlimited = replace(FIVE_HOUR, limit=None)
    assert (unlimited.remaining, unlimited.over) == (0, 0)

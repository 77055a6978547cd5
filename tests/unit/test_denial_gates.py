"""Denials by rate limits and by concurrency: no payer makes up for them (J2, SEM-19, SEM-20)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.denial import Shortage, clears_ms, explain, may_upgrade
from quotasvc.domain.outcome import Denial, DenialReason, LimitStatus, RemedyKind
from quotasvc.domain.unit import Usage
from tests.support.catalogs import CREDIT
from tests.support.clock import START_MS
from tests.support.orders import POLICY, order, request, route

RPM = LimitStatus(
    limit_id="rate/text/rpm",
    payer=None,
    kind="rate",
    unit="requests",
    limit=5,
    used=5,
    held=0,
    reset_ms=START_MS + 60_500,
)
SLOTS = replace(RPM, limit_id="concurrency", kind="slots", limit=2, used=2)
WINDOW = LimitStatus(
    limit_id="general/five_hour",
    kind="sliding",
    unit="cost",
    limit=100 * CREDIT,
    used=70 * CREDIT,
    held=20 * CREDIT,
    reset_ms=START_MS + 9_000,
)
LIMITS = (RPM, SLOTS, WINDOW)


def shortage(*fits_ms: int | None, is_unpaid: bool = False, available: int = 0) -> Shortage:
    """What stood in the way, of a rate, of the cap and of a window; the pool's figure in nanos."""
    return Shortage(
        limits=LIMITS,
        fits_ms=fits_ms,
        pool_available=available,
        pool_held=0,
        is_unpaid=is_unpaid,
        is_ahead=False,
    )


def denied(found: Shortage, *plans: str, plan_id: str | None = "plus") -> Denial:
    """The denial of 25 tokens by an Owner's key."""
    compiled = order(route(plan_id), request(usage=Usage.of(output_tokens=25)))
    return explain(compiled, found, POLICY, START_MS, clears_ms(compiled, found), plans)


def test_a_closed_gate_is_told_with_its_figures_and_its_own_time() -> None:
    # R7
    [obstacle] = denied(shortage(START_MS + 7, 0, 0)).obstacles
    assert (obstacle.payer, obstacle.reason) == (None, DenialReason.RATE_LIMITED)
    assert (obstacle.limit_id, obstacle.unit) == ("rate/text/rpm", "requests")
    assert (obstacle.limit, obstacle.used, obstacle.held, obstacle.remaining) == (5, 5, 0, 0)
    assert obstacle.reset_ms == START_MS + 7


def test_what_payers_could_pay_is_no_obstacle_behind_a_gate() -> None:
    # D2: given a window that is full and credits that pay in its place
    denial = denied(shortage(0, START_MS + 7, START_MS + 8, available=100 * CREDIT))
    assert [o.reason for o in denial.obstacles] == [DenialReason.CONCURRENCY_LIMITED]
    assert denial.retry_after_ms == 7


def test_all_that_is_in_the_way_is_told_gates_first() -> None:
    # D2, SEM-7
    denial = denied(shortage(START_MS + 7, START_MS + 8, START_MS + 9, is_unpaid=True))
    assert [o.reason for o in denial.obstacles] == [
        DenialReason.RATE_LIMITED,
        DenialReason.CONCURRENCY_LIMITED,
        DenialReason.WINDOW_EXHAUSTED,
        DenialReason.CREDITS_EXHAUSTED,
    ]
    assert denial.reason is DenialReason.RATE_LIMITED
    assert denial.retry_after_ms == 9


@pytest.mark.parametrize("reason", [DenialReason.RATE_LIMITED, DenialReason.CONCURRENCY_LIMITED])
def test_under_a_gates_headline_nothing_helps_but_time(reason: DenialReason) -> None:
    # SEM-47, SEM-48: given a request that would pass without holds, were it not for the gate
    is_rate = reason is DenialReason.RATE_LIMITED
    fits = (START_MS + 7, 0) if is_rate else (0, START_MS + 7)
    denial = denied(shortage(*fits, START_MS + 9, is_unpaid=True), "max")
    assert denial.reason is reason
    assert not denial.only_in_flight
    assert [remedy.kind for remedy in denial.remedies] == [RemedyKind.WAIT]
    assert denial.remedies[0].until_ms == START_MS + 9


def test_a_gate_too_small_for_the_request_never_opens() -> None:
    denial = denied(shortage(None, 0, 0))
    assert (denial.retry_after_ms, denial.remedies) == (None, ())
    assert denial.obstacles[0].reset_ms is None


@pytest.mark.parametrize(
    ("fits", "shown"),
    [
        ((START_MS + 7, 0, 0), "rate/text/rpm is at 5 of 5 requests."),
        ((0, START_MS + 7, 0), "concurrency is at 2 of 2 requests."),
    ],
)
def test_the_message_names_the_gate(fits: tuple[int, int, int], shown: str) -> None:
    assert denied(shortage(*fits)).message == f"Too much at once: {shown}"


def test_behind_a_closed_gate_nothing_is_known_to_be_in_flight() -> None:
    # SEM-47: given credits that would do, were nothing else in the way
    denial = denied(shortage(START_MS + 7, 0, 0, available=100 * CREDIT))
    assert not denial.only_in_flight


def test_nothing_to_pay_with_outranks_a_closed_gate() -> None:
    # SEM-7, D3: given no seat, an empty pool, and too many requests
    closed = Shortage(
        limits=(RPM,),
        fits_ms=(START_MS + 7,),
        pool_available=0,
        pool_held=0,
        is_ahead=False,
    )
    denial = denied(closed, plan_id=None)
    assert denial.reason is DenialReason.NO_RESOURCES
    assert [o.reason for o in denial.obstacles] == [
        DenialReason.RATE_LIMITED,
        DenialReason.CREDITS_EXHAUSTED,
    ]
    assert (denial.only_in_flight, denial.retry_after_ms) == (False, None)


def test_no_plan_helps_where_a_gate_is_closed_or_the_wallet_pays() -> None:
    # D6
    assert may_upgrade(route(), shortage(0, 0, START_MS + 7))
    assert not may_upgrade(route(), shortage(0, START_MS + 7, START_MS + 7))
    assert not may_upgrade(route(payg=True), shortage(0, 0, START_MS + 7))

"""Outcomes as values: the contract's numbers, and figures told in full (SEM-7, SEM-17)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.outcome import (
    Allowed,
    Denial,
    DenialReason,
    Denied,
    LimitStatus,
    Obstacle,
    Remedy,
    RemedyKind,
)
from quotasvc.domain.reservation import Leg, Payer, State

STATUS = LimitStatus(
    limit_id="general/week", kind="aligned", unit="cost", limit=10, used=3, held=2, reset_ms=None
)
LEG = Leg(payer=Payer.PLAN, source="s1/general", unit="cost", amount=1, nanos=1)
ALLOWED = Allowed(
    reservation_id="r",
    state=State.HELD,
    expire_ms=1,
    legs=(LEG,),
    cost_nanos=1,
    limits=(),
    replayed=False,
    seq=1,
    catalog_version="testtest",
)


def test_reasons_and_remedies_are_numbered_without_a_gap() -> None:
    # SEM-7, SEM-9: in the order of the checks
    assert [reason.value for reason in DenialReason] == list(range(1, 13))
    assert [kind.value for kind in RemedyKind] == list(range(1, 7))


@pytest.mark.parametrize(
    ("limit", "used", "held", "remaining", "over"),
    [
        (10, 3, 2, 5, 0),
        (10, 8, 2, 0, 0),
        (10, 8, 3, 0, 1),  # never below 0: `over` shows the excess
        (10, 0, 9, 1, 0),
        (0, 0, 0, 0, 0),
        (None, 3, 2, 0, 0),  # no limit to be free of, or above
    ],
)
def test_what_is_free_and_what_is_above_the_limit_are_told_apart(
    limit: int | None, used: int, held: int, remaining: int, over: int
) -> None:
    # SEM-17
    status = replace(STATUS, limit=limit, used=used, held=held)
    assert (status.remaining, status.over) == (remaining, over)


def test_what_nobody_says_is_nothing() -> None:
    obstacle = Obstacle(payer=None, reason=DenialReason.RATE_LIMITED)
    figures = (obstacle.limit, obstacle.used, obstacle.held, obstacle.remaining)
    assert figures == (0, 0, 0, 0)
    assert Remedy(kind=RemedyKind.WAIT, message="").free_seats == 0
    denial = Denial(reason=DenialReason.KEY_INVALID, message="")
    assert not denial.only_in_flight
    assert Denied(denial=denial).seq == 0  # D7: no team could be found
    assert not STATUS.denied


def test_only_what_the_plan_pays_in_whole_may_go_on_without_an_answer() -> None:
    # 04: a few minutes without an answer cost no money
    lot = replace(LEG, payer=Payer.CREDITS, source="lot")
    assert ALLOWED.may_fail_open
    assert not replace(ALLOWED, legs=(LEG, lot)).may_fail_open
    assert not replace(ALLOWED, legs=(lot,)).may_fail_open
    assert not replace(ALLOWED, legs=()).may_fail_open

"""Routes: who may pay for a key's use of a resource, or the first reason why nobody may (SEM-7)."""

from __future__ import annotations

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.domain.order import find_route
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import KeyState
from tests.support.orders import POLICY, route, route_or_reason
from tests.support.people import key, member, team


@pytest.mark.parametrize(
    ("plan_id", "access", "payg", "pool", "is_access_off"),
    [
        ("plus", True, False, Payer.CREDITS, False),
        ("plus", False, False, None, True),
        ("deny", True, False, None, False),
        ("deny", False, False, None, False),  # switching it on would change nothing
        (None, True, False, Payer.CREDITS, False),
        (None, False, False, None, True),
        ("plus", True, True, Payer.WALLET, False),
        (None, False, True, Payer.WALLET, False),
    ],
)
def test_the_key_chooses_the_payers(
    plan_id: str | None, pool: Payer | None, *, access: bool, payg: bool, is_access_off: bool
) -> None:
    # A7, A8, A15, B12, G5, G6
    found = route(plan_id, access=access, payg=payg)
    assert found.pool is pool
    assert found.is_credits_access_off is is_access_off
    assert (found.seat is None) == (plan_id is None or payg)


def test_a_route_knows_its_places_in_the_catalogs_tables() -> None:
    found = route("max", resource_id="clip/tiered")
    assert POLICY.plan_at[found.plan_index].plan_id == "max"
    assert POLICY.resource_at[found.resource_index].resource_id == "clip/tiered"
    assert route(None).plan_index == -1


@pytest.mark.parametrize(
    ("plan_id", "resource_id", "is_in_plan"),
    [
        ("plus", "text/a", True),
        ("plus", "video/a", False),  # limit 0
        ("strict", "video/a", False),  # "-"
        (None, "text/a", False),
    ],
)
def test_a_resource_is_in_a_plan_or_not(
    plan_id: str | None, resource_id: str, *, is_in_plan: bool
) -> None:
    # E7
    assert route(plan_id, resource_id=resource_id).is_in_plan is is_in_plan


@pytest.mark.parametrize(
    ("state", "resource_id", "reason"),
    [
        (KeyState.DELETED, "no/such", DenialReason.KEY_INVALID),
        (KeyState.DISABLED, "no/such", DenialReason.KEY_DISABLED),
        (KeyState.ACTIVE, "no/such", DenialReason.UNKNOWN_RESOURCE),
        (KeyState.ACTIVE, "voice/clone", DenialReason.NOT_COVERED),
    ],
)
def test_the_early_reasons_come_in_their_order(
    state: KeyState, resource_id: str, reason: DenialReason
) -> None:
    # SEM-7
    assert route_or_reason(state=state, resource_id=resource_id) is reason


def test_a_payg_key_is_not_bound_to_the_coverage() -> None:
    # A9, B4
    assert route(payg=True, resource_id="voice/clone").pool is Payer.WALLET


def test_the_key_of_somebody_who_left_is_disabled() -> None:
    gone = key(1, "ann")
    people = team((member("bob"),), keys=(gone,))
    assert find_route(POLICY, people, gone, "text/a") is DenialReason.KEY_DISABLED


def test_a_plan_that_the_catalog_lacks_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="seat s1 has plan gone"):
        route("gone")

"""Routes: who may pay for a key's use of a resource, or the first reason why nobody may (SEM-7)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.domain.catalog import RateLimit
from quotasvc.domain.faults import Corrupt
from quotasvc.domain.order import Route, find_route
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import KeyState
from quotasvc.domain.unit import AMOUNT_MAX
from tests.support.clock import DAY, HOUR, START_MS
from tests.support.orders import POLICY, route, route_or_reason
from tests.support.people import key, member, seat, team


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
    assert find_route(POLICY, people, gone, "text/a", START_MS) is DenialReason.KEY_DISABLED


def test_a_plan_that_the_catalog_lacks_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="seat s1 has plan gone"):
        route("gone")


# Seats end (SEM-42), and keys do (SEM-34, SEM-45).


@pytest.mark.parametrize(("renews", "grace_ms"), [(True, DAY), (False, 0)])
def test_a_seat_pays_until_its_end_and_is_none_from_then_on(grace_ms: int, *, renews: bool) -> None:
    # W8: given a seat that is paid for an hour, due to renew or cancelled
    paid_ms = START_MS + HOUR
    held = replace(seat("s1", "ann"), paid_until_ms=paid_ms, renews=renews)
    who = key(1, "ann")
    people = team((member("ann"),), seats=(held,), keys=(who,))
    ends_ms = paid_ms + grace_ms
    # then a route names its seat up to then, and none after
    before = find_route(POLICY, people, who, "text/a", ends_ms - 1)
    after = find_route(POLICY, people, who, "text/a", ends_ms)
    assert isinstance(before, Route)
    assert isinstance(after, Route)
    assert (before.seat, before.from_ms, before.until_ms) == (held, 0, ends_ms)
    assert (after.seat, after.from_ms, after.until_ms) == (None, ends_ms, AMOUNT_MAX)
    assert (after.plan, after.plan_index, after.allowance, after.windows) == (None, -1, None, ())
    assert after.pool is Payer.CREDITS


def test_a_seat_without_an_end_holds_for_ever() -> None:
    found = route()
    assert (found.from_ms, found.until_ms) == (0, AMOUNT_MAX)


USED_MS = START_MS - DAY


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (KeyState.DELETED, DenialReason.KEY_INVALID),
        (KeyState.DISABLED, DenialReason.KEY_DISABLED),
    ],
)
@pytest.mark.parametrize(
    ("used_ms", "ended_ms", "is_good"),
    [
        (USED_MS, USED_MS + 1, True),
        (USED_MS, USED_MS, False),
        (USED_MS, None, False),  # nobody knows since when
        (0, START_MS, False),  # a request of now
    ],
)
def test_an_ended_key_is_good_for_what_was_used_before(
    state: KeyState, reason: DenialReason, used_ms: int, ended_ms: int | None, *, is_good: bool
) -> None:
    # SEM-34
    ended = replace(key(1, "ann", state=state), ended_ms=ended_ms)
    people = team((member("ann"),), keys=(ended,))
    found = find_route(POLICY, people, ended, "text/a", START_MS, used_ms=used_ms)
    assert isinstance(found, Route) if is_good else found is reason
    # and an order for it holds until then (SEM-16)
    if isinstance(found, Route):
        assert found.until_ms == START_MS + 1


@pytest.mark.parametrize(
    ("access", "pool", "is_access_off"), [(True, Payer.CREDITS, False), (False, None, True)]
)
def test_the_pool_pays_for_somebody_who_left_and_never_a_seat(
    pool: Payer | None, *, access: bool, is_access_off: bool
) -> None:
    # SEM-34, S7: given a member who left a moment ago, whose seat still bears the name
    gone = replace(member("ann", access=access), removed_ms=START_MS)
    who = key(1, "ann")
    people = team((gone,), seats=(seat("s1", "ann"),), keys=(who,))
    found = find_route(POLICY, people, who, "text/a", START_MS, used_ms=USED_MS)
    assert isinstance(found, Route)
    assert (found.seat, found.pool, found.is_credits_access_off) == (None, pool, is_access_off)
    # but a request of now is refused, and so is what was used after
    assert find_route(POLICY, people, who, "text/a", START_MS) is DenialReason.KEY_DISABLED
    late = find_route(POLICY, people, who, "text/a", START_MS + 1, used_ms=START_MS + 1)
    assert late is DenialReason.KEY_DISABLED


def test_a_route_knows_the_rate_limits_of_its_resource() -> None:
    # J3
    row = RateLimit(
        rate_limit_id="text",
        resources=frozenset(("text/a",)),
        rpm=5,
        tpm=None,
        connections=None,
        peak_permille=1_000,
    )
    policy = replace(POLICY, rate_limits=(row,))
    assert route(policy=policy).rows == ((0, row),)
    assert route(policy=policy, payg=True).rows == ((0, row),)
    assert route(policy=policy, resource_id="image/a").rows == ()

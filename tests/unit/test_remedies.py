"""Remedies: what would help, and whose it is to do (SEM-9, SEM-48)."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from quotasvc.domain.catalog import Catalog, Straddle
from quotasvc.domain.denial import Shortage, explain, larger_plans, no_resources
from quotasvc.domain.order import Order, Route, compile_order, find_route
from quotasvc.domain.outcome import Denial, DenialReason, RemedyKind
from quotasvc.domain.team import Role
from quotasvc.domain.unit import COST, Usage
from tests.support.catalogs import (
    CREDIT,
    DAY_OF_TEN,
    FIVE_HOURS,
    PLANS,
    TEXT,
    allowance,
    catalog,
    plan,
    price,
    resource,
)
from tests.support.clock import START_MS
from tests.support.orders import POLICY, request
from tests.support.people import key, member, seat, team

IMAGES = allowance("images", "images", ("image/a",), DAY_OF_TEN)


def route_of(
    role: Role = Role.OWNER,
    *,
    plan_id: str | None = "plus",
    access: bool = True,
    payg: bool = False,
    resource_id: str = "text/a",
    policy: Catalog = POLICY,
) -> Route:
    """The route of a member of this role."""
    who = key(1, "ann", payg=payg)
    seats = (seat("s1", "ann", plan_id),) if plan_id else ()
    people = team((member("ann", role, access=access),), seats=seats, keys=(who,))
    found = find_route(policy, people, who, resource_id, START_MS)
    assert isinstance(found, Route)
    return found


def denied(route: Route, *plans: str, available: int = 0) -> Denial:
    """The denial of a request that nobody could pay, where these plans would admit it."""
    compiled = compile_order(route, request(route.resource.resource_id, usage=Usage.of()), START_MS)
    assert isinstance(compiled, Order)
    short = Shortage(limits=(), fits_ms=(), pool_available=available, pool_held=0, is_ahead=False)
    return explain(compiled, short, POLICY, START_MS, None, plans)


def kinds(denial: Denial) -> list[RemedyKind]:
    """What would help, in order."""
    return [remedy.kind for remedy in denial.remedies]


def said(denial: Denial, kind: RemedyKind) -> str:
    """The sentence of a remedy."""
    [found] = [remedy for remedy in denial.remedies if remedy.kind is kind]
    return found.message


def test_an_owner_may_upgrade_to_what_would_admit() -> None:
    # SEM-48, D6
    denial = denied(route_of(resource_id="video/a"), "max", "top")
    assert kinds(denial) == [
        RemedyKind.USE_CREDITS,
        RemedyKind.UPGRADE,
        RemedyKind.SWITCH_TO_PAYG,
    ]
    assert denial.remedies[1].plans == ("max", "top")
    assert denial.remedies[1].message == "Upgrade the seat: max."


def test_an_owner_without_a_seat_may_buy_one() -> None:
    denial = denied(route_of(plan_id=None), "plus")
    assert said(denial, RemedyKind.UPGRADE) == "Buy a seat: plus."


def test_where_no_plan_would_admit_none_is_named() -> None:
    # D6
    assert RemedyKind.UPGRADE not in kinds(denied(route_of(resource_id="video/a")))


@pytest.mark.parametrize("role", [Role.ADMIN, Role.READER])
@pytest.mark.parametrize(("plan_id", "what"), [("plus", "larger plan"), (None, "seat")])
def test_others_ask_for_a_seat(role: Role, plan_id: str | None, what: str) -> None:
    # SEM-48
    denial = denied(route_of(role, plan_id=plan_id, resource_id="video/a"))
    assert kinds(denial) == [
        RemedyKind.USE_CREDITS,
        RemedyKind.ASK_ASSIGNMENT,
        RemedyKind.SWITCH_TO_PAYG,
    ]
    assert said(denial, RemedyKind.ASK_ASSIGNMENT) == f"Ask an Owner or Admin for a {what}."


@pytest.mark.parametrize(
    ("role", "access", "message"),
    [
        # G2: Owners top up; G5: Owners and Admins switch access.
        (Role.OWNER, True, "Top up the team's Credits."),
        (Role.ADMIN, True, "Ask an Owner: top up the team's Credits."),
        (Role.READER, True, "Ask an Owner: top up the team's Credits."),
        (Role.OWNER, False, "Switch on this member's access to Credits."),
        (Role.ADMIN, False, "Switch on this member's access to Credits."),
        (Role.READER, False, "Ask an Owner or Admin: switch on this member's access to Credits."),
    ],
)
def test_credits_are_topped_up_or_switched_on_by_those_who_may(
    role: Role, message: str, *, access: bool
) -> None:
    denial = denied(route_of(role, access=access, resource_id="video/a"))
    assert said(denial, RemedyKind.USE_CREDITS) == message


def test_credits_that_no_key_of_the_plan_can_use_are_not_recommended() -> None:
    denial = denied(route_of(plan_id="deny", resource_id="video/a"))
    assert kinds(denial) == [RemedyKind.SWITCH_TO_PAYG]


def test_a_payg_key_is_told_of_its_wallet_alone() -> None:
    # SEM-48
    denial = denied(route_of(plan_id=None, payg=True), available=CREDIT)
    assert denial.reason is DenialReason.WALLET_EXHAUSTED
    assert kinds(denial) == [RemedyKind.TOP_UP_WALLET]
    assert denial.message == "The request needs 0.005 USD and the team's wallet has 0.001 USD."


def test_a_plan_without_the_resource_says_so() -> None:
    # D2, SEM-7: given a plan that shows 0, access that is off, and no other payer
    denial = denied(route_of(access=False, resource_id="video/a"))
    assert [o.reason for o in denial.obstacles] == [
        DenialReason.NOT_IN_PLAN,
        DenialReason.CREDITS_ACCESS_OFF,
    ]
    assert denial.reason is DenialReason.NOT_IN_PLAN
    assert denial.message == "Plan plus does not include video/a."


def test_an_empty_pool_without_a_seat_is_no_resources() -> None:
    # D3
    denial = denied(route_of(plan_id=None))
    assert denial.reason is DenialReason.NO_RESOURCES
    assert denial.message == "This key has no seat, and the team's Credits are empty."
    assert [o.reason for o in denial.obstacles] == [DenialReason.CREDITS_EXHAUSTED]
    assert denied(route_of(plan_id=None), available=1).reason is DenialReason.CREDITS_EXHAUSTED


# Which plans.


def test_larger_plans_are_sellable_and_dearer() -> None:
    # D6: given plans of which one is retired, and one lacks the resource but lets Credits pay
    general = allowance("general", COST, TEXT, FIVE_HOURS)
    policy = catalog(
        plans=(
            plan("plus", general, price_nanos=20),
            plan("top", general, price_nanos=90),
            plan("max", general, price_nanos=50),
            plan("same", general, price_nanos=20),
            plan("images", IMAGES, price_nanos=60),
            replace(plan("old", general, price_nanos=70), sellable=False),
        )
    )
    with_seat = larger_plans(route_of(policy=policy), policy)
    without = larger_plans(route_of(plan_id=None, policy=policy), policy)
    assert [p.plan_id for p in with_seat] == ["max", "images", "top"]
    assert [p.plan_id for p in without] == ["plus", "same", "max", "images", "top"]


def test_who_has_no_seat_is_told_of_a_plan_for_nothing_too() -> None:
    # D6: given a plan that costs nothing
    policy = catalog(plans=(plan("free", allowance("g", COST, TEXT, FIVE_HOURS), price_nanos=0),))
    assert [p.plan_id for p in larger_plans(route_of(plan_id=None, policy=policy), policy)] == [
        "free"
    ]
    assert larger_plans(route_of(plan_id="free", policy=policy), policy) == ()


def for_a_seat(tokens: int, policy: Catalog, resource_id: str = "text/a") -> tuple[str, ...]:
    """The plans that an Owner without seat and access is told of."""
    route = route_of(plan_id=None, access=False, policy=policy, resource_id=resource_id)
    asked = request(resource_id, usage=Usage.of(output_tokens=tokens) if tokens else None)
    denial = no_resources(route, asked, policy, START_MS)
    upgrades = [r for r in denial.remedies if r.kind is RemedyKind.UPGRADE]
    return upgrades[0].plans if upgrades else ()


def test_a_new_seat_is_recommended_where_its_empty_windows_have_room() -> None:
    # D1, D6: given plans of 100 credits (one absorbs), of 500, and one without a limit
    policy = catalog(plans=tuple(p for p in PLANS if p.plan_id != "deny"))
    assert for_a_seat(100, policy) == ("plus", "strict", "absorb", "unlimited", "max")
    assert for_a_seat(101, policy) == ("absorb", "unlimited", "max")
    assert for_a_seat(501, policy) == ("absorb", "unlimited")


def test_a_seat_that_includes_nothing_of_the_resource_is_not_recommended() -> None:
    # E7: given a plan that shows 0 for it, whether it absorbs or not, and one that shows "-"
    nothing = replace(DAY_OF_TEN, limit=0)
    videos = allowance("v", "clips", ("video/a",), nothing, straddle=Straddle.ABSORB)
    for included in (videos, IMAGES):
        assert for_a_seat(0, catalog(plans=(plan("plus", included),)), "video/a") == ()


@pytest.mark.parametrize("straddle", [Straddle.STRICT, Straddle.ABSORB])
def test_room_for_one_is_room_enough_for_one(straddle: Straddle) -> None:
    # D6, SEM-11: given a plan of one image a day, and a request for one
    one = replace(DAY_OF_TEN, limit=1)
    images = allowance("images", "images", ("image/a",), one, straddle=straddle)
    assert for_a_seat(0, catalog(plans=(plan("plus", images),)), "image/a") == ("plus",)


def test_a_plan_that_shows_nothing_helps_nobody_who_needs_nothing_of_its_unit() -> None:
    # E7: given a plan of no songs, and what is priced by requests too
    mixed = resource(
        "mixed/a", price(requests=CREDIT, songs=CREDIT), measures=("songs",), default={"songs": 0}
    )
    songs = allowance("songs", "songs", ("mixed/a",), replace(DAY_OF_TEN, limit=0))
    policy = replace(
        catalog(plans=(plan("plus", songs),)), resources=MappingProxyType({"mixed/a": mixed})
    )
    assert for_a_seat(0, policy, "mixed/a") == ()


def test_a_window_that_is_not_for_seats_bought_now_is_no_matter() -> None:
    # J6: given a small window for later purchases
    small = replace(DAY_OF_TEN, limit=1)
    for from_ms, found in ((START_MS + 1, ("plus",)), (START_MS, ())):
        general = allowance(
            "general", COST, TEXT, FIVE_HOURS, replace(small, purchased_from_ms=from_ms)
        )
        assert for_a_seat(50, catalog(plans=(plan("plus", general),))) == found

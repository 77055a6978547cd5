"""Routes, requests and orders without a store."""

from __future__ import annotations

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.order import Order, Request, Route, compile_order, find_route
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.team import KeyState, Role
from quotasvc.domain.unit import Usage
from tests.support.catalogs import catalog
from tests.support.clock import START_MS
from tests.support.people import key, member, seat, team

POLICY = catalog()


def route(
    plan_id: str | None = "plus",
    *,
    access: bool = True,
    payg: bool = False,
    resource_id: str = "text/a",
    policy: Catalog = POLICY,
    purchased_ms: int = 0,
) -> Route:
    """Who pays for a member with this seat, if any."""
    found = route_or_reason(
        plan_id,
        access=access,
        payg=payg,
        resource_id=resource_id,
        policy=policy,
        purchased_ms=purchased_ms,
    )
    assert isinstance(found, Route)
    return found


def route_or_reason(
    plan_id: str | None = "plus",
    *,
    access: bool = True,
    payg: bool = False,
    resource_id: str = "text/a",
    policy: Catalog = POLICY,
    state: KeyState = KeyState.ACTIVE,
    purchased_ms: int = 0,
) -> Route | DenialReason:
    """The same, or why nobody may."""
    who = key(1, "ann", payg=payg, state=state)
    seats = (seat("s1", "ann", plan_id, purchased_ms),) if plan_id else ()
    people = team((member("ann", Role.OWNER, access=access),), seats=seats, keys=(who,))
    return find_route(policy, people, who, resource_id, START_MS)


def request(
    resource_id: str = "text/a",
    *,
    usage: Usage | None = None,
    attributes: tuple[tuple[str, str], ...] = (),
    hold_ms: int | None = None,
) -> Request:
    """A request as the edge has validated it."""
    return Request(
        request_id="r1",
        key_id="acme_k1",
        resource=resource_id,
        usage=Usage.of() if usage is None else usage,
        attributes=attributes,
        hold_ms=hold_ms,
        check_only=False,
    )


def order(found: Route, asked: Request, now_ms: int = START_MS) -> Order:
    """The order of a request that somebody could pay."""
    compiled = compile_order(found, asked, now_ms)
    assert isinstance(compiled, Order), compiled
    return compiled

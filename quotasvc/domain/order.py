"""Compiles a request into an order: every check and draw that the store shall make in one go.

What depends on configuration is decided here: who may pay, in which windows, at what price.
What depends on stored state (room, lots, replays) is decided by the script that runs the order.
Pure: the catalog, the team and the time come in as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from quotasvc.domain import rate_card
from quotasvc.domain.catalog import (
    Allowance,
    Catalog,
    Overflow,
    Plan,
    Resource,
    Window,
    WindowKind,
)
from quotasvc.domain.faults import Corrupt, InvalidArgument
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.reservation import HOLD_MS_DEFAULT, Payer, digest
from quotasvc.domain.team import Key, KeyKind, KeyState, Member, Seat, Team
from quotasvc.domain.unit import REQUESTS, Usage, usage_field
from quotasvc.domain.window import instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a gateway asks, with the key already verified. `attributes` are sorted pairs."""

    request_id: str  # empty: CHECK_ONLY without one
    key_id: str
    resource: str
    usage: Usage
    attributes: tuple[tuple[str, str], ...]
    hold_ms: int | None
    check_only: bool

    @property
    def content(self) -> str:
        """Digest of the fields as sent: tells a replay from a conflict (SEM-35)."""
        return digest(
            "CheckAndReserve",
            self.key_id,
            self.resource,
            self.usage.content,
            str(self.attributes),
            "" if self.hold_ms is None else str(self.hold_ms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who may pay for one key's use of one resource; the same until team or catalog change."""

    team: Team
    member: Member
    key: Key
    resource: Resource
    resource_index: int
    seat: Seat | None
    plan: Plan | None
    plan_index: int
    allowance: Allowance | None  # None: the plan does not include the resource (E7)
    windows: tuple[tuple[int, Window], ...]  # those that apply, with their place in the allowance
    pool: Payer | None  # who pays what the plan does not
    is_credits_access_off: bool

    @property
    def is_in_plan(self) -> bool:
        """The plan has an allowance for the resource, and none of its limits is 0."""
        return self.allowance is not None and all(w.limit != 0 for _, w in self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTerm:
    """One window of an order: which counter, how much it allows, and its present instance.

    Sliding: `start_ms` and `end_ms` are 0, the script finds the slice. Aligned: [start, end).
    """

    place: int  # position in the allowance, from 0
    window: Window
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTerm:
    """What the plan is asked for: an amount in one unit that all windows must have room for."""

    allowance: Allowance
    amount: int
    windows: tuple[WindowTerm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One decision, ready to run. Valid while the store's clock is in [valid_from, valid_until)."""

    route: Route
    request: Request
    content: str
    estimate: Usage  # what is held: the usage as sent, raised to the catalog's estimates
    cost_nanos: int
    rates: int
    plan: PlanTerm | None
    pool: Payer | None
    hold_ms: int
    valid_from_ms: int
    valid_until_ms: int


def find_route(catalog: Catalog, team: Team, key: Key, resource_id: str) -> Route | DenialReason:
    """Who may pay, or the first of the reasons up to NOT_COVERED that applies (SEM-7)."""
    if key.state is KeyState.DELETED:
        return DenialReason.KEY_INVALID
    member = team.member(key.user_id)
    if key.state is KeyState.DISABLED or member is None:
        return DenialReason.KEY_DISABLED
    resource = catalog.resources.get(resource_id)
    if resource is None:
        return DenialReason.UNKNOWN_RESOURCE
    if key.kind is KeyKind.SUBSCRIPTION and not resource.covered:
        return DenialReason.NOT_COVERED
    seat = team.seat_of(key.user_id) if key.kind is KeyKind.SUBSCRIPTION else None
    plan = plan_of(catalog, seat) if seat else None
    allowance = plan.allowance_for(resource_id) if plan else None
    return Route(
        team=team,
        member=member,
        key=key,
        resource=resource,
        resource_index=list(catalog.resources).index(resource_id),
        seat=seat,
        plan=plan,
        plan_index=list(catalog.plans).index(seat.plan_id) if seat else -1,
        allowance=allowance,
        windows=windows_that_apply(allowance, seat),
        pool=_pool(key, member, plan),
        is_credits_access_off=_is_credits_access_off(key, member, plan),
    )


def plan_of(catalog: Catalog, seat: Seat) -> Plan:
    """The plan of a seat."""
    plan = catalog.plans.get(seat.plan_id)
    if plan is None:
        # The loader refuses a catalog that lacks a plan of its predecessor (SEM-18).
        raise Corrupt(f"seat {seat.seat_id} has plan {seat.plan_id}, which the catalog lacks")
    return plan


def windows_that_apply(
    allowance: Allowance | None, seat: Seat | None
) -> tuple[tuple[int, Window], ...]:
    """A window may apply only to seats purchased from an instant on (J6, J7)."""
    if allowance is None or seat is None:
        return ()
    return tuple(
        (place, window)
        for place, window in enumerate(allowance.windows)
        if window.purchased_from_ms is None or seat.purchased_ms >= window.purchased_from_ms
    )


def _pool(key: Key, member: Member, plan: Plan | None) -> Payer | None:
    """The kind of key decides; the two pools never mix (A7, A8, B12)."""
    if key.kind is KeyKind.PAYG:
        return Payer.WALLET
    return Payer.CREDITS if member.credits_access and _may_overflow(plan) else None


def _is_credits_access_off(key: Key, member: Member, plan: Plan | None) -> bool:
    """Whether switching this member's access on would let Credits pay (G5, G6)."""
    is_off = key.kind is KeyKind.SUBSCRIPTION and not member.credits_access
    return is_off and _may_overflow(plan)


def _may_overflow(plan: Plan | None) -> bool:
    return plan is None or plan.overflow is not Overflow.DENY


def compile_order(route: Route, request: Request, now_ms: int) -> Order | DenialReason:
    """The order for this request at `now_ms`; NO_RESOURCES where nobody could ever pay.

    Raises InvalidArgument for a unit that is not measured or not priced, and for an estimate
    that would hold nothing on a priced resource (SEM-2a, SEM-13).
    """
    resource = route.resource
    refuse_unmeasured(resource, request.usage)
    estimate = rate_card.estimate(resource, request.usage)
    rates = rate_card.applicable(resource, dict(request.attributes), now_ms)
    price = rate_card.price(resource, rates, estimate)
    # A unit without a price would go free at commit, even if this estimate does not name it.
    unpriced = price.unpriced or rate_card.gaps(resource, rates)
    _refuse_unpriced(resource, unpriced, request.attributes)
    if price.nanos == 0 and not price.zero:
        raise InvalidArgument(
            "usage", "the estimate holds nothing on a priced resource", reason="EMPTY_ESTIMATE"
        )
    is_free = price.nanos == 0
    if not is_free and route.seat is None and route.pool is None:
        return DenialReason.NO_RESOURCES
    plan = None if is_free else _plan_term(route, estimate, price.nanos, now_ms)
    valid_from, valid_until = _validity(resource, plan, now_ms)
    return Order(
        route=route,
        request=request,
        content=request.content,
        estimate=estimate,
        cost_nanos=price.nanos,
        rates=rates,
        plan=plan,
        pool=None if is_free else route.pool,
        hold_ms=_hold_ms(request.hold_ms, plan),
        valid_from_ms=valid_from,
        valid_until_ms=valid_until,
    )


def refuse_unmeasured(resource: Resource, usage: Usage) -> None:
    """Raises for the first unit that the resource does not measure, naming those it does."""
    for unit in rate_card.unmeasured(resource, usage):
        raise InvalidArgument(
            usage_field(unit),
            f"{resource.resource_id} measures {', '.join(resource.measures)}, not {unit}",
            reason="UNMEASURED_UNIT",
        )


def _refuse_unpriced(
    resource: Resource, units: tuple[str, ...], attributes: tuple[tuple[str, str], ...]
) -> None:
    if not units:
        return
    # Requests need a price only where there is no other unit to need one (SEM-2a).
    units = tuple(unit for unit in units if unit != REQUESTS) or units
    shown = ", ".join(f"{name}={value}" for name, value in attributes) or "no attributes"
    raise InvalidArgument(
        usage_field(units[0]),
        f"no price of {resource.resource_id} covers {', '.join(units)} with {shown}",
        reason="UNPRICED_USAGE",
    )


def _plan_term(route: Route, estimate: Usage, cost_nanos: int, now_ms: int) -> PlanTerm | None:
    allowance = route.allowance
    if allowance is None or not route.is_in_plan:
        return None
    amount = allowance.amount(route.resource.resource_id, estimate, cost_nanos)
    if amount == 0:
        raise InvalidArgument(
            usage_field(allowance.unit),
            "the estimate holds nothing of the plan's allowance",
            reason="EMPTY_ESTIMATE",
        )
    windows = tuple(window_term(place, window, now_ms) for place, window in route.windows)
    return PlanTerm(allowance=allowance, amount=amount, windows=windows)


def window_term(place: int, window: Window, now_ms: int) -> WindowTerm:
    """The window with its present instance."""
    if window.kind is WindowKind.SLIDING:
        return WindowTerm(place=place, window=window, start_ms=0, end_ms=0)
    current = instance(window, now_ms)
    return WindowTerm(place=place, window=window, start_ms=current.start_ms, end_ms=current.end_ms)


def _hold_ms(asked_ms: int | None, plan: PlanTerm | None) -> int:
    """A hold ends at least one slice before the shortest sliding window does (SEM-30, SEM-51)."""
    hold_ms = HOLD_MS_DEFAULT if asked_ms is None else asked_ms
    for term in plan.windows if plan else ():
        if term.window.kind is WindowKind.SLIDING:
            hold_ms = min(hold_ms, term.window.length_ms - term.window.slice_ms)
    return hold_ms


def _validity(resource: Resource, plan: PlanTerm | None, now_ms: int) -> tuple[int, int]:
    """The bounds within which instances and price dates stay as compiled (SEM-16)."""
    valid_from, valid_until = rate_card.in_force(resource, now_ms)
    for term in plan.windows if plan else ():
        if term.end_ms:
            valid_from = max(valid_from, term.start_ms)
            valid_until = min(valid_until, term.end_ms)
    return valid_from, valid_until

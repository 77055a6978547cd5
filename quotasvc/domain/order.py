"""Compiles a request into an order: every check and draw that the store shall make in one go.

What depends on configuration is decided here: who may pay, in which windows, at what price.
What depends on stored state (room, lots, replays) is decided by the script that runs the order.
Pure: the catalog, the team and the time come in as arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from quotasvc.domain import rate_card
from quotasvc.domain.catalog import (
    Allowance,
    Catalog,
    Overflow,
    PeakMode,
    PeakSchedule,
    Plan,
    Resource,
    Window,
    WindowKind,
)
from quotasvc.domain.faults import Corrupt, InvalidArgument
from quotasvc.domain.gate import Gate, Row, gates, is_tighter_at_peak, rows_for, tokens
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.peak import is_peak, regime
from quotasvc.domain.reservation import HOLD_MS_DEFAULT, Payer, content_digest
from quotasvc.domain.team import Key, KeyKind, KeyState, Member, Seat, Team
from quotasvc.domain.unit import AMOUNT_MAX, REQUESTS, Usage, usage_field
from quotasvc.domain.window import instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a gateway asks, with the key already verified. `attributes` are sorted pairs."""

    request_id: str  # empty: CHECK_ONLY without one
    key_id: str
    resource: str
    usage: Usage
    attributes: tuple[tuple[str, str], ...]
    hold_ms: int | None = None
    check_only: bool = False
    old_id: str | None = None  # RecordUsage: the reservation that is no longer known
    is_report: bool = False
    outcome: int = 0  # a report's label

    @property
    def content(self) -> str:
        """Digest of the fields as sent: tells a replay from a conflict (SEM-35, SEM-50)."""
        return content_digest(
            f"RecordUsage {self.old_id or ''}" if self.is_report else "CheckAndReserve",
            self.key_id,
            self.resource,
            self.usage.content,
            str(self.attributes),
            "" if self.hold_ms is None else str(self.hold_ms),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Who may pay for one key's use of one resource; the same until team or catalog change, or the
    seat ends: it holds for times in [from_ms, until_ms)."""

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
    rows: tuple[Row, ...]  # rate limits that apply
    peak: PeakSchedule
    from_ms: int
    until_ms: int

    @property
    def is_in_plan(self) -> bool:
        """The plan has an allowance for the resource, and none of its limits is 0."""
        return self.allowance is not None and all(w.limit != 0 for _, w in self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTerm:
    """One window of an order: which counter, how much it allows, and its present instance.

    Aligned and cycle: [start, end), where a cycle's end is 0 if it never ends. Others: both are 0,
    the script finds the slice, or the instance that some use has opened.
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
    tokens: int  # of the estimate, for tokens per minute
    gates: tuple[Gate, ...]
    plan: PlanTerm | None
    pool: Payer | None
    hold_ms: int
    valid_from_ms: int
    valid_until_ms: int
    steady_until_ms: int  # when prices or the seat change next: what is denied may then be admitted
    peak_until_ms: int  # when the gates change next
    is_peak: bool = False  # they are as tight as they get

    @property
    def pool_number(self) -> int:
        """The pool's payer as scripts and ids know it; 0: none."""
        return self.pool.value if self.pool else 0


def find_route(
    catalog: Catalog, team: Team, key: Key, resource_id: str, now_ms: int, *, used_ms: int = 0
) -> Route | DenialReason:
    """Who may pay, or the first of the reasons up to NOT_COVERED that applies (SEM-7).

    A key that was good after `used_ms` counts as good: usage may be reported after its end.
    """
    member = team.past_member(key.user_id)
    reason = _refusal(key, member, used_ms)
    if reason is not None or member is None:
        return reason or DenialReason.KEY_DISABLED
    resource = catalog.resources.get(resource_id)
    if resource is None:
        return DenialReason.UNKNOWN_RESOURCE
    if key.kind is KeyKind.SUBSCRIPTION and not resource.covered:
        return DenialReason.NOT_COVERED
    has_seat = key.kind is KeyKind.SUBSCRIPTION and member.removed_ms is None
    seat = team.seat_of(key.user_id) if has_seat else None
    from_ms, until_ms = 0, _good_until_ms(key, member, now_ms - used_ms)
    ends_ms = seat.ends_ms(catalog.team_rules.renewal_grace_ms) if seat else None
    if ends_ms is not None and now_ms >= ends_ms:
        seat, from_ms = None, ends_ms
    elif ends_ms is not None:
        until_ms = min(until_ms, ends_ms)
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
        rows=rows_for(catalog, resource_id),
        peak=catalog.peak,
        from_ms=from_ms,
        until_ms=until_ms,
    )


def _refusal(key: Key, member: Member | None, used_ms: int) -> DenialReason | None:
    """Why the key is no good, unless it was after `used_ms` (SEM-34, SEM-45)."""

    def is_over(ended_ms: int | None) -> bool:
        return used_ms == 0 or ended_ms is None or ended_ms <= used_ms

    if key.state is KeyState.DELETED and is_over(key.ended_ms):
        return DenialReason.KEY_INVALID
    if key.state is KeyState.DISABLED and is_over(key.ended_ms):
        return DenialReason.KEY_DISABLED
    if member is None or (member.removed_ms is not None and is_over(member.removed_ms)):
        return DenialReason.KEY_DISABLED
    return None


def _good_until_ms(key: Key, member: Member, good_for_ms: int) -> int:
    """When a key that has ended stops being good for reports; one that has not: never."""
    ends = [] if key.state is KeyState.ACTIVE else [key.ended_ms]
    ends.append(member.removed_ms)
    return min((ended + good_for_ms for ended in ends if ended is not None), default=AMOUNT_MAX)


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
        if window.applies_to(seat.purchased_ms)
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


def compile_order(
    route: Route, request: Request, now_ms: int, mode: PeakMode | None = None
) -> Order | DenialReason:
    """The order for this request at `now_ms`; NO_RESOURCES where nobody could ever pay.

    `mode` is what an operator has switched peak hours to, None: nothing. Raises InvalidArgument
    for a unit that is not measured or not priced, and for an estimate that would hold nothing on a
    priced resource (SEM-2a, SEM-13).
    """
    resource = route.resource
    refuse_unmeasured(resource, request.usage)
    estimate = rate_card.estimate(resource, request.usage)
    rates = rate_card.applicable(resource, dict(request.attributes), now_ms)
    price = rate_card.price(resource, rates, estimate)
    # A unit without a price would go free at commit, even if this estimate does not name it.
    unpriced = (*price.unpriced, *rate_card.gaps(resource, rates))
    refuse_unpriced(resource, unpriced, request.attributes)
    if price.nanos == 0 and not price.zero:
        raise InvalidArgument(
            "usage", "the estimate holds nothing on a priced resource", reason="EMPTY_ESTIMATE"
        )
    if price.nanos > 0 and route.seat is None and route.pool is None:
        return DenialReason.NO_RESOURCES
    plan = plan_term(route, estimate, price.nanos, now_ms)
    if plan is not None and plan.amount == 0:
        raise InvalidArgument(
            usage_field(plan.allowance.unit),
            "the estimate holds nothing of the plan's allowance",
            reason="EMPTY_ESTIMATE",
        )
    peak = _peak(route, now_ms, mode)
    steady_from, steady_until = steady(route, now_ms)
    valid_from, valid_until = instance_bounds(plan.windows if plan else ())
    token_count = tokens(estimate)
    return Order(
        route=route,
        request=request,
        content=request.content,
        estimate=estimate,
        cost_nanos=price.nanos,
        rates=rates,
        tokens=token_count,
        gates=gates(route.rows, route.plan, token_count, at_peak=peak.is_on),
        plan=plan,
        pool=route.pool,
        hold_ms=_hold_ms(request.hold_ms, plan),
        valid_from_ms=max(valid_from, steady_from, peak.from_ms),
        valid_until_ms=min(valid_until, steady_until, peak.until_ms),
        steady_until_ms=steady_until,
        peak_until_ms=peak.until_ms,
        is_peak=peak.is_on,
    )


def refuse_unmeasured(resource: Resource, usage: Usage) -> None:
    """Raises for the first unit that the resource does not measure, naming those it does."""
    for unit in rate_card.unmeasured(resource, usage):
        raise InvalidArgument(
            usage_field(unit),
            f"{resource.resource_id} measures {', '.join(resource.measures)}, not {unit}",
            reason="UNMEASURED_UNIT",
        )


def refuse_unpriced(
    resource: Resource, units: tuple[str, ...], attributes: tuple[tuple[str, str], ...]
) -> None:
    """Raises for units without a price, naming the attributes that led there."""
    if not units:
        return
    # Requests need a price only where there is no other unit to need one (SEM-2a).
    units = tuple(dict.fromkeys(unit for unit in units if unit != REQUESTS)) or (REQUESTS,)
    shown = ", ".join(f"{name}={value}" for name, value in attributes) or "no attributes"
    raise InvalidArgument(
        usage_field(units[0]),
        f"no price of {resource.resource_id} covers {', '.join(units)} with {shown}",
        reason="UNPRICED_USAGE",
    )


def plan_term(route: Route, usage: Usage, cost_nanos: int, now_ms: int) -> PlanTerm | None:
    """What the seat's plan is asked for; None where it covers nothing, or nothing costs."""
    allowance = route.allowance
    if allowance is None or not route.is_in_plan or cost_nanos == 0:
        return None
    amount = allowance.amount(route.resource.resource_id, usage, cost_nanos)
    windows = tuple(
        window_term(place, window, now_ms, route.seat) for place, window in route.windows
    )
    return PlanTerm(allowance=allowance, amount=amount, windows=windows)


def window_term(place: int, window: Window, now_ms: int, seat: Seat | None) -> WindowTerm:
    """The window with its present instance; a cycle's is the seat's."""
    start_ms, end_ms = 0, 0
    if window.kind is WindowKind.ALIGNED:
        current = instance(window, now_ms)
        start_ms, end_ms = current.start_ms, current.end_ms
    elif window.kind is WindowKind.CYCLE and seat is not None:
        start_ms, end_ms = seat.cycle_start_ms, seat.paid_until_ms or 0
    return WindowTerm(place=place, window=window, start_ms=start_ms, end_ms=end_ms)


def instance_bounds(terms: Iterable[WindowTerm]) -> tuple[int, int]:
    """Between which instants the instances of these windows are the present ones (SEM-16)."""
    aligned = [term for term in terms if term.window.kind is WindowKind.ALIGNED]
    return (
        max((term.start_ms for term in aligned), default=0),
        min((term.end_ms for term in aligned), default=AMOUNT_MAX),
    )


def _hold_ms(asked_ms: int | None, plan: PlanTerm | None) -> int:
    """A hold ends at least one slice before the shortest sliding window does (SEM-30, SEM-51)."""
    hold_ms = HOLD_MS_DEFAULT if asked_ms is None else asked_ms
    for term in plan.windows if plan else ():
        if term.window.kind is WindowKind.SLIDING:
            hold_ms = min(hold_ms, term.window.length_ms - term.window.slice_ms)
    return hold_ms


@dataclass(frozen=True, slots=True)
class _Peak:
    """Whether it is peak for the gates of a route, and within which bounds that stays so."""

    is_on: bool
    from_ms: int
    until_ms: int


_NEVER_PEAK = _Peak(False, 0, AMOUNT_MAX)


def _peak(route: Route, now_ms: int, mode: PeakMode | None) -> _Peak:
    if not is_tighter_at_peak(route.rows, route.plan):
        return _NEVER_PEAK
    mode = mode or route.peak.mode
    return _Peak(is_peak(route.peak, mode, now_ms), *regime(route.peak, mode, now_ms))


def steady(route: Route, now_ms: int) -> tuple[int, int]:
    """The bounds within which prices and the seat stay as they are (SEM-16)."""
    from_ms, until_ms = rate_card.in_force(route.resource, now_ms)
    return max(from_ms, route.from_ms), min(until_ms, route.until_ms)

"""Explains a denial: the headline, every obstacle, when it clears, and what would help.

The script says what was short; this module says it in the seeds' words. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from quotasvc.domain import rate_card
from quotasvc.domain.catalog import Catalog, Plan, Straddle
from quotasvc.domain.gate import CONCURRENCY_ID
from quotasvc.domain.order import Order, Request, Route
from quotasvc.domain.outcome import (
    Denial,
    DenialReason,
    LimitStatus,
    Obstacle,
    Remedy,
    RemedyKind,
)
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import KeyKind, Role
from quotasvc.domain.unit import COST

ONLY_IN_FLIGHT_RETRY_MS = 1_000
"""Holds end soon, nobody knows when: ask again in a second (SEM-8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """What the store found short: each limit's status and when the request would fit into it
    (0: it does, None: never), and what the pool could give and keeps for holds.

    `is_unpaid` says that the payers could not pay; else only a gate was closed. `is_ahead`: some
    instance was opened by a clock that was ahead, so that its end is not known. `renewing` are the
    cycle windows into which the request would fit once they are renewed.
    """

    limits: tuple[LimitStatus, ...]
    fits_ms: tuple[int | None, ...]
    pool_available: int
    pool_held: int
    is_unpaid: bool = True
    is_ahead: bool
    renewing: frozenset[str] = frozenset()

    def gates(self) -> Iterator[tuple[LimitStatus, int | None]]:
        """Rate limits and the cap on concurrency."""
        return ((s, f) for s, f in zip(self.limits, self.fits_ms, strict=True) if s.payer is None)

    @property
    def is_gated(self) -> bool:
        """Whether some gate is closed."""
        return any(fits_ms != 0 for _, fits_ms in self.gates())

    def windows(self) -> Iterator[tuple[LimitStatus, int | None]]:
        """The plan's."""
        return ((s, f) for s, f in zip(self.limits, self.fits_ms, strict=True) if s.payer)


_EARLY = {
    DenialReason.KEY_INVALID: "The key is not valid.",
    DenialReason.KEY_DISABLED: "The key is switched off.",
    DenialReason.UNKNOWN_RESOURCE: "There is no such resource.",
    DenialReason.NOT_COVERED: "A subscription key cannot reach this resource.",
}

_OF_GATES = (DenialReason.RATE_LIMITED, DenialReason.CONCURRENCY_LIMITED)


def early(reason: DenialReason) -> Denial:
    """A denial that needs no look at any balance."""
    remedies: tuple[Remedy, ...] = ()
    if reason is DenialReason.NOT_COVERED:
        remedies = (_switch_to_payg(),)
    return Denial(reason=reason, message=_EARLY[reason], remedies=remedies)


def no_resources(route: Route, request: Request, catalog: Catalog, now_ms: int) -> Denial:
    """No seat, and no Credits that this member may use (A4, B7)."""
    obstacles = (_access_off(),) if route.is_credits_access_off else ()
    free_seats = route.team.free_seats(now_ms, catalog.team_rules.renewal_grace_ms)
    return Denial(
        reason=DenialReason.NO_RESOURCES,
        message="This key has no seat and no Credits that it may use.",
        obstacles=obstacles,
        remedies=_remedies(
            route, None, _plans_for_a_seat(route, request, catalog, now_ms), free_seats
        ),
    )


def explain(
    order: Order,
    shortage: Shortage,
    catalog: Catalog,
    now_ms: int,
    clears: int | None,
    plans: tuple[str, ...],
) -> Denial:
    """The denial for what was short: it clears at `clears`, None: not by time alone; `plans` are
    those that would admit the request."""
    obstacles = (
        *_gate_obstacles(shortage),
        *_plan_obstacles(order, shortage),
        *_pool_obstacles(order, shortage),
    )
    reason = _headline(order, shortage, obstacles)
    is_gate = reason in _OF_GATES
    in_flight = not is_gate and _would_pass_without_holds(order, shortage)
    retry_after_ms = None if clears is None else max(1, clears - now_ms)
    if in_flight:
        retry_after_ms = ONLY_IN_FLIGHT_RETRY_MS
    until_ms = None if retry_after_ms is None else now_ms + retry_after_ms
    if is_gate:
        remedies = tuple(_wait(until_ms))
    else:
        free_seats = order.route.team.free_seats(now_ms, catalog.team_rules.renewal_grace_ms)
        remedies = _remedies(order.route, until_ms, plans, free_seats)
    return Denial(
        reason=reason,
        message=_message(reason, order, shortage, catalog),
        retry_after_ms=retry_after_ms,
        only_in_flight=in_flight,
        obstacles=obstacles,
        remedies=remedies,
    )


def clears_ms(order: Order, shortage: Shortage) -> int | None:
    """When time alone will have cured it, as far as the script could see: all gates must open, and
    all windows have room unless somebody else pays; no pool refills."""
    clears = [fits_ms for _, fits_ms in shortage.gates()]
    if shortage.is_unpaid:
        clears += [f for _, f in shortage.windows()] if order.plan else [None]
    latest = 0
    for fits_ms in clears:
        if fits_ms is None:
            return None
        latest = max(latest, fits_ms)
    return latest


def _gate_obstacles(shortage: Shortage) -> Iterable[Obstacle]:
    for status, fits_ms in shortage.gates():
        if fits_ms != 0:
            is_slots = status.limit_id == CONCURRENCY_ID
            yield _limit_obstacle(
                status,
                fits_ms,
                DenialReason.CONCURRENCY_LIMITED if is_slots else DenialReason.RATE_LIMITED,
            )


def _plan_obstacles(order: Order, shortage: Shortage) -> Iterable[Obstacle]:
    if order.route.seat is None or not shortage.is_unpaid:
        return
    if order.plan is None:
        yield Obstacle(payer=Payer.PLAN, reason=DenialReason.NOT_IN_PLAN)
        return
    for status, fits_ms in shortage.windows():
        if fits_ms != 0:
            # A cycle's end cures nothing by itself, but it is shown (SEM-47).
            is_renewing = status.limit_id.partition("/")[2] in shortage.renewing
            clears = status.reset_ms if is_renewing else fits_ms
            yield _limit_obstacle(status, clears, DenialReason.WINDOW_EXHAUSTED)


def _limit_obstacle(status: LimitStatus, clears_ms: int | None, reason: DenialReason) -> Obstacle:
    return Obstacle(
        payer=status.payer,
        reason=reason,
        limit_id=status.limit_id,
        unit=status.unit,
        limit=status.limit or 0,
        used=status.used,
        held=status.held,
        remaining=status.remaining,
        reset_ms=clears_ms,
    )


def _pool_obstacles(order: Order, shortage: Shortage) -> Iterable[Obstacle]:
    if not shortage.is_unpaid:
        return
    if order.route.is_credits_access_off:
        yield _access_off()
    if order.pool is None:
        return
    is_wallet = order.pool is Payer.WALLET
    yield Obstacle(
        payer=order.pool,
        reason=DenialReason.WALLET_EXHAUSTED if is_wallet else DenialReason.CREDITS_EXHAUSTED,
        unit=COST,
        limit=order.cost_nanos,
        held=shortage.pool_held,
        remaining=shortage.pool_available,
    )


def _access_off() -> Obstacle:
    return Obstacle(payer=Payer.CREDITS, reason=DenialReason.CREDITS_ACCESS_OFF)


def _headline(order: Order, shortage: Shortage, obstacles: tuple[Obstacle, ...]) -> DenialReason:
    """The first reason in the order of checks; NO_RESOURCES where there is nothing at all."""
    is_pool_empty = shortage.pool_available == 0 and shortage.pool_held == 0
    is_without = order.route.seat is None and order.pool is Payer.CREDITS
    if shortage.is_unpaid and is_without and is_pool_empty:
        return DenialReason.NO_RESOURCES
    reasons = (o.reason for o in obstacles if o.reason is not DenialReason.CREDITS_ACCESS_OFF)
    return min(reasons)


def _would_pass_without_holds(order: Order, shortage: Shortage) -> bool:
    """Whether the payers could pay if all holds went back; what gates say is no matter here."""
    pool = shortage.pool_available + shortage.pool_held if order.pool else 0
    if pool >= order.cost_nanos:
        return True
    if order.plan is None:
        return False
    rooms = (s.limit - s.used for s, _ in shortage.windows() if s.limit is not None)
    room = min(rooms, default=order.plan.amount)
    allowance = order.plan.allowance
    if room >= order.plan.amount:
        return True
    if allowance.straddle is Straddle.ABSORB:
        return room > 0
    if allowance.straddle is Straddle.SPLIT:
        return room >= max(order.cost_nanos - pool, allowance.split_min)
    return False


def _wait(until_ms: int | None) -> Iterable[Remedy]:
    if until_ms is not None:
        yield Remedy(kind=RemedyKind.WAIT, message="Wait until there is room.", until_ms=until_ms)


def _remedies(
    route: Route, until_ms: int | None, plans: tuple[str, ...], free_seats: int
) -> tuple[Remedy, ...]:
    """What this member may do, or ask for (SEM-9, SEM-48)."""
    remedies = [*_wait(until_ms)]
    if route.key.kind is KeyKind.PAYG:
        remedies.append(
            Remedy(kind=RemedyKind.TOP_UP_WALLET, message="Have the team's wallet topped up.")
        )
        return tuple(remedies)
    if route.pool is Payer.CREDITS or route.is_credits_access_off:
        remedies.append(_use_credits(route))
    if route.member.role is not Role.OWNER:
        remedies.append(
            Remedy(
                kind=RemedyKind.ASK_ASSIGNMENT,
                message=f"Ask an Owner or Admin for a {'larger plan' if route.seat else 'seat'}.",
                free_seats=free_seats,
            )
        )
    elif plans:
        verb = "Upgrade the seat" if route.seat else "Buy a seat"
        remedies.append(
            Remedy(kind=RemedyKind.UPGRADE, message=f"{verb}: {plans[0]}.", plans=plans)
        )
    return (*remedies, _switch_to_payg())


def _use_credits(route: Route) -> Remedy:
    """Owners top up (G2); Owners and Admins switch access (G5)."""
    role = route.member.role
    if route.is_credits_access_off:
        is_theirs_to_do, whom = role is not Role.READER, "an Owner or Admin"
        message = "Switch on this member's access to Credits."
    else:
        is_theirs_to_do, whom = role is Role.OWNER, "an Owner"
        message = "Top up the team's Credits."
    if not is_theirs_to_do:
        message = f"Ask {whom}: {message[0].lower()}{message[1:]}"
    return Remedy(kind=RemedyKind.USE_CREDITS, message=message)


def _switch_to_payg() -> Remedy:
    return Remedy(kind=RemedyKind.SWITCH_TO_PAYG, message="Use a pay-as-you-go API key instead.")


def larger_plans(route: Route, catalog: Catalog) -> tuple[Plan, ...]:
    """Sellable plans above the present one, cheapest first."""
    price = route.plan.price_nanos if route.plan else -1
    larger = (p for p in catalog.plans.values() if p.sellable and p.price_nanos > price)
    return tuple(sorted(larger, key=lambda plan: plan.price_nanos))


def may_upgrade(route: Route, shortage: Shortage) -> bool:
    """Whether another plan could help at all: not where a gate is closed, or the wallet pays."""
    return route.key.kind is KeyKind.SUBSCRIPTION and not shortage.is_gated


def _plans_for_a_seat(
    route: Route, request: Request, catalog: Catalog, now_ms: int
) -> tuple[str, ...]:
    """The plans that would admit the request on a new seat, whose windows are all empty."""
    resource = route.resource
    estimate = rate_card.estimate(resource, request.usage)
    rates = rate_card.applicable(resource, dict(request.attributes), now_ms)
    cost_nanos = rate_card.price(resource, rates, estimate).nanos
    admitting = []
    for plan in larger_plans(route, catalog):
        allowance = plan.allowance_for(resource.resource_id)
        if allowance is None:
            continue
        need = max(1, allowance.amount(resource.resource_id, estimate, cost_nanos))
        least = 1 if allowance.straddle is Straddle.ABSORB else need
        applied = (w for w in allowance.windows if w.applies_to(now_ms))
        if all(w.limit is None or w.limit >= least for w in applied):
            admitting.append(plan.plan_id)
    return tuple(admitting)


def _message(reason: DenialReason, order: Order, shortage: Shortage, catalog: Catalog) -> str:
    """One sentence for people, with the figures that matter."""
    money = _Money(catalog)
    plan_id = order.route.plan.plan_id if order.route.plan else ""
    cost = money.show(order.cost_nanos)
    match reason:
        case DenialReason.NO_RESOURCES:
            return "This key has no seat, and the team's Credits are empty."
        case DenialReason.NOT_IN_PLAN:
            return f"Plan {plan_id} does not include {order.route.resource.resource_id}."
        case DenialReason.RATE_LIMITED | DenialReason.CONCURRENCY_LIMITED:
            full = next(status for status, fits in shortage.gates() if fits != 0)
            return (
                f"Too much at once: {full.limit_id} is at {full.used} of {full.limit} {full.unit}."
            )
        case DenialReason.WINDOW_EXHAUSTED:
            full = next(status for status, fits in shortage.windows() if fits != 0)
            left = money.amount(full.remaining, full.unit)
            limit = money.amount(full.limit or 0, full.unit)
            need = money.amount(order.plan.amount if order.plan else 0, full.unit)
            where = f"{plan_id}'s {full.limit_id}"
            return f"The request needs {need}, and {where} has {left} of {limit} left."
        case DenialReason.CREDITS_EXHAUSTED:
            left = money.show(shortage.pool_available)
            return f"The request needs {cost} and the team's Credits have {left}."
        case _:
            left = money.show(shortage.pool_available)
            return f"The request needs {cost} and the team's wallet has {left}."


@dataclass(frozen=True, slots=True)
class _Money:
    """Writes nanos as people read them."""

    catalog: Catalog

    def show(self, nanos: int) -> str:
        """Nanos as a decimal of the currency unit."""
        whole, rest = divmod(nanos, 1_000_000_000)
        decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
        return f"{whole}.{decimals} {self.catalog.currency}"

    def amount(self, amount: int, unit: str) -> str:
        """An amount in its unit."""
        return self.show(amount) if unit == COST else f"{amount} {unit}"

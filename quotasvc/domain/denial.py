"""Explains a denial: the headline, every obstacle, when it clears, and what would help.

The script says what was short; this module says it in the seeds' words. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from quotasvc.domain.catalog import Catalog, Straddle
from quotasvc.domain.order import Order, Route
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
    """What the store found short: each window's status and when the request would fit into it
    (0: it does, None: never), and what the pool could give and keeps for holds."""

    limits: tuple[LimitStatus, ...]
    fits_ms: tuple[int | None, ...]
    pool_available: int
    pool_held: int


_EARLY = {
    DenialReason.KEY_INVALID: "The key is not valid.",
    DenialReason.KEY_DISABLED: "The key is switched off.",
    DenialReason.UNKNOWN_RESOURCE: "There is no such resource.",
    DenialReason.NOT_COVERED: "A subscription key cannot reach this resource.",
}


def early(reason: DenialReason) -> Denial:
    """A denial that needs no look at any balance."""
    remedies: tuple[Remedy, ...] = ()
    if reason is DenialReason.NOT_COVERED:
        remedies = (_switch_to_payg(),)
    return Denial(reason=reason, message=_EARLY[reason], remedies=remedies)


def no_resources(route: Route, catalog: Catalog) -> Denial:
    """No seat, and no Credits that this member may use (A4, B7)."""
    obstacles = (_access_off(),) if route.is_credits_access_off else ()
    return Denial(
        reason=DenialReason.NO_RESOURCES,
        message="This key has no seat and no Credits that it may use.",
        obstacles=obstacles,
        remedies=_remedies(route, catalog, None, None),
    )


def explain(order: Order, shortage: Shortage, catalog: Catalog, now_ms: int) -> Denial:
    """The denial for what was short."""
    route = order.route
    obstacles = (*_plan_obstacles(order, shortage), *_pool_obstacles(order, shortage))
    reason = _headline(order, shortage, obstacles)
    in_flight = _would_pass_without_holds(order, shortage)
    clears_ms = _clears_ms(order, shortage)
    retry_after_ms = None if clears_ms is None else max(1, clears_ms - now_ms)
    if in_flight:
        retry_after_ms = ONLY_IN_FLIGHT_RETRY_MS
    until_ms = None if retry_after_ms is None else now_ms + retry_after_ms
    return Denial(
        reason=reason,
        message=_message(reason, order, shortage, catalog),
        retry_after_ms=retry_after_ms,
        only_in_flight=in_flight,
        obstacles=obstacles,
        remedies=_remedies(route, catalog, order, until_ms),
    )


def _plan_obstacles(order: Order, shortage: Shortage) -> Iterable[Obstacle]:
    route = order.route
    if route.seat is None:
        return
    if order.plan is None:
        yield Obstacle(payer=Payer.PLAN, reason=DenialReason.NOT_IN_PLAN)
        return
    for status, fits_ms in zip(shortage.limits, shortage.fits_ms, strict=True):
        if fits_ms == 0:
            continue
        yield Obstacle(
            payer=Payer.PLAN,
            reason=DenialReason.WINDOW_EXHAUSTED,
            limit_id=status.limit_id,
            unit=status.unit,
            limit=status.limit or 0,
            used=status.used,
            held=status.held,
            remaining=status.remaining,
            reset_ms=fits_ms,
        )


def _pool_obstacles(order: Order, shortage: Shortage) -> Iterable[Obstacle]:
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
    if order.route.seat is None and order.pool is Payer.CREDITS and is_pool_empty:
        return DenialReason.NO_RESOURCES
    reasons = (o.reason for o in obstacles if o.reason is not DenialReason.CREDITS_ACCESS_OFF)
    return min(reasons)


def _clears_ms(order: Order, shortage: Shortage) -> int | None:
    """When time alone will have cured it: all windows must have room, and no pool refills."""
    if order.plan is None:
        return None
    latest = 0
    for fits_ms in shortage.fits_ms:
        if fits_ms is None:
            return None
        latest = max(latest, fits_ms)
    return latest


def _would_pass_without_holds(order: Order, shortage: Shortage) -> bool:
    pool = shortage.pool_available + shortage.pool_held if order.pool else 0
    if pool >= order.cost_nanos:
        return True
    if order.plan is None:
        return False
    rooms = (s.limit - s.used for s in shortage.limits if s.limit is not None)
    room = min(rooms, default=order.plan.amount)
    allowance = order.plan.allowance
    if room >= order.plan.amount:
        return True
    if allowance.straddle is Straddle.ABSORB:
        return room > 0
    if allowance.straddle is Straddle.SPLIT:
        return room >= max(order.cost_nanos - pool, allowance.split_min)
    return False


def _remedies(
    route: Route, catalog: Catalog, order: Order | None, until_ms: int | None
) -> tuple[Remedy, ...]:
    """What this member may do, or ask for (SEM-9, SEM-48)."""
    remedies = []
    if until_ms is not None:
        remedies.append(
            Remedy(kind=RemedyKind.WAIT, message="Wait until there is room.", until_ms=until_ms)
        )
    if route.key.kind is KeyKind.PAYG:
        remedies.append(
            Remedy(kind=RemedyKind.TOP_UP_WALLET, message="Have the team's wallet topped up.")
        )
        return tuple(remedies)
    is_owner = route.member.role is Role.OWNER
    if route.pool is Payer.CREDITS or route.is_credits_access_off:
        remedies.append(_use_credits(route))
    if is_owner:
        plans = _plans_that_admit(route, catalog, order)
        if plans:
            verb = "Upgrade the seat" if route.seat else "Buy a seat"
            remedies.append(
                Remedy(kind=RemedyKind.UPGRADE, message=f"{verb}: {plans[0]}.", plans=plans)
            )
    else:
        remedies.append(
            Remedy(
                kind=RemedyKind.ASK_ASSIGNMENT,
                message=f"Ask an Owner or Admin for a {'larger plan' if route.seat else 'seat'}.",
                free_seats=route.team.free_seats,
            )
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


def _plans_that_admit(route: Route, catalog: Catalog, order: Order | None) -> tuple[str, ...]:
    """Sellable plans above the present one with room for the whole request, cheapest first."""
    resource_id = route.resource.resource_id
    price = route.plan.price_nanos if route.plan else -1
    admitting = []
    for plan in catalog.plans.values():
        allowance = plan.allowance_for(resource_id)
        if not plan.sellable or plan.price_nanos <= price or allowance is None:
            continue
        need = 1
        if order is not None:
            need = allowance.amount(resource_id, order.estimate, order.cost_nanos)
        limits = [w.limit for w in allowance.windows if w.limit is not None]
        if all(limit >= max(need, 1) for limit in limits):
            admitting.append(plan)
    return tuple(plan.plan_id for plan in sorted(admitting, key=lambda plan: plan.price_nanos))


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
        case DenialReason.WINDOW_EXHAUSTED:
            full = next(
                status
                for status, fits in zip(shortage.limits, shortage.fits_ms, strict=True)
                if fits != 0
            )
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

"""Compiles usage that is reported without a hold into an order that charges it (SEM-34).

As a reservation of the actual usage, except that nothing is estimated and nobody can refuse:
what no payer has is absorbed by the plan or written off, by the script that runs the order.
"""

from __future__ import annotations

from quotasvc.domain import rate_card
from quotasvc.domain.gate import gates, tokens
from quotasvc.domain.order import (
    Order,
    Request,
    Route,
    instance_bounds,
    plan_term,
    refuse_unmeasured,
    refuse_unpriced,
    steady,
)
from quotasvc.domain.unit import AMOUNT_MAX

GOOD_FOR_MS = 24 * 3_600_000
"""A key that ended, and a member who left, less than this ago can still be reported for."""


def compile_report(route: Route, request: Request, now_ms: int) -> Order:
    """The order that charges this usage at `now_ms`; peak hours and slots are no matter."""
    resource = route.resource
    refuse_unmeasured(resource, request.usage)
    rates = rate_card.applicable(resource, dict(request.attributes), now_ms)
    price = rate_card.price(resource, rates, request.usage)
    refuse_unpriced(
        resource, (*price.unpriced, *rate_card.gaps(resource, rates)), request.attributes
    )
    plan = plan_term(route, request.usage, price.nanos, now_ms)
    if plan is not None and plan.amount == 0:
        plan = None
    valid_from, valid_until = instance_bounds(plan.windows if plan else ())
    steady_from, steady_until = steady(route, now_ms)
    token_count = tokens(request.usage)
    rows = gates(route.rows, None, token_count, at_peak=False)
    return Order(
        route=route,
        request=request,
        content=request.content,
        estimate=request.usage,
        cost_nanos=price.nanos,
        rates=rates,
        tokens=token_count,
        gates=tuple(gate for gate in rows if not gate.is_leased),
        plan=plan,
        pool=route.pool,
        hold_ms=0,
        valid_from_ms=max(valid_from, steady_from),
        valid_until_ms=min(valid_until, steady_until),
        steady_until_ms=AMOUNT_MAX,
        peak_until_ms=AMOUNT_MAX,
    )

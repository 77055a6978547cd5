"""Explains a denial by asking the same question of other moments and other plans.

When the same request would pass, and which plans would admit it, is found by the script that
decides, looking only: so each rule stays in one place. A denial costs more than an admission here;
what cannot be otherwise is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

from quotasvc.domain import denial
from quotasvc.domain.catalog import Catalog, Plan
from quotasvc.domain.denial import Shortage
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.order import Order, Request, Route, compile_order, find_route
from quotasvc.domain.outcome import Denied, LimitStatus
from quotasvc.domain.reservation import request_digest
from quotasvc.domain.team import Role, Seat
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.planes.limits import described
from quotasvc.planes.switches import Switches
from quotasvc.store.answer import RENEWAL, Answer, Level
from quotasvc.store.call import Naming
from quotasvc.store.code import Code
from quotasvc.store.decision import DecisionStore

STEPS_MAX = 8
"""Moments that are tried before a denial names none."""

NEW_SEAT = "+"
"""Stands for a seat that is not bought yet: no seat can have this id, so its windows are empty."""


def order_limits(order: Order, answer: Answer) -> tuple[LimitStatus, ...]:
    """The limits of an order as its answer describes them."""
    return tuple(status for status, _ in _described(order, answer))


def _described(order: Order, answer: Answer) -> Iterator[tuple[LimitStatus, Level]]:
    plan = order.plan
    return described(
        order.gates,
        plan.allowance if plan else None,
        plan.windows if plan else (),
        answer.levels,
    )


def shortage_of(order: Order, answer: Answer) -> Shortage:
    """What the answer found short, in the order's words."""
    short = answer.shortfall
    limits = tuple(_described(order, answer))
    windows = order.plan.windows if order.plan else ()
    renewing = {level.place for level in answer.levels if level.fits_ms == RENEWAL}
    return Shortage(
        limits=tuple(status for status, _ in limits),
        renewing=frozenset(t.window.window_id for t in windows if t.place in renewing),
        fits_ms=tuple(None if level.fits_ms < 0 else level.fits_ms for _, level in limits),
        pool_available=short.available,
        pool_held=short.held,
        is_unpaid=short.is_unpaid,
        is_ahead=short.is_ahead,
    )


class Foresight:
    """Asks the store what would be."""

    def __init__(
        self,
        *,
        store: DecisionStore,
        catalog: Callable[[], Catalog],
        switches: Switches,
        clock_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._switches = switches
        self._clock_ms = clock_ms

    async def explain(
        self, order: Order, answer: Answer, team_version: int, deadline: float
    ) -> Denied:
        """The denial for what was short."""
        shortage, now_ms = shortage_of(order, answer), answer.now_ms
        clears_ms = await self._clears_ms(order, shortage, now_ms, team_version, deadline)
        plans = await self._plans_that_admit(order, shortage, now_ms, team_version, deadline)
        why = denial.explain(order, shortage, self._catalog(), now_ms, clears_ms, plans)
        return Denied(denial=why, limits=shortage.limits, seq=answer.seq)

    async def _clears_ms(
        self, order: Order, shortage: Shortage, now_ms: int, version: int, deadline: float
    ) -> int | None:
        """The first moment at which the same request would pass, if nothing else happened (SEM-8).

        Until an edge of prices, peak hours or the seat what the script said of each limit holds;
        from there on it is asked anew.
        """
        for _ in range(STEPS_MAX):
            clears_ms = denial.clears_ms(order, shortage)
            edge_ms = _edge_ms(order, shortage)
            certain_until = min(order.steady_until_ms, order.peak_until_ms)
            is_certain = clears_ms is not None and clears_ms < certain_until
            if is_certain and not shortage.is_ahead:
                return clears_ms
            if clears_ms is None and edge_ms == AMOUNT_MAX:
                return None
            at_ms = edge_ms if clears_ms is None else min(clears_ms, edge_ms)
            found = await self._ask(order.route, order.request, now_ms, at_ms, version, deadline)
            if found is None:
                return None
            if found[1].code is Code.GRANTED:
                return at_ms
            order, shortage = found[0], shortage_of(*found)
        return None

    async def _plans_that_admit(
        self, order: Order, shortage: Shortage, now_ms: int, version: int, deadline: float
    ) -> tuple[str, ...]:
        """Sellable plans above the present one that would admit the request now, cheapest first.

        Only where an Owner is told: others ask for a seat instead (SEM-48). All are asked in one
        round trip; the loader bounds how many can be for sale.
        """
        route = order.route
        if not denial.may_upgrade(route, shortage) or route.member.role is not Role.OWNER:
            return ()
        plans = denial.larger_plans(route, self._catalog())
        routes = (self._with_plan(route, plan, now_ms) for plan in plans)
        found = await asyncio.gather(
            *(self._ask(r, order.request, now_ms, now_ms, version, deadline) for r in routes)
        )
        return tuple(
            plan.plan_id
            for plan, one in zip(plans, found, strict=True)
            if one is not None and one[1].code is Code.GRANTED
        )

    def _with_plan(self, route: Route, plan: Plan, now_ms: int) -> Route:
        """The same route as if the seat were of `plan`, or as if there were a seat."""
        seat = route.seat or Seat(
            seat_id=NEW_SEAT, plan_id="", purchased_ms=now_ms, user_id=route.key.user_id
        )
        changed = replace(seat, plan_id=plan.plan_id)
        others = tuple(one for one in route.team.seats if one.user_id != route.key.user_id)
        team = replace(route.team, seats=(*others, changed))
        found = find_route(self._catalog(), team, route.key, route.resource.resource_id, now_ms)
        assert isinstance(found, Route), "only the seat is another"
        return found

    async def _ask(
        self,
        route: Route,
        request: Request,
        now_ms: int,
        at_ms: int,
        version: int,
        deadline: float,
    ) -> tuple[Order, Answer] | None:
        """What the store would answer at `at_ms`; None where no script would be asked then."""
        catalog, resource_id = self._catalog(), route.resource.resource_id
        if not route.from_ms <= at_ms < route.until_ms:
            found = find_route(catalog, route.team, route.key, resource_id, at_ms)
            assert isinstance(found, Route), "only the seat has ended"
            route = found
        bare = replace(request, request_id="", check_only=True)
        try:
            order = compile_order(route, bare, at_ms, self._switches.peak_mode)
        except InvalidArgument:
            return None  # by then no price covers this request
        if not isinstance(order, Order):
            return None
        naming = Naming(reservation_id="", digest=request_digest(route.team.team_id, ""))
        answer = await self._store.reserve(
            order, naming, version, self._clock_ms(), deadline, ahead_ms=at_ms - now_ms
        )
        # Anything else means that the team changed meanwhile: what would be is not known.
        return (order, answer) if answer.code in (Code.GRANTED, Code.SHORT) else None


def _edge_ms(order: Order, shortage: Shortage) -> int:
    """When what stands in the way may be gone before it clears by itself: prices and the seat
    change, and peak hours end, where it is a gate that is closed."""
    if order.is_peak and shortage.is_gated:
        return min(order.steady_until_ms, order.peak_until_ms)
    return order.steady_until_ms

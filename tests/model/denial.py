"""A denial explained: every obstacle, when it would pass, and what would help (SEM-7 … 9, D1 … D6).

`retry_after` is found by brute force: the decision is evaluated at every later moment at which
anything changes by itself, earliest first.
"""

from __future__ import annotations

from dataclasses import replace

from tests.model.decision import REASONS, Limit, Look
from tests.model.policy import AMOUNT_MAX, SECOND, Answer, next_flip, wire

THROTTLED = ("RATE_LIMITED", "CONCURRENCY_LIMITED")


class Denial:
    """Why `look` does not pass."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.now_ms = look.at_ms
        self.can_pay = look.payment() is not None
        self.later = [found for at_ms in moments(look) if (found := look.at(at_ms))]
        self.obstacles = [*self._throttles(), *([] if self.can_pay else self._payers())]

    # Obstacles (D2).

    def _throttles(self) -> list[Answer]:
        limits = [*self.look.rates(), *self.look.concurrency()]
        return [self._limit(limit) for limit in limits if limit.is_short]

    def _payers(self) -> list[Answer]:
        """Plan, access, pool: listed only if together they cannot pay."""
        look, found = self.look, []
        if look.plan and not look.allowance:
            found.append(wire(payer="PLAN", reason="NOT_IN_PLAN"))
        else:
            found += [self._limit(limit) for limit in look.windows() if limit.is_short]
        if look.is_payg:
            return [*found, self._pool("WALLET", "WALLET_EXHAUSTED")]
        if look.credits_usable:
            return [*found, self._pool("CREDITS", "CREDITS_EXHAUSTED")]
        if look.plan and look.plan.overflow != "credits_auto":
            return found  # Credits are no payer of such a plan
        return [*found, ACCESS_OFF]

    def _limit(self, limit: Limit) -> Answer:
        return wire(**limit.figures(), reason=limit.reason, reset_time=self._clears_ms(limit))

    def _pool(self, payer: str, reason: str) -> Answer:
        """What holds could still return is `held` (SEM-47)."""
        return wire(
            payer=payer,
            reason=reason,
            unit="cost",
            limit=self.look.cost,
            held=self.look.pool_held(),
            remaining=self.look.pool_available(),
        )

    def _clears_ms(self, limit: Limit) -> int | None:
        """R7: when that limit alone admits this request; a cycle shows its end (SEM-47)."""
        if limit.kind == "cycle":
            return limit.reset_ms if limit.need <= (limit.limit or 0) else None
        most = AMOUNT_MAX if limit.limit is None else limit.limit
        if limit.kind == "aligned":  # W3: also while an instance of a clock ahead is in force
            return limit.reset_ms if limit.need <= most else None
        for look in self.later:
            if limit.need <= most - self._total(limit, look):
                return look.at_ms
        return None

    def _total(self, limit: Limit, later: Look) -> int:
        """What will be counted there; the limit itself is taken as it is now."""
        if limit.limit_id == "concurrency":
            seat_id = self.look.seat.seat_id if self.look.seat else ""
            return len(later.state.live_leases(("seat", seat_id), later.at_ms))
        now = replace(self.look, at_ms=self.now_ms)
        for window, counter in now.counters:
            if limit.limit_id.endswith(f"/{window.window_id}") and limit.payer == "PLAN":
                return later.state.total(counter, later.at_ms)
        return next(x.total for x in later.rates() if x.limit_id == limit.limit_id)

    # What is said.

    def reason(self) -> str:
        """D3."""
        look = self.look
        is_empty = look.pool_available() + look.pool_held() == 0
        if not (self.can_pay or look.is_payg or look.seat) and is_empty:
            return "NO_RESOURCES"
        reasons = {obstacle["reason"] for obstacle in self.obstacles}
        return next(reason for reason in REASONS if reason in reasons)

    def only_in_flight(self) -> bool:
        """SEM-8, D5: holds alone are in the way; slots are not holds (SEM-47)."""
        freed = replace(self.look, freed=True).payment() is not None
        return freed and self.reason() not in THROTTLED

    def retry_ms(self) -> int | None:
        """D4: the first moment at which the same request passes, if nothing else happened."""
        if self.only_in_flight():
            return self.now_ms + SECOND
        return next((look.at_ms for look in self.later if look.passes()), None)

    def denied_limits(self) -> list[Answer]:
        """The limits as before, and which of them stood in the way."""
        ids = {obstacle.get("limit_id") for obstacle in self.obstacles}
        return [limit.status(denied=limit.limit_id in ids) for limit in self.look.limits()]

    def wire(self) -> Answer:
        """The contract's Denial."""
        retry_ms = self.retry_ms()
        return wire(
            reason=self.reason(),
            retry_after=retry_ms - self.now_ms if retry_ms else None,
            only_in_flight=self.only_in_flight(),
            obstacles=self.obstacles,
            remedies=remedies(self.look, self.reason(), retry_ms, self.look.is_throttled()),
        )


ACCESS_OFF = wire(payer="CREDITS", reason="CREDITS_ACCESS_OFF")


def moments(look: Look) -> list[int]:
    """Every later moment at which a limit, a price, a seat or the peak changes by itself (D4)."""
    state, now_ms = look.state, look.at_ms
    found: set[int] = set()
    for row in look.rate_rows:
        for what in ("rpm", "tpm"):
            found |= look.rate_counter(row, what).changes(now_ms)
        found |= {*state.live_leases(("row", row.rate_limit_id), now_ms)}
    for _, counter in look.counters:
        found |= counter.changes(now_ms)
    for price in look.request.resource.rows:
        found |= {at for at in (price.from_ms, price.until_ms) if at is not None}
    if look.seat:
        found |= {*state.live_leases(("seat", look.seat.seat_id), now_ms)}
        found |= {look.seat.ends_ms(look.policy.renewal_grace_ms) or 0}
    if look.rate_rows or (look.plan and look.plan.peak_concurrency is not None):
        flips = {next_flip(look.policy.peak, look.mode, at) for at in (now_ms, *found)}
        found |= {at for at in flips if at is not None}
    return sorted(at for at in found if at > now_ms)


def remedies(
    look: Look, reason: str, retry_ms: int | None, is_throttled: bool = False
) -> list[Answer]:
    """SEM-9, SEM-48, D6: no plan would admit the request now while a rate limit is in the way."""
    wait = [wire(kind="WAIT", until_time=retry_ms)] if retry_ms else []
    if reason in THROTTLED:
        return wait
    if look.is_payg:
        more = [wire(kind="TOP_UP_WALLET")] if reason == "WALLET_EXHAUSTED" else []
        return [*wait, *more]
    found = wait
    if look.plan is None or look.plan.overflow == "credits_auto":
        found.append(wire(kind="USE_CREDITS"))
    member = look.request.member
    if member and member.role == "owner":
        plans = [] if is_throttled else upgrades(look)
        found += [wire(kind="UPGRADE", plans=plans)] if plans else []
    else:
        free_seats = [s for s in look.state.seats(look.at_ms) if s.user_id is None]
        found.append(wire(kind="ASK_ASSIGNMENT", free_seats=len(free_seats)))
    return [*found, wire(kind="SWITCH_TO_PAYG")]


def upgrades(look: Look) -> list[str]:
    """D6: dearer plans on sale that would pay for the request now, cheapest first."""
    present = look.plan.price_nanos if look.plan else -1
    plans = [p for p in look.policy.plans.values() if p.sellable and p.price_nanos > present]
    plans.sort(key=lambda plan: plan.price_nanos)
    return [
        plan.plan_id
        for plan in plans
        if (other := replace(look, plan_id=plan.plan_id)).payment() is not None
        and not any(limit.is_short for limit in other.concurrency())
    ]

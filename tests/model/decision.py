"""One decision: what stands in the way of a request, who would pay, and when it would pass.

A `Look` is one request at one moment against one state. It writes nothing, so that later moments,
other plans and returned holds are looked at by making another look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from tests.model.book import TeamState
from tests.model.counter import Counter
from tests.model.policy import (
    AMOUNT_MAX,
    MINUTE,
    Allowance,
    Amounts,
    Answer,
    Fault,
    Key,
    Member,
    Policy,
    RateRow,
    Resource,
    Seat,
    Window,
    field_of,
    in_peak,
    instance,
    is_free,
    price,
    raised,
    rows_for,
    tokens,
    unpriced,
    wire,
)

REASONS = (  # SEM-7: in the order of the checks
    *("KEY_INVALID", "KEY_DISABLED", "UNKNOWN_RESOURCE", "NOT_COVERED", "NO_RESOURCES"),
    *("RATE_LIMITED", "CONCURRENCY_LIMITED", "NOT_IN_PLAN", "WINDOW_EXHAUSTED"),
    *("CREDITS_EXHAUSTED", "WALLET_EXHAUSTED", "CREDITS_ACCESS_OFF"),
)
PER_MINUTE = Window(window_id="minute", kind="sliding", length_ms=MINUTE, limit=None)  # R1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, and by whom. `is_actual` is usage that has happened (SEM-34)."""

    key: Key
    member: Member | None
    resource: Resource
    sent: Amounts
    attributes: Mapping[str, str]
    is_actual: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit as it stands, and what the request needs of it."""

    limit_id: str
    payer: str = ""
    kind: str
    unit: str
    limit: int | None
    total: int
    held: int = 0
    need: int
    reset_ms: int | None
    reason: str

    @property
    def room(self) -> int:
        return (AMOUNT_MAX if self.limit is None else self.limit) - self.total  # W6

    @property
    def is_short(self) -> bool:
        """Whether the request does not fit; of a rate limit it may need nothing (R1)."""
        return self.need > self.room and (self.need > 0 or self.payer == "PLAN")

    def status(self, *, denied: bool = False) -> Answer:
        """The contract's LimitStatus (R6, W1)."""
        return wire(
            **self.figures(),
            kind=self.kind,
            unlimited=self.limit is None,
            included=self.limit != 0,
            over=max(0, -self.room),
            reset_time=self.reset_ms,
            denied=denied,
        )

    def figures(self) -> Answer:
        """What status and obstacle have in common."""
        return wire(
            limit_id=self.limit_id,
            payer=self.payer,
            unit=self.unit,
            limit=self.limit,
            used=max(0, self.total - self.held),
            held=self.held,
            remaining=0 if self.limit is None else max(0, self.room),
        )


def applying(allowance: Allowance, seat: Seat) -> list[Window]:
    """J6, W7: which windows there are is fixed by the seat's purchase."""
    bought_ms = seat.purchased_ms
    return [w for w in allowance.windows if bought_ms >= (w.purchased_from_ms or bought_ms)]


def plan_limit(
    state: TeamState, name: str, unit: str, window: Window, counter: Counter, at_ms: int
) -> Limit:
    """A window of a plan as it stands; nothing is needed of it yet."""
    start = state.start(counter, at_ms)
    live = {stamp: n for stamp, n in counter.live(at_ms, start).items() if n > 0}
    reset: int | None = None
    if window.kind == "aligned":
        reset = instance(window, at_ms)[1]
    elif window.kind == "cycle":
        seat = state.seat(counter.seat_id)
        reset = seat.paid_until_ms if seat else None
    elif live:
        first = min(live) if window.kind == "first_use" else (min(live) + 1) * window.slice_ms
        reset = first + window.length_ms
    return Limit(
        limit_id=f"{name}/{window.window_id}",
        payer="PLAN",
        kind=window.kind,
        unit=unit,
        limit=window.limit,
        total=counter.total(at_ms, start),
        held=counter.held_at(at_ms, start),
        need=0,
        reset_ms=reset,
        reason="WINDOW_EXHAUSTED",
    )


@dataclass(frozen=True, slots=True)
class Payment:
    """Who pays: the plan `plan` in its unit, worth `plan_nanos`, and another payer `rest`."""

    plan: int = 0
    plan_nanos: int = 0
    rest: int = 0


@dataclass(kw_only=True)
class Look:
    """A request at one moment. `plan_id` looks as if the seat had that plan, `freed` as if all
    holds had returned; lots are always those of `pool_ms` (D4: as they are now).
    """

    state: TeamState
    policy: Policy
    mode: str
    request: Request
    at_ms: int
    pool_ms: int
    plan_id: str | None = None
    freed: bool = False

    def __post_init__(self) -> None:
        """Prices the request; faults of SEM-2a and SEM-13 come from here."""
        request, resource = self.request, self.request.resource
        self.usage = request.sent if request.is_actual else raised(resource, request.sent)
        self.rows = rows_for(resource, self.usage, request.attributes, self.at_ms)
        unit = unpriced(resource, self.rows, self.usage)
        if unit:
            raise Fault("INVALID_ARGUMENT/UNPRICED_USAGE", field_of(unit))
        self.is_free = is_free(self.rows)
        self.cost = price(self.rows, self.usage)
        if not (self.cost or self.is_free or request.is_actual):
            raise Fault("INVALID_ARGUMENT/EMPTY_ESTIMATE", "usage")
        self.tokens = tokens(self.usage)
        self.is_payg = request.key.kind == "payg"
        self.seat = self._seat()
        self.plan = self.policy.plans[self.seat.plan_id] if self.seat else None
        self.allowance = self._allowance()
        self.amount = 0
        if self.allowance:
            self.amount = self.allowance.amount(resource.resource_id, self.usage, self.cost)

    def _seat(self) -> Seat | None:
        """The member's seat; for `plan_id` a new one where there is none (D6)."""
        member = self.request.member
        if self.is_payg or member is None or member.removed_ms is not None:
            return None
        seat = self.state.seat_of(member.user_id, self.at_ms)
        if self.plan_id is None:
            return seat
        if seat:
            return replace(seat, plan_id=self.plan_id)
        return Seat(
            seat_id="",
            plan_id=self.plan_id,
            purchased_ms=self.at_ms,
            user_id=member.user_id,
            cycle_start_ms=self.at_ms,
        )

    def _allowance(self) -> Allowance | None:
        """What the plan includes of the resource: neither "-" nor 0 (E7). Free usage passes it."""
        if not self.plan or not self.seat or self.is_free:
            return None
        found = self.plan.allowance_for(self.request.resource.resource_id)
        windows = applying(found, self.seat) if found else ()
        return found if all(window.limit != 0 for window in windows) else None

    # Limits.

    @property
    def is_peak(self) -> bool:
        return in_peak(self.policy.peak, self.mode, self.at_ms)

    @property
    def rate_rows(self) -> list[RateRow]:
        """SEM-19: every row that matches applies."""
        resource_id = self.request.resource.resource_id
        return [row for row in self.policy.rate_limits if resource_id in row.resources]

    def rate_counter(self, row: RateRow, what: str) -> Counter:
        """R1: per team and row."""
        return self.state.named(("rate", row.rate_limit_id, what), PER_MINUTE)

    def _tightened(self, row: RateRow, limit: int) -> int:
        """R2."""
        return max(1, -(-limit * row.peak_permille // 1_000)) if self.is_peak else limit

    def rates(self) -> list[Limit]:
        """R1, R6: RPM, TPM and connections of each row."""
        found = []
        for row in self.rate_rows:
            name = f"rate/{row.rate_limit_id}"
            if row.rpm is not None:
                found.append(self._rate(row, name, "rpm", "requests", row.rpm, 1))
            if row.tpm is not None:
                found.append(self._rate(row, name, "tpm", "tokens", row.tpm, self.tokens))
            if row.connections is not None:
                ends = self.state.live_leases(("row", row.rate_limit_id), self.at_ms)
                most = self._tightened(row, row.connections)
                found.append(
                    slots(f"{name}/connections", "connections", "RATE_LIMITED", most, ends)
                )
        return found

    def _rate(self, row: RateRow, name: str, what: str, unit: str, limit: int, need: int) -> Limit:
        counter = self.rate_counter(row, what)
        as_plan = plan_limit(self.state, name, unit, PER_MINUTE, counter, self.at_ms)
        return replace(
            as_plan,
            limit_id=f"{name}/{what}",
            payer="",
            kind="rate",
            limit=self._tightened(row, limit),
            need=need,
            reason="RATE_LIMITED",
        )

    def concurrency(self) -> list[Limit]:
        """SEM-20, R3: the cap is in force only at peak."""
        if not (self.seat and self.plan) or self.plan.peak_concurrency is None or not self.is_peak:
            return []
        ends = self.state.live_leases(("seat", self.seat.seat_id), self.at_ms)
        most = self.plan.peak_concurrency
        return [slots("concurrency", "requests", "CONCURRENCY_LIMITED", most, ends)]

    @cached_property
    def counters(self) -> list[tuple[Window, Counter]]:
        """The windows that apply (J6, W7), with what they count."""
        if not self.allowance or not self.seat:
            return []
        return [
            (window, self.state.counter(self.seat.seat_id, self.allowance, window))
            for window in applying(self.allowance, self.seat)
        ]

    def windows(self) -> list[Limit]:
        """The plan's windows, with what this request needs of each (D2)."""
        if not self.allowance:
            return []
        name, unit = self.allowance.allowance_id, self.allowance.unit
        need = self.amount
        if self.allowance.straddle == "absorb":
            need = 1
        elif self.allowance.straddle == "split":
            smallest = min(self.allowance.split_min, self.cost)
            need = max(self.cost - self.pool_available(), smallest)
        return [
            replace(plan_limit(self.state, name, unit, window, counter, self.at_ms), need=need)
            for window, counter in self.counters
        ]

    def limits(self) -> list[Limit]:
        """R6: in the order of the answer."""
        return [*self.rates(), *self.concurrency(), *self.windows()]

    def is_throttled(self) -> bool:
        """J2: these never fall through to another payer."""
        return any(limit.is_short for limit in [*self.rates(), *self.concurrency()])

    # Payers.

    @property
    def credits_usable(self) -> bool:
        """B2, G4 … G6: access, and a plan that lets Credits pay."""
        member = self.request.member
        if self.is_payg or member is None or not member.credits_access:
            return False
        return self.plan is None or self.plan.overflow == "credits_auto"

    def pool_available(self) -> int:
        """What the other payer than the plan has; 0 where it may not pay."""
        if not self.is_payg and not self.credits_usable:
            return 0
        lots = [self.state.wallet] if self.is_payg else self.state.lots.values()
        available = sum(lot.spendable(self.pool_ms) for lot in lots)
        return available + (self.pool_held() if self.freed else 0)

    def pool_held(self) -> int:
        lots = [self.state.wallet] if self.is_payg else self.state.lots.values()
        return sum(lot.returnable(self.pool_ms) for lot in lots)

    def room(self) -> int:
        """The least room of all windows."""
        limits = self.windows()
        freed = [min(limit.held, limit.total) if self.freed else 0 for limit in limits]
        rooms = [limit.room + more for limit, more in zip(limits, freed, strict=True)]
        return min(rooms, default=AMOUNT_MAX)

    def payment(self) -> Payment | None:
        """SEM-10, SEM-11: the plan first, then Credits; a PAYG key has the wallet alone."""
        if self.is_free:
            return Payment()
        pool = self.pool_available()
        if self.allowance:
            room, straddle = self.room(), self.allowance.straddle
            whole = Payment(self.amount, self.cost)
            if straddle == "strict" and self.amount <= room:
                return whole
            if straddle == "absorb" and room >= 1:
                return whole
            if straddle == "split":
                part = max(0, min(room, self.cost))
                if part < min(self.allowance.split_min, self.cost):
                    part = 0
                if self.cost - part <= pool:
                    return Payment(part, part, self.cost - part)
        return Payment(rest=self.cost) if self.cost <= pool else None

    def record_payment(self) -> Payment:
        """SEM-34, S1: usage that has happened is charged; what nobody pays is written off."""
        paid = self.payment()
        if paid:
            return paid
        if not self.allowance:
            return Payment(rest=min(self.pool_available(), self.cost))
        if self.allowance.unit != "cost":
            return Payment(self.amount, self.cost)
        room = max(0, min(self.room(), self.cost))
        rest = min(self.pool_available(), self.cost - room)
        return Payment(self.cost - rest, self.cost - rest, rest)  # the plan absorbs what is left

    # Time.

    def at(self, at_ms: int) -> Look | None:
        """The same request later, if nothing else happened; None where it has no price then."""
        try:
            return replace(self, at_ms=at_ms)
        except Fault:
            return None

    def passes(self) -> bool:
        return not self.is_throttled() and self.payment() is not None


def slots(limit_id: str, unit: str, reason: str, most: int, ends: list[int]) -> Limit:
    """A limit on what runs at once; it resets when the first lease ends."""
    return Limit(
        limit_id=limit_id,
        kind="slots",
        unit=unit,
        limit=most,
        total=len(ends),
        need=1,
        reset_ms=ends[0] if ends else None,
        reason=reason,
    )

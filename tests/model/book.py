"""What is kept: lots, leases, reservations, and how money moves in them and in windows.

Plain lists and dictionaries, one team at a time. Knows nothing of requests and denials; `at_ms` is
the decision's time throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.model.counter import Admission, Counter
from tests.model.policy import (
    AMOUNT_MAX,
    DAY,
    HOUR,
    Allowance,
    Amounts,
    Answer,
    Plan,
    Policy,
    Resource,
    Seat,
    Team,
    Window,
    instance,
    wire,
)

Handle = tuple[str, str, int]  # (team, request id, number): the oracle's reservation id
Content = tuple[object, ...]  # what a request id stands for (SEM-35)
HOLD_MS_MAX = 4 * HOUR  # S6: from its admission
CounterKey = tuple[object, ...]


@dataclass(slots=True)
class Lot:
    """Prepaid amount of one origin and expiry; the wallet is a lot without expiry."""

    lot_id: str
    origin: str
    granted: int
    purchased_ms: int
    granted_ms: int
    expires_ms: int | None
    available: int
    held: int = 0
    consumed: int = 0
    expired: int = 0
    revoked: int = 0
    is_revoked: bool = False
    waiting: bool = False

    def is_over(self, at_ms: int) -> bool:
        """SEM-22: usable in [granted, expires)."""
        return self.expires_ms is not None and at_ms >= self.expires_ms

    def is_usable(self, at_ms: int) -> bool:
        """SEM-22. None is granted ahead of time: only a clock that was set back sees a lot before
        its grant, and that takes no money away.
        """
        return not self.waiting and not self.is_over(at_ms)

    def is_open(self, at_ms: int) -> bool:
        """L1."""
        return not self.waiting and not self.is_over(at_ms) and self.available + self.held > 0

    def spendable(self, at_ms: int) -> int:
        return self.available if self.is_usable(at_ms) else 0

    def returnable(self, at_ms: int) -> int:
        """SEM-47: the part of what is held that could become available again."""
        return 0 if self.is_over(at_ms) or self.is_revoked else self.held

    def order(self) -> tuple[bool, int, int, str]:
        """SEM-21: first to expire, then first bought, then by id; no expiry last."""
        return (self.expires_ms is None, self.expires_ms or 0, self.purchased_ms, self.lot_id)

    def move(self, source: str, target: str, nanos: int) -> None:
        """From one account of the lot to another."""
        setattr(self, source, getattr(self, source) - nanos)
        setattr(self, target, getattr(self, target) + nanos)

    def give_back(self, source: str, nanos: int, at_ms: int) -> str:
        """SEM-23: to an ended lot nothing returns that could be spent. Says where it went."""
        target = "expired" if self.is_over(at_ms) else "available"
        target = "revoked" if self.is_revoked else target  # SEM-49: revoked goes first
        self.move(source, target, nanos)
        return target


@dataclass(slots=True)
class Charge:
    """A plan leg's share in one window, under one stamp."""

    counter: Counter
    stamp: int
    amount: int
    held: int
    admission: Admission | None = None


@dataclass(slots=True)
class Leg:
    """One source's share; `charges` are a plan leg's, in the order in which they were made."""

    payer: str
    source: str
    unit: str
    amount: int
    nanos: int
    lot: Lot | None = None
    charges: list[Charge] = field(default_factory=list)

    def wire(self, amount: int, nanos: int, *, gone: bool = False) -> Answer:
        """The contract's Leg, with a part of this one's figures."""
        return wire(
            payer=self.payer,
            source=self.source,
            unit=self.unit,
            amount=amount,
            amount_nanos=nanos,
            expire_time=self.lot.expires_ms if self.lot else None,
            window_gone=gone,
        )


def legs_wire(legs: Iterable[Leg]) -> list[Answer]:
    """Legs of nothing are none."""
    return [leg.wire(leg.amount, leg.nanos) for leg in legs if leg.amount or leg.nanos]


@dataclass(slots=True, kw_only=True)
class Reservation:
    """The record of one request; it is bound to what it was decided by (SEM-32)."""

    handle: Handle
    content: Content
    state: str
    resource: Resource
    policy: Policy
    plan: Plan | None  # of the seat, whoever pays
    allowance: Allowance | None  # of the plan leg
    counters: list[tuple[Window, Counter]]  # of the plan leg, with the limits of that version
    admit_ms: int
    expire_ms: int | None
    bound_ms: int  # how long a hold may be at most (SEM-51)
    usage: Amounts
    attributes: dict[str, str]  # that the price depends on
    cost: int
    legs: list[Leg]  # what is held, and later what is still charged
    pool: str | None  # who pays what the plan has no room for: CREDITS, WALLET
    tokens: list[tuple[Counter, int | None, int]]  # TPM: where the estimate was counted
    leases: list[tuple[str, str]] = field(default_factory=list)
    answer: Answer = field(default_factory=dict)
    held_wire: list[Answer] = field(default_factory=list)
    charged_wire: list[Answer] = field(default_factory=list)
    settle: object = None
    settle_answer: Answer = field(default_factory=dict)
    settle_ms: int | None = None
    actual: int = 0
    charged: int = 0
    written_off: int = 0
    late: bool = False
    is_provisional: bool = False
    refunds: dict[str, tuple[object, Answer]] = field(default_factory=dict)
    refund_ms: int | None = None  # of the latest
    refunded: int = 0
    refunded_by_usage: int = 0
    refunded_usage: dict[str, int] = field(default_factory=dict)

    @property
    def plan_leg(self) -> Leg | None:
        return next((leg for leg in self.legs if leg.payer == "PLAN"), None)

    def state_at(self, at_ms: int) -> str:
        """SEM-30: expiry is authoritative, reaped or not."""
        is_over = self.expire_ms is not None and at_ms >= self.expire_ms
        return "EXPIRED" if self.state == "HELD" and is_over else self.state

    def purge_ms(self) -> int | None:
        """SEM-31: when the record may leave."""
        if self.state == "EXPIRED" and self.expire_ms is not None:
            return self.expire_ms + DAY
        if self.settle_ms is None:
            return None
        # Until there is a SQL ledger a settled record, and each refund of it, outlives the day for
        # which it is retried.
        kept_ms = self.settle_ms + (25 * HOUR if self.settle == "recorded" else DAY + 2 * HOUR)
        return max(kept_ms, (self.refund_ms or 0) + DAY + 2 * HOUR)


@dataclass(slots=True)
class TeamState:
    """All that is kept of one team."""

    team: Team
    grace_ms: int = DAY
    lots_max: int = 1_000
    seq: int = 0
    entry: int = 0
    latest_ms: int = 0
    counters: dict[CounterKey, Counter] = field(default_factory=dict)
    lots: dict[str, Lot] = field(default_factory=dict)
    wallet: Lot = field(default_factory=lambda: Lot("wallet", "wallet", 0, 0, 0, None, 0))
    records: dict[str, Reservation] = field(default_factory=dict)
    leases: dict[tuple[str, str], dict[Handle, int]] = field(default_factory=dict)

    def apply(self, policy: Policy) -> None:
        """What a catalog says of all teams."""
        self.grace_ms, self.lots_max = policy.renewal_grace_ms, policy.lots_max

    def now(self, clock_ms: int) -> int:
        """SEM-37: never before the latest stored time, unless that is more than 30 s ahead."""
        return max(clock_ms, self.latest_ms) if self.latest_ms <= clock_ms + 30_000 else clock_ms

    def wrote(self, at_ms: int, *, entry: bool = False) -> None:
        """S8: one change of state."""
        self.latest_ms = at_ms
        self.seq += 1
        self.entry += entry

    def seat(self, seat_id: str) -> Seat | None:
        return next((s for s in self.team.seats if s.seat_id == seat_id), None)

    def seat_of(self, user_id: str, at_ms: int) -> Seat | None:
        """The seat that this user holds, while it is one (W8)."""
        return next((s for s in self.seats(at_ms) if s.user_id == user_id), None)

    def seats(self, at_ms: int) -> list[Seat]:
        ends = ((seat, seat.ends_ms(self.grace_ms)) for seat in self.team.seats)
        return [seat for seat, end in ends if end is None or at_ms < end]

    def counter(self, seat_id: str, allowance: Allowance, window: Window) -> Counter:
        """SEM-18: by seat, allowance id, unit, kind, length and anchor; never by limit."""
        name = (allowance.allowance_id, allowance.unit, window.kind, window.length_ms)
        return self.named((seat_id, *name, window.anchor), window, seat_id)

    def named(self, key: CounterKey, window: Window, seat_id: str = "") -> Counter:
        return self.counters.setdefault(key, Counter(window, seat_id))

    def start(self, counter: Counter, at_ms: int) -> int:
        """The start of the instance around this moment; only a new cycle ends a cycle (W5)."""
        if counter.window.kind == "aligned":
            return instance(counter.window, at_ms)[0]
        seat = self.seat(counter.seat_id) if counter.window.kind == "cycle" else None
        return seat.cycle_start_ms if seat else 0

    def total(self, counter: Counter, at_ms: int) -> int:
        return counter.total(at_ms, self.start(counter, at_ms))

    def lease(self, key: tuple[str, str], handle: Handle, end_ms: int, at_ms: int) -> None:
        """R3: takes or renews one; those that have ended are forgotten."""
        live = {h: end for h, end in self.leases.get(key, {}).items() if end > at_ms}
        self.leases[key] = {**live, handle: end_ms}

    def live_leases(self, key: tuple[str, str], at_ms: int) -> list[int]:
        """When each live lease ends, earliest first (R3)."""
        return sorted(end for end in self.leases.get(key, {}).values() if end > at_ms)

    def pool(self, at_ms: int) -> list[Lot]:
        """Lots that can be drawn from, in order."""
        return sorted((x for x in self.lots.values() if x.is_usable(at_ms)), key=Lot.order)

    def draw(self, pool: str, nanos: int, at_ms: int, target: str) -> list[Leg]:
        """SEM-21: takes up to `nanos`, from as many lots as it needs."""
        legs = []
        for lot in [self.wallet] if pool == "WALLET" else self.pool(at_ms):
            part = min(nanos, lot.spendable(at_ms))
            if part > 0:
                lot.move("available", target, part)
                legs.append(Leg(pool, lot.lot_id, "cost", part, part, lot))
                nanos -= part
        return legs

    def count(self, leg: Leg, counter: Counter, amount: int, at_ms: int, held: int = 0) -> None:
        """Charges a plan leg's amount to one of its windows, now."""
        stamp = counter.charge(at_ms, self.start(counter, at_ms), amount, held)
        leg.charges.append(Charge(counter, stamp, amount, held))

    def unhold(self, leg: Leg, at_ms: int) -> None:
        """What was held in the windows is used from now on."""
        for charge in leg.charges:
            start = self.start(charge.counter, at_ms)
            charge.counter.adjust(at_ms, start, charge.stamp, 0, unheld=charge.held)
            charge.held = 0

    def uncount(self, leg: Leg, amount: int, at_ms: int) -> bool:
        """Gives back in each window, the last charged first (S5). Says whether any was gone."""
        gone = False
        for counter in {id(c.counter): c.counter for c in leg.charges}.values():
            left = amount
            for charge in [c for c in reversed(leg.charges) if c.counter is counter]:
                part = min(left, charge.amount)
                start = self.start(counter, at_ms)
                if part and not counter.adjust(at_ms, start, charge.stamp, -part):
                    gone = True
                charge.amount -= part
                left -= part
                if charge.admission:
                    charge.admission.amount -= part
        return gone

    def room(self, counters: list[tuple[Window, Counter]], at_ms: int) -> int:
        """The least that any window has left; below 0 where one is over its limit."""
        rooms = [
            (AMOUNT_MAX if window.limit is None else window.limit) - self.total(counter, at_ms)
            for window, counter in counters
        ]
        return min(rooms, default=AMOUNT_MAX)

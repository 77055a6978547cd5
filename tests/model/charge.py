"""How money and plan usage move: returns, overruns, waiting lots (SEM-23 … 27, 29, S1 … S5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.model.book import Charge, Leg, Reservation, TeamState
from tests.model.policy import (
    AMOUNT_MAX,
    Amounts,
    Answer,
    Fault,
    field_of,
    in_order,
    price,
    require_measured,
    rows_for,
    unpriced,
    wire,
)

ALL = AMOUNT_MAX


def charge_actual(state: TeamState, r: Reservation, units: int, cost: int, at_ms: int) -> bool:
    """SEM-27: the list price is `cost`; of a counted plan leg `units` count.

    A late commit finds its legs empty (SEM-31). Says whether a return found its window gone.
    """
    is_held, plan = r.state == "HELD", r.plan_leg
    last = r.legs[-1].payer if r.legs else ""
    if is_held and plan:
        state.unhold(plan, at_ms)
    if plan and plan.unit != "cost":
        gone = False
        if units < plan.amount:
            gone = state.uncount(plan, plan.amount - units, at_ms)
            plan.amount = units
        count_more(state, r, plan, units - plan.amount, at_ms)
        plan.nanos = cost
        return gone
    over = cost - sum(leg.nanos for leg in r.legs)
    source = "held" if is_held else "consumed"
    returned = give_back(state, r, source, at_ms, max(0, -over))
    if over > 0 and plan:
        part = max(0, min(over, state.room(r.counters, at_ms)))
        count_more(state, r, plan, part, at_ms)
        over -= part
    is_absorbing = last == "PLAN" and r.allowance and r.allowance.straddle == "absorb"
    is_drawing = over > 0 and r.pool and not is_absorbing
    if is_drawing and r.pool == "CREDITS":
        promote(state, at_ms)  # what is held keeps its places until this is settled
    if is_held:
        consume(r.legs)
    if is_drawing:
        over -= draw_more(state, r, over, at_ms)
    if over > 0 and plan and last == "PLAN":
        rooms = [AMOUNT_MAX - state.total(counter, at_ms) for _, counter in r.counters]
        count_more(state, r, plan, min(over, *rooms, AMOUNT_MAX), at_ms)
    return returned.window_gone


def count_more(state: TeamState, r: Reservation, leg: Leg, amount: int, at_ms: int) -> None:
    """An overrun of the plan: in the recorded instance, or in the current one if that is over."""
    if amount == 0:
        return
    for _, counter in r.counters:
        recorded = next((c.stamp for c in leg.charges if c.counter is counter), None)
        start, is_late = state.start(counter, at_ms), r.state == "EXPIRED" and not r.is_provisional
        there = sum(c.amount for c in leg.charges if c.counter is counter)
        if (
            recorded is not None
            and not is_late
            and counter.is_there(at_ms, start, recorded, there)
            and counter.adjust(at_ms, start, recorded, amount)
        ):
            leg.charges.append(Charge(counter, recorded, amount, 0))
        else:
            state.count(leg, counter, amount, at_ms)
    leg.amount += amount
    leg.nanos += amount if leg.unit == "cost" else 0


def draw_more(state: TeamState, r: Reservation, nanos: int, at_ms: int) -> int:
    """An overrun of the pool; each lot stays one leg. Returns what the pool had."""
    drawn = state.draw(r.pool or "", nanos, at_ms, "consumed")
    for more in drawn:
        leg = next((leg for leg in r.legs if leg.lot is more.lot), None)
        if leg is None:
            r.legs.append(more)
        else:
            leg.amount += more.amount
            leg.nanos += more.nanos
    return sum(leg.nanos for leg in drawn)


@dataclass
class Returned:
    """What went back, in the order of drawing; the total includes what was lost on the way."""

    legs: list[Answer] = field(default_factory=list)
    nanos: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    window_gone: bool = False

    def wire(self, name: str) -> Answer:
        return wire(
            **{name: self.legs, f"{name}_nanos": self.nanos},
            expired_nanos=self.lost.get("expired"),
            revoked_nanos=self.lost.get("revoked"),
        )


def give_back(
    state: TeamState, r: Reservation, source: str, at_ms: int, nanos: int = ALL, units: int = ALL
) -> Returned:
    """LIFO over the legs (SEM-25, S5); `units` is for a plan leg that is counted."""
    returned = Returned()
    for leg in reversed(r.legs):
        part = min(nanos - returned.nanos, leg.nanos)
        amount = part if leg.unit == "cost" else min(units, leg.amount)
        if not (part or amount):
            continue
        gone = False
        if leg.lot is None:
            gone = state.uncount(leg, amount, at_ms)
        else:
            target = leg.lot.give_back(source, part, at_ms)
            returned.lost[target] = returned.lost.get(target, 0) + part
        leg.amount -= amount
        leg.nanos -= part
        returned.nanos += part
        returned.window_gone |= gone
        returned.legs.insert(0, leg.wire(amount, part, gone=gone))
    return returned


def consume(legs: list[Leg]) -> None:
    """What was held of lots is spent."""
    for leg in legs:
        if leg.lot is not None:
            leg.lot.move("held", "consumed", leg.nanos)


def promote(state: TeamState, at_ms: int, *, is_sweep: bool = False) -> None:
    """L1, SEM-53: waiting lots enter while there is a place, oldest grant first; those whose time
    is over are booked on the way, by the sweeper even where the pool is full (SEM-22).
    """
    places = state.lots_max - sum(lot.is_open(at_ms) for lot in state.lots.values())
    waiting = [lot for lot in state.lots.values() if lot.waiting]
    if not waiting or (places <= 0 and not is_sweep):
        return
    is_moved = False
    for lot in sorted(waiting, key=lambda x: (x.granted_ms, x.purchased_ms, x.lot_id)):
        if not lot.is_over(at_ms):
            if places <= 0:
                break
            places -= 1
        else:
            lot.move("available", "expired", lot.available)
        lot.waiting, is_moved = False, True
    if is_moved:
        state.wrote(at_ms, entry=True)


def attributes_of_commit(
    r: Reservation, usage: Amounts, attributes: Mapping[str, str]
) -> tuple[Mapping[str, str], bool]:
    """S9, SEM-49: those of the commit; where no price has them, those of the reserve."""
    for tried in (attributes or r.attributes, r.attributes):
        rows = rows_for(r.resource, usage, tried, r.admit_ms)
        if unpriced(r.resource, rows, usage) is None:
            return tried, tried != (attributes or r.attributes)
    return r.attributes, True


def refund_of_usage(r: Reservation, usage: Amounts) -> tuple[int, int]:
    """SEM-29, S3, S4: the nanos and, of a counted plan leg, the units that a usage gives back."""
    require_measured(r.resource, usage)
    before = {u: n - r.refunded_usage.get(u, 0) for u, n in r.usage.items()}
    for unit in in_order(usage):
        if usage[unit] > before.get(unit, 0):
            raise Fault("INVALID_ARGUMENT/INVALID_FIELD", field_of(unit))
    after = {u: n - usage.get(u, 0) for u, n in before.items()}
    rows = rows_for(r.resource, after, r.attributes, r.admit_ms)  # what remains has its own size
    wanted = max(0, r.charged - r.refunded_by_usage - price(rows, after))
    units = 0
    if r.allowance and r.allowance.unit != "cost":
        units = sum(
            sign * r.allowance.amount(r.resource.resource_id, part, 0)
            for sign, part in ((1, before), (-1, after))
        )
    return min(r.charged - r.refunded, wanted), units

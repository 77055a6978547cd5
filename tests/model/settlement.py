"""What becomes of a reservation: commit, refund, extension, expiry (SEM-26 … 33, S1 … S9).

`Settlement` is the lower half of the oracle: it holds the state and settles what is held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from tests.model.book import HOLD_MS_MAX, Handle, Reservation, TeamState, legs_wire
from tests.model.charge import (
    ALL,
    attributes_of_commit,
    charge_actual,
    consume,
    give_back,
    refund_of_usage,
)
from tests.model.decision import plan_limit
from tests.model.policy import (
    AMOUNT_MAX,
    HOUR,
    MINUTE,
    SECOND,
    Amounts,
    Answer,
    Fault,
    Policy,
    field_of,
    in_order,
    price,
    require_measured,
    rows_for,
    tokens,
    wire,
)

P = ParamSpec("P")
S = TypeVar("S", bound="Settlement")


def answers(call: Callable[Concatenate[S, P], Answer]) -> Callable[Concatenate[S, P], Answer]:
    """A fault is an answer too; it is always raised before the first write."""

    @wraps(call)
    def answered(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return call(self, *args, **kwargs)
        except Fault as fault:
            return fault.answer

    return answered


def require(is_right: bool, field: str) -> None:
    """Stateless validation, before everything else (SEM-44)."""
    if not is_right:
        raise Fault("INVALID_ARGUMENT/INVALID_FIELD", field)


def require_usage(usage: Amounts) -> None:
    for unit in in_order(usage):
        require(0 <= usage[unit] <= AMOUNT_MAX, field_of(unit))


def require_hold(hold_ms: int | None) -> int:
    """S6: 10 minutes unless sent, 1 s … 1 h."""
    require(hold_ms is None or SECOND <= hold_ms <= HOUR, "hold_duration")
    return 10 * MINUTE if hold_ms is None else hold_ms


def content_of(usage: Mapping[str, object] | None) -> object:
    """Usage or attributes as sent, zeros included, for telling replays from conflicts (SEM-35)."""
    return None if usage is None else tuple(sorted(usage.items()))


def reap(state: TeamState, r: Reservation, at_ms: int) -> None:
    """SEM-30, S2: the hold is over; what it kept returns, or is charged provisionally."""
    r.state = "EXPIRED"
    end_leases(state, r)
    if r.plan_leg:
        state.unhold(r.plan_leg, at_ms)
    r.is_provisional = r.plan is not None and r.plan.on_expiry == "charge"
    if r.is_provisional:
        consume(r.legs)
        r.actual = r.charged = r.cost
        r.charged_wire = r.held_wire
    else:
        give_back(state, r, "held", at_ms)
    state.wrote(at_ms, entry=r.is_provisional)


def due_holds(state: TeamState, at_ms: int) -> list[Reservation]:
    """Holds of the team that are over, the one that ended first before the others."""
    due = [r for r in state.records.values() if r.state_at(at_ms) != r.state]
    return sorted(due, key=lambda r: (r.expire_ms or 0, r.handle[2]))


def reap_due(state: TeamState, at_ms: int) -> None:
    """All holds of the team that are over: no decision counts them, an overrun neither."""
    for r in due_holds(state, at_ms):
        reap(state, r, at_ms)


def end_leases(state: TeamState, r: Reservation) -> None:
    """SEM-20: a slot is freed by commit, refund and expiry."""
    for key in r.leases:
        state.leases[key].pop(r.handle, None)


class Settlement:
    """All state, and what settles reservations."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.peak_mode: str | None = None  # None: as the policy says
        self.teams: dict[str, TeamState] = {}
        self.issued: list[Handle] = []

    def _find(self, handle: Handle) -> tuple[TeamState, Reservation]:
        """SEM-44: forged, foreign, unknown and purged look alike."""
        state = self.teams.get(handle[0])
        found = state.records.get(handle[1]) if state else None
        if state is None or found is None or found.handle != handle:
            raise Fault("NOT_FOUND/NOT_FOUND")
        return state, found

    # Commit.

    @answers
    def commit(
        self,
        now_ms: int,
        handle: Handle,
        *,
        usage: Amounts | None = None,
        as_reserved: bool = False,
        attributes: Mapping[str, str] | None = None,
    ) -> Answer:
        """SEM-27: never refused for its amount. One of `usage` and `as_reserved` is needed."""
        require(usage is not None or as_reserved, "settle")
        require_usage(usage or {})
        state, r = self._find(handle)
        at_ms = state.now(now_ms)
        settle = (content_of(usage), content_of(attributes or {}))
        if r.state == "COMMITTED" and r.settle == settle:
            return {**r.settle_answer, "replayed": True}
        require_measured(r.resource, usage or {})
        used = r.usage if usage is None else usage
        priced_by, is_unmatched = attributes_of_commit(r, used, attributes or {})
        cost = price(rows_for(r.resource, used, priced_by, r.admit_ms), used)
        if usage is None:
            priced_by, cost = r.attributes, r.cost
        actual = {"requests": 1, **used}
        units = r.allowance.amount(r.resource.resource_id, actual, cost) if r.allowance else 0
        refuse_settled(r, at_ms)  # a usage that has no price is wrong whatever the state
        reap_due(state, at_ms)
        r.late = r.state == "EXPIRED"
        for counter, stamp, estimate in r.tokens:  # R4
            more = tokens(actual) - estimate if usage is not None else 0
            if more > 0:
                counter.charge(at_ms, 0, min(more, AMOUNT_MAX - counter.total(at_ms, 0)))
            elif more < 0 and stamp is not None:
                counter.adjust(at_ms, 0, stamp, more)
        gone = charge_actual(state, r, units, cost, at_ms)
        r.usage, r.attributes, r.settle = actual, dict(priced_by), settle
        return self._committed(state, r, cost, at_ms, gone=gone, is_unmatched=is_unmatched)

    def _committed(
        self,
        state: TeamState,
        r: Reservation,
        cost: int,
        at_ms: int,
        *,
        gone: bool = False,
        is_unmatched: bool = False,
    ) -> Answer:
        """Closes the record at what its legs are now, and answers it."""
        end_leases(state, r)
        r.state, r.settle_ms, r.is_provisional = "COMMITTED", at_ms, False
        r.actual, r.charged = cost, sum(leg.nanos for leg in r.legs)
        r.written_off = cost - r.charged
        r.charged_wire = legs_wire(r.legs)
        if gone and r.plan_leg and r.plan_leg.amount:
            r.charged_wire[0]["window_gone"] = True
        state.wrote(at_ms, entry=True)
        r.settle_answer = wire(
            legs=r.charged_wire,
            actual_nanos=r.actual,
            charged_nanos=r.charged,
            written_off_nanos=r.written_off,
            late=r.late,
            attributes_unmatched=is_unmatched,
            seq=state.seq,
            currency=r.policy.currency,
        )
        name, unit = (r.allowance.allowance_id, r.allowance.unit) if r.allowance else ("", "")
        limits = [plan_limit(state, name, unit, w, c, at_ms).status() for w, c in r.counters]
        return {**r.settle_answer, **wire(limits=limits)}

    # Refund.

    @answers
    def refund(
        self,
        now_ms: int,
        handle: Handle,
        *,
        refund_id: str = "",
        all: bool = False,
        usage: Amounts | None = None,
        amount_nanos: int | None = None,
    ) -> Answer:
        """SEM-29: releases what is held; of what is committed gives back by scope."""
        require(not refund_id or all or usage is not None or amount_nanos is not None, "scope")
        require(usage is None or len(usage) > 0, "usage")
        require_usage(usage or {})
        require(amount_nanos is None or 1 <= amount_nanos <= AMOUNT_MAX, "amount_nanos")
        state, r = self._find(handle)
        at_ms = state.now(now_ms)
        if r.state == "RELEASED":
            return {**r.settle_answer, "replayed": True}
        if r.state == "COMMITTED":
            scope = (all, content_of(usage), amount_nanos)
            return self._refund(state, r, refund_id, scope, usage, amount_nanos, at_ms)
        if r.state_at(at_ms) != r.state:
            reap_due(state, at_ms)
        return release(state, r, at_ms)

    def _refund(
        self,
        state: TeamState,
        r: Reservation,
        refund_id: str,
        scope: object,
        usage: Amounts | None,
        amount_nanos: int | None,
        at_ms: int,
    ) -> Answer:
        """Of a committed reservation."""
        if not refund_id:
            raise already(r, at_ms)
        if refund_id in r.refunds:
            known, answer = r.refunds[refund_id]
            if known != scope:
                raise Fault("ALREADY_EXISTS/REQUEST_ID_CONFLICT")
            return {**answer, "replayed": True}
        if len(r.refunds) >= 16:
            raise Fault("FAILED_PRECONDITION/TOO_MANY_REFUNDS")
        left = r.charged - r.refunded
        nanos, units = left, ALL
        if usage is not None:
            nanos, units = refund_of_usage(r, usage)
        elif amount_nanos is not None:
            require(r.plan_leg is None or r.plan_leg.unit == "cost", "amount_nanos")
            nanos = amount_nanos
        if nanos > left or (usage is None and left == 0 and r.refunds):  # S3
            raise Fault("FAILED_PRECONDITION/REFUND_EXCEEDS_CHARGE")
        for unit, amount in (usage or {}).items():
            r.refunded_usage[unit] = r.refunded_usage.get(unit, 0) + amount
        r.refunded_by_usage += nanos if usage is not None else 0
        returned = give_back(state, r, "consumed", at_ms, nanos, units)
        r.refunded += returned.nanos
        r.refund_ms = at_ms
        state.wrote(at_ms, entry=True)
        answer = wire(
            state="COMMITTED",
            **returned.wire("refunded"),
            seq=state.seq,
            currency=r.policy.currency,
        )
        r.refunds[refund_id] = (scope, answer)
        return answer

    @answers
    def extend(self, now_ms: int, handle: Handle, *, hold_ms: int | None = None) -> Answer:
        """SEM-33, S6: a target, never shorter; R3: renews the leases, lapsed or not."""
        hold_ms = require_hold(hold_ms)
        state, r = self._find(handle)
        at_ms = state.now(now_ms)
        refuse_settled(r, at_ms)
        if r.expire_ms is None or r.state_at(at_ms) == "EXPIRED":
            raise Fault("FAILED_PRECONDITION/EXPIRED", winner=reservation_wire(r, at_ms))
        bound_ms = r.bound_ms if r.plan_leg else HOLD_MS_MAX
        target_ms = min(at_ms + hold_ms, r.admit_ms + HOLD_MS_MAX, r.admit_ms + bound_ms)
        r.expire_ms = max(r.expire_ms, target_ms)
        for key in r.leases:
            state.lease(key, r.handle, min(r.expire_ms, at_ms + MINUTE), at_ms)
        state.wrote(at_ms)
        return wire(expire_time=r.expire_ms, seq=state.seq)


def release(state: TeamState, r: Reservation, at_ms: int) -> Answer:
    """A live hold goes back whole; an expired one has gone back, unless it was charged (S2)."""
    name = "refunded" if r.is_provisional else "released"
    if r.state == "HELD" and r.plan_leg:
        state.unhold(r.plan_leg, at_ms)
    returned = give_back(state, r, "consumed" if r.is_provisional else "held", at_ms)
    if r.state == "HELD":
        r.held_wire = returned.legs  # says what was gone; the answer of the admission does not
    r.refunded = returned.nanos if r.is_provisional else 0
    end_leases(state, r)
    state.wrote(at_ms, entry=r.is_provisional)
    r.state, r.settle_ms, r.is_provisional = "RELEASED", at_ms, False
    r.settle_answer = wire(
        state=r.state, **returned.wire(name), seq=state.seq, currency=r.policy.currency
    )
    return r.settle_answer


def refuse_settled(r: Reservation, at_ms: int) -> None:
    """SEM-26: the first to reach a terminal state wins."""
    if r.state in ("COMMITTED", "RELEASED"):
        raise already(r, at_ms)


def already(r: Reservation, at_ms: int) -> Fault:
    fault = f"FAILED_PRECONDITION/ALREADY_{r.state}"
    return Fault(fault, winner=reservation_wire(r, at_ms))


def reservation_wire(r: Reservation, at_ms: int) -> Answer:
    """The contract's Reservation."""
    state = r.state_at(at_ms)
    charges_at_expiry = r.plan is not None and r.plan.on_expiry == "charge"
    if state != r.state and charges_at_expiry:  # over, charged, and not yet reaped (S2)
        charged = {"charged_legs": r.held_wire, "actual_nanos": r.cost, "charged_nanos": r.cost}
    else:
        charged = {
            "charged_legs": r.charged_wire,
            "actual_nanos": r.actual,
            "charged_nanos": r.charged,
            "written_off_nanos": r.written_off,
        }
    return wire(
        reservation_id=r.handle,
        state=state,
        resource=r.resource.resource_id,
        admit_time=r.admit_ms,
        expire_time=r.expire_ms,
        settle_time=r.settle_ms,
        held_legs=r.held_wire,
        **charged,
        cost_nanos=r.cost,
        refunded_nanos=r.refunded,
        late=r.late,
        catalog_version=r.policy.version,
        currency=r.policy.currency,
    )

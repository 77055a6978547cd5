"""The oracle: a second, simple implementation of the quota service's decisions (SEM-1 … 54).

Written from 03-semantics.md and clarifications.md alone; it shares no code with the service. Every
call takes the clock's time; every answer is the contract's response as proto3 JSON has it, with ms
for times and without `message` texts, or `{"fault": "CODE/REASON", "field": path}`. Start reading
here; then decision.py (may it pass, who pays), denial.py (why not), settlement.py and charge.py
(what becomes of it), book.py (what is counted) and policy.py (catalog, prices, calendar).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

from tests.model.book import (
    HOLD_MS_MAX,
    Content,
    Handle,
    Leg,
    Reservation,
    TeamState,
    legs_wire,
)
from tests.model.charge import promote
from tests.model.console import Console
from tests.model.counter import Admission
from tests.model.decision import Look, Payment, Request
from tests.model.denial import ACCESS_OFF, Denial, remedies
from tests.model.policy import (
    AMOUNT_MAX,
    DAY,
    MINUTE,
    SECOND,
    Amounts,
    Answer,
    Fault,
    Key,
    Member,
    require_measured,
    wire,
)
from tests.model.settlement import (
    answers,
    content_of,
    reap_due,
    require,
    require_hold,
    require_usage,
    reservation_wire,
)


class Oracle(Console):
    """All calls of gateways, what they read, and the controls of a test."""

    # Decisions.

    @answers
    def check_and_reserve(
        self,
        now_ms: int,
        *,
        key_id: str,
        request_id: str = "",
        resource: str,
        usage: Amounts | None = None,
        attributes: Mapping[str, str] | None = None,
        hold_ms: int | None = None,
        mode: str = "NORMAL",
        secret_ok: bool = True,
        skew_ms: int = 0,
    ) -> Answer:
        """SEM-44: shape, secret, record, key, resource, coverage, usage, and then the limits."""
        check_only = mode == "CHECK_ONLY"
        require(check_only or 1 <= len(request_id) <= 128, "request_id")
        require(1 <= len(resource) <= 128, "resource")
        require_usage(usage or {})
        held_ms = require_hold(hold_ms)
        state, key = self._key(key_id)
        if state is None or key is None or not secret_ok:
            return self._denied(state, wire(reason="KEY_INVALID"))
        shape = content_of(usage or {}), content_of(attributes or {}), hold_ms
        content = ("reserve", key_id, resource, *shape)
        at_ms = state.now(now_ms)
        if request_id in state.records:
            return replay(state.records[request_id], content, at_ms)
        request = self._request(state, key, resource, usage or {}, attributes or {}, at_ms)
        if isinstance(request, dict):
            return self._denied(state, request)
        look = self._look(state, request, at_ms)
        if not (look.is_free or look.is_payg or look.seat or look.credits_usable):  # D1
            reason = "NO_RESOURCES"
            helps = remedies(look, reason, None)
            return self._denied(state, wire(reason=reason, obstacles=[ACCESS_OFF], remedies=helps))
        if abs(skew_ms) > 30 * SECOND:  # SEM-37
            raise Fault("UNAVAILABLE/CLOCK_SKEW")
        self._clear(state, look)
        if not check_only:
            return self._decide(look, request_id, content, held_ms)
        trial = copy.deepcopy(self)
        trial_look = trial._look(trial.teams[state.team.team_id], request, at_ms)
        answer = trial._decide(trial_look, request_id, content, held_ms)
        hold_only = ("reservation_id", "reservation_state", "expire_time")
        answer = {name: value for name, value in answer.items() if name not in hold_only}
        return {**answer, **wire(seq=state.seq)}  # SEM-12: nothing is written

    def _decide(self, look: Look, request_id: str, content: Content, hold_ms: int) -> Answer:
        """SEM-6: every limit is checked before anything is written."""
        payment = look.payment()
        if payment is None or look.is_throttled():
            denial = Denial(look)
            return self._denied(look.state, denial.wire(), limits=denial.denied_limits())
        r = self._admit(look, payment, request_id, content, hold_ms)
        legs, state = r.legs, look.state
        state.wrote(look.at_ms)
        r.answer = wire(
            decision="ALLOW",
            reservation_id=r.handle,
            expire_time=r.expire_ms,
            payer=legs[0].payer if legs else None,
            legs=r.held_wire,
            cost_nanos=r.cost,
            may_fail_open=bool(legs) and legs[-1].payer == "PLAN",
            seq=state.seq,
            catalog_version=r.policy.version,
            currency=r.policy.currency,
        )
        limits = [limit.status() for limit in replace(look).limits()]
        return {**r.answer, **wire(reservation_state=r.state, limits=limits)}

    def _admit(
        self, look: Look, payment: Payment, request_id: str, content: Content, hold_ms: int | None
    ) -> Reservation:
        """Counts and holds; without `hold_ms` it charges (SEM-34)."""
        state, at_ms, request = look.state, look.at_ms, look.request
        is_planned = payment.plan > 0 or payment.plan_nanos > 0
        handle = (state.team.team_id, request_id, len(self.issued) + 1)
        self.issued.append(handle)
        bound_ms = hold_bound_ms(look)
        r = Reservation(
            handle=handle,
            content=content,
            state="HELD",
            resource=request.resource,
            policy=self.policy,
            plan=look.plan,
            allowance=look.allowance if is_planned else None,
            counters=look.counters if is_planned else [],
            admit_ms=at_ms,
            expire_ms=None if hold_ms is None else at_ms + min(hold_ms, bound_ms),
            bound_ms=bound_ms,
            usage=look.usage,
            attributes=dict(request.attributes),
            cost=look.cost,
            legs=take(look, payment, is_held=hold_ms is not None),
            pool="WALLET" if look.is_payg else "CREDITS" if look.credits_usable else None,
            tokens=[],
        )
        r.held_wire = legs_wire(r.legs)
        count_rates(look, r)
        if r.expire_ms is not None:
            end_ms = min(r.expire_ms, at_ms + MINUTE)  # R3
            r.leases = lease_keys(look)
            for lease in r.leases:
                state.lease(lease, handle, end_ms, at_ms)
        state.records[request_id] = r
        return r

    @answers
    def record_usage(
        self,
        now_ms: int,
        *,
        key_id: str,
        request_id: str,
        resource: str,
        usage: Amounts | None = None,
        attributes: Mapping[str, str] | None = None,
        reservation_id: Handle | None = None,
        secret_ok: bool = True,
    ) -> Answer:
        """SEM-34, R5, S7: charges what has happened; denied by key and coverage only."""
        require(1 <= len(request_id) <= 128, "request_id")
        require(1 <= len(resource) <= 128, "resource")
        require_usage(usage or {})
        state, key = self._key(key_id)
        if state is None or key is None or not secret_ok:
            return self._denied(state, wire(reason="KEY_INVALID"), recorded=True)
        is_ours = reservation_id in self.issued and reservation_id[0] == state.team.team_id
        if reservation_id and not is_ours:
            raise Fault("NOT_FOUND/NOT_FOUND")
        shape = content_of(usage or {}), content_of(attributes or {}), reservation_id
        content = ("record", key_id, resource, *shape)
        at_ms = state.now(now_ms)
        if request_id in state.records:
            return replay(state.records[request_id], content, at_ms)
        request = self._request(state, key, resource, usage or {}, attributes or {}, at_ms, True)
        if isinstance(request, dict):
            return self._denied(state, request, recorded=True)
        look = self._look(state, request, at_ms)
        reap_due(state, at_ms)
        if reservation_id:
            refuse_known(state, reservation_id, at_ms)
        self._clear(state, look)
        r = self._admit(look, look.record_payment(), request_id, content, None)
        r.settle, r.usage, r.held_wire = "recorded", {"requests": 1, **r.usage}, []
        answer = self._committed(state, r, r.cost, at_ms)
        r.cost = 0  # nothing was held
        r.answer = {"decision": "ALLOW", "reservation_id": r.handle, **r.settle_answer}
        return {**r.answer, **answer}

    # What both have in common.

    def _request(
        self,
        state: TeamState,
        key: Key,
        resource_id: str,
        usage: Amounts,
        attributes: Mapping[str, str],
        at_ms: int,
        is_actual: bool = False,
    ) -> Request | Answer:
        """SEM-7, SEM-44: the first reasons need no balance (D1)."""
        member = next((m for m in state.team.members if m.user_id == key.user_id), None)
        reason = key_reason(key, member, at_ms if is_actual else None)
        if reason:
            return wire(reason=reason)
        resource = self.policy.resources.get(resource_id)
        if resource is None:
            return wire(reason="UNKNOWN_RESOURCE")
        if key.kind == "subscription" and not resource.covered:
            return wire(reason="NOT_COVERED", remedies=[wire(kind="SWITCH_TO_PAYG")])
        require_measured(resource, usage)
        return Request(
            key=key,
            member=member,
            resource=resource,
            sent=usage,
            attributes=attributes,
            is_actual=is_actual,
        )

    def _look(self, state: TeamState, request: Request, at_ms: int) -> Look:
        mode = self.peak_mode or self.policy.peak.mode
        return Look(
            state=state,
            policy=self.policy,
            mode=mode,
            request=request,
            at_ms=at_ms,
            pool_ms=at_ms,
        )

    def _clear(self, state: TeamState, look: Look) -> None:
        """What time has ended is ended before a decision (SEM-30, L1)."""
        reap_due(state, look.at_ms)
        paid = look.payment()
        if look.credits_usable and (paid is None or paid.rest):
            promote(state, look.at_ms)

    def _denied(
        self,
        state: TeamState | None,
        denial: Answer,
        limits: list[Answer] | None = None,
        recorded: bool = False,
    ) -> Answer:
        return wire(
            decision="DENY",
            denial=denial,
            limits=limits,
            seq=state.seq if state else 0,  # D7
            catalog_version=None if recorded else self.policy.version,
            currency=self.policy.currency,
        )


def replay(r: Reservation, content: Content, at_ms: int) -> Answer:
    """SEM-35: the first answer again, with the present state; limits would be today's."""
    if r.content != content:
        raise Fault("ALREADY_EXISTS/REQUEST_ID_CONFLICT")
    state = {} if content[0] == "record" else {"reservation_state": r.state_at(at_ms)}
    return {**r.answer, **state, "replayed": True}


def key_reason(key: Key, member: Member | None, recorded_ms: int | None) -> str:
    """SEM-45; for usage that has happened a key is good for another 24 hours (SEM-34)."""
    removed_ms = member.removed_ms if member else None
    for is_over, since_ms, reason in (
        (key.state == "deleted", key.ended_ms, "KEY_INVALID"),
        (key.state == "disabled", key.ended_ms, "KEY_DISABLED"),
        (member is None or removed_ms is not None, removed_ms, "KEY_DISABLED"),
    ):
        is_recent = recorded_ms is not None and since_ms is not None
        is_recent = is_recent and (recorded_ms or 0) - (since_ms or 0) < DAY
        if is_over and not is_recent:
            return reason
    return ""


def refuse_known(state: TeamState, old: Handle, at_ms: int) -> None:
    """S7: an old reservation that is still here is to be committed; no usage is recorded twice."""
    for r in state.records.values():
        if r.handle == old:
            winner = reservation_wire(r, at_ms)
            raise Fault("FAILED_PRECONDITION/RESERVATION_EXISTS", winner=winner)
        if r.content[0] == "record" and r.content[-1] == old:
            raise Fault("ALREADY_EXISTS/REQUEST_ID_CONFLICT")


def hold_bound_ms(look: Look) -> int:
    """SEM-51: a hold ends a slice before the shortest sliding window of the plan does."""
    windows = [window for window, _ in look.counters if window.kind == "sliding"]
    return min((w.length_ms - w.slice_ms for w in windows), default=HOLD_MS_MAX)


def lease_keys(look: Look) -> list[tuple[str, str]]:
    """R3: a connection of each row that has them, and a slot of a seat whose plan has a cap."""
    keys = [("row", r.rate_limit_id) for r in look.rate_rows if r.connections is not None]
    if look.seat and look.plan and look.plan.peak_concurrency is not None:
        keys.append(("seat", look.seat.seat_id))
    return keys


def take(look: Look, payment: Payment, *, is_held: bool) -> list[Leg]:
    """Makes the legs: the plan's in each window, then the pool's (SEM-10, SEM-23)."""
    state, at_ms, legs = look.state, look.at_ms, []
    is_fitting = look.payment() is not None
    if look.seat and look.allowance and (payment.plan or payment.plan_nanos):
        allowance, amount = look.allowance, payment.plan
        source = f"{look.seat.seat_id}/{allowance.allowance_id}"
        leg = Leg("PLAN", source, allowance.unit, amount, payment.plan_nanos)
        for window, counter in look.counters:
            state.count(leg, counter, amount, at_ms, amount if is_held else 0)
            is_promised = is_fitting and allowance.straddle != "absorb"
            if is_promised and window.kind == "sliding" and window.limit is not None:
                admission = Admission(at_ms, amount, window.limit)
                counter.log.append(admission)
                leg.charges[-1].admission = admission
        legs.append(leg)
    pool, target = "WALLET" if look.is_payg else "CREDITS", "held" if is_held else "consumed"
    return [*legs, *state.draw(pool, payment.rest, at_ms, target)]


def count_rates(look: Look, r: Reservation) -> None:
    """R1, R5: one request, and the tokens that there are."""
    for row in look.rate_rows:
        if row.rpm is not None:
            look.rate_counter(row, "rpm").charge(look.at_ms, 0, 1)
        if row.tpm is not None:
            counter = look.rate_counter(row, "tpm")
            most = AMOUNT_MAX - counter.total(look.at_ms, 0)  # that can be counted
            stamp = counter.charge(look.at_ms, 0, min(look.tokens, most)) if look.tokens else None
            r.tokens.append((counter, stamp, look.tokens))

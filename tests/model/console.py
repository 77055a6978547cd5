"""What people read and operators do: bars, balances, lots, grants, switches, the sweeper.

Also what a test asks of the whole state: `invariants` (SEM-40) and `check_intervals` (SEM-14).
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.model.book import Handle, Lot, TeamState
from tests.model.charge import promote
from tests.model.decision import Limit, applying, plan_limit
from tests.model.policy import (
    DAY,
    Allowance,
    Answer,
    Fault,
    Key,
    Policy,
    Seat,
    Team,
    wire,
)
from tests.model.settlement import (
    Settlement,
    answers,
    due_holds,
    reap,
    reap_due,
    reservation_wire,
)

LOT_MAX = 9_000_000_000_000_000  # L2
EXPIRIES_MAX = 100  # L3: lots in one entry


class Console(Settlement):
    """Views and controls."""

    # Views.

    def _key(self, key_id: str) -> tuple[TeamState | None, Key | None]:
        """A key id names its team."""
        state = self.teams.get(key_id.rpartition("_k")[0])
        keys = state.team.keys if state else ()
        return state, next((key for key in keys if key.key_id == key_id), None)

    def _team(self, team_id: str) -> TeamState:
        if team_id not in self.teams:
            raise Fault("NOT_FOUND/NOT_FOUND")
        return self.teams[team_id]

    def _tidy(self, state: TeamState, now_ms: int) -> int:
        """SEM-30, L1: views reap first, and let waiting lots in."""
        at_ms = state.now(now_ms)
        reap_due(state, at_ms)
        promote(state, at_ms)
        return at_ms

    @answers
    def get_reservation(self, now_ms: int, handle: Handle) -> Answer:
        """SEM-30: as it stands, whatever has been cleaned up."""
        state, r = self._find(handle)
        return {"reservation": reservation_wire(r, state.now(now_ms))}

    @answers
    def list_reservations(self, now_ms: int, team_id: str, state: str = "HELD") -> Answer:
        """Those in one state, reaped first; their order is not promised."""
        team = self._team(team_id)
        at_ms = team.now(now_ms)
        reap_due(team, at_ms)
        found = [r for r in team.records.values() if r.state == state]
        return wire(reservations=[reservation_wire(r, at_ms) for r in found])

    @answers
    def remains(self, now_ms: int, *, key_id: str) -> Answer:
        """GetRemains of a key; a deleted key, and one of a removed member, show nothing."""
        state, key = self._key(key_id)
        members = state.team.members if state and key else ()
        member = next((m for m in members if key and m.user_id == key.user_id), None)
        is_gone = key is None or key.state == "deleted" or member is None
        if state is None or key is None or member is None or is_gone or member.removed_ms:
            raise Fault("NOT_FOUND/NOT_FOUND")
        at_ms, currency = self._tidy(state, now_ms), self.policy.currency
        is_payg = key.kind == "payg"
        seat = None if is_payg else state.seat_of(member.user_id, at_ms)
        plan = self.policy.plans[seat.plan_id] if seat else None
        credits = balance_wire(state.lots.values(), at_ms, currency)
        return wire(
            plan=plan.plan_id if plan else None,
            seat_id=seat.seat_id if seat else None,
            allowances=[self._bar(state, seat, a, at_ms) for a in plan.allowances]
            if seat and plan
            else None,
            credits=credits if member.credits_access and not is_payg else None,
            wallet=balance_wire([state.wallet], at_ms, currency) if is_payg else None,
            catalog_version=self.policy.version,
        )

    def _bar(self, state: TeamState, seat: Seat, allowance: Allowance, at_ms: int) -> Answer:
        """AllowanceStatus."""
        limits = [
            plan_limit(
                *(state, allowance.allowance_id, allowance.unit, window),
                state.counter(seat.seat_id, allowance, window),
                at_ms,
            )
            for window in applying(allowance, seat)
        ]
        status = "exhausted" if any(limit.room <= 0 for limit in limits) else "ok"
        is_included = all(limit.limit != 0 for limit in limits)
        return wire(
            allowance_id=allowance.allowance_id,
            resources=sorted(allowance.resources),
            unit=allowance.unit,
            percent_used=max((percent(limit) for limit in limits), default=0),
            status=status if is_included else "not_in_plan",
            windows=[limit.status() for limit in limits],
        )

    @answers
    def balance(self, now_ms: int, team_id: str) -> Answer:
        """GetBalance."""
        state = self._team(team_id)
        at_ms, currency = self._tidy(state, now_ms), self.policy.currency
        credits = balance_wire(state.lots.values(), at_ms, currency)
        return wire(credits=credits, wallet=balance_wire([state.wallet], at_ms, currency))

    @answers
    def lots(self, now_ms: int, team_id: str) -> Answer:
        """ListLots: open ones in the order of drawing, then waiting, then closed ones."""
        state = self._team(team_id)
        at_ms = self._tidy(state, now_ms)
        lots = sorted(state.lots.values(), key=Lot.order)
        lots.sort(key=lambda lot: (not lot.is_open(at_ms), not lot.waiting))
        return wire(lots=[lot_wire(x, at_ms) for x in lots], currency=self.policy.currency)

    # Controls.

    def put_team(self, now_ms: int, team: Team) -> Answer:
        """A new version of the document."""
        state = self.teams.setdefault(team.team_id, TeamState(team))
        state.team = team
        state.apply(self.policy)
        state.wrote(state.now(now_ms), entry=True)
        return wire(seq=state.seq)

    def set_policy(self, policy: Policy) -> None:
        """Another catalog version; reservations keep the one that made them (SEM-32)."""
        self.policy = policy
        for state in self.teams.values():
            state.apply(policy)

    def set_peak_mode(self, mode: str | None) -> None:
        """J4: auto, on, off; None is what the catalog says."""
        self.peak_mode = mode

    @answers
    def grant(
        self,
        now_ms: int,
        team_id: str,
        pool: str,
        lot_id: str,
        nanos: int,
        *,
        paid: bool = True,
        purchased_ms: int | None = None,
        expires_ms: int | None = None,
        never_expires: bool = False,
    ) -> Answer:
        """SEM-22, SEM-24, L1, L2: a lot of CREDITS, or more in the WALLET."""
        state = self._team(team_id)
        at_ms = state.now(now_ms)
        if pool == "WALLET":
            state.wallet.granted += nanos
            state.wallet.available += nanos
            state.wrote(at_ms, entry=True)
            return wire(seq=state.seq)
        if lot_id in state.lots:
            return wire(replayed=True, seq=state.seq)
        bought_ms = at_ms if purchased_ms is None else purchased_ms
        if bought_ms > at_ms:
            raise Fault("INVALID_ARGUMENT/INVALID_FIELD", "purchase_time")
        if paid and at_ms - bought_ms > 7 * DAY:
            bought_ms = at_ms
        if expires_ms is None and not never_expires:
            expires_ms = bought_ms + self.policy.validity_ms
        promote(state, at_ms)
        if not paid and self._open_lots(state, at_ms) >= self.policy.gifts_max:
            raise Fault("FAILED_PRECONDITION/TOO_MANY_LOTS")
        ids = []
        for name, part in parts_of(lot_id, nanos):
            origin = "top_up" if paid else "grant"
            lot = Lot(name, origin, part, bought_ms, at_ms, expires_ms, part)
            lot.waiting = self._open_lots(state, at_ms) >= state.lots_max
            state.lots[name] = lot
            ids.append(name)
        state.wrote(at_ms, entry=True)
        return wire(lots=ids, seq=state.seq)

    def _open_lots(self, state: TeamState, at_ms: int) -> int:
        return sum(lot.is_open(at_ms) for lot in state.lots.values())

    @answers
    def revoke(self, now_ms: int, team_id: str, lot_id: str) -> Answer:
        """SEM-42: what is available now, and later whatever comes back."""
        state = self._team(team_id)
        at_ms, lot = state.now(now_ms), state.lots.get(lot_id)
        if lot is None:
            raise Fault("NOT_FOUND/NOT_FOUND")
        if not lot.is_over(at_ms):
            lot.move("available", "revoked", lot.available)
            lot.waiting = False
        lot.is_revoked = True
        state.wrote(at_ms, entry=True)
        return wire(seq=state.seq)

    def sweep(self, now_ms: int) -> None:
        """Reaps, books expiries, lets lots in, purges records (SEM-22, SEM-30, SEM-31, L3).

        What is due for reaping or purging, the sweeper finds by its own clock.
        """
        for state in self.teams.values():
            at_ms = state.now(now_ms)
            for r in due_holds(state, now_ms):
                reap(state, r, at_ms)
            lots = [lot for lot in state.lots.values() if not lot.waiting]
            over = [lot for lot in lots if lot.is_over(at_ms) and lot.available]
            for number, lot in enumerate(over):
                lot.move("available", "expired", lot.available)
                if number % EXPIRIES_MAX == 0:
                    state.wrote(at_ms, entry=True)
            promote(state, at_ms, is_sweep=True)
            for request_id, r in list(state.records.items()):
                purge_ms = r.purge_ms()
                if purge_ms is not None and purge_ms <= now_ms:
                    del state.records[request_id]

    # Promises about the whole state.

    def check_intervals(self) -> list[str]:
        """SEM-14: broken promises; under strict and split no interval of length L admits more
        than the limit, overruns aside. What was given back was not admitted in the end.
        """
        return [
            f"{name}: {inside} of {last.limit} in the interval that ends at {last.at_ms}"
            for state in self.teams.values()
            for name, counter in state.counters.items()
            for last in counter.log
            if (
                inside := sum(
                    admission.amount
                    for admission in counter.log
                    if last.at_ms - counter.window.length_ms < admission.at_ms <= last.at_ms
                )
            )
            > last.limit
        ]


def parts_of(lot_id: str, nanos: int) -> list[tuple[str, int]]:
    """L2: an amount that no double counts becomes several lots."""
    if nanos < 2**53:
        return [(lot_id, nanos)]
    parts: list[tuple[str, int]] = []
    while nanos > 0:
        name = lot_id if not parts else f"{lot_id}.{len(parts) + 1}"
        parts.append((name, min(nanos, LOT_MAX)))
        nanos -= LOT_MAX
    return parts


def percent(limit: Limit) -> int:
    """K6: rounded down, at most 100; nothing of nothing is all of it."""
    if limit.limit is None:
        return 0
    return min(100, limit.total * 100 // limit.limit) if limit.limit else 100


def balance_wire(lots: Iterable[Lot], at_ms: int, currency: str) -> Answer:
    """Balance; waiting lots are shown apart (SEM-53)."""
    lots = list(lots)
    return wire(
        available_nanos=sum(lot.spendable(at_ms) for lot in lots),
        held_nanos=sum(lot.held for lot in lots),
        waiting_nanos=sum(x.available for x in lots if x.waiting and not x.is_over(at_ms)),
        settled_nanos=sum(lot.consumed for lot in lots),
        currency=currency,
    )


def lot_wire(lot: Lot, at_ms: int) -> Answer:
    """Lot; an expiry counts before it is booked, and ends the waiting (SEM-22)."""
    lost = lot.available if lot.is_over(at_ms) else 0
    return wire(
        lot_id=lot.lot_id,
        origin=lot.origin,
        granted_nanos=lot.granted,
        available_nanos=lot.available - lost,
        held_nanos=lot.held,
        consumed_nanos=lot.consumed,
        expired_nanos=lot.expired + lost,
        revoked_nanos=lot.revoked,
        purchase_time=lot.purchased_ms,
        grant_time=lot.granted_ms,
        expire_time=lot.expires_ms,
        waiting=lot.waiting and not lot.is_over(at_ms),
    )


def invariants(oracle: Settlement) -> list[str]:
    """SEM-40 over the oracle's own state: what is broken, in words."""
    return [
        f"{team_id}: {what}"
        for team_id, state in oracle.teams.items()
        for what, is_kept in promises(state)
        if not is_kept
    ]


def promises(state: TeamState) -> Iterable[tuple[str, bool]]:
    """Each promise, and whether it is kept."""
    records = list(state.records.values())
    for lot in (*state.lots.values(), state.wallet):
        accounts = (lot.available, lot.held, lot.consumed, lot.expired, lot.revoked)
        yield f"lot {lot.lot_id} balances", lot.granted == sum(accounts) and min(accounts) >= 0
        legs = [leg for r in records if r.state == "HELD" for leg in r.legs if leg.lot is lot]
        yield f"lot {lot.lot_id} holds its legs", lot.held == sum(leg.nanos for leg in legs)
    for r in records:
        charged = r.refunded + sum(leg.nanos for leg in r.legs)
        yield f"{r.handle} adds up", r.actual == r.charged + r.written_off or r.state == "HELD"
        yield f"{r.handle} has its legs", r.state != "COMMITTED" or charged == r.charged
        yield f"{r.handle} is not refunded beyond its charge", 0 <= r.refunded <= r.charged
        yield f"{r.handle} holds its cost", r.state != "HELD" or charged == r.cost
    for name, counter in state.counters.items():
        charges = [
            c for r in records for leg in r.legs for c in leg.charges if c.counter is counter
        ]
        if counter.window.kind == "sliding":  # an instance that is over is left as it was
            yield f"{name} holds what is held", counter.held <= sum(c.held for c in charges)
        yield f"{name} counts no less than nothing", min(counter.parts.values(), default=0) >= 0
    live = {r.handle for r in records if r.state == "HELD"}
    for key, leases in state.leases.items():
        yield f"the leases of {key} are of live holds", leases.keys() <= live
    yield "seq moves with every entry", state.seq >= state.entry

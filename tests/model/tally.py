"""Counts what the histories reached: a comparison that never met a rule has said nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.model.book import Reservation, TeamState
from tests.model.expected import ELSEWHERE, EXPECTED
from tests.model.oracle import Oracle
from tests.model.policy import Answer, in_peak
from tests.support.quota import TEAM


class Tally:
    """How often each thing happened."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.steps = 0
        self._waiting = set[str]()

    def begin(self) -> None:
        """A new history."""
        self._waiting = set()

    def count(self, kind: str, what: str, times: int = 1) -> None:
        """It happened."""
        self.counts[kind, what] += times

    # A step as it is made.

    def asks(
        self, asked: Mapping[str, Any], oracle: Oracle, now_ms: int, *, is_known: bool
    ) -> None:
        """In which hours, and whether the id had a record that has left."""
        state = oracle.teams[TEAM]
        is_again = is_known and asked["request_id"] not in state.records
        self.count("again", "after the record left", is_again)
        peak = oracle.policy.peak
        mode = oracle.peak_mode or peak.mode
        is_scheduled = mode == "auto" and in_peak(peak, mode, state.now(now_ms))
        self.count("peak", "AUTO, in peak hours" if is_scheduled else mode.upper())

    def before(self, r: Reservation | None, oracle: Oracle, now_ms: int) -> tuple[str, bool]:
        """Its state before it is settled, and whether its expiry charged it or will have."""
        if r is None:
            return "", False
        state = r.state_at(oracle.teams[TEAM].now(now_ms))
        will_charge = r.plan is not None and r.plan.on_expiry == "charge"
        return state, r.is_provisional or (state != r.state and will_charge)

    def lots(self, state: TeamState) -> None:
        """What became of waiting lots since the last step."""
        waiting = {name for name, lot in state.lots.items() if lot.waiting}
        for lot in (state.lots[name] for name in self._waiting - waiting):
            is_open = not lot.expired and not lot.is_revoked
            self.count("lot", "enters" if is_open else "expired" if lot.expired else "revoked")
        self.count("lot", "waits", len(waiting - self._waiting))
        self._waiting = waiting

    # What was said.

    def commit(self, before: tuple[str, bool], record: Reservation | None, said: Answer) -> None:
        """From which state, at how much, and who had to pay for it."""
        if record is None or "fault" in said or said.get("replayed"):
            return
        state, was_charged = before
        late = "charge replaced" if was_charged else "committed late"
        self.count("move", "committed" if state == "HELD" else late)
        difference = record.actual - record.cost
        self.count("amount", "more" if difference > 0 else "less" if difference < 0 else "as held")
        self.count("amount", "written off", said.get("written_off_nanos", 0) > 0)
        self.count("amount", "absorbed", any(limit.get("over") for limit in said.get("limits", ())))
        self.count("amount", "unmatched", said.get("attributes_unmatched", False))
        self.count("amount", "window gone", any(x.get("window_gone") for x in said.get("legs", ())))

    def refund(self, before: tuple[str, bool], said: Answer) -> None:
        """From which state, and what was lost on the way."""
        if "fault" in said or said.get("replayed"):
            return
        state, was_charged = before
        moves = {"HELD": "released", "COMMITTED": "refunded"}
        of_expired = "expiry refunded" if was_charged else "expiry released"
        self.count("move", moves.get(state, of_expired))
        self.count("amount", "expired", said.get("expired_nanos", 0) > 0)
        self.count("amount", "revoked", said.get("revoked_nanos", 0) > 0)
        legs = (*said.get("released", ()), *said.get("refunded", ()))
        self.count("amount", "window gone", any(leg.get("window_gone") for leg in legs))

    def meanwhile(self, oracle: Oracle, r: Reservation | None, said: Answer) -> None:
        """What is no longer as it was at the reserve, when it is settled (SEM-32)."""
        if r is None or "fault" in said or said.get("replayed"):
            return
        state, plan = oracle.teams[TEAM], r.plan_leg
        key = next(key for key in state.team.keys if key.key_id == r.content[1])
        member = next(m for m in state.team.members if m.user_id == key.user_id)
        seat = state.seat(plan.source.partition("/")[0]) if plan else None
        self.count("meanwhile", "another catalog", r.policy.version != oracle.policy.version)
        self.count("meanwhile", "key ended", key.state != "active")
        self.count("meanwhile", "access off", r.pool == "CREDITS" and not member.credits_access)
        if seat and r.plan:
            self.count("meanwhile", "another plan", seat.plan_id != r.plan.plan_id)
            self.count("meanwhile", "another holder", seat.user_id != key.user_id)

    def wait(self, ms: int) -> None:
        """Time moved."""
        self.count("clock", "forward" if ms >= 0 else "back" if ms >= -30_000 else "far back")

    def answer(self, what: str, said: Answer) -> None:
        """What an answer shows."""
        self.steps += 1
        self.count("call", what)
        if "fault" in said:
            reason = said["fault"].partition("/")[2]
            self.count("fault", reason)
            is_other = reason == "REQUEST_ID_CONFLICT"
            is_other |= reason == "ALREADY_COMMITTED" and what == "Commit"
            self.count("other content", what, is_other)
            return
        if said.get("replayed"):
            self.count("replayed", what)
            return
        self._all("window", (limit["kind"] for limit in said.get("limits", ())))
        self._all("state", (r["state"] for r in said.get("reservations", ())))
        if "reservation" in said:
            self.count("state", said["reservation"]["state"])
        if "denial" in said:
            self._denial(said["denial"])
        elif what == "CheckAndReserve":
            self._payers([leg["payer"] for leg in said.get("legs", ())])

    def _denial(self, denial: Answer) -> None:
        self.count("denial", denial["reason"])
        self._all("obstacle", (o["reason"] for o in denial.get("obstacles", ())))
        self._all("remedy", (r["kind"] for r in denial.get("remedies", ())))
        if denial.get("only_in_flight"):
            self.count("advice", "only_in_flight")
        else:
            self.count("advice", "retry_after" if "retry_after" in denial else "time cures nothing")

    def _payers(self, payers: list[str]) -> None:
        self.count("move", "admitted")
        self._all("payer", payers or ["nobody"])
        self.count("straddle", "plan and pool", len(set(payers)) > 1)
        self.count("straddle", "several lots", payers.count("CREDITS") > 1)

    def _all(self, kind: str, found: Iterable[str]) -> None:
        for one in found:
            self.count(kind, one)

    def add(self, other: Tally) -> None:
        """What another one has counted."""
        self.counts.update(other.counts)
        self.steps += other.steps

    def show(self) -> str:
        """A table of everything that was expected, and what never can be."""
        lines = [f"{self.steps} answers compared"]
        for kind, names in EXPECTED.items():
            lines += [f"{kind:<14} {name:<26} {self.counts[kind, name]:>8}" for name in names]
        for (kind, name), why in ELSEWHERE.items():
            lines.append(f"{kind:<14} {name:<26} not here: {why}")
        return "\n".join(lines)

    def missing(self, least: int) -> list[str]:
        """What was reached less often than that."""
        return [
            f"{kind} {name}: {self.counts[kind, name]}"
            for kind, names in EXPECTED.items()
            for name in names
            if self.counts[kind, name] < least
        ]

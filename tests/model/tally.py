"""Counts what the histories reached: a comparison that never met a rule has said nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tests.model.book import Reservation
from tests.model.policy import Answer

EXPECTED: dict[str, tuple[str, ...]] = {
    "denial": (
        *("KEY_INVALID", "KEY_DISABLED", "UNKNOWN_RESOURCE", "NOT_COVERED", "NO_RESOURCES"),
        *("RATE_LIMITED", "CONCURRENCY_LIMITED", "NOT_IN_PLAN", "WINDOW_EXHAUSTED"),
        *("CREDITS_EXHAUSTED", "WALLET_EXHAUSTED"),
    ),
    "obstacle": ("CREDITS_ACCESS_OFF",),
    "remedy": (
        *("WAIT", "USE_CREDITS", "UPGRADE", "ASK_ASSIGNMENT", "SWITCH_TO_PAYG", "TOP_UP_WALLET"),
    ),
    "payer": ("PLAN", "CREDITS", "WALLET", "nobody"),
    "straddle": ("strict", "split", "absorb", "plan and pool"),
    "window": ("sliding", "aligned", "first_use", "cycle", "rate", "slots"),
    "move": (
        *("admitted", "committed", "committed late", "charge replaced", "released"),
        *("expiry released", "refunded", "expiry refunded", "extended", "recorded", "replayed"),
    ),
    "amount": (
        *("as held", "less", "more", "written off", "absorbed", "expired", "revoked"),
        *("window gone", "unmatched"),
    ),
    "fault": (
        *("ALREADY_EXISTS/REQUEST_ID_CONFLICT", "FAILED_PRECONDITION/ALREADY_COMMITTED"),
        *("FAILED_PRECONDITION/ALREADY_RELEASED", "FAILED_PRECONDITION/EXPIRED"),
        *("FAILED_PRECONDITION/REFUND_EXCEEDS_CHARGE", "FAILED_PRECONDITION/TOO_MANY_REFUNDS"),
        *("FAILED_PRECONDITION/RESERVATION_EXISTS", "FAILED_PRECONDITION/TOO_MANY_LOTS"),
        *("INVALID_ARGUMENT/UNMEASURED_UNIT", "INVALID_ARGUMENT/UNPRICED_USAGE"),
        *("INVALID_ARGUMENT/EMPTY_ESTIMATE", "INVALID_ARGUMENT/INVALID_FIELD"),
        *("NOT_FOUND/NOT_FOUND", "store killed"),
    ),
    "clock": ("forward", "back", "far back"),
}
"""What a long run has to reach, a hundred times each."""


class Tally:
    """How often each thing happened."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.steps = 0

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

    def count(self, kind: str, what: str, times: int = 1) -> None:
        """It happened."""
        self.counts[kind, what] += times

    def wait(self, ms: int) -> None:
        """Time moved."""
        self.count("clock", "forward" if ms >= 0 else "back" if ms >= -30_000 else "far back")

    def answer(self, what: str, said: Answer) -> None:
        """What an answer shows."""
        self.steps += 1
        if "fault" in said:
            self.count("fault", said["fault"])
            return
        if said.get("replayed"):
            self.count("move", "replayed")
            return
        denial = said.get("denial")
        if denial:
            self.count("denial", denial["reason"])
            self._all("obstacle", (o["reason"] for o in denial.get("obstacles", ())))
            self._all("remedy", (r["kind"] for r in denial.get("remedies", ())))
        self._all("window", (limit["kind"] for limit in said.get("limits", ())))
        if what == "CheckAndReserve" and said.get("decision") == "ALLOW":
            self.count("move", "admitted")
            payers = [leg["payer"] for leg in said.get("legs", ())]
            self._all("payer", payers or ["nobody"])
            if len(set(payers)) > 1:
                self.count("straddle", "plan and pool")

    def _all(self, kind: str, found: Iterable[str]) -> None:
        for one in found:
            self.count(kind, one)

    def add(self, other: Tally) -> None:
        """What another one has counted."""
        self.counts.update(other.counts)
        self.steps += other.steps

    def show(self) -> str:
        """A table of everything that was expected."""
        lines = [f"{self.steps} answers compared"]
        for kind, names in EXPECTED.items():
            figures = ", ".join(f"{name} {self.counts[kind, name]}" for name in names)
            lines.append(f"{kind}: {figures}")
        return "\n".join(lines)

    def missing(self, least: int) -> list[str]:
        """What was reached less often than that."""
        return [
            f"{kind} {name}: {self.counts[kind, name]}"
            for kind, names in EXPECTED.items()
            for name in names
            if self.counts[kind, name] < least
        ]

"""What one window counts. Plain dictionaries; `at_ms` is the decision's time throughout."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.policy import Window, instance


@dataclass(slots=True)
class Admission:
    """An exact entry of the log beside a sliding window, for `check_intervals`."""

    at_ms: int
    amount: int
    limit: int


@dataclass(slots=True)
class Counter:
    """What one window counts: amounts by stamp, a slot of a sliding window or an instance's start.

    `start` below is the start of the instance around `at_ms`; sliding and first_use need none.
    """

    window: Window
    seat_id: str
    parts: dict[int, int] = field(default_factory=dict)
    held: int = 0
    log: list[Admission] = field(default_factory=list)

    def slot(self, at_ms: int) -> int:
        return at_ms // self.window.slice_ms

    def first_live(self, at_ms: int) -> int:
        return self.slot(at_ms - self.window.length_ms)

    def live(self, at_ms: int, start: int) -> dict[int, int]:
        """The parts that count at this moment (W2 … W5)."""
        if self.window.kind == "first_use":
            return {s: n for s, n in self.parts.items() if at_ms < s + self.window.length_ms}
        if self.window.kind != "sliding":  # an instance of a clock ahead stays in force (W3)
            return {s: n for s, n in self.parts.items() if s >= start}
        return {s: n for s, n in self.parts.items() if s >= self.first_live(at_ms)}

    def total(self, at_ms: int, start: int) -> int:
        """Used and held."""
        return sum(self.live(at_ms, start).values())

    def held_at(self, at_ms: int, start: int) -> int:
        """A new instance starts with nothing held; a sliding window keeps its figure."""
        sliding = self.window.kind == "sliding"
        return self.held if sliding or self.live(at_ms, start) else 0

    def refresh(self, at_ms: int, start: int) -> None:
        """W2: every write drops what no longer counts, for good."""
        self.held = self.held_at(at_ms, start)
        self.parts = self.live(at_ms, start)

    def charge(self, at_ms: int, start: int, amount: int, held: int = 0) -> int:
        """Counts `amount` now. Returns the stamp under which it was counted."""
        self.refresh(at_ms, start)
        if self.window.kind == "sliding":
            # SEM-37: while all of it is newer than now, the oldest of it counts as current (W2).
            stamp = max(self.slot(at_ms), min(self.parts, default=0))
        elif self.window.kind == "first_use":
            stamp = next(iter(self.parts), at_ms)
        else:
            stamp = next(iter(self.parts), start)
        self.held += held
        self.parts[stamp] = self.parts.get(stamp, 0) + amount
        self.forget_nothing(stamp)
        return stamp

    def is_there(self, at_ms: int, start: int, stamp: int, amount: int) -> bool:
        """Whether `amount` of what was counted under `stamp` still counts (W2 … W4)."""
        live = self.live(at_ms, start)
        oldest = min(live, default=stamp)
        is_near = self.window.kind != "sliding" or stamp <= oldest + 127
        return stamp in live and is_near and live[stamp] >= amount

    def adjust(self, at_ms: int, start: int, stamp: int, delta: int, unheld: int = 0) -> bool:
        """Changes what was counted under `stamp`, if that is still there (SEM-15, W1 … W4)."""
        live = self.is_there(at_ms, start, stamp, -delta)
        if not live and self.window.kind != "sliding":
            return False  # an instance that is over is left as it is
        self.refresh(at_ms, start)
        if live or self.window.kind == "sliding":
            self.held = max(0, self.held - unheld)
        if live:
            self.parts[stamp] = self.parts.get(stamp, 0) + delta
            self.forget_nothing(stamp)
        return live

    def forget_nothing(self, stamp: int) -> None:
        """An empty slot is none, and an empty first_use window is closed (W4)."""
        if self.parts[stamp] == 0 and self.window.kind in ("sliding", "first_use"):
            del self.parts[stamp]

    def changes(self, at_ms: int) -> set[int]:
        """The moments at which something leaves; a cycle ends by renewal alone (SEM-47)."""
        window = self.window
        if window.kind == "sliding":
            return {(slot + 1) * window.slice_ms + window.length_ms for slot in self.parts}
        if window.kind == "first_use":
            return {start + window.length_ms for start in self.parts}
        if window.kind == "cycle":
            return set()
        return {instance(window, max(at_ms, start))[1] for start in (at_ms, *self.parts)}

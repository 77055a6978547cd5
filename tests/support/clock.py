"""Time that tests move by hand."""

from __future__ import annotations

START_MS = 1_793_602_800_000
"""2026-11-02 07:00 UTC, a Monday: no boundary of a day, week or block is near."""

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


class Clock:
    """A clock that stands still until told otherwise."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        """Moves time."""
        self.now_ms += ms

"""How long to wait before trying again."""

from __future__ import annotations

FIRST_S = 0.05
LONGEST_S = 1.0


def pause_s(attempt: int) -> float:
    """50 ms before the first attempt (0), doubling up to 1 s."""
    # Bounded before it is raised: 2.0**1024 overflows.
    return min(LONGEST_S, FIRST_S * 2.0 ** min(attempt, 10))

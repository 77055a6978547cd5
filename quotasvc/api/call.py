"""What a method knows of the call that it serves, beside the request."""

from __future__ import annotations

from dataclasses import dataclass

MARGIN_S_MAX = 0.02
"""What is kept of the caller's time, so that the answer arrives before its deadline does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. `deadline` is an absolute time of the running loop; past it nothing is begun."""

    deadline: float
    traceparent: str = ""  # W3C trace context of the caller; empty: none, or traces are off


def call_deadline(*, now: float, remaining_s: float | None, longest_s: float) -> float:
    """When to give up: the caller's time less a margin, `longest_s` where it set none or more.

    The margin is a fifth of a short time, so that a caller in a hurry is still served.
    """
    left_s = longest_s if remaining_s is None else min(remaining_s, longest_s)
    return now + left_s - min(MARGIN_S_MAX, left_s / 5)

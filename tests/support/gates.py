"""Catalogs with rate limits and caps, and peak hours that are the same every weekday."""

from __future__ import annotations

from dataclasses import replace

from quotasvc.domain.catalog import Catalog, PeakMode, PeakSchedule, Plan, RateLimit
from quotasvc.domain.outcome import Allowed, Denied, LimitStatus
from tests.support.catalogs import PLANS, catalog
from tests.support.clock import HOUR, MINUTE, START_MS

PEAK_FROM_MS = START_MS + 8 * HOUR
"""15:00 of the Monday on which clocks start; START_MS is off peak."""

PEAK_UNTIL_MS = PEAK_FROM_MS + 150 * MINUTE

SCHEDULE = PeakSchedule(
    weekdays=(0, 1, 2, 3, 4),
    from_minute=15 * 60,
    until_minute=17 * 60 + 30,
    zone="UTC",
    mode=PeakMode.AUTO,
)


def row(
    rate_limit_id: str = "text",
    *resources: str,
    rpm: int | None = None,
    tpm: int | None = None,
    connections: int | None = None,
    peak_permille: int = 1_000,
) -> RateLimit:
    """Limits of a team on text/a, or on these resources."""
    return RateLimit(
        rate_limit_id=rate_limit_id,
        resources=frozenset(resources or ("text/a",)),
        rpm=rpm,
        tpm=tpm,
        connections=connections,
        peak_permille=peak_permille,
    )


def gated(
    *rows: RateLimit,
    cap: int | None = None,
    mode: PeakMode = PeakMode.AUTO,
    plans: tuple[Plan, ...] = PLANS,
) -> Catalog:
    """The test catalog with these rows, and a cap on every plan."""
    capped = tuple(replace(plan, peak_concurrency=cap) for plan in plans)
    return replace(
        catalog(version="gatesgat", plans=capped),
        rate_limits=rows,
        peak=replace(SCHEDULE, mode=mode),
    )


def limit(answer: Allowed | Denied, limit_id: str) -> LimitStatus:
    """How one limit stands, as an answer shows it."""
    [status] = [status for status in answer.limits if status.limit_id == limit_id]
    return status

"""Limits as people see them: what the store counted, beside what the catalog allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quotasvc.domain.catalog import Allowance
from quotasvc.domain.gate import Gate
from quotasvc.domain.order import WindowTerm
from quotasvc.domain.outcome import LimitStatus
from quotasvc.store.answer import Level


def limit_status(
    allowance: Allowance, term: WindowTerm, level: Level, *, is_denied: bool = False
) -> LimitStatus:
    """One window's status. A hold that outlived its slice leaves `held` above `total`."""
    return LimitStatus(
        limit_id=f"{allowance.allowance_id}/{term.window.window_id}",
        kind=term.window.kind.value,
        unit=allowance.unit,
        limit=term.window.limit,
        used=max(0, level.total - level.held),
        held=level.held,
        reset_ms=level.reset_ms or None,
        denied=is_denied,
    )


def gate_status(gate: Gate, level: Level) -> LimitStatus:
    """How a rate limit or the cap on concurrency stands."""
    return LimitStatus(
        limit_id=gate.limit_id,
        payer=None,
        kind="slots" if gate.is_leased else "rate",
        unit=gate.unit,
        limit=gate.limit,
        used=level.total,
        held=0,
        reset_ms=level.reset_ms or None,
        denied=level.fits_ms != 0,
    )


def described(
    gates: Iterable[Gate],
    allowance: Allowance | None,
    terms: tuple[WindowTerm, ...],
    levels: tuple[Level, ...],
) -> Iterator[tuple[LimitStatus, Level]]:
    """The limits that a script described, by their places; a cap that is not in force is none."""
    by_place = {gate.place: gate for gate in gates}
    windows = {term.place: term for term in terms}
    for level in levels:
        gate = by_place.get(level.place)
        if gate is not None and gate.limit is not None:
            yield gate_status(gate, level), level
        elif gate is None and allowance is not None:
            term = windows[level.place]
            denied = level.fits_ms != 0
            yield limit_status(allowance, term, level, is_denied=denied), level


def limit_statuses(
    gates: Iterable[Gate],
    allowance: Allowance | None,
    terms: tuple[WindowTerm, ...],
    levels: tuple[Level, ...],
) -> tuple[LimitStatus, ...]:
    """How those stand."""
    return tuple(status for status, _ in described(gates, allowance, terms, levels))

"""Windows as people see them: what the store counted, beside what the catalog allows."""

from __future__ import annotations

from quotasvc.domain.catalog import Allowance
from quotasvc.domain.order import WindowTerm
from quotasvc.domain.outcome import LimitStatus
from quotasvc.store.decision import Level


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


def limit_statuses(
    allowance: Allowance | None, terms: tuple[WindowTerm, ...], levels: tuple[Level, ...]
) -> tuple[LimitStatus, ...]:
    """The windows that a script described, by their place in the allowance."""
    if allowance is None:
        return ()
    by_place = {term.place: term for term in terms}
    return tuple(
        limit_status(allowance, by_place[level.place], level, is_denied=level.fits_ms != 0)
        for level in levels
    )

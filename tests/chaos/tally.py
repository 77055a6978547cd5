"""What the lots and windows of a team have to be, by nothing but the answers that callers got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.acknowledged import PLAN, Acknowledged, Line, Reservation

LotName = tuple[int, str]
"""Payer and lot id."""


@dataclass(slots=True)
class Tally:
    """Sums over all reservations of one team."""

    held: Counter[LotName] = field(default_factory=Counter)
    consumed: Counter[LotName] = field(default_factory=Counter)
    window_held: Counter[str] = field(default_factory=Counter)  # by "<seat>/<allowance>"
    window_used: Counter[str] = field(default_factory=Counter)


def tally(known: Acknowledged, team: str, now_ms: int) -> Tally:
    """The sums at `now_ms` by the store's clock."""
    sums = Tally()
    for it in known.reservations.values():
        if it.team == team:
            _add(sums, it, now_ms)
    return sums


def _add(sums: Tally, it: Reservation, now_ms: int) -> None:
    if it.committed is not None:
        _legs(sums.consumed, sums.window_used, it.committed["legs"], 1)
        if it.refunded is not None:
            _legs(sums.consumed, sums.window_used, it.refunded["refunded"], -1)
    elif it.state(now_ms) == "HELD":
        _legs(sums.held, sums.window_held, it.admitted["legs"], 1)


def _legs(lots: Counter[LotName], windows: Counter[str], legs: Iterable[Line], sign: int) -> None:
    for leg in legs:
        if leg["payer"] != PLAN:
            lots[leg["payer"], leg["source"]] += sign * leg["nanos"]
        elif not leg["gone"]:
            windows[leg["source"]] += sign * leg["amount"]

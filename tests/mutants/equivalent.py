"""Mutants that no answer tells from the original, each with the reason why.

A survivor's report ends with the line to paste here. An entry that fits no mutant any more is an
error: what it excused is gone, or reads differently and has to be thought about again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.mutants.equivalent_lua import EQUIVALENT_LUA
from tests.mutants.equivalent_scripts import EQUIVALENT_SCRIPTS
from tests.mutants.mutant import Key, Mutant

_DOMAIN = "quotasvc/domain"
_CATALOG = f"{_DOMAIN}/catalog.py"
_CYCLE = f"{_DOMAIN}/cycle.py"
_DENIAL = f"{_DOMAIN}/denial.py"
_GATE = f"{_DOMAIN}/gate.py"
_ORDER = f"{_DOMAIN}/order.py"
_PEAK = f"{_DOMAIN}/peak.py"
_RATE_CARD = f"{_DOMAIN}/rate_card.py"
_WINDOW = f"{_DOMAIN}/window.py"

_MONTH = "month = start.year * _MONTHS + start.month - 1"
_EARLIER = "the search begins with an earlier month and comes to the same one"
_NEED = "need = money.amount(order.plan.amount if order.plan else 0, full.unit)"
_UNASKED = "no window is full where the plan was not asked"
_CACHED = "if found is None or not found.from_ms <= at_ms < found.until_ms:"
_KEPT = "for how long edges are remembered: time and memory only"
_FLOOR = "if row.prompt_tokens_min > 0:"
_NO_FLOOR = "a second tier from size 0 on, like the first"

EQUIVALENT: Mapping[Key, str] = {
    Key(_CATALOG, "prompt_tokens_min: int = 0", 25, "number-1"): "no prompt is smaller than 0",
    Key(_CYCLE, _MONTH, 29, "plus"): _EARLIER,
    Key(_CYCLE, _MONTH, 45, "number+1"): _EARLIER,
    Key(
        _CYCLE, "if wall_clock(middle, zone) < wall:", 28, "less"
    ): "a time that clocks skip is never what they show",
    Key(
        _DENIAL,
        "pool = shortage.pool_available + shortage.pool_held if order.pool else 0",
        71,
        "number-1",
    ): "a plan that has room for all but nothing has room for all, which was asked before",
    Key(
        _DENIAL, "price = route.plan.price_nanos if route.plan else -1", 51, "number+1"
    ): "no plan costs less than 0",
    Key(_DENIAL, _NEED, 57, "number+1"): _UNASKED,
    Key(_DENIAL, _NEED, 57, "number-1"): _UNASKED,
    Key(
        _GATE, "CONCURRENCY_PLACE = PLACE_FIRST + 3 * ROWS_MAX", 34, "number+1"
    ): "any place beyond those of the rows",
    Key(_GATE, "CONCURRENCY = 3", 14, "number+1"): "any number beyond those of the rows",
    Key(
        _ORDER, "_NEVER_PEAK = _Peak(False, 0, AMOUNT_MAX)", 27, "number-1"
    ): "the bound is the latest of several, of which none is below 0",
    Key(_PEAK, "_KEPT = timedelta(days=14)", 23, "number+1"): _KEPT,
    Key(_PEAK, "_KEPT = timedelta(days=14)", 23, "number-1"): _KEPT,
    Key(_PEAK, "_HORIZON = timedelta(days=35)", 26, "number+1"): _KEPT,
    Key(_PEAK, "_HORIZON = timedelta(days=35)", 26, "number-1"): _KEPT,
    Key(_PEAK, _CACHED, 38, "less-equal"): _KEPT,
    Key(_PEAK, _CACHED, 47, "less"): _KEPT,
    Key(_PEAK, "from_ms=day_start_ms((today - _KEPT).date(), zone),", 28, "minus"): _KEPT,
    Key(_PEAK, "until_ms=day_start_ms((today + _KEPT).date(), zone),", 29, "plus"): _KEPT,
    Key(_RATE_CARD, "_CARDS_MAX = 4096", 13, "number+1"): "how many cards are kept: memory only",
    Key(_RATE_CARD, "_CARDS_MAX = 4096", 13, "number-1"): "how many cards are kept: memory only",
    Key(
        _RATE_CARD,
        "tier = card.tiers[bisect_right(card.floors, usage.prompt_tokens) if card.floors else 0]",
        85,
        "number-1",
    ): "without floors there is one tier: the first is the last",
    Key(_RATE_CARD, _FLOOR, 25, "greater"): _NO_FLOOR,
    Key(_RATE_CARD, _FLOOR, 27, "number-1"): _NO_FLOOR,
    Key(
        _WINDOW, "while now_ms >= day_start_ms(first + step, zone):", 13, "greater-equal"
    ): "at the first instant of a day clocks show that day already",
    **EQUIVALENT_LUA,
    **EQUIVALENT_SCRIPTS,
}


def split(
    mutants: Iterable[Mutant], equivalent: Mapping[Key, str] = EQUIVALENT
) -> tuple[tuple[Mutant, ...], tuple[Mutant, ...]]:
    """Those to be tried, and those that no test could find."""
    all_ = tuple(mutants)
    tried = tuple(mutant for mutant in all_ if mutant.key not in equivalent)
    return tried, tuple(mutant for mutant in all_ if mutant.key in equivalent)


def stale(mutants: Iterable[Mutant], equivalent: Mapping[Key, str] = EQUIVALENT) -> tuple[Key, ...]:
    """Entries that excuse nothing."""
    keys = {mutant.key for mutant in mutants}
    return tuple(key for key in equivalent if key not in keys)

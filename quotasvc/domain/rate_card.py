"""The rate card: resource + attributes + usage -> an exact price in nanos (SEM-2).

Knows price rows and whole numbers; does not know who pays. Everything that depends on the
resource and the mask alone is compiled once, so that pricing is a few integer products.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import lcm, prod
from types import MappingProxyType

from quotasvc.domain.catalog import PriceRow, Resource
from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.unit import AMOUNT_MAX, REQUESTS, Usage

_CARDS_MAX = 4096
"""Compiled cards kept: more than the resources and masks in use; old catalogs fall out."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a usage costs at list price, and what stands in the way of that figure.

    `unpriced` are the units with an amount that no applicable row prices: a fault at reserve
    (SEM-2a). `zero` says that rows apply and each of them is 0 (SEM-46): only that is free, a
    `nanos` of 0 alone is not.
    """

    nanos: int
    unpriced: tuple[str, ...]
    zero: bool


def applicable(resource: Resource, attributes: Mapping[str, str], at_ms: int) -> int:
    """The rows whose attributes and dates hold, as a bit mask: bit i is `resource.rows[i]`.

    The mask goes into the reservation id, so that commit prices with the rows of the reserve.
    Sizes are not in it: they are looked at when the usage is known.
    """
    always, conditional = _predicates(resource)
    mask = always
    for bit, row in conditional:
        if _is_in_force(row, at_ms) and all(
            attributes.get(name) == value for name, value in row.attributes
        ):
            mask |= bit
    return mask


def in_force(resource: Resource, at_ms: int) -> tuple[int, int]:
    """The interval [from, until) around `at_ms` in which no price row begins or ends (SEM-16)."""
    edges = [
        edge for row in resource.rows for edge in (row.from_ms, row.until_ms) if edge is not None
    ]
    return (
        max((edge for edge in edges if edge <= at_ms), default=0),
        min((edge for edge in edges if edge > at_ms), default=AMOUNT_MAX),
    )


def price(resource: Resource, mask: int, usage: Usage) -> Price:
    """What `usage` costs by the rows in `mask`: summed exactly, rounded up once (SEM-2)."""
    card = _compile(resource, mask)
    tier = card.tiers[bisect_right(card.floors, usage.prompt_tokens) if card.floors else 0]
    numerators = tier.numerators
    amounts = usage.amounts
    total = 0 if REQUESTS in amounts else numerators.get(REQUESTS, 0)
    for unit, amount in amounts.items():
        total += amount * numerators.get(unit, 0)
    nanos = -(-total // tier.denominator)
    if nanos > AMOUNT_MAX:
        raise InvalidArgument(
            "usage",
            f"the list price of this usage is {nanos} nanos, more than {AMOUNT_MAX}",
            reason="USAGE_TOO_LARGE",
        )
    unpriced = tuple(u for u in tier.gaps if usage.get(u)) if tier.gaps else ()
    return Price(nanos, unpriced, tier.zero)


def gaps(resource: Resource, mask: int) -> tuple[str, ...]:
    """Measured units that `mask` leaves without a price, whatever the amounts and sizes.

    A commit may bring units that the reserve did not name and has no fault for them (SEM-2a):
    a reserve whose mask has gaps would let them go free.
    """
    tiers = _compile(resource, mask).tiers
    return tuple(u for u in resource.measures if any(u in tier.gaps for tier in tiers))


def unmeasured(resource: Resource, usage: Usage) -> tuple[str, ...]:
    """The units that were sent, zeros included, but are not measured for `resource`."""
    return tuple(unit for unit in usage.amounts if unit not in resource.measures)


def estimate(resource: Resource, usage: Usage) -> Usage:
    """What to hold: the default of each unit not named, at least the minimum of each named."""
    named = usage.amounts
    raised = {
        unit: amount for unit, amount in resource.estimate_default.items() if unit not in named
    }
    for unit, least in resource.estimate_min.items():
        if named.get(unit, least) < least:
            raised[unit] = least
    return Usage(MappingProxyType({**named, **raised})) if raised else usage


@dataclass(frozen=True, slots=True)
class _Tier:
    """Prices in one range of prompt sizes: nanos = Σ amount · numerator / denominator."""

    numerators: Mapping[str, int]
    denominator: int
    gaps: tuple[str, ...]
    zero: bool


@dataclass(frozen=True, slots=True)
class _Card:
    """Tiers by size: `tiers[i]` begins at `floors[i - 1]` prompt tokens, the first at 0."""

    floors: tuple[int, ...]
    tiers: tuple[_Tier, ...]


@lru_cache(maxsize=_CARDS_MAX)
def _predicates(resource: Resource) -> tuple[int, tuple[tuple[int, PriceRow], ...]]:
    """The mask of the rows that always apply, and each other row with its bit."""
    always = 0
    conditional = []
    for index, row in enumerate(resource.rows):
        if row.attributes or row.from_ms is not None or row.until_ms is not None:
            conditional.append((1 << index, row))
        else:
            always |= 1 << index
    return always, tuple(conditional)


def _is_in_force(row: PriceRow, at_ms: int) -> bool:
    return (row.from_ms is None or row.from_ms <= at_ms) and (
        row.until_ms is None or at_ms < row.until_ms
    )


@lru_cache(maxsize=_CARDS_MAX)
def _compile(resource: Resource, mask: int) -> _Card:
    """Cuts the sizes where a row begins or ends, so that each tier is one sum of products."""
    rows = tuple(row for index, row in enumerate(resource.rows) if mask >> index & 1)
    floors = tuple(sorted(set(_floors(rows))))
    return _Card(floors, tuple(_tier(resource, rows, size) for size in (0, *floors)))


def _floors(rows: Iterable[PriceRow]) -> Iterator[int]:
    for row in rows:
        if row.prompt_tokens_min > 0:
            yield row.prompt_tokens_min
        if row.prompt_tokens_max is not None:
            yield row.prompt_tokens_max + 1


def _tier(resource: Resource, rows: tuple[PriceRow, ...], prompt_tokens: int) -> _Tier:
    """Folds the rows that hold at this size, multipliers included, into whole numbers."""
    here = [
        row
        for row in rows
        if row.prompt_tokens_min <= prompt_tokens
        and (row.prompt_tokens_max is None or prompt_tokens <= row.prompt_tokens_max)
    ]
    factor = prod((Fraction(*row.multiplier) for row in here if row.multiplier), start=Fraction(1))
    exact = {
        unit: Fraction(nanos, row.per) * factor for row in here for unit, nanos in row.nanos.items()
    }
    denominator = lcm(*(rate.denominator for rate in exact.values()))
    # `requests` costs something only where a row prices it; but no row at all is not free.
    exempt = {REQUESTS} if exact else set()
    return _Tier(
        numerators={u: int(rate * denominator) for u, rate in exact.items()},
        denominator=denominator,
        gaps=tuple(u for u in resource.measures if u not in exact and u not in exempt),
        zero=bool(exact) and not any(exact.values()),
    )

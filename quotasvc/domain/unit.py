"""What usage is counted in: the measured units, and the cost in nanos beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

NANOS_PER_CURRENCY_UNIT = 1_000_000_000
"""One nano is 1e-9 of the catalog's currency unit (SEM-1)."""

AMOUNT_MAX = 2**53 - 1
"""Lua counts in doubles: every single amount stays below 2^53 (SEM-3)."""

COST = "cost"
"""The unit of an allowance that counts list-price nanos (D5); never sent as usage."""

REQUESTS = "requests"
"""Measured for every resource, and 1 unless sent (SEM-4)."""

TOKEN_UNITS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
"""Disjoint: `input_tokens` are those neither read from nor written to a cache (SEM-2b)."""

UNITS = (REQUESTS, *TOKEN_UNITS, "characters", "images", "clips", "seconds", "songs")
"""The units that the contract names; others are `custom` and known to the catalog only."""


def usage_field(unit: str) -> str:
    """The path of a unit's field in a request, for complaints."""
    return f"usage.{unit}" if unit in UNITS else f'usage.custom["{unit}"]'


@dataclass(frozen=True, slots=True)
class Usage:
    """How many of each unit: whole numbers from 0 to 2^53 - 1, absent units not listed.

    A sent zero is content (SEM-35), so it is kept apart from an absent unit.
    """

    amounts: Mapping[str, int]

    @staticmethod
    def of(**amounts: int) -> Usage:
        """Builds a usage from keywords; tests and the demo read better with it."""
        return Usage(MappingProxyType(dict(amounts)))

    def get(self, unit: str) -> int:
        """The amount of `unit`, where `requests` is 1 and any other is 0 unless sent (SEM-4)."""
        return self.amounts.get(unit, 1 if unit == REQUESTS else 0)

    @property
    def prompt_tokens(self) -> int:
        """input + cache_read + cache_write: what predicates on size look at (SEM-2b)."""
        get = self.amounts.get
        return get("input_tokens", 0) + get("cache_read_tokens", 0) + get("cache_write_tokens", 0)

    def pack(self, measures: tuple[str, ...]) -> str:
        """The amounts of a resource's units in their order, "1.700.100"; absent ones are empty."""
        get = self.amounts.get
        return ".".join([str(get(unit, "")) for unit in measures]).rstrip(".")

    @staticmethod
    def unpack(text: str, measures: tuple[str, ...]) -> Usage:
        """What `pack` wrote for the same units."""
        amounts = zip(measures, text.split("."), strict=False)
        return Usage(MappingProxyType({unit: int(amount) for unit, amount in amounts if amount}))

    @property
    def content(self) -> str:
        """A text of what was sent, for digests: sorted, sent zeros included, one for each usage."""
        return str(sorted(self.amounts.items()))

"""Policy as values: catalog, team, prices and calendar; what the oracle decides by.

Field names are those of `quotasvc.domain.catalog` and `.team`, enums are their values as strings:
a converter is a plain copy. Knows no state and no clock, and imports nothing of quotasvc: an oracle
that shared code with the service would share its errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Any, Self
from zoneinfo import ZoneInfo

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
AMOUNT_MAX = 2**53 - 1  # SEM-3
UNITS = (
    *("requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("characters", "images", "clips", "seconds", "songs"),
)

Amounts = Mapping[str, int]
Answer = dict[str, Any]  # an answer as proto3 JSON has it, so its values are of any type


class Fault(Exception):
    """A gRPC error instead of an answer, such as INVALID_ARGUMENT/UNMEASURED_UNIT."""

    def __init__(self, fault: str, field: str = "", winner: Answer | None = None) -> None:
        super().__init__(fault)
        self.answer = wire(fault=fault, field=field, winner=winner)


def wire(**fields: Any) -> Answer:
    """A message without what proto3 leaves out: unset, false, zero and empty."""
    return {name: value for name, value in fields.items() if value}


class Value:
    """Never changes, so a copy of the oracle's state shares it."""

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> Self:
        return self


# The catalog.


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Value):
    """One limit over time; None is unlimited. A cycle's instances are the seat's own."""

    window_id: str
    kind: str  # sliding, aligned, first_use, cycle
    length_ms: int
    limit: int | None
    slices: int = 120
    period: str | None = None  # aligned: day, week, block
    zone: str = "UTC"
    week_start: int = 0
    purchased_from_ms: int | None = None  # J6

    @property
    def slice_ms(self) -> int:
        """SEM-14: rounded up to whole milliseconds."""
        return -(-self.length_ms // self.slices)

    @property
    def anchor(self) -> tuple[object, ...]:
        """What tells counters of one kind and length apart (SEM-18)."""
        if self.kind == "sliding":
            return (self.slice_ms,)
        week_start = self.week_start if self.period == "week" else None
        return (self.period, week_start, self.zone) if self.kind == "aligned" else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance(Value):
    """What a plan includes of some resources, in one unit or in cost."""

    allowance_id: str
    unit: str
    resources: frozenset[str]
    windows: tuple[Window, ...]
    straddle: str  # strict, split, absorb
    split_min: int = 1_000_000
    weights: Amounts

    def amount(self, resource_id: str, usage: Amounts, cost: int) -> int:
        """What a usage deducts here: its cost, or weighted units (SEM-4)."""
        if self.unit == "cost":
            return cost
        amount = amount_of(usage, self.unit) * self.weights.get(resource_id, 1)
        if amount > AMOUNT_MAX:
            raise Fault("INVALID_ARGUMENT/USAGE_TOO_LARGE", field_of(self.unit))
        return amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Value):
    """A resource belongs to at most one allowance."""

    plan_id: str
    price_nanos: int
    sellable: bool = True
    overflow: str = "credits_auto"  # or deny
    allowances: tuple[Allowance, ...]
    peak_concurrency: int | None = None
    on_expiry: str = "release"  # or charge

    def allowance_for(self, resource_id: str) -> Allowance | None:
        """None where the plan shows "-"."""
        return next((a for a in self.allowances if resource_id in a.resources), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow(Value):
    """Prices of `per` units where the conditions hold; or a multiplier on the other rows."""

    per: int = 1
    nanos: Amounts
    attributes: tuple[tuple[str, str], ...] = ()
    prompt_tokens_min: int = 0
    prompt_tokens_max: int | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    multiplier: tuple[int, int] | None = None

    def applies(self, usage: Amounts, attributes: Mapping[str, str], at_ms: int) -> bool:
        """By attributes, size and date, whatever the amounts (SEM-46)."""
        return (
            all(attributes.get(name) == value for name, value in self.attributes)
            and self.prompt_tokens_min <= prompt_tokens(usage)
            and (self.prompt_tokens_max is None or prompt_tokens(usage) <= self.prompt_tokens_max)
            and (self.from_ms is None or self.from_ms <= at_ms)
            and (self.until_ms is None or at_ms < self.until_ms)
        )


Rows = tuple[PriceRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(Value):
    """Something that can be asked for."""

    resource_id: str
    measures: tuple[str, ...]
    rows: Rows
    estimate_default: Amounts
    estimate_min: Amounts
    covered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRow(Value):
    """Short limits per team on matching resources."""

    rate_limit_id: str
    resources: frozenset[str]
    rpm: int | None = None
    tpm: int | None = None
    connections: int | None = None
    peak_permille: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak(Value):
    """When peak hours are."""

    weekdays: tuple[int, ...] = ()
    from_minute: int = 0
    until_minute: int = 0
    zone: str = "UTC"
    mode: str = "auto"  # auto, on, off


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Value):
    """One version of all policy."""

    version: str
    currency: str = "USD"
    resources: Mapping[str, Resource]
    plans: Mapping[str, Plan]
    rate_limits: tuple[RateRow, ...] = ()
    peak: Peak = Peak()
    renewal_grace_ms: int = DAY
    validity_ms: int = 365 * DAY  # of a top-up (SEM-22)
    lots_max: int = 1_000  # L1: open lots of a pool
    gifts_max: int = 900  # L1: open lots beyond which nothing is given away


# The team document.


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Value):
    """A person; one who left stays listed."""

    user_id: str
    role: str = "owner"  # owner, admin, reader
    credits_access: bool = True
    removed_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat(Value):
    """A purchased subscription, held by at most one member."""

    seat_id: str
    plan_id: str
    purchased_ms: int = 0
    user_id: str | None
    cycle_start_ms: int = 0
    paid_until_ms: int | None = None
    renews: bool = True

    def ends_ms(self, grace_ms: int) -> int | None:
        """W8: from when on it is no seat any more."""
        if self.paid_until_ms is None:
            return None
        return self.paid_until_ms + (grace_ms if self.renews else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Value):
    """A key by its id; the oracle knows no secrets."""

    key_id: str
    user_id: str
    kind: str = "subscription"  # or payg
    state: str = "active"  # active, disabled, deleted
    ended_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Team(Value):
    """The document at one version."""

    team_id: str
    members: tuple[Member, ...]
    seats: tuple[Seat, ...] = ()
    keys: tuple[Key, ...]


# Usage and prices.


def amount_of(usage: Amounts, unit: str) -> int:
    """SEM-4: requests are 1 unless sent, every other unit is 0."""
    return usage.get(unit, 1 if unit == "requests" else 0)


def prompt_tokens(usage: Amounts) -> int:
    """SEM-2b."""
    return sum(usage.get(f"{part}_tokens", 0) for part in ("input", "cache_read", "cache_write"))


def tokens(usage: Amounts) -> int:
    """SEM-2b: what TPM counts."""
    return min(prompt_tokens(usage) + usage.get("output_tokens", 0), AMOUNT_MAX)


def field_of(unit: str) -> str:
    """The path of a unit in a request."""
    return f"usage.{unit}" if unit in UNITS else f'usage.custom["{unit}"]'


def in_order(usage: Amounts) -> list[str]:
    """Units as the contract lists them, custom ones by name after them."""
    return [u for u in UNITS if u in usage] + sorted(u for u in usage if u not in UNITS)


def require_measured(resource: Resource, usage: Amounts) -> None:
    """SEM-2a: a unit that the resource does not measure is a fault, sent as zero too."""
    for unit in in_order(usage):
        if unit not in resource.measures:
            raise Fault("INVALID_ARGUMENT/UNMEASURED_UNIT", field_of(unit))


def raised(resource: Resource, sent: Amounts) -> dict[str, int]:
    """SEM-13: a hold is never smaller than the estimates of the catalog."""
    usage = {u: max(n, resource.estimate_min.get(u, 0)) for u, n in sent.items()}
    return {**resource.estimate_default, **usage}


def rows_for(resource: Resource, usage: Amounts, attributes: Mapping[str, str], at_ms: int) -> Rows:
    """All rows that apply, multipliers included."""
    return tuple(row for row in resource.rows if row.applies(usage, attributes, at_ms))


def unpriced(resource: Resource, rows: Rows, usage: Amounts) -> str | None:
    """SEM-2a: the first unit that no row prices, those with an amount before all others that are
    measured; `requests` alone needs none."""
    priced = {unit for row in rows if row.multiplier is None for unit in row.nanos}
    amounts = [unit for unit in in_order(usage) if usage[unit]]
    for unit in (*amounts, *resource.measures):
        if unit not in priced and unit != "requests":
            return unit
    return None if priced else "requests"


def is_free(rows: Rows) -> bool:
    """SEM-2a: zero-cost only if every price that applies is 0, whatever the amounts."""
    return not any(nanos for row in rows for nanos in row.nanos.values())


def price(rows: Rows, usage: Amounts) -> int:
    """SEM-2: summed exactly, rounded up once."""
    exact = Fraction(0)
    for row in rows:
        for unit, nanos in row.nanos.items():
            exact += Fraction(amount_of(usage, unit) * nanos, row.per)
    for row in rows:
        exact *= Fraction(*(row.multiplier or (1, 1)))
    if ceil(exact) > AMOUNT_MAX:
        raise Fault("INVALID_ARGUMENT/USAGE_TOO_LARGE", "usage")
    return ceil(exact)


# The calendar.


def local(at_ms: int, zone: str) -> datetime:
    """Wall clock time."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(
        ZoneInfo(zone)
    )


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@lru_cache(maxsize=4096)
def day_start(day: date, zone: str) -> int:
    """The first instant whose local date is `day` or later; zones change at whole quarters."""
    at_ms = to_ms(datetime.combine(day, time(), UTC)) - 16 * HOUR
    while local(at_ms, zone).date() < day:
        at_ms += 15 * MINUTE
    return at_ms


def instance(window: Window, at_ms: int) -> tuple[int, int]:
    """SEM-14, SEM-51: [start, end) of the aligned instance around `at_ms`."""
    today = local(at_ms, window.zone).date()
    while day_start(today + timedelta(days=1), window.zone) <= at_ms:
        today += timedelta(days=1)  # a clock that went back over midnight begins no day twice
    if window.period == "week":
        first = today - timedelta(days=(today.weekday() - window.week_start) % 7)
        return day_start(first, window.zone), day_start(first + timedelta(days=7), window.zone)
    start, end = (day_start(today + timedelta(days=n), window.zone) for n in (0, 1))
    if window.period == "day":
        return start, end
    last = -(-DAY // window.length_ms) - 1
    index = min((at_ms - start) // window.length_ms, last)
    begin = start + index * window.length_ms
    return begin, end if index == last else min(begin + window.length_ms, end)


def in_peak(peak: Peak, mode: str, at_ms: int) -> bool:
    """J4: by schedule, unless switched on or off."""
    if mode != "auto":
        return mode == "on"
    at = local(at_ms, peak.zone)
    minute = at.hour * 60 + at.minute
    return at.weekday() in peak.weekdays and peak.from_minute <= minute < peak.until_minute


def next_flip(peak: Peak, mode: str, at_ms: int) -> int | None:
    """When the schedule switches next."""
    if mode != "auto" or not peak.weekdays:
        return None
    today = datetime.combine(local(at_ms, peak.zone).date(), time(), ZoneInfo(peak.zone))
    edges = [
        to_ms((today + timedelta(days=days, minutes=minutes)).astimezone(UTC))
        for days in range(9)
        for minutes in (peak.from_minute, peak.until_minute)
    ]
    present = in_peak(peak, mode, at_ms)
    return min((e for e in edges if e > at_ms and in_peak(peak, mode, e) != present), default=None)

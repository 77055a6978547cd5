"""Everything that is policy, as frozen values: resources, prices, coverage, plans, credits.

A catalog is immutable and named by the hash of its text. It knows no file format: the loader
in `quotasvc.catalog` reads YAML, refuses what is wrong, and builds these values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.unit import AMOUNT_MAX, COST, Usage, usage_field

TIME_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""As catalogs spell lengths of time; the longest first."""


def short_time(ms: int) -> str:
    """A length of time as catalogs spell it, in the largest unit that divides it: 5h, 150s."""
    unit = next(unit for unit, length_ms in TIME_UNITS_MS.items() if ms % length_ms == 0)
    return f"{ms // TIME_UNITS_MS[unit]}{unit}"


class WindowKind(Enum):
    """How a window ends (SEM-14)."""

    SLIDING = "sliding"
    ALIGNED = "aligned"
    FIRST_USE = "first_use"
    CYCLE = "cycle"


class Straddle(Enum):
    """What happens to a request that fits only in part into its allowance (SEM-11)."""

    STRICT = "strict"
    SPLIT = "split"
    ABSORB = "absorb"


class Overflow(Enum):
    """Whether credits pay what the plan cannot (B2)."""

    DENY = "deny"
    CREDITS_AUTO = "credits_auto"


class OnExpiry(Enum):
    """What becomes of a hold that nobody settles in time (SEM-30)."""

    RELEASE = "release"
    CHARGE = "charge"


class PeakMode(Enum):
    """When peak caps apply: by the schedule, always, or never (J4, SEM-20)."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class AlignedPeriod(Enum):
    """Calendar instances of an aligned window, in the window's zone (SEM-14)."""

    DAY = "day"
    WEEK = "week"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One limit over time. `limit` is in the allowance's unit, None = unlimited.

    A cycle's instances are those of the seat's subscription: its `length_ms` is 0.
    """

    window_id: str
    kind: WindowKind
    length_ms: int
    limit: int | None
    slices: int = 120  # sliding only
    period: AlignedPeriod | None = None  # aligned only
    zone: str = "UTC"  # aligned only: IANA name
    week_start: int = 0  # aligned weeks only: Monday = 0
    purchased_from_ms: int | None = None  # applies to seats purchased at or after it (J6, J7)

    @property
    def slice_ms(self) -> int:
        """Length of one slice of a sliding window, rounded up to whole ms (SEM-14)."""
        return -(-self.length_ms // self.slices)

    def applies_to(self, purchased_ms: int) -> bool:
        """Whether it limits a seat that was purchased then (J6, J7)."""
        return self.purchased_from_ms is None or purchased_ms >= self.purchased_from_ms

    @property
    def anchor(self) -> str:
        """What sets the counter apart beside kind and length (SEM-18); part of a key name."""
        if self.kind is WindowKind.SLIDING:
            return short_time(self.slice_ms)
        if self.kind is not WindowKind.ALIGNED:
            return str(self.kind.value)
        assert self.period is not None
        zone = self.zone.replace("/", "-")
        start = str(self.week_start) if self.period is AlignedPeriod.WEEK else ""
        return f"{self.period.value}{start}-{zone}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a plan includes of some resources: one unit, several windows that must all have room.

    `unit` is a measured unit or "cost" (list-price nanos, D5). `weights` says how many of the
    unit one measured unit of a resource deducts (D2); absent means 1.
    """

    allowance_id: str
    unit: str
    resources: frozenset[str]
    windows: tuple[Window, ...]
    straddle: Straddle
    split_min: int  # a partial plan leg below this many nanos is not made (SEM-11)
    weights: Mapping[str, int]

    def amount(self, resource: str, usage: Usage, cost_nanos: int) -> int:
        """What `usage` deducts here, in this allowance's unit."""
        if self.unit == COST:
            return cost_nanos
        amount = usage.get(self.unit) * self.weights.get(resource, 1)
        if amount > AMOUNT_MAX:
            raise InvalidArgument(
                usage_field(self.unit),
                f"it deducts {amount} from the plan, more than {AMOUNT_MAX}",
                reason="USAGE_TOO_LARGE",
            )
        return amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A seat's plan version. A resource belongs to at most one allowance."""

    plan_id: str
    line: str
    price_nanos: int
    sellable: bool
    overflow: Overflow
    allowances: tuple[Allowance, ...]
    peak_concurrency: int | None  # live slots of one seat at peak; None = no cap (J5)
    on_expiry: OnExpiry = OnExpiry.RELEASE
    agents: str = ""  # display text (S3:16)

    def allowance_for(self, resource: str) -> Allowance | None:
        """The allowance that covers `resource`, None where the plan shows "-" (E7)."""
        for allowance in self.allowances:
            if resource in allowance.resources:
                return allowance
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """List prices of a resource where the predicates hold; or a multiplier on the other rows.

    `nanos[unit]` is the price of `per` units. `attributes` are equalities (name, value) that
    must all hold; `prompt_tokens_*` bound the whole request's prompt tokens, both inclusive;
    dates are [from, until). A multiplier row has no `nanos`: it scales what other rows charge
    by `multiplier` = (numerator, denominator).
    """

    per: int
    nanos: Mapping[str, int]
    attributes: tuple[tuple[str, str], ...] = ()
    prompt_tokens_min: int = 0
    prompt_tokens_max: int | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    multiplier: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that can be asked for: the units it measures, its prices, its estimates."""

    resource_id: str
    measures: tuple[str, ...]  # always contains "requests"
    rows: tuple[PriceRow, ...]
    estimate_default: Mapping[str, int]  # SEM-13: held for units that the request does not name
    estimate_min: Mapping[str, int]  # SEM-13: the least that is held for a unit that it names
    covered: bool  # reachable with a subscription key (B4, B10)

    def __hash__(self) -> int:
        """By id alone: quick enough for the caches of `rate_card`, which compare the rest."""
        return hash(self.resource_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPackage:
    """A top-up that can be bought (G13)."""

    price_nanos: int
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRules:
    """How Credits are sold and how long they last."""

    per_currency_unit: int  # 1,000 credits = $1 (D8)
    validity_ms: int  # of a top-up, from its purchase (G11)
    packages: tuple[CreditPackage, ...]

    @property
    def nanos_per_credit(self) -> int:
        """1 credit in nanos: 1,000,000 where 1,000 credits are one currency unit (SEM-1)."""
        return 1_000_000_000 // self.per_currency_unit


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamRules:
    """Sizes and defaults of teams (section L)."""

    max_members: int
    max_seats: int
    max_payg_keys_per_user: int
    max_plans_per_member: int
    credits_access_default: bool
    seat_change: str
    renewal_grace_ms: int = 86_400_000  # a seat due to renew pays so long unrenewed (SEM-42)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Short limits per team on matching resources; every row that matches applies (J1, SEM-19)."""

    rate_limit_id: str
    resources: frozenset[str]
    rpm: int | None
    tpm: int | None
    connections: int | None
    peak_permille: int  # at peak each limit shrinks to this many thousandths, rounded up


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakSchedule:
    """When peak hours are, unless an operator switches (J4)."""

    weekdays: tuple[int, ...]  # Monday = 0
    from_minute: int  # minutes after midnight in `zone`
    until_minute: int
    zone: str
    mode: PeakMode  # until an operator switches


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """One version of all policy. `version` is 8 URL-safe characters: the hash of its text."""

    version: str
    label: str  # the author's own name for it, e.g. "2026-11-global"
    currency: str
    zone: str
    key_labels: Mapping[str, str]
    resources: Mapping[str, Resource]  # in file order: ids are indexes into it (05)
    plans: Mapping[str, Plan]  # in file order, likewise
    credits: CreditRules
    team_rules: TeamRules
    rate_limits: tuple[RateLimit, ...]
    peak: PeakSchedule
    notes: tuple[str, ...]  # what is validated but not enforced yet, in words
    text: str  # the source text that `version` is the hash of

    # No slots here: what follows is worked out once and kept.

    @cached_property
    def resource_at(self) -> tuple[Resource, ...]:
        """Resources by the index that reservation ids carry."""
        return tuple(self.resources.values())

    @cached_property
    def plan_at(self) -> tuple[Plan, ...]:
        """Plans by the index that reservation ids carry."""
        return tuple(self.plans.values())

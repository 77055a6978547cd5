"""The shape of the catalog's file: pydantic models, and the JSON Schema made from them.

Knows shapes and ranges only; what the parts must be to each other is in the checks.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from quotasvc.catalog.scalar import (
    Attribute,
    Cap,
    Currency,
    Duration,
    Factor,
    Glob,
    Grace,
    Id,
    Minute,
    Moment,
    Money,
    Number,
    Quantity,
    Unit,
    UnitPrice,
    Zone,
)
from quotasvc.domain.unit import AMOUNT_MAX

SLICES_MAX = 120
"""A full window is one HASH of at most 128 fields, the bound of the store's compact encoding:
120 slices, the one that is only partly out of the window, and total, oldest and held (SEM-14)."""

SLICES_MIN = 2
"""A hold ends a slice before its window does (SEM-51): with one slice there is no room for it."""

Count = Annotated[int, Field(ge=0, le=AMOUNT_MAX, examples=[0])]
Positive = Annotated[int, Field(ge=1, le=AMOUNT_MAX, examples=[1])]
Text = Annotated[str, Field(min_length=1)]
Flag = Annotated[bool, Field(examples=["true"])]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Entry(BaseModel):
    """A mapping of the file. Unknown keys are refused, and nothing is converted on the quiet."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True
    )


def _may_be_taken_over(schema: dict[str, JsonValue]) -> None:
    """Under `like` only the identity must be stated: editors cannot see the plan above."""
    required = schema.get("required")
    assert isinstance(required, list)
    schema["required"] = [key for key in required if key in ("id", "type")]


class Inheriting(Entry):
    """A mapping that may take keys over from its namesake in a plan above (`like`)."""

    model_config = ConfigDict(json_schema_extra=_may_be_taken_over)


class KeyLabels(Entry):
    """What the two kinds of keys are called in front of people (A16)."""

    subscription: Text
    payg: Text


class Coverage(Entry):
    """What a subscription key may reach, with quota or credits alike (B10)."""

    include: tuple[Glob, ...]
    exclude: tuple[Glob, ...] = ()
    """Taken out again of what `include` names."""


class SizeRange(Entry):
    """Bounds on the prompt tokens of the whole request, both inclusive (SEM-2b)."""

    min: Count = 0
    max: Count | None = None


class PriceEntry(Entry):
    """List prices where all predicates hold, or a factor (`times`) on those prices."""

    per: Positive = 1
    """How many of a unit the price is for: 1000000 for prices per million tokens."""
    price: dict[Unit, UnitPrice] = {}
    """Per unit, in currency units. Free is stated: 0."""
    times: Factor | None = None
    when: dict[Annotated[str, Field(min_length=1)], Attribute] = {}
    """Attributes of the request that must be equal to these."""
    prompt_tokens: SizeRange = SizeRange()
    from_: Moment | None = Field(default=None, alias="from")
    """In force from this moment on."""
    until: Moment | None = None
    """In force until just before this moment."""


class Estimate(Entry):
    """What is held when the actual usage is not known yet (SEM-13)."""

    default: dict[Unit, Positive] = {}
    """Held for each unit that the request does not name."""
    min: dict[Unit, Positive] = {}
    """The least that is held for a unit that the request names."""


class ResourceEntry(Entry):
    """Something that can be asked for."""

    id: Id
    measures: tuple[Unit, ...] = Field(examples=["[requests]"])
    """Units of its usage; `requests` is always measured. Each other one needs a price."""
    prices: tuple[PriceEntry, ...] = Field(examples=["[{price: {requests: 0.01}}]"])
    estimate: Estimate = Estimate()


class SlidingType(Entry):
    """Usage in the last `length`, in slices: precise to one slice, never early (SEM-14)."""

    id: Id
    kind: Literal["sliding"]
    length: Duration
    slices: Annotated[int, Field(ge=SLICES_MIN, le=SLICES_MAX)] = SLICES_MAX


class AlignedType(Entry):
    """Instances of the calendar: days, weeks, or blocks that restart at midnight (SEM-14)."""

    id: Id
    kind: Literal["aligned"]
    period: Literal["day", "week", "block"]
    length: Duration | None = None
    """Of a block, and of nothing else."""
    starts: Weekday | None = None
    """Of a week: monday unless stated."""
    zone: Zone | None = None
    """The catalog's unless stated."""


class FirstUseType(Entry):
    """An instance of `length` opens with the first charge after the last one's end (SEM-14)."""

    id: Id
    kind: Literal["first_use"]
    length: Duration


class CycleType(Entry):
    """The billing cycle of the seat's subscription, which has a length of its own (SEM-14)."""

    id: Id
    kind: Literal["cycle"]


WindowType = Annotated[
    SlidingType | AlignedType | FirstUseType | CycleType, Field(discriminator="kind")
]


class Multiple(Entry):
    """A limit as a multiple of another window's in the same allowance (C5)."""

    times: Positive
    of: Id
    """The `type` of the other window."""


def _limit_tag(value: object) -> str:
    return "<multiple>" if isinstance(value, dict) else "<quantity>"


Limit = Annotated[
    Annotated[Multiple, Tag("<multiple>")] | Annotated[Quantity, Tag("<quantity>")],
    Discriminator(_limit_tag),
]


class Condition(Entry):
    """For which seats a window applies."""

    purchased_from: Moment
    """Seats purchased at this moment or later (J6, J7)."""


class WindowEntry(Inheriting):
    """One limit over time."""

    type: Id
    """A window type's id; also what the window is called."""
    limit: Limit = Field(examples=["1500"])
    """In the allowance's unit; for `cost` in currency units (2.83 is $2.83). Or `unlimited`."""
    applies_if: Condition | None = None


class AllowanceEntry(Inheriting):
    """What a plan includes of some resources. All of its windows must have room."""

    id: Id
    unit: Unit = Field(examples=["requests", "cost"])
    """A unit that all its resources measure, or `cost`: their list price (D5)."""
    resources: tuple[Glob, ...] = Field(examples=['["text/*"]'])
    windows: tuple[WindowEntry, ...] = Field(examples=["[{type: day, limit: 100}]"])
    straddle: Literal["strict", "split", "absorb"] | None = None
    """Where a request fits only in part (SEM-11): split for cost, else strict, unless stated."""
    split_min: Number | None = None
    """In credits: under `split` no smaller partial leg is made. 1 unless stated."""
    weights: dict[Glob, Positive] = {}
    """How many of the unit one unit of these resources deducts (D2): 1 unless stated."""


class Migration(Entry):
    """Where seats of a retired plan go."""

    plan: Id


class PlanEntry(Inheriting):
    """A plan that seats are sold of, or were."""

    id: Id
    like: Id | None = None
    """A plan above: what is not stated here is taken over from it."""
    line: Id = Field(examples=["standard"])
    price: Money
    """Per cycle and seat, in currency units."""
    sellable: Flag
    overflow: Literal["deny", "credits_auto"]
    """Whether credits pay what the plan cannot (B2)."""
    peak_concurrency: Cap
    """Requests of one seat at a time during peak hours (J5)."""
    agents: str = ""
    """Display text (S3:16)."""
    on_expiry: Literal["release", "charge"] = "release"
    """What becomes of a hold that nobody settles (SEM-30)."""
    migrate_to: Migration | None = None
    allowances: tuple[AllowanceEntry, ...]


class Package(Entry):
    """A top-up that can be bought."""

    price: Money
    credits: Positive


class Topup(Entry):
    """Top-ups of any size, in credits; for catalogs without packages."""

    min: Positive
    step: Positive


class CreditsEntry(Entry):
    """How Credits are sold and how long they last."""

    per_currency_unit: Positive = Field(examples=[1000])
    validity: Duration = Field(examples=["365d"])
    packages: tuple[Package, ...] = ()
    topup: Topup | None = None


class TeamRulesEntry(Entry):
    """Sizes and defaults of teams."""

    max_members: Positive = Field(examples=[100])
    max_seats: Positive = Field(examples=[100])
    max_payg_keys_per_user: Positive = Field(examples=[5])
    max_plans_per_member: Positive
    credits_access_default: Flag
    """Whether a new member may spend the team's credits (N7)."""
    seat_change: Literal["adjustable", "per_tier"]
    """One subscription whose seat count can change (S2:76), or one per tier (S2:80)."""
    renewal_grace: Grace = Field(default="24h", validate_default=True)
    """How long a seat due to renew goes on paying without it (SEM-42): `0s` for not at all."""


class RateLimitEntry(Entry):
    """A short limit per team on matching resources; every matching row applies (SEM-19)."""

    id: Id
    resources: tuple[Glob, ...] = Field(examples=['["text/*"]'])
    rpm: Positive | None = None
    tpm: Positive | None = None
    connections: Positive | None = None
    peak_permille: Annotated[int, Field(ge=1, le=1000)] = 1000
    """At peak the limits shrink to this many thousandths (J1)."""


class Schedule(Entry):
    """When peak hours are."""

    weekdays: tuple[Weekday, ...] = Field(min_length=1, examples=["[monday]"])
    from_: Minute = Field(alias="from")
    until: Minute = Field(examples=["17:30"])
    zone: Zone | None = None
    """The catalog's unless stated."""


class PeakEntry(Entry):
    """Peak hours (J4)."""

    schedule: Schedule
    mode: Literal["auto", "on", "off"]
    """Until an operator switches: by the schedule, always, or never."""


class LineChange(Entry):
    """From one line of plans to another."""

    from_: Id = Field(alias="from")
    to: Id


class UpgradesEntry(Entry):
    """What counts as an upgrade, and what it costs (I1-I3)."""

    within_line: Literal["higher_price", "none"]
    between_lines: tuple[LineChange, ...] = ()
    effective: Literal["immediate"]
    charge: Literal["difference_prorated", "difference_in_full"]
    downgrade: Literal["next_cycle"]


class CatalogFile(Entry):
    """All policy of the service: resources, prices, coverage, plans, credits, limits."""

    model_config = ConfigDict(title="quotasvc catalog")

    label: Text
    """The author's own name for this version."""
    currency: Currency
    zone: Zone
    """Where days begin: for dates and for windows that name no zone."""
    key_labels: KeyLabels
    custom_units: tuple[Unit, ...] = ()
    """Units beside those of the contract."""
    coverage: Coverage
    resources: tuple[ResourceEntry, ...] = Field(min_length=1)
    window_types: tuple[WindowType, ...]
    plans: tuple[PlanEntry, ...]
    credits: CreditsEntry
    team_rules: TeamRulesEntry
    rate_limits: tuple[RateLimitEntry, ...] = ()
    peak: PeakEntry
    upgrades: UpgradesEntry | None = None


class _Generator(GenerateJsonSchema):
    """Without what would mislead authors: null, which no file holds, and made-up titles."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def json_schema_text() -> str:
    """The content of catalog.schema.json."""
    schema = CatalogFile.model_json_schema(schema_generator=_Generator)
    dialect = {"$schema": GenerateJsonSchema.schema_dialect}
    return json.dumps({**dialect, **schema}, indent=2, ensure_ascii=False) + "\n"

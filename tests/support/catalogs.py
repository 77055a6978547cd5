"""A small catalog with round numbers: 1 output token of text/a costs 1 credit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from quotasvc.domain.catalog import (
    AlignedPeriod,
    Allowance,
    Catalog,
    CreditPackage,
    CreditRules,
    Overflow,
    PeakMode,
    PeakSchedule,
    Plan,
    PriceRow,
    Resource,
    Straddle,
    TeamRules,
    Window,
    WindowKind,
)
from quotasvc.domain.unit import COST
from tests.support.clock import DAY, HOUR

CREDIT = 1_000_000
"""One credit in nanos (SEM-1)."""

FIVE_HOURS = Window(
    window_id="five_hour", kind=WindowKind.SLIDING, length_ms=5 * HOUR, limit=100 * CREDIT
)
WEEK = Window(
    window_id="week",
    kind=WindowKind.ALIGNED,
    length_ms=7 * DAY,
    limit=1_000 * CREDIT,
    period=AlignedPeriod.WEEK,
)
DAY_OF_TEN = Window(
    window_id="day",
    kind=WindowKind.ALIGNED,
    length_ms=DAY,
    limit=10,
    period=AlignedPeriod.DAY,
)


def resource(
    resource_id: str,
    *rows: PriceRow,
    measures: tuple[str, ...],
    default: Mapping[str, int],
    covered: bool = True,
) -> Resource:
    """A resource whose smallest estimate is 1 of each unit that has a default."""
    return Resource(
        resource_id=resource_id,
        measures=("requests", *measures),
        rows=rows,
        estimate_default=MappingProxyType(dict(default)),
        estimate_min=MappingProxyType(dict.fromkeys(default, 1)),
        covered=covered,
    )


def price(per: int = 1, **nanos: int) -> PriceRow:
    """A row without conditions."""
    return PriceRow(per=per, nanos=MappingProxyType(dict(nanos)))


def allowance(
    allowance_id: str,
    unit: str,
    resources: tuple[str, ...],
    *windows: Window,
    straddle: Straddle = Straddle.STRICT,
    split_min: int = CREDIT,
    weights: Mapping[str, int] | None = None,
) -> Allowance:
    """An allowance."""
    return Allowance(
        allowance_id=allowance_id,
        unit=unit,
        resources=frozenset(resources),
        windows=windows,
        straddle=straddle,
        split_min=split_min,
        weights=MappingProxyType(dict(weights or {})),
    )


def plan(
    plan_id: str,
    *allowances: Allowance,
    price_nanos: int = 20_000_000_000,
    overflow: Overflow = Overflow.CREDITS_AUTO,
) -> Plan:
    """A sellable plan."""
    return Plan(
        plan_id=plan_id,
        line="shared",
        price_nanos=price_nanos,
        sellable=True,
        overflow=overflow,
        allowances=allowances,
        peak_concurrency=None,
    )


RESOURCES = (
    resource(
        "text/a",
        price(output_tokens=CREDIT, input_tokens=CREDIT),
        measures=("input_tokens", "output_tokens"),
        default={"output_tokens": 5},
    ),
    resource("image/a", price(images=3 * CREDIT), measures=("images",), default={"images": 1}),
    resource("video/a", price(clips=30 * CREDIT), measures=("clips",), default={"clips": 1}),
    resource("music/free", price(songs=0), measures=("songs",), default={"songs": 1}),
    resource("vlm/a", price(requests=CREDIT), measures=(), default={"requests": 1}),
    resource(
        "voice/clone",
        price(characters=CREDIT),
        measures=("characters",),
        default={"characters": 1},
        covered=False,
    ),
    resource(
        "clip/tiered",
        PriceRow(
            per=1, nanos=MappingProxyType({"clips": CREDIT}), attributes=(("resolution", "720P"),)
        ),
        PriceRow(
            per=1,
            nanos=MappingProxyType({"clips": 2 * CREDIT}),
            attributes=(("resolution", "1080P"),),
        ),
        measures=("clips",),
        default={"clips": 1},
    ),
)

TEXT = ("text/a", "clip/tiered")

PLANS = (
    plan(
        "plus",
        allowance("general", COST, TEXT, FIVE_HOURS, WEEK, straddle=Straddle.SPLIT),
        allowance("images", "images", ("image/a",), DAY_OF_TEN),
        allowance(
            "video",
            "clips",
            ("video/a",),
            Window(
                window_id="day",
                kind=WindowKind.ALIGNED,
                length_ms=DAY,
                limit=0,
                period=AlignedPeriod.DAY,
            ),
        ),
        allowance("vlm", "requests", ("vlm/a",), DAY_OF_TEN, weights={"vlm/a": 3}),
    ),
    plan("strict", allowance("general", COST, TEXT, FIVE_HOURS, WEEK)),
    plan(
        "absorb",
        allowance("general", COST, TEXT, FIVE_HOURS, WEEK, straddle=Straddle.ABSORB),
    ),
    plan(
        "deny",
        allowance("general", COST, TEXT, FIVE_HOURS, straddle=Straddle.STRICT),
        overflow=Overflow.DENY,
    ),
    plan(
        "max",
        allowance(
            "general",
            COST,
            TEXT,
            Window(
                window_id="five_hour",
                kind=WindowKind.SLIDING,
                length_ms=5 * HOUR,
                limit=500 * CREDIT,
            ),
            straddle=Straddle.SPLIT,
        ),
        price_nanos=50_000_000_000,
    ),
    plan(
        "unlimited",
        allowance(
            "general",
            COST,
            TEXT,
            Window(window_id="five_hour", kind=WindowKind.SLIDING, length_ms=5 * HOUR, limit=None),
        ),
    ),
)


def catalog(
    *, version: str = "testtest", plans: tuple[Plan, ...] = PLANS, text: str = "test"
) -> Catalog:
    """The catalog that store and plane tests decide by."""
    return Catalog(
        version=version,
        label="test",
        currency="USD",
        zone="UTC",
        key_labels=MappingProxyType({}),
        resources=MappingProxyType({r.resource_id: r for r in RESOURCES}),
        plans=MappingProxyType({p.plan_id: p for p in plans}),
        credits=CreditRules(
            per_currency_unit=1_000,
            validity_ms=365 * DAY,
            packages=(CreditPackage(price_nanos=5_000_000_000, credits=5_000),),
        ),
        team_rules=TeamRules(
            max_members=100,
            max_seats=100,
            max_payg_keys_per_user=5,
            max_plans_per_member=1,
            credits_access_default=True,
            seat_change="adjustable",
        ),
        rate_limits=(),
        peak=PeakSchedule(
            weekdays=(), from_minute=0, until_minute=0, zone="UTC", mode=PeakMode.OFF
        ),
        notes=(),
        text=text,
    )


def by_the_nano(policy: Catalog) -> Catalog:
    """The same, where an output token of text/a costs the least that there is: one nano."""
    text = replace(policy.resources["text/a"], rows=(price(output_tokens=1, input_tokens=1),))
    return replace(policy, resources=MappingProxyType({**policy.resources, text.resource_id: text}))

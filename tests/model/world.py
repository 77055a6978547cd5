"""The world that the model test plays in: three versions of one small policy.

Everything that the semantics knows is in it, with numbers so small that limits are met often:
1 output token of text/a costs 1 credit.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from quotasvc.domain.catalog import (
    AlignedPeriod,
    Catalog,
    OnExpiry,
    Overflow,
    PeakMode,
    PeakSchedule,
    PriceRow,
    RateLimit,
    Straddle,
    Window,
    WindowKind,
)
from quotasvc.domain.unit import COST
from tests.support.catalogs import CREDIT, allowance, catalog, plan, price, resource
from tests.support.clock import DAY, HOUR, MINUTE

START_MS = 1_793_862_000_000
"""2026-11-05 07:00 UTC, a Thursday, half an hour before peak hours begin."""

LOTS_MAX, UNPAID_LOTS_MAX = 8, 6
"""Open lots of a pool here, so that lots wait often; the scripts are told so."""

PRICE_CHANGE_MS = START_MS + 9 * HOUR


def sliding(name: str, length_ms: int, limit: int | None, slices: int = 120) -> Window:
    """Usage of the last `length_ms`."""
    return Window(
        window_id=name, kind=WindowKind.SLIDING, length_ms=length_ms, limit=limit, slices=slices
    )


def aligned(
    name: str, period: AlignedPeriod, limit: int | None, zone: str = "UTC", length_ms: int = 0
) -> Window:
    """Instances of the calendar."""
    lengths = {AlignedPeriod.DAY: DAY, AlignedPeriod.WEEK: 7 * DAY}
    return Window(
        window_id=name,
        kind=WindowKind.ALIGNED,
        length_ms=length_ms or lengths[period],
        limit=limit,
        period=period,
        zone=zone,
    )


RESOURCES = (
    resource(
        "text/a",
        price(output_tokens=CREDIT, input_tokens=CREDIT, cache_read_tokens=CREDIT // 3),
        measures=("input_tokens", "output_tokens", "cache_read_tokens"),
        default={"output_tokens": 5},
    ),
    resource(
        "text/tiered",
        PriceRow(
            per=3,
            nanos=MappingProxyType({"input_tokens": CREDIT, "output_tokens": 2 * CREDIT}),
            prompt_tokens_max=20,
        ),
        PriceRow(
            per=3,
            nanos=MappingProxyType({"input_tokens": 2 * CREDIT, "output_tokens": 4 * CREDIT}),
            prompt_tokens_min=21,
        ),
        PriceRow(
            per=1,
            nanos=MappingProxyType({}),
            attributes=(("service_tier", "priority"),),
            multiplier=(3, 2),
        ),
        measures=("input_tokens", "output_tokens"),
        default={"output_tokens": 5, "input_tokens": 2},
    ),
    resource("image/a", price(images=3 * CREDIT), measures=("images",), default={"images": 1}),
    resource("song/a", price(songs=5 * CREDIT), measures=("songs",), default={"songs": 1}),
    resource("video/a", price(clips=30 * CREDIT), measures=("clips",), default={"clips": 1}),
    resource(
        "video/b",
        *(
            PriceRow(
                per=1, nanos=MappingProxyType({"clips": n * CREDIT}), attributes=(("size", name),)
            )
            for n, name in ((4, "small"), (9, "large"))
        ),
        measures=("clips",),
        default={"clips": 1},
    ),
    resource(
        "draft/a",
        *(
            PriceRow(
                per=1,
                nanos=MappingProxyType({"input_tokens": n * CREDIT, "output_tokens": CREDIT}),
                attributes=(("size", name),),
            )
            for n, name in ((0, "small"), (1, "large"))
        ),
        measures=("input_tokens", "output_tokens"),
        default={"input_tokens": 5},
    ),
    resource("music/free", price(songs=0), measures=("songs",), default={"songs": 1}),
    resource(
        "vlm/a",
        replace(price(requests=6 * CREDIT), until_ms=PRICE_CHANGE_MS),
        replace(price(requests=CREDIT), from_ms=PRICE_CHANGE_MS),
        measures=(),
        default={"requests": 1},
    ),
    resource(
        "voice/clone",
        price(characters=CREDIT),
        measures=("characters",),
        default={"characters": 1},
        covered=False,
    ),
)

TEXT = ("text/a", "text/tiered")
FIVE_HOURS = sliding("five_hour", 5 * HOUR, 100 * CREDIT)
SHORT = sliding("short", 20 * MINUTE, 60 * CREDIT, slices=10)
WEEK = aligned("week", AlignedPeriod.WEEK, 400 * CREDIT)
NIGHT = aligned("day", AlignedPeriod.DAY, 12, "America/New_York")
BLOCK = aligned("block", AlignedPeriod.BLOCK, 90 * CREDIT, "Asia/Shanghai", 5 * HOUR)
OPENED = Window(
    window_id="opened", kind=WindowKind.FIRST_USE, length_ms=3 * HOUR, limit=70 * CREDIT
)
CYCLE = Window(window_id="cycle", kind=WindowKind.CYCLE, length_ms=0, limit=150 * CREDIT)
FEW = Window(window_id="few", kind=WindowKind.FIRST_USE, length_ms=HOUR, limit=7)
UNLIMITED = sliding("five_hour", 5 * HOUR, None)
NONE = aligned("day", AlignedPeriod.DAY, 0)
LATER = replace(WEEK, window_id="later", purchased_from_ms=START_MS - DAY)

IMAGES = allowance("images", "images", ("image/a",), NIGHT)
VISION = allowance("vision", "requests", ("vlm/a",), FEW, weights={"vlm/a": 3})
SONGS = allowance("songs", "songs", ("song/a",), sliding("hour", HOUR, 4), straddle=Straddle.ABSORB)
VIDEO = allowance("video", "clips", ("video/a",), NONE)

PLANS = (
    plan(
        "split",
        allowance("general", COST, TEXT, FIVE_HOURS, WEEK, straddle=Straddle.SPLIT),
        *(IMAGES, VISION, SONGS, VIDEO),
    ),
    plan(
        "strict",
        allowance("general", COST, TEXT, SHORT, CYCLE),
        *(IMAGES, VISION),
        price_nanos=25_000_000_000,
    ),
    plan(
        "absorb",
        allowance("general", COST, TEXT, OPENED, LATER, straddle=Straddle.ABSORB),
        *(SONGS, VIDEO),
        price_nanos=30_000_000_000,
    ),
    replace(
        plan(
            "charge",
            allowance("general", COST, TEXT, BLOCK, SHORT, straddle=Straddle.SPLIT),
            *(IMAGES, SONGS),
            price_nanos=40_000_000_000,
        ),
        on_expiry=OnExpiry.CHARGE,
        peak_concurrency=2,
    ),
    plan(
        "deny",
        allowance("general", COST, TEXT, OPENED, CYCLE),
        overflow=Overflow.DENY,
        price_nanos=15_000_000_000,
    ),
    plan(
        "max",
        allowance(
            "general",
            COST,
            TEXT,
            sliding("five_hour", 5 * HOUR, 300 * CREDIT),
            sliding("day", DAY, 900 * CREDIT, slices=48),
            straddle=Straddle.SPLIT,
        ),
        allowance("video", "clips", ("video/a", "video/b"), sliding("hour", HOUR, 3)),
        price_nanos=50_000_000_000,
    ),
    replace(
        plan("old", allowance("general", COST, ("text/a",), UNLIMITED), price_nanos=5_000_000_000),
        sellable=False,
        peak_concurrency=1,
    ),
)

RATES = (
    RateLimit(
        rate_limit_id="text",
        resources=frozenset(TEXT),
        rpm=6,
        tpm=400,
        connections=None,
        peak_permille=500,
    ),
    RateLimit(
        rate_limit_id="media",
        resources=frozenset({"image/a", "video/a", "video/b", "song/a", "music/free"}),
        rpm=5,
        tpm=None,
        connections=3,
        peak_permille=1000,
    ),
    RateLimit(
        rate_limit_id="tokens",
        resources=frozenset({"text/tiered"}),
        rpm=None,
        tpm=120,
        connections=4,
        peak_permille=334,
    ),
)

PEAK = PeakSchedule(
    weekdays=(0, 1, 2, 3, 4),
    from_minute=15 * 60 + 30,
    until_minute=17 * 60 + 30,
    zone="Asia/Shanghai",
    mode=PeakMode.AUTO,
)


def _first() -> Catalog:
    made = catalog(version="world--1", plans=PLANS, text="1")
    resources = MappingProxyType({r.resource_id: r for r in RESOURCES})
    return replace(made, resources=resources, rate_limits=RATES, peak=PEAK)


def _tighter(made: Catalog) -> Catalog:
    """A lower limit of a counter that it keeps, a higher price, and one more window."""
    resources = dict(made.resources)
    text = made.resources["text/a"]
    dearer = PriceRow(
        per=1,
        nanos=MappingProxyType(
            {
                "output_tokens": 2 * CREDIT,
                "input_tokens": CREDIT,
                "cache_read_tokens": CREDIT,
            }
        ),
    )
    resources["text/a"] = replace(text, rows=(dearer,))
    plans = dict(made.plans)
    general = plans["split"].allowances[0]
    lower = (replace(FIVE_HOURS, limit=60 * CREDIT), WEEK, OPENED)
    plans["split"] = replace(
        plans["split"],
        allowances=(replace(general, windows=lower), *plans["split"].allowances[1:]),
    )
    rates = (replace(RATES[0], rpm=4, tpm=200), *RATES[1:])
    return replace(
        made,
        version="world--2",
        text="2",
        resources=MappingProxyType(resources),
        plans=MappingProxyType(plans),
        rate_limits=rates,
    )


def _other(made: Catalog) -> Catalog:
    """Straddles change, and so does what an expiry does; a row of rate limits is gone."""
    plans = dict(made.plans)
    for plan_id, straddle in (("strict", Straddle.SPLIT), ("split", Straddle.ABSORB)):
        general, *others = plans[plan_id].allowances
        changed = replace(general, straddle=straddle)
        plans[plan_id] = replace(
            plans[plan_id], allowances=(changed, *others), on_expiry=OnExpiry.CHARGE
        )
    return replace(
        made,
        version="world--3",
        text="3",
        plans=MappingProxyType(plans),
        rate_limits=RATES[1:],
    )


CATALOGS = (_first(), _tighter(_first()), _other(_first()))

"""A checked file as the values of `domain.catalog`. Refuses nothing: the checks have."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from fractions import Fraction
from hashlib import sha256
from types import MappingProxyType
from typing import get_args

from quotasvc.catalog.patterns import expand, matching
from quotasvc.catalog.scalar import moment_ms
from quotasvc.catalog.schema import (
    AlignedType,
    AllowanceEntry,
    CatalogFile,
    CreditsEntry,
    CycleType,
    FirstUseType,
    Multiple,
    PlanEntry,
    PriceEntry,
    ResourceEntry,
    SlidingType,
    Weekday,
    WindowEntry,
)
from quotasvc.domain.catalog import (
    AlignedPeriod,
    Allowance,
    Catalog,
    CreditPackage,
    CreditRules,
    OnExpiry,
    Overflow,
    PeakMode,
    PeakSchedule,
    Plan,
    PriceRow,
    RateLimit,
    Resource,
    Straddle,
    TeamRules,
    Window,
    WindowKind,
)
from quotasvc.domain.unit import COST, NANOS_PER_CURRENCY_UNIT, REQUESTS
from quotasvc.domain.window import DAY_MS, WEEK_DAYS

_VERSION_CHARACTERS = 8
_WEEKDAYS: tuple[str, ...] = get_args(Weekday)
_LENGTH_MS = {"day": DAY_MS, "week": WEEK_DAYS * DAY_MS}


def build(file: CatalogFile, text: str) -> Catalog:
    """The catalog that `file`, read from `text`, describes."""
    rules = file.team_rules
    return Catalog(
        version=version_of(text),
        label=file.label,
        currency=file.currency,
        zone=file.zone,
        key_labels=MappingProxyType(dict(file.key_labels)),
        resources=resources_of(file),
        plans=MappingProxyType({entry.id: _plan(file, entry) for entry in file.plans}),
        credits=_credits(file.credits),
        team_rules=TeamRules(
            max_members=rules.max_members,
            max_seats=rules.max_seats,
            max_payg_keys_per_user=rules.max_payg_keys_per_user,
            max_plans_per_member=rules.max_plans_per_member,
            credits_access_default=rules.credits_access_default,
            seat_change=rules.seat_change,
            renewal_grace_ms=rules.renewal_grace,
        ),
        rate_limits=tuple(_rate_limits(file)),
        peak=_peak(file),
        notes=tuple(_notes(file)),
        text=text,
    )


def version_of(text: str) -> str:
    """The version's name: 48 bits of the text's hash, enough to tell an operator's files apart."""
    return urlsafe_b64encode(sha256(text.encode()).digest())[:_VERSION_CHARACTERS].decode()


def resources_of(file: CatalogFile) -> Mapping[str, Resource]:
    """All resources; those covered are what a subscription key may reach."""
    ids = resource_ids(file)
    covered = set(expand(file.coverage.include, ids)) - set(expand(file.coverage.exclude, ids))
    return MappingProxyType(
        {entry.id: _resource(file, entry, entry.id in covered) for entry in file.resources}
    )


def resource_ids(file: CatalogFile) -> tuple[str, ...]:
    """All resources, in the order of the file."""
    return tuple(resource.id for resource in file.resources)


def measured_units(resource: ResourceEntry) -> tuple[str, ...]:
    """`requests`, and what the file names beside it."""
    return (REQUESTS, *(unit for unit in resource.measures if unit != REQUESTS))


def price_row(entry: PriceEntry, zone: str) -> PriceRow:
    """One row of the price list, with its dates as instants."""
    return PriceRow(
        per=entry.per,
        nanos=MappingProxyType(dict(entry.price)),
        attributes=tuple(sorted(entry.when.items())),
        prompt_tokens_min=entry.prompt_tokens.min,
        prompt_tokens_max=entry.prompt_tokens.max,
        from_ms=None if entry.from_ is None else moment_ms(entry.from_, zone),
        until_ms=None if entry.until is None else moment_ms(entry.until, zone),
        multiplier=entry.times.as_integer_ratio() if entry.times else None,
    )


def limit_of(allowance: AllowanceEntry, limit: Multiple | Fraction | None) -> Fraction | None:
    """A limit in the allowance's unit, cost in nanos; multiples are followed to their base."""
    if limit is None:
        return None
    if isinstance(limit, Multiple):
        base = next(window for window in allowance.windows if window.type == limit.of)
        of = limit_of(allowance, base.limit)
        return None if of is None else of * limit.times
    return limit * NANOS_PER_CURRENCY_UNIT if allowance.unit == COST else limit


def straddle_of(allowance: AllowanceEntry) -> Straddle:
    """As stated, else what SEM-11 gives the unit."""
    if allowance.straddle is not None:
        return Straddle(allowance.straddle)
    return Straddle.SPLIT if allowance.unit == COST else Straddle.STRICT


def split_min_nanos(file: CatalogFile, allowance: AllowanceEntry) -> Fraction:
    """The least partial leg; 1 credit unless stated."""
    credits = Fraction(1) if allowance.split_min is None else allowance.split_min
    return credits * NANOS_PER_CURRENCY_UNIT / file.credits.per_currency_unit


def window(file: CatalogFile, allowance: AllowanceEntry, entry: WindowEntry) -> Window:
    """One window: its type's geometry with the entry's limit."""
    kind = next(one for one in file.window_types if one.id == entry.type)
    limit = limit_of(allowance, entry.limit)
    whole = None if limit is None else int(limit)
    condition = entry.applies_if
    since = moment_ms(condition.purchased_from, file.zone) if condition else None
    if isinstance(kind, SlidingType):
        return Window(
            window_id=entry.type,
            kind=WindowKind.SLIDING,
            length_ms=kind.length,
            slices=kind.slices,
            limit=whole,
            purchased_from_ms=since,
        )
    if isinstance(kind, FirstUseType | CycleType):
        return Window(
            window_id=entry.type,
            kind=WindowKind(kind.kind),
            length_ms=kind.length if isinstance(kind, FirstUseType) else 0,
            limit=whole,
            purchased_from_ms=since,
        )
    return Window(
        window_id=entry.type,
        kind=WindowKind.ALIGNED,
        length_ms=aligned_length_ms(kind),
        limit=whole,
        period=AlignedPeriod(kind.period),
        zone=kind.zone or file.zone,
        week_start=_WEEKDAYS.index(kind.starts) if kind.starts else 0,
        purchased_from_ms=since,
    )


def aligned_length_ms(kind: AlignedType) -> int:
    """The nominal length: clock changes make single instances shorter or longer."""
    return _LENGTH_MS.get(kind.period) or kind.length or DAY_MS


def weights_of(file: CatalogFile, allowance: AllowanceEntry) -> Mapping[str, int]:
    """The weight of each resource that a pattern names."""
    ids = expand(allowance.resources, resource_ids(file))
    return MappingProxyType(
        {
            resource: weight
            for pattern, weight in allowance.weights.items()
            for resource in matching(pattern, ids)
        }
    )


def _resource(file: CatalogFile, entry: ResourceEntry, covered: bool) -> Resource:
    return Resource(
        resource_id=entry.id,
        measures=measured_units(entry),
        rows=tuple(price_row(row, file.zone) for row in entry.prices),
        estimate_default=MappingProxyType(dict(entry.estimate.default)),
        estimate_min=MappingProxyType(dict(entry.estimate.min)),
        covered=covered,
    )


def _plan(file: CatalogFile, entry: PlanEntry) -> Plan:
    return Plan(
        plan_id=entry.id,
        line=entry.line,
        price_nanos=entry.price,
        sellable=entry.sellable,
        overflow=Overflow(entry.overflow),
        allowances=tuple(_allowance(file, allowance) for allowance in entry.allowances),
        peak_concurrency=entry.peak_concurrency,
        on_expiry=OnExpiry(entry.on_expiry),
        agents=entry.agents,
    )


def _allowance(file: CatalogFile, entry: AllowanceEntry) -> Allowance:
    return Allowance(
        allowance_id=entry.id,
        unit=entry.unit,
        resources=frozenset(expand(entry.resources, resource_ids(file))),
        windows=tuple(window(file, entry, one) for one in entry.windows),
        straddle=straddle_of(entry),
        split_min=int(split_min_nanos(file, entry)),
        weights=weights_of(file, entry),
    )


def _credits(entry: CreditsEntry) -> CreditRules:
    return CreditRules(
        per_currency_unit=entry.per_currency_unit,
        validity_ms=entry.validity,
        packages=tuple(
            CreditPackage(price_nanos=package.price, credits=package.credits)
            for package in entry.packages
        ),
    )


def _rate_limits(file: CatalogFile) -> Iterator[RateLimit]:
    for entry in file.rate_limits:
        yield RateLimit(
            rate_limit_id=entry.id,
            resources=frozenset(expand(entry.resources, resource_ids(file))),
            rpm=entry.rpm,
            tpm=entry.tpm,
            connections=entry.connections,
            peak_permille=entry.peak_permille,
        )


def _peak(file: CatalogFile) -> PeakSchedule:
    schedule = file.peak.schedule
    return PeakSchedule(
        weekdays=tuple(sorted({_WEEKDAYS.index(day) for day in schedule.weekdays})),
        from_minute=schedule.from_,
        until_minute=schedule.until,
        zone=schedule.zone or file.zone,
        mode=PeakMode(file.peak.mode),
    )


def _notes(file: CatalogFile) -> Iterator[str]:
    """What the file states and no decision looks at yet. Whoever enforces one removes its line."""
    stated = {
        "upgrades: {} set of rules": int(file.upgrades is not None),
        "migrate_to: plans with a successor: {}": sum(
            plan.migrate_to is not None for plan in file.plans
        ),
        "team_rules: seat_change and credits_access_default": 1,
        "credits.topup: {} rule": int(file.credits.topup is not None),
    }
    for what, count in stated.items():
        if count:
            yield f"{what.format(count)} validated; enforced from a later version"

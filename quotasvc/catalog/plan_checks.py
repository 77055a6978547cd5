"""What plans must be: each resource in one allowance, each limit one whole number, each counter
one window.

Each check yields what it finds; none stops another. Shapes and ranges are right already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from quotasvc.catalog.build import limit_of, split_min_nanos, straddle_of, window
from quotasvc.catalog.patterns import check_patterns, expand, matching
from quotasvc.catalog.problem import Finding, Path, choose
from quotasvc.catalog.schema import (
    AlignedType,
    AllowanceEntry,
    CatalogFile,
    FirstUseType,
    Multiple,
    PlanEntry,
    SlidingType,
    WindowEntry,
)
from quotasvc.domain.catalog import Resource, Straddle
from quotasvc.domain.reservation import HOLD_MS_MIN
from quotasvc.domain.unit import AMOUNT_MAX, COST, REQUESTS
from quotasvc.domain.window import DAY_MS

Resources = Mapping[str, Resource]

_INSTANCE_MS_MIN = 60_000
"""Of a block and of a first use. An order holds for one instance only: it must outlive the way
to the store (SEM-16)."""

_RATE = "rate"
"""Ids of rate limits in answers begin so; those of plan limits begin with their allowance's."""


def check_window_types(file: CatalogFile) -> Iterator[Finding]:
    """The geometry of each window type."""
    for index, kind in enumerate(file.window_types):
        path = ("window_types", index)
        if isinstance(kind, SlidingType):
            yield from _sliding(kind, path)
        elif isinstance(kind, AlignedType):
            yield from _aligned(kind, path)
        elif isinstance(kind, FirstUseType) and kind.length < _INSTANCE_MS_MIN:
            wrong = "a window from first use lasts at least 1m"
            yield Finding((*path, "length"), wrong, "write e.g. `5h`")


def check_plans(file: CatalogFile, resources: Resources) -> Iterator[Finding]:
    """Everything about plans, their allowances and windows."""
    ids = [plan.id for plan in file.plans]
    for index, plan in enumerate(file.plans):
        path = ("plans", index)
        if plan.migrate_to is not None and plan.migrate_to.plan not in ids:
            wrong = f"there is no plan `{plan.migrate_to.plan}`"
            cure = choose(plan.migrate_to.plan, ids)
            yield Finding((*path, "migrate_to", "plan"), wrong, cure)
        yield from _one_allowance_each(resources, plan, path)
        for place, allowance in enumerate(plan.allowances):
            here = (*path, "allowances", place)
            yield from _id(allowance, here)
            yield from _resources(resources, allowance, here)
            yield from _unit(resources, allowance, here)
            yield from _weights(resources, allowance, here)
            yield from _straddle(file, allowance, here)
            yield from _windows(file, allowance, here)


def _sliding(kind: SlidingType, path: Path) -> Iterator[Finding]:
    """The shortest hold (SEM-30) must fit: it ends a slice before its window does (SEM-51)."""
    slice_ms = -(-kind.length // kind.slices)
    if kind.length < 2 * slice_ms or kind.length - slice_ms < HOLD_MS_MIN:
        wrong = f"a hold of {HOLD_MS_MIN} ms must fit beside one slice, here {slice_ms} ms"
        yield Finding((*path, "length"), wrong, "write a longer window or more slices")


def _aligned(kind: AlignedType, path: Path) -> Iterator[Finding]:
    is_block = kind.period == "block"
    if is_block and kind.length is None:
        yield Finding(path, "a block needs its `length`", "add it, e.g. `length: 5h`")
    elif is_block and not _INSTANCE_MS_MIN <= (kind.length or 0) < DAY_MS:
        wrong = "a block is at least 1m and shorter than a day"
        yield Finding((*path, "length"), wrong, "write e.g. `5h`, or `period: day`")
    elif not is_block and kind.length is not None:
        yield Finding((*path, "length"), f"a {kind.period} has its own length", "remove it")
    if kind.period != "week" and kind.starts is not None:
        wrong = f"a {kind.period} starts at midnight, on any weekday"
        yield Finding((*path, "starts"), wrong, "remove it, or write `period: week`")


def _one_allowance_each(resources: Resources, plan: PlanEntry, path: Path) -> Iterator[Finding]:
    ids = tuple(resources)
    owner: dict[str, str] = {}
    for place, allowance in enumerate(plan.allowances):
        for resource in expand(allowance.resources, ids):
            first = owner.setdefault(resource, allowance.id)
            if first != allowance.id:
                yield Finding(
                    (*path, "allowances", place, "resources"),
                    f"`{resource}` is in the allowance `{first}` of {plan.id} already",
                    "name it in one of them only",
                )


def _id(allowance: AllowanceEntry, path: Path) -> Iterator[Finding]:
    if allowance.id.split("/")[0] == _RATE:
        wrong = f"answers call rate limits `{_RATE}/...`, and `{allowance.id}` would read like one"
        yield Finding((*path, "id"), wrong, "choose another id")


def _resources(resources: Resources, allowance: AllowanceEntry, path: Path) -> Iterator[Finding]:
    path = (*path, "resources")
    ids = tuple(resources)
    if not allowance.resources:
        yield Finding(path, "covers nothing", "name a resource, or remove the allowance")
    yield from check_patterns(allowance.resources, ids, path)
    for place, pattern in enumerate(allowance.resources):
        for resource in matching(pattern, ids):
            if not resources[resource].covered:
                yield Finding(
                    (*path, place),
                    f"`{resource}` is outside `coverage`: no subscription key reaches it",
                    "add it to the coverage, or leave it out here",
                )


def _unit(resources: Resources, allowance: AllowanceEntry, path: Path) -> Iterator[Finding]:
    if allowance.unit == COST:
        return
    path, unit = (*path, "unit"), allowance.unit
    known = {COST, *(one for resource in resources.values() for one in resource.measures)}
    if unit not in known:
        yield Finding(path, f"no resource measures `{unit}`", choose(unit, known))
        return
    for resource in expand(allowance.resources, tuple(resources)):
        measures = resources[resource].measures
        if unit not in measures:
            cure = f"it measures {', '.join(measures)}: count one of these, or leave it out"
            yield Finding(path, f"`{resource}` does not measure `{unit}`", cure)
        elif not _is_held(resources[resource], unit):
            example = f"`estimate: {{default: {{{unit}: 1}}, min: {{{unit}: 1}}}}`"
            cure = f"state both for it, e.g. {example}, or count another unit"
            wrong = f"`{resource}` has no default and min of `{unit}`: nothing might be held"
            yield Finding(path, wrong, cure)


def _is_held(resource: Resource, unit: str) -> bool:
    """Whether a hold has some of `unit`, whatever a request names of the others (SEM-13).

    `requests` is 1 unless sent (SEM-4); what is free is not asked of the plan (SEM-46).
    """
    is_free = not any(nanos for row in resource.rows for nanos in row.nanos.values())
    is_estimated = unit in resource.estimate_default and unit in resource.estimate_min
    return is_free or is_estimated or unit == REQUESTS


def _weights(resources: Resources, allowance: AllowanceEntry, path: Path) -> Iterator[Finding]:
    path = (*path, "weights")
    if allowance.weights and allowance.unit == COST:
        wrong = "cost is the list price; a weight would change it"
        yield Finding(path, wrong, "remove the weights, or count a unit")
    ids = expand(allowance.resources, tuple(resources))
    weighed: dict[str, str] = {}
    for pattern in allowance.weights:
        named = matching(pattern, ids)
        if not named:
            wrong = f"`{pattern}` names no resource of this allowance"
            yield Finding((*path, pattern), wrong, choose(pattern, ids))
        for resource in named:
            first = weighed.setdefault(resource, pattern)
            if first != pattern:
                wrong = f"`{resource}` has a weight by `{first}` already"
                yield Finding((*path, pattern), wrong, "let one pattern name it")


def _straddle(file: CatalogFile, allowance: AllowanceEntry, path: Path) -> Iterator[Finding]:
    straddle = straddle_of(allowance)
    if straddle is Straddle.SPLIT and allowance.unit != COST:
        wrong = f"`{allowance.unit}` cannot be split: half a unit has no list price"
        yield Finding((*path, "straddle"), wrong, "write `strict` or `absorb`, or count `cost`")
    path = (*path, "split_min")
    if allowance.split_min is not None and straddle is not Straddle.SPLIT:
        yield Finding(path, "nothing is split here", "remove it, or write `straddle: split`")
    elif split_min_nanos(file, allowance).denominator != 1:
        yield Finding(path, "is finer than a whole nano", "write fewer decimals")


def _windows(file: CatalogFile, allowance: AllowanceEntry, path: Path) -> Iterator[Finding]:
    path = (*path, "windows")
    if not allowance.windows:
        cure = "add a window; `limit: unlimited` if there is none to keep"
        yield Finding(path, "an allowance needs a window to count in", cure)
    known = [kind.id for kind in file.window_types]
    sound = True
    for place, entry in enumerate(allowance.windows):
        found = [*_type(entry, known, (*path, place)), *_limit(allowance, entry, (*path, place))]
        sound = sound and not found
        yield from found
    if sound:
        yield from _one_counter_each(file, allowance, path)


def _type(entry: WindowEntry, known: list[str], path: Path) -> Iterator[Finding]:
    if entry.type not in known:
        wrong = f"there is no window type `{entry.type}`"
        yield Finding((*path, "type"), wrong, choose(entry.type, known))


def _limit(allowance: AllowanceEntry, entry: WindowEntry, path: Path) -> Iterator[Finding]:
    path = (*path, "limit")
    if isinstance(entry.limit, Multiple):
        broken = tuple(_chain(allowance, entry, path))
        yield from broken
        if broken:
            return
    limit = limit_of(allowance, entry.limit)
    if limit is None:
        return
    if limit.denominator != 1:
        what = "whole nanos" if allowance.unit == COST else f"whole {allowance.unit}"
        yield Finding(path, f"a limit counts {what}", "write fewer decimals")
    elif limit > AMOUNT_MAX:
        wrong = f"the limit of {limit} is not below 2^53"
        yield Finding(path, wrong, "write `unlimited`, or a smaller number")


def _chain(allowance: AllowanceEntry, entry: WindowEntry, path: Path) -> Iterator[Finding]:
    """`of` must lead to a number, through windows of this allowance."""
    limits = {one.type: one.limit for one in allowance.windows}
    passed = [entry.type]
    limit = entry.limit
    while isinstance(limit, Multiple):
        here = (*path, "of")
        if limit.of not in limits:
            others = [one for one in limits if one != entry.type]
            wrong = f"`{limit.of}` is no window of this allowance"
            yield Finding(here, wrong, choose(limit.of, others))
            return
        if limit.of in passed:
            wrong = f"turns in a circle: {' of '.join((*passed, limit.of))}"
            yield Finding(here, wrong, "give one of them a number")
            return
        passed.append(limit.of)
        limit = limits[limit.of]


def _one_counter_each(
    file: CatalogFile, allowance: AllowanceEntry, path: Path
) -> Iterator[Finding]:
    """A counter is named by kind, length and anchor (SEM-18): two windows would share one."""
    counters: dict[tuple[object, ...], str] = {}
    for place, entry in enumerate(allowance.windows):
        made = window(file, allowance, entry)
        first = counters.setdefault((made.kind, made.length_ms, made.anchor), entry.type)
        if first != entry.type or entry.type in [w.type for w in allowance.windows[:place]]:
            wrong = f"would count in the same counter as `{first}`"
            yield Finding((*path, place), wrong, "keep one of the two")

"""All that must hold between the parts of a catalog, once each part has the right shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from quotasvc.catalog.build import resource_ids, resources_of
from quotasvc.catalog.patterns import check_patterns, expand
from quotasvc.catalog.plan_checks import check_plans, check_window_types
from quotasvc.catalog.problem import Finding, Path, choose
from quotasvc.catalog.resource_checks import check_resources
from quotasvc.catalog.schema import CatalogFile
from quotasvc.domain.unit import NANOS_PER_CURRENCY_UNIT

ENTRIES_MAX = 1_000
"""Of resources, and of plans: their indexes are written into reservation ids (05)."""

SELLABLE_PLANS_MAX = 64
"""Plans for sale: a denial asks the store, in one go, which of them would admit the request."""

RATE_ROWS_MAX = 24
"""The rate-limit rows that counted a request are a bit mask inside its reservation id (05)."""

RATE_ROWS_MATCHING_MAX = 16
"""Each row that matches a resource brings up to three counters into the script of a decision,
whose keys and loops are bounded (SEM-5)."""


def check(file: CatalogFile) -> Iterator[Finding]:
    """Everything that is wrong with `file`; its shape is right."""
    duplicates = tuple(_duplicates(file))
    yield from duplicates
    yield from _sizes(file)
    yield from check_resources(file)
    yield from check_window_types(file)
    yield from _credits(file)
    yield from _rate_limits(file)
    yield from _peak(file)
    yield from _upgrades(file)
    if not duplicates:  # plans are checked by the ids of what they name
        yield from check_plans(file, resources_of(file))


def _duplicates(file: CatalogFile) -> Iterator[Finding]:
    yield from _twice(("resources",), resource_ids(file))
    yield from _twice(("window_types",), [kind.id for kind in file.window_types])
    yield from _twice(("rate_limits",), [row.id for row in file.rate_limits])
    yield from _twice(("plans",), [plan.id for plan in file.plans])
    for index, plan in enumerate(file.plans):
        path = ("plans", index, "allowances")
        yield from _twice(path, [allowance.id for allowance in plan.allowances])


def _twice(path: Path, ids: Sequence[str]) -> Iterator[Finding]:
    for index, one in enumerate(ids):
        first = ids.index(one)
        if first < index:
            wrong = f"`{one}` is the id of {path[-1]}[{first}] already"
            yield Finding((*path, index, "id"), wrong, "give each its own id")


def _sizes(file: CatalogFile) -> Iterator[Finding]:
    for name, count, most in (
        ("resources", len(file.resources), ENTRIES_MAX),
        ("plans", len(file.plans), ENTRIES_MAX),
        ("rate_limits", len(file.rate_limits), RATE_ROWS_MAX),
    ):
        if count > most:
            yield Finding((name,), f"there are {count} of them, more than {most}", "remove some")
    sellable = sum(plan.sellable for plan in file.plans)
    if sellable > SELLABLE_PLANS_MAX:
        wrong = f"{sellable} of them are for sale, more than {SELLABLE_PLANS_MAX}"
        yield Finding(("plans",), wrong, "retire some: `sellable: false`")


def _credits(file: CatalogFile) -> Iterator[Finding]:
    credits = file.credits
    if NANOS_PER_CURRENCY_UNIT % credits.per_currency_unit:
        yield Finding(
            ("credits", "per_currency_unit"),
            f"1e9 nanos cannot be divided into {credits.per_currency_unit} whole parts",
            "write a divisor of 1000000000, e.g. `1000`",
        )
    if bool(credits.packages) == (credits.topup is not None):
        wrong = "credits are sold in `packages`, or as a `topup` of any size"
        yield Finding(("credits",), wrong, "state exactly one of the two")


def _rate_limits(file: CatalogFile) -> Iterator[Finding]:
    for index, row in enumerate(file.rate_limits):
        path = ("rate_limits", index)
        if not row.resources:
            yield Finding((*path, "resources"), "covers nothing", "name a resource")
        yield from check_patterns(row.resources, resource_ids(file), (*path, "resources"))
        if row.rpm is None and row.tpm is None and row.connections is None:
            cure = "add `rpm`, `tpm` or `connections`, or remove the row"
            yield Finding(path, f"`{row.id}` limits nothing", cure)
    yield from _rate_rows_of_a_resource(file)


def _rate_rows_of_a_resource(file: CatalogFile) -> Iterator[Finding]:
    """The first row that is one too many for a resource, and the first such resource."""
    ids = resource_ids(file)
    matching = dict.fromkeys(ids, 0)
    for index, row in enumerate(file.rate_limits):
        for resource in expand(row.resources, ids):
            matching[resource] += 1
        if max(matching.values()) > RATE_ROWS_MATCHING_MAX:
            resource = max(ids, key=matching.__getitem__)
            wrong = f"`{resource}` is in more than {RATE_ROWS_MATCHING_MAX} rate limits"
            cure = "all that match apply: leave out those that never bite first"
            yield Finding(("rate_limits", index, "resources"), wrong, cure)
            return


def _peak(file: CatalogFile) -> Iterator[Finding]:
    schedule = file.peak.schedule
    path = ("peak", "schedule")
    if schedule.until <= schedule.from_:
        is_empty = schedule.until == schedule.from_
        wrong = f"peak hours end {'when' if is_empty else 'before'} they begin"
        yield Finding((*path, "until"), wrong, "write a later time of the same day")
    for index, day in enumerate(schedule.weekdays):
        if day in schedule.weekdays[:index]:
            yield Finding((*path, "weekdays", index), f"`{day}` is named twice", "keep one")


def _upgrades(file: CatalogFile) -> Iterator[Finding]:
    if file.upgrades is None:
        return
    lines = {plan.line for plan in file.plans}
    for index, change in enumerate(file.upgrades.between_lines):
        path = ("upgrades", "between_lines", index)
        for key, line in (("from", change.from_), ("to", change.to)):
            if line not in lines:
                yield Finding((*path, key), f"no plan is of the line `{line}`", choose(line, lines))

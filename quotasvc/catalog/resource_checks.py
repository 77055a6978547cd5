"""What resources and their prices must be: priced without gap or overlap, never free by accident.

Each check yields what it finds; none stops another. Shapes and ranges are right already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import combinations

from quotasvc.catalog.build import measured_units, price_row, resource_ids
from quotasvc.catalog.patterns import check_patterns
from quotasvc.catalog.problem import Finding, Path, choose
from quotasvc.catalog.schema import CatalogFile, PriceEntry, ResourceEntry
from quotasvc.domain.catalog import PriceRow
from quotasvc.domain.unit import AMOUNT_MAX, COST, REQUESTS, TOKEN_UNITS, UNITS

ROWS_MAX = 30
"""The rows in force are a bit mask inside the reservation id, which has 120 characters (05)."""

PROMPT_TOKENS = "prompt_tokens"
_RESERVED = (*UNITS, COST, PROMPT_TOKENS)


def check_resources(file: CatalogFile) -> Iterator[Finding]:
    """Everything about resources, their prices and what is covered."""
    yield from _custom_units(file)
    for index, resource in enumerate(file.resources):
        path = ("resources", index)
        rows = tuple(price_row(entry, file.zone) for entry in resource.prices)
        yield from _measures(file, resource, path)
        yield from _rows(resource, rows, path)
        yield from _overlaps(rows, path)
        yield from _sizes(rows, path)
        yield from _dates(resource, rows, path)
        yield from _every_unit_is_priced(resource, rows, path)
        yield from _estimate(resource, rows, path)
    ids = resource_ids(file)
    yield from check_patterns(file.coverage.include, ids, ("coverage", "include"))
    yield from check_patterns(file.coverage.exclude, ids, ("coverage", "exclude"))


def _custom_units(file: CatalogFile) -> Iterator[Finding]:
    measured = {unit for resource in file.resources for unit in resource.measures}
    for index, unit in enumerate(file.custom_units):
        path = ("custom_units", index)
        if unit in _RESERVED:
            yield Finding(path, f"`{unit}` has a meaning of its own", "choose another name")
        elif unit not in measured:
            wrong = f"no resource measures `{unit}`"
            yield Finding(path, wrong, "remove it, or name it in a resource's `measures`")


def _measures(file: CatalogFile, resource: ResourceEntry, path: Path) -> Iterator[Finding]:
    known = (*UNITS, *(unit for unit in file.custom_units if unit not in _RESERVED))
    for index, unit in enumerate(resource.measures):
        here = (*path, "measures", index)
        if unit not in known:
            cure = f"{choose(unit, known)} A unit of your own goes into `custom_units`"
            yield Finding(here, f"`{unit}` is no unit of usage", cure)
        elif unit in resource.measures[:index]:
            yield Finding(here, f"`{unit}` is named twice", "keep one")


def _rows(resource: ResourceEntry, rows: tuple[PriceRow, ...], path: Path) -> Iterator[Finding]:
    if len(rows) > ROWS_MAX:
        wrong = f"has {len(rows)} price rows, more than {ROWS_MAX}"
        yield Finding((*path, "prices"), wrong, "split the resource in two")
    units = measured_units(resource)
    for index, (entry, row) in enumerate(zip(resource.prices, rows, strict=True)):
        here = (*path, "prices", index)
        yield from _row(entry, row, here)
        for unit in entry.price:
            if unit not in units:
                cure = f"{choose(unit, units)} Or name it in `measures`"
                yield Finding((*here, "price", unit), f"`{unit}` is not measured", cure)
        is_sized = row.prompt_tokens_min > 0 or row.prompt_tokens_max is not None
        if is_sized and not set(units) & set(TOKEN_UNITS):
            wrong = f"{resource.id} measures no tokens, so this looks at 0 always"
            yield Finding((*here, PROMPT_TOKENS), wrong, "remove it")


def _row(entry: PriceEntry, row: PriceRow, path: Path) -> Iterator[Finding]:
    """One row alone: it says one thing, and can hold at all."""
    if bool(entry.price) == (entry.times is not None):
        wrong = "a row either prices units (`price`) or scales other rows (`times`)"
        yield Finding(path, wrong, "state exactly one of the two")
    if row.from_ms is not None and row.until_ms is not None and row.from_ms >= row.until_ms:
        wrong = "ends before it begins, so it never holds"
        yield Finding((*path, "until"), wrong, "write a moment after `from`")
    if row.prompt_tokens_max is not None and row.prompt_tokens_max < row.prompt_tokens_min:
        wrong = "`max` is below `min`, so the row never holds"
        yield Finding((*path, PROMPT_TOKENS, "max"), wrong, "write at least `min`")


def _overlaps(rows: tuple[PriceRow, ...], path: Path) -> Iterator[Finding]:
    """Two prices of one unit that can hold together: nobody could say which one counts."""
    for (first, one), (second, other) in combinations(enumerate(rows), 2):
        shared = [unit for unit in other.nanos if unit in one.nanos]
        if shared and _can_hold_together(one, other):
            yield Finding(
                (*path, "prices", second, "price", shared[0]),
                f"prices[{first}] can hold at the same time and prices `{shared[0]}` too",
                "tell them apart by `when`, `prompt_tokens`, `from` or `until`",
            )


def _can_hold_together(one: PriceRow, other: PriceRow) -> bool:
    wanted = dict(one.attributes)
    return (
        all(wanted.get(name, value) == value for name, value in other.attributes)
        and _meet(one.from_ms, one.until_ms, other.from_ms, other.until_ms)
        and _meet(
            one.prompt_tokens_min,
            _after(one.prompt_tokens_max),
            other.prompt_tokens_min,
            _after(other.prompt_tokens_max),
        )
    )


def _meet(
    start: int | None, end: int | None, other_start: int | None, other_end: int | None
) -> bool:
    """Whether two half-open intervals share a point; None is without bound."""
    return (end is None or other_start is None or other_start < end) and (
        other_end is None or start is None or start < other_end
    )


def _after(last: int | None) -> int | None:
    return None if last is None else last + 1


def _sizes(rows: tuple[PriceRow, ...], path: Path) -> Iterator[Finding]:
    """Rows with the same attributes and dates price a unit at every size.

    The size is known at commit only, and commit has no fault for a missing price (SEM-2a).
    """
    for unit in dict.fromkeys(unit for row in rows for unit in row.nanos):
        alike: dict[tuple[object, ...], list[tuple[int, PriceRow]]] = defaultdict(list)
        for index, row in enumerate(rows):
            if unit in row.nanos:
                alike[row.attributes, row.from_ms, row.until_ms].append((index, row))
        for group in alike.values():
            yield from _gaps(unit, group, path)


def _gaps(unit: str, group: list[tuple[int, PriceRow]], path: Path) -> Iterator[Finding]:
    reach: int | None = 0
    for index, row in sorted(group, key=lambda each: each[1].prompt_tokens_min):
        if reach is not None and row.prompt_tokens_min > reach:
            yield _gap(
                unit, f"from {reach} to {row.prompt_tokens_min - 1}", (*path, "prices", index)
            )
        reach = _after(row.prompt_tokens_max)
    if reach is not None:
        yield _gap(unit, f"from {reach} on", (*path, "prices", group[-1][0]))


def _gap(unit: str, sizes: str, path: Path) -> Finding:
    return Finding(
        (*path, PROMPT_TOKENS),
        f"`{unit}` has no price for prompt_tokens {sizes}",
        "add a row with the same `when` and dates for these sizes",
    )


def _dates(resource: ResourceEntry, rows: tuple[PriceRow, ...], path: Path) -> Iterator[Finding]:
    """Some row prices a unit at every time, and no attributes are without a price for a while.

    Single attributes may begin later or end for good, as long as others remain. `requests` need
    a price only where nothing else has one (SEM-2a).
    """
    priced = dict.fromkeys(unit for row in rows for unit in row.nanos)
    for unit in [unit for unit in priced if unit != REQUESTS] or priced:
        pricing = [(index, row) for index, row in enumerate(rows) if unit in row.nanos]
        yield from _ends(resource, unit, pricing, path)
        yield from _breaks(resource, unit, pricing, path)
        for attributes in dict.fromkeys(row.attributes for _, row in pricing):
            # Rows that ask for less hold for these attributes too.
            held = [each for each in pricing if set(each[1].attributes) <= set(attributes)]
            yield from _breaks(resource, unit, held, path)


def _ends(
    resource: ResourceEntry, unit: str, pricing: list[tuple[int, PriceRow]], path: Path
) -> Iterator[Finding]:
    """Whatever the attributes: before the first row begins, and after the last one ends."""
    first, row = min(pricing, key=lambda each: each[1].from_ms or 0)
    if row.from_ms is not None:
        wrong = f"`{unit}` has no price before {_written(resource.prices[first].from_)}"
        cure = "remove `from`, or add a row that ends then"
        yield Finding((*path, "prices", first, "from"), wrong, cure)
    last, row = max(pricing, key=lambda each: each[1].until_ms or AMOUNT_MAX)
    if row.until_ms is not None:
        wrong = f"`{unit}` has no price from {_written(resource.prices[last].until)} on"
        cure = "remove `until`, or add a row that begins then"
        yield Finding((*path, "prices", last, "until"), wrong, cure)


def _breaks(
    resource: ResourceEntry, unit: str, held: list[tuple[int, PriceRow]], path: Path
) -> Iterator[Finding]:
    """Between the end of a row and the beginning of the next."""
    (last, row), *later = sorted(held, key=lambda each: each[1].from_ms or 0)
    reach = row.until_ms or AMOUNT_MAX
    for index, row in later:
        if (row.from_ms or 0) > reach:
            here = (*path, "prices", index, "from")
            until, begins = _written(resource.prices[last].until), resource.prices[index].from_
            wrong = f"`{unit}` has no price from {until} to {_written(begins)}"
            yield Finding(here, wrong, f"begin when the row before ends: `from: {until}`")
        if (row.until_ms or AMOUNT_MAX) > reach:
            last, reach = index, row.until_ms or AMOUNT_MAX


def _written(moment: date | None) -> str:
    """A moment as authors write it: a day, or an instant with its offset."""
    return moment.isoformat() if moment else ""


def _every_unit_is_priced(
    resource: ResourceEntry, rows: tuple[PriceRow, ...], path: Path
) -> Iterator[Finding]:
    """Free is stated, never inferred (SEM-2a)."""
    priced = {unit for row in rows for unit in row.nanos}
    for unit in measured_units(resource):
        if unit not in priced and (unit != REQUESTS or not priced):
            cure = f"add a row for it, e.g. `price: {{{unit}: 0}}` if it is free"
            yield Finding((*path, "prices"), f"`{unit}` is measured but has no price", cure)


def _estimate(resource: ResourceEntry, rows: tuple[PriceRow, ...], path: Path) -> Iterator[Finding]:
    """What costs something is never held at nothing (SEM-13)."""
    units = measured_units(resource)
    stated: Mapping[str, Mapping[str, int]] = dict(resource.estimate)
    for which, amounts in stated.items():
        for unit in amounts:
            if unit not in units:
                here = (*path, "estimate", which, unit)
                yield Finding(here, f"`{unit}` is not measured", choose(unit, units))
    priced = [unit for unit in units if any(row.nanos.get(unit, 0) > 0 for row in rows)]
    default, least = resource.estimate.default, resource.estimate.min
    if priced and not any(unit in default and unit in least for unit in priced):
        yield Finding(
            (*path, "estimate"),
            "an estimate could be empty: no priced unit has both a default and a min",
            f"state both for one of {', '.join(priced)}, e.g. "
            f"`estimate: {{default: {{{priced[0]}: 1}}, min: {{{priced[0]}: 1}}}}`",
        )

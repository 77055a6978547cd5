"""A new catalog may not lose what its predecessor promised (SEM-1, SEM-18)."""

from __future__ import annotations

import pytest

from quotasvc.catalog import predecessor
from quotasvc.domain.catalog import Catalog
from tests.unit.catalog_text import DEFAULT, FILE, catalog, line_of, section

OLD = catalog()


def found(new: Catalog) -> list[tuple[str, str, str]]:
    problems = predecessor(OLD, new, source=FILE)
    return [(p.path, p.wrong, p.right) for p in problems]


def test_the_same_catalog_may_follow_itself() -> None:
    assert found(OLD) == []


def test_prices_limits_and_new_entries_may_change() -> None:
    resource = "{id: a, measures: [], prices: [{price: {requests: 0}}]}"
    new = catalog(
        *("limit: 2.83", "limit: 5"),
        *("images: 0.0035", "images: 0.007"),
        *("  # The old model", "  - {id: mega, like: ultra}\n  # The old model"),
        *("\nresources:", f"\nresources:\n  - {resource}"),
    )
    assert found(new) == []


def test_rate_limits_windows_and_peak_hours_may_change() -> None:
    # R1: a row's id is no promise; SEM-18: counters of other names start empty
    new = catalog(
        section("  - {id: m3, resources", "  - {id: m2, resources"),
        "",
        *("kind: sliding, length: 5h", "kind: first_use, length: 5h"),
        *('until: "17:30"', 'until: "18:00"'),
    )
    assert found(new) == []


def test_order_may_change() -> None:
    # reservation ids resolve their indexes in the version that they pin (05)
    lyrics = section("  - id: music/lyrics", "  - id: vlm/")
    assert found(catalog(lyrics, "", "\nresources:\n", f"\nresources:\n{lyrics}")) == []


def test_a_plan_may_retire_but_not_disappear() -> None:
    ultra = section("  - id: ultra\n", "  # The old model")
    retired = ultra.replace("like: max\n", "like: max\n    sellable: false\n")
    assert found(catalog(ultra, retired)) == []
    assert found(catalog(ultra, "")) == [
        (
            "plans",
            f"the plan `ultra` of catalog {OLD.version} is gone",
            "keep it, `sellable: false` retires it",
        )
    ]


def test_an_allowance_may_not_disappear() -> None:
    # given an allowance that all plans of the old model have under another name now
    problems = found(catalog("- id: music\n", "- id: musics\n"))
    # then it is gone from each of them
    assert len(problems) == 6
    assert problems[0] == (
        "plans[3].allowances",
        "the allowance `music` of starter-legacy is gone",
        "keep it; was it renamed to `musics`?",
    )


def test_a_resource_may_not_disappear() -> None:
    new = catalog("music/lyrics", "music/words")
    ((path, wrong, right),) = found(new)
    assert (path, wrong) == (
        "resources",
        f"the resource `music/lyrics` of catalog {OLD.version} is gone",
    )
    assert "outside `coverage` to retire it" in right


@pytest.mark.parametrize(
    ("old", "new", "path", "right"),
    [
        ("currency: USD", "currency: CNY", "currency", "write `USD`"),
        (
            "per_currency_unit: 1000",
            "per_currency_unit: 100",
            "credits.per_currency_unit",
            "write `1000`",
        ),
    ],
)
def test_the_money_may_not_change(old: str, new: str, path: str, right: str) -> None:
    # SEM-1: fixed for the life of a store
    ((where, _, cure),) = found(catalog(old, new))
    assert where == path
    assert right in cure


def test_a_problem_stands_on_its_line() -> None:
    (problem,) = predecessor(OLD, catalog("currency: USD", "currency: CNY"))
    line = line_of(DEFAULT, "currency: USD")
    assert (problem.file, problem.line, problem.column) == ("catalog", line, 1)

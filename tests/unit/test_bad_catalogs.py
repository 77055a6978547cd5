"""A bad catalog is refused with the place, what is wrong, and what would be right.

Each is the default catalog with one change, named for its fault; bad_catalogs/ holds them.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from quotasvc.catalog import CatalogFault, parse_catalog
from quotasvc.domain.faults import FailedPrecondition
from tests.unit.catalog_text import DEFAULT, FILE, changed, line_of, refusal

BAD_CATALOGS = pathlib.Path(__file__).with_name("bad_catalogs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """`find` becomes `put`; the problem is at `path`, on the line that holds `at`, or `put`."""

    name: str
    find: str = DEFAULT
    put: str
    at: str = ""
    path: str
    wrong: str
    right: str


def bad_catalogs() -> Iterator[Bad]:
    for file in sorted(BAD_CATALOGS.glob("*.yaml")):
        for name, case in yaml.safe_load(file.read_text(encoding="utf-8")).items():
            yield Bad(name=name, **case)


@pytest.mark.parametrize("bad", tuple(bad_catalogs()), ids=lambda bad: bad.name)
def test_a_bad_catalog_is_refused_with_its_cure(bad: Bad) -> None:
    text = changed(bad.find, bad.put)
    line = line_of(text, bad.at or bad.put.strip())
    found = [(p.path, p.line, p.wrong, p.right) for p in refusal(text)]
    assert any(
        (path, at) == (bad.path, line) and bad.wrong in wrong and bad.right in right
        for path, at, wrong, right in found
    ), f"expected {bad.path} on line {line}, found {found}"


SPANS = tuple(re.finditer(r"[\w./*-]+|\[.*\]|\{.*\}|\n +", DEFAULT))
"""Words, lists, mappings and line breaks of the default catalog."""


@settings(deadline=None)  # a whole catalog is read each time
@given(
    span=st.sampled_from(SPANS),
    put=st.sampled_from(
        ("", "1", "-0.5", "true", "''", "[]", "[1]", "{}", "{a: b}", "text/*", "cost")
    )
    | st.sampled_from(SPANS).map(lambda other: other[0]),
)
def test_a_mangled_catalog_is_read_or_refused(span: re.Match[str], put: str) -> None:
    # whatever the change, nothing but a CatalogFault comes of it
    with suppress(CatalogFault):
        parse_catalog(DEFAULT[: span.start()] + put + DEFAULT[span.end() :], source=FILE)


def test_brackets_without_end_are_refused() -> None:
    (problem,) = refusal("[" * 5_000)
    assert problem.wrong == "is nested too deeply"


def test_all_problems_are_named_in_the_order_of_the_file() -> None:
    problems = refusal(changed("rpm: 200", "rpm: 0", "mode: auto", "mode: atuo"))
    assert [p.path for p in problems] == ["rate_limits[0].rpm", "peak.mode"]


def test_a_problem_reads_as_editors_link_it() -> None:
    problems = refusal(changed("limit: 2.83", "limit: -2.83"))
    line = line_of(DEFAULT, "limit: 2.83")
    column = DEFAULT.splitlines()[line - 1].index("limit") + 1
    assert str(problems[0]) == (
        f"{FILE}:{line}:{column}: plans[0].allowances[0].windows[0].limit: "
        "`-2.83` is below 0; write 0 or more"
    )


def test_what_is_taken_over_is_reported_once_where_it_is_written() -> None:
    # given a unit that two more plans take over
    problems = refusal(changed("unit: clips", "unit: clip"))
    assert [p.path for p in problems] == ["plans[0].allowances[1].unit"]


def test_a_refused_catalog_is_a_fault_with_a_reason() -> None:
    with pytest.raises(FailedPrecondition, match="`label` is missing") as fault:
        parse_catalog(changed("label: 2026-11-global\n", ""), source=FILE)
    assert fault.value.reason == "CATALOG_INVALID"

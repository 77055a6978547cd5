"""The default catalog's text, changed in a few places: what tests of the catalog begin with."""

from __future__ import annotations

import pytest

from quotasvc.catalog import DEFAULT_CATALOG, CatalogFault, Problem, parse_catalog
from quotasvc.domain.catalog import Catalog

DEFAULT = DEFAULT_CATALOG.read_text(encoding="utf-8")
FILE = "catalog.yaml"


def changed(*changes: str) -> str:
    """The text with the first of each replaced: what was, what is, what was, what is ..."""
    text = DEFAULT
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text, f"{old!r} is no longer in the default catalog"
        text = text.replace(old, new, 1)
    return text


def catalog(*changes: str) -> Catalog:
    """The catalog that the changed text describes."""
    return parse_catalog(changed(*changes), source=FILE)


def refusal(text: str) -> tuple[Problem, ...]:
    """Why `text` is refused; fails where it is not."""
    with pytest.raises(CatalogFault) as fault:
        parse_catalog(text, source=FILE)
    return fault.value.problems


def section(first: str, after: str) -> str:
    """The default text from `first` until just before `after`."""
    return DEFAULT[DEFAULT.index(first) : DEFAULT.index(after)]


def line_of(text: str, part: str) -> int:
    """The number of the line on which `part` begins."""
    before, found, _ = text.partition(part)
    assert found
    return before.count("\n") + 1

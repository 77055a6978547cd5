"""Faults: each has a reason that callers can look up, and nothing below the edge swallows one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.tidy.sources import ROOT, name_of, python_files, text_of, tree_of

# Above them stands the one place that turns faults into statuses.
BELOW_THE_EDGE = ("catalog", "domain", "planes", "store", "telemetry")
NEVER_ON_THE_WIRE = {
    "CATALOG_INVALID": "found when a catalog is loaded, before anybody is served by it",
}
"""Reasons that no caller can meet, and why."""
BROAD = {"Exception", "BaseException"}


def _reasons(tree: ast.Module) -> Iterator[str]:
    """Texts given as `reason`: of a class, or to a call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword):
            name = node.arg
        elif isinstance(node, ast.Assign):
            name = ast.unparse(node.targets[0])
        else:
            continue
        if name == "reason" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def _broad_handlers(tree: ast.Module) -> list[int]:
    """Lines that catch everything."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or BROAD & set(re.findall(r"\w+", ast.unparse(node.type))))
    ]


def test_every_reason_is_in_the_contract() -> None:
    contract = set(re.findall(r"\b[A-Z_]{4,}\b", text_of(ROOT / "proto/quotasvc/v1/errors.proto")))
    named = {reason for path in python_files("quotasvc") for reason in _reasons(tree_of(path))}
    assert named - contract == NEVER_ON_THE_WIRE.keys()


def test_nothing_below_the_edge_catches_everything() -> None:
    found = {
        name_of(path): lines
        for part in BELOW_THE_EDGE
        for path in python_files(f"quotasvc/{part}")
        if (lines := _broad_handlers(tree_of(path)))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source", ['class F(Fault):\n    reason = "GONE"', 'raise F("text", reason="GONE")']
)
def test_a_reason_is_found(source: str) -> None:
    assert list(_reasons(ast.parse(source))) == ["GONE"]


@pytest.mark.parametrize("caught", ["", " Exception", " (OSError, BaseException) as e"])
def test_a_broad_handler_is_found(caught: str) -> None:
    assert _broad_handlers(ast.parse(f"try:\n    f()\nexcept{caught}:\n    pass")) == [3]

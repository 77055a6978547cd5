"""What callers and operators can see is written down: every rpc, every metric."""

from __future__ import annotations

import ast
import re

import pytest

from tests.tidy.sources import ROOT, files, python_files, text_of, tree_of

RPC = re.compile(r"^\s*rpc (\w+)\(", re.MULTILINE)
METRIC = re.compile(r"quotasvc[._][a-z0-9_.]+")


def _rpcs(proto: str) -> list[str]:
    return RPC.findall(proto)


def _metrics(tree: ast.Module) -> set[str]:
    """Whole strings that look like a metric's name."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and METRIC.fullmatch(node.value)
    }


def test_every_rpc_is_in_the_readme() -> None:
    words = set(re.findall(r"\w+", text_of(ROOT / "README.md")))
    rpcs = {rpc for path in files(".proto", below="proto/quotasvc") for rpc in _rpcs(text_of(path))}
    assert rpcs - words == set()


def test_every_metric_is_in_the_docs() -> None:
    docs = "\n".join(text_of(path) for path in files(".md", below="docs"))
    modules = [p for p in python_files("quotasvc") if "telemetry" in p.as_posix()]
    metrics = {metric for path in modules for metric in _metrics(tree_of(path))}
    assert {metric for metric in metrics if metric not in docs} == set()


def test_rpcs_and_metrics_are_found() -> None:
    assert _rpcs("service S {\n  rpc Commit(CommitRequest) returns (X);\n}") == ["Commit"]
    assert _metrics(ast.parse('c = counter("quotasvc.decisions", "{decision}")')) == {
        "quotasvc.decisions"
    }


@pytest.mark.parametrize("source", ['"quotasvc"', '"about quotasvc.decisions"', '"Quota"'])
def test_other_strings_are_no_metrics(source: str) -> None:
    assert _metrics(ast.parse(source)) == set()

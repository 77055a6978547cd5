"""Modules and functions stay short enough to be read in one go."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.tidy.sources import files, name_of, python_files, text_of, tree_of

PYTHON_LINES_MAX = 399
LUA_LINES_MAX = 99
FUNCTION_LINES_MAX = 60

EXCEPTIONS: dict[str, str] = {}
"""Path, or path:function, with the reason why it may be longer."""


def _long_functions(tree: ast.Module, lines_max: int) -> list[str]:
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= lines_max
    ]


def _too_long() -> set[str]:
    limits: list[tuple[Path, int]] = [(path, PYTHON_LINES_MAX) for path in python_files()]
    limits += [(path, LUA_LINES_MAX) for path in files(".lua")]
    modules = {name_of(path) for path, most in limits if text_of(path).count("\n") > most}
    return modules | {
        f"{name_of(path)}:{function}"
        for path in python_files()
        for function in _long_functions(tree_of(path), FUNCTION_LINES_MAX)
    }


def test_modules_and_functions_are_short() -> None:
    assert _too_long() - EXCEPTIONS.keys() == set()


def test_exceptions_are_still_needed() -> None:
    assert EXCEPTIONS.keys() - _too_long() == set()


@pytest.mark.parametrize(("lines", "is_long"), [(60, False), (61, True)])
def test_a_function_of_61_lines_is_found(*, lines: int, is_long: bool) -> None:
    source = "async def f() -> None:\n" + "    pass\n" * (lines - 1)
    assert bool(_long_functions(ast.parse(source), FUNCTION_LINES_MAX)) is is_long

"""Keys of the store are spelled in one module, so that their rules stand in one place."""

from __future__ import annotations

import ast
import re

import pytest

from tests.tidy.sources import files, matches, name_of, python_files, text_of, tree_of

HOME = "quotasvc/store/keys.py"
SCHEMA = re.compile(r"\bq1\b")

SPEAK_TO_THE_STORE = ("quotasvc/planes/", "quotasvc/store/")

EXCEPTIONS: dict[str, str] = {}
"""What only looks like a key, with the reason."""


def _keys(tree: ast.Module) -> list[str]:
    """F-strings that look like a key: with a hash tag's brace, or with `:{value}`."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "" for part in node.values]
            before_a_value = parts[:-1]
            if any("{" in str(p) for p in parts) or any(str(p)[-1:] == ":" for p in before_a_value):
                found.append(ast.unparse(node))
    return found


def test_keys_are_spelled_in_one_module() -> None:
    found = {
        f"{name_of(path)}: {key}"
        for path in python_files("quotasvc")
        if name_of(path).startswith(SPEAK_TO_THE_STORE) and name_of(path) != HOME
        for key in _keys(tree_of(path))
    }
    assert found == EXCEPTIONS.keys()


def test_the_schema_is_named_in_one_module() -> None:
    found = {
        name_of(path): lines
        for path in files(".py", ".lua", below="quotasvc")
        if name_of(path) != HOME and (lines := matches(SCHEMA, text_of(path)))
    }
    assert found == {}


@pytest.mark.parametrize(
    "source", ['f"q1:{tag}"', 'f"{{{tag}}}:lots"', 'f"lot:{lot_id}"', 'f"{schema}:{tag}:x"']
)
def test_a_key_is_found(source: str) -> None:
    assert len(_keys(ast.parse(source))) == 1


@pytest.mark.parametrize("source", ['f"{path}: {text}"', 'f"{number:02d}"', '"a:b"', 'f"is {x}:"'])
def test_a_text_is_not(source: str) -> None:
    assert _keys(ast.parse(source)) == []


def test_the_schema_is_found() -> None:
    assert matches(SCHEMA, 'KEY = "q1:control"') == ['1: KEY = "q1:control"']

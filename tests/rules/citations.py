"""Which tests cite which rules: ids in docstrings, comments and the `rules` of table rows.

Knows Python sources as text; does not know what a rule says. An id in any other string or name is
no citation, so that data may look like an id.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.tidy.sources import name_of, python_files, text_of, tree_of

OTHER_MEANINGS: dict[tuple[str, str], str] = {
    ("tests/unit/test_default_catalog_prices.py", "M3"): "the name of a model",
    ("tests/unit/test_rate_card.py", "M3"): "the name of a model",
}
"""Path and id where the id means something else, and what."""

_LINK = r"\s*(?:-|…|\.\.\.)\s*"
# Not within a word, a version, a model's name (MiniMax-M2.7), a path or a line number.
_RULE = re.compile(
    r"(?<![\w.:/-])(?P<first>[A-N]\d{1,2})(?![\w/]|\.\d|-[a-z0-9])"
    rf"(?:{_LINK}(?P<last>[A-N]\d{{1,2}})(?!\w|\.\d))?"
)
_PROMISE = re.compile(
    rf"\bSEM-(?P<first>[1-9]\d?[a-z]?)\b(?:{_LINK}(?:SEM-)?(?P<last>[1-9]\d?)\b(?![.]\d))?"
)
# "SEM-6 … 9, 47" goes on; "SEM-30, 32 scripts" does not: a number there has a noun.
_PROMISE_GOES_ON = re.compile(
    rf"(?:,\s*|\s+and\s+|/)(?P<first>[1-9]\d?[a-z]?)\b(?:{_LINK}(?P<last>[1-9]\d?)\b)?"
    r"(?=\s*(?:[),.;:\]/]|$|and\b|or\b))"
)


@dataclass(frozen=True, slots=True, order=True)
class Citation:
    """A rule named at a place; `test` is None where it stands outside of all tests."""

    path: str
    line: int
    rule: str
    test: str | None

    @property
    def place(self) -> str:
        """As pytest writes it."""
        return self.path if self.test is None else f"{self.path}::{self.test}"


@dataclass(frozen=True, slots=True)
class _Span:
    """The lines of a test, with its decorators, the comment right above, and one that ends it."""

    name: str
    first: int
    last: int


def ids_in(text: str) -> list[str]:
    """The ids that a text names, ranges and lists written out, in the order of the text."""
    rules = ((match.start(), _range(match)) for match in _RULE.finditer(text))
    promises = ((match.start(), _promises(text, match)) for match in _PROMISE.finditer(text))
    return [name for _, names in sorted([*rules, *promises]) for name in names]


def citations_in(tree: ast.Module, text: str, path: str) -> list[Citation]:
    """Every citation of a module, in the order of its lines."""
    lines = text.splitlines()
    spans = [
        _span(node, lines)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_")
    ]
    found = {
        Citation(path, line, rule, _test_at(spans, line))
        for line, words in (*_comments(text), *_docstrings(tree), *_rows(tree))
        for rule in ids_in(words)
        if (path, rule) not in OTHER_MEANINGS
    }
    return sorted(found, key=lambda found: (found.line, found.rule, found.test or ""))


def citations(below: str) -> list[Citation]:
    """Every citation below a folder of this repository."""
    return [found for path in python_files(below) for found in _citations_of(path)]


def _citations_of(path: Path) -> list[Citation]:
    return citations_in(tree_of(path), text_of(path), name_of(path))


def _range(match: re.Match[str]) -> list[str]:
    first, last = match["first"], match["last"]
    if last is None:
        return [first]
    if first[0] != last[0]:
        return [first, last]
    return [f"{first[0]}{number}" for number in range(int(first[1:]), int(last[1:]) + 1)]


def _promises(text: str, match: re.Match[str]) -> list[str]:
    names: list[str] = []
    part: re.Match[str] | None = match
    while part is not None:
        first, last = part["first"], part["last"]
        names.append(f"SEM-{first}")
        if last is not None:
            begin = int(first.rstrip("abcdefgh")) + 1
            names += [f"SEM-{number}" for number in range(begin, int(last) + 1)]
        part = _PROMISE_GOES_ON.match(text, part.end())
    return names


def _span(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> _Span:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    last = node.end_lineno or node.lineno
    while last < len(lines) and re.match(r"\s+#|\s*$", lines[last]):
        last += 1
    return _Span(node.name, first, last)


def _test_at(spans: list[_Span], line: int) -> str | None:
    return next((span.name for span in spans if span.first <= line <= span.last), None)


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """All strings that stand as statements: those of modules, functions, classes and constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            words = node.value.value
            if isinstance(words, str):
                yield node.lineno, words


def _rows(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """What the rows of tables say that they prove: `rules="..."` in any call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "rules":
            words = node.value
            if isinstance(words, ast.Constant) and isinstance(words.value, str):
                yield node.value.lineno, words.value

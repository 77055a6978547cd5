"""The rules that make mutants of a Python module: found by syntax tree, written into the text.

Annotations, imports, decorators, docstrings and what stands in f-strings stay as they are.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tests.mutants.mutant import Mutant

SWAPS: Mapping[str, tuple[str, str]] = {
    "<": ("less", "<="),
    "<=": ("less-equal", "<"),
    ">": ("greater", ">="),
    ">=": ("greater-equal", ">"),
    "==": ("equal", "!="),
    "!=": ("unequal", "=="),
    "is": ("is", "is not"),
    "is not": ("is-not", "is"),
    "in": ("in", "not in"),
    "not in": ("not-in", "in"),
    "+": ("plus", "-"),
    "-": ("minus", "+"),
    "+=": ("plus", "-="),
    "-=": ("minus", "+="),
    "and": ("and", "or"),
    "or": ("or", "and"),
    "min": ("min", "max"),
    "max": ("max", "min"),
}
"""What stands there, the operator's name, and what stands there instead."""

_LEFT_ALONE = (ast.JoinedStr, ast.Import, ast.ImportFrom, ast.Assert)
_ANNOTATIONS = ("annotation", "returns", "decorator_list", "type_comment")


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    text: str


class _Places:
    """Where tree nodes and tokens stand in the text."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self.tokens = tuple(self._read(text))

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Syntax trees count columns in bytes."""
        return self._at(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Just after the node."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.end_lineno, node.end_col_offset)

    def between(self, start: int, end: int) -> list[_Token]:
        """The tokens from one place to another."""
        return [token for token in self.tokens if start <= token.start and token.end <= end]

    def _at(self, line: int, column: int) -> int:
        characters = len(self._lines[line - 1].encode()[:column].decode())
        return self._starts[line - 1] + characters

    def _read(self, text: str) -> Iterator[_Token]:
        for found in tokenize.generate_tokens(io.StringIO(text).readline):
            if found.type in {tokenize.OP, tokenize.NAME}:
                start, end = (self._starts[row - 1] + column for row, column in found[2:4])
                yield _Token(start, end, found.string)


class PythonOperators:
    """All rules for one module."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._text = text
        self._places = _Places(text)

    def mutants(self) -> Iterator[Mutant]:
        """All that the rules make of the module, in the order of the text; each compiles."""
        found = sorted(self._walk(ast.parse(self._text)), key=lambda m: (m.start, m.operator))
        for mutant in found:
            ast.parse(mutant.mutated)
            yield mutant

    def _walk(self, node: ast.AST, returns_bool: bool = False) -> Iterator[Mutant]:
        if isinstance(node, _LEFT_ALONE) or _is_for_types_only(node) or _is_strict(node):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            returns_bool = isinstance(node.returns, ast.Name) and node.returns.id == "bool"
        yield from self._of(node)
        if isinstance(node, ast.Return) and node.value is not None and returns_bool:
            yield self._negated(node.value, "return")
        for name, value in ast.iter_fields(node):
            if name not in _ANNOTATIONS:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from self._walk(child, returns_bool)

    def _of(self, node: ast.AST) -> Iterator[Mutant]:
        """What the rules make of this one node."""
        match node:
            case ast.Compare():
                sides = (node.left, *node.comparators)
                for left, right in pairwise(sides):
                    yield self._swapped(self._places.end(left), self._places.start(right))
            case ast.BoolOp():
                for left, right in pairwise(node.values):
                    yield self._swapped(self._places.end(left), self._places.start(right))
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                yield self._swapped(self._places.end(node.left), self._places.start(node.right))
            case ast.AugAssign(op=ast.Add() | ast.Sub()):
                yield self._swapped(self._places.end(node.target), self._places.start(node.value))
            case ast.Call(func=ast.Name(id="min" | "max")):
                yield self._swapped(self._places.start(node.func), self._places.end(node.func))
            case ast.UnaryOp(op=ast.Not()):
                start = self._places.start(node)
                rest = self._text[start + len("not") :]
                blanks = len(rest) - len(rest.lstrip())
                yield self._written(start, start + len("not") + blanks, "", "not")
            case ast.Constant(value=bool()):
                new = str(not node.value)
                yield self._written(self._places.start(node), self._places.end(node), new, "flip")
            case ast.Constant(value=int(value)):
                for step, operator in ((1, "number+1"), (-1, "number-1")):
                    start, end = self._places.start(node), self._places.end(node)
                    yield self._written(start, end, str(value + step), operator)
            case ast.If() | ast.IfExp():
                yield self._negated(node.test, "if")
            case ast.comprehension():
                yield from (self._negated(condition, "if") for condition in node.ifs)

    def _swapped(self, start: int, end: int) -> Mutant:
        """Swaps the one operator between two places; brackets may stand around it."""
        signs = [t for t in self._places.between(start, end) if t.text not in {"(", ")", ","}]
        operator, new = SWAPS[" ".join(sign.text for sign in signs)]
        return self._written(signs[0].start, signs[-1].end, new, operator)

    def _negated(self, node: ast.expr, operator: str) -> Mutant:
        start, end = self._places.start(node), self._places.end(node)
        return self._written(start, end, f"(not ({self._text[start:end]}))", operator)

    def _written(self, start: int, end: int, new: str, operator: str) -> Mutant:
        return Mutant(self._path, self._text, start, end, new, operator)


def _is_for_types_only(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def _is_strict(node: ast.AST) -> bool:
    """The `strict=True` of a zip only guards against what never comes."""
    return isinstance(node, ast.keyword) and node.arg == "strict"

"""A mutant: one file of the tree with one place written differently.

Knows text and places in it; does not know Lua, Python or how a mutant is judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Key:
    """Names a mutant without its line number, so that edits elsewhere leave the name alone.

    `column` counts from the first character of `line` that is no blank. `occurrence` tells lines
    of the same text apart, from 1; it is 0 where there is just one.
    """

    path: str
    line: str
    column: int
    operator: str
    occurrence: int = 0


@dataclass(frozen=True)
class Mutant:
    """`path` with `text[start:end]` replaced by `new`."""

    path: str
    text: str
    start: int
    end: int
    new: str
    operator: str

    @property
    def mutated(self) -> str:
        """The whole file as it is tried."""
        return self.text[: self.start] + self.new + self.text[self.end :]

    @cached_property
    def line(self) -> int:
        """Where it begins, from 1."""
        return self.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """Where in the line it begins, from 1."""
        return self.start - self._line_start + 1

    @property
    def id(self) -> str:
        """Its name in this very tree."""
        return f"{self.path}:{self.line}:{self.column}:{self.operator}"

    @cached_property
    def key(self) -> Key:
        """Its name for longer."""
        lines = [line.strip() for line in self.text.split("\n")]
        line = lines[self.line - 1]
        indent = len(self._line_text) - len(self._line_text.lstrip())
        return Key(
            path=self.path,
            line=line,
            column=self.start - self._line_start - indent,
            operator=self.operator,
            occurrence=lines[: self.line].count(line) if lines.count(line) > 1 else 0,
        )

    @property
    def diff(self) -> str:
        """What is different, in one line."""
        stop = self.text.find("\n", self.end)
        rest = self.text[self.end : len(self.text) if stop < 0 else stop]
        before = self.text[self._line_start : self.end] + rest
        after = self.text[self._line_start : self.start] + self.new + rest
        return f"{_one_line(before)}  =>  {_one_line(after) or '(nothing)'}"

    @property
    def _line_start(self) -> int:
        return self.text.rfind("\n", 0, self.start) + 1

    @property
    def _line_text(self) -> str:
        return self.text[self._line_start :].partition("\n")[0]


def by_id(mutants: tuple[Mutant, ...]) -> Mapping[str, Mutant]:
    """The mutants by their names, which are distinct."""
    found = {mutant.id: mutant for mutant in mutants}
    assert len(found) == len(mutants), "two mutants of one name"
    return found


def _one_line(text: str) -> str:
    return " / ".join(line.strip() for line in text.split("\n") if line.strip())

"""What can be wrong with a catalog, said so that its author can put it right.

A finding is a place in the file (a path) with what is wrong and what would be right; a problem
is a finding with its file, line and column. Knows no rule and no format.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from quotasvc.domain.faults import FailedPrecondition

Path = tuple[str | int, ...]
"""Keys and indexes from the root of the file: ("plans", 2, "price")."""

_SHOWN_MAX = 12
_WORD = re.compile(r"[a-z0-9_<]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, where, and what would be right."""

    path: Path
    wrong: str
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A finding with its position: `line` and `column` count from 1, as editors do."""

    file: str
    line: int
    column: int
    path: str
    wrong: str
    right: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {where}{self.wrong}; {self.right}"


class CatalogFault(FailedPrecondition):
    """The catalog is refused; `problems` are all that were found, in the order of the file."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda p: (p.line, p.column, p.wrong)))
        super().__init__("\n".join(map(str, self.problems)), reason="CATALOG_INVALID")


def show_path(path: Path) -> str:
    """`plans[2].allowances[0].weights["text/*"]`: as one would write it in code."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        elif _WORD.fullmatch(part):
            shown += f".{part}" if shown else part
        else:
            shown += f'["{part}"]'
    return shown


def nearest(word: str, known: Collection[str]) -> str:
    """The known one that `word` was probably meant to be, as a question; empty if none is."""
    found = get_close_matches(word, known, n=1)
    return f"did you mean `{found[0]}`?" if found else ""


def choose(word: str, known: Collection[str]) -> str:
    """What to write instead of `word`: the nearest known one, else all of them."""
    if not known:
        return "there are none to choose from"
    first = sorted(known)[:_SHOWN_MAX]
    more = "" if len(known) <= _SHOWN_MAX else f" and {len(known) - _SHOWN_MAX} more"
    return nearest(word, known) or f"choose from {', '.join(first)}{more}"

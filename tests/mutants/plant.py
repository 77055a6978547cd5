"""One mutant planted by hand: a mistake that people make, with what it breaks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant

LUA = "quotasvc/store/lua"
DOMAIN = "quotasvc/domain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """`old` in the file at `path` becomes `new`, which `breaks` something."""

    path: str
    old: str
    new: str
    breaks: str
    caught_by: str
    is_in_ci: bool = False
    """Tried by every run of the tests, too; keep these few, and their tests quick."""


def mutant_of(root: Path, planted: Planted) -> Mutant:
    """The entry in its place."""
    text = (root / planted.path).read_text(encoding="utf-8")
    assert text.count(planted.old) == 1, f"{planted.path}: {planted.old!r} must occur once"
    start = text.index(planted.old)
    return Mutant(planted.path, text, start, start + len(planted.old), planted.new, "planted")

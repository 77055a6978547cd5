"""All mutants that rules make of a tree: the Lua that decides, and the domain.

The rules stand in `lua_operators.py` and `python_operators.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.mutants.lua_operators import LuaOperators
from tests.mutants.mutant import Mutant
from tests.mutants.python_operators import PythonOperators

LUA = tuple(f"quotasvc/store/lua/{folder}" for folder in ("decision", "usage", "control", "lib"))
DOMAIN = "quotasvc/domain"


def generate(root: Path) -> tuple[Mutant, ...]:
    """Every mutant of the tree at `root`, file by file in the order of the text."""
    return tuple(mutant for path in _files(root) for mutant in of_file(root, path))


def of_file(root: Path, path: str) -> tuple[Mutant, ...]:
    """What the rules make of one file."""
    text = (root / path).read_text(encoding="utf-8")
    if path.endswith(".lua"):
        mutants = LuaOperators().mutants(path, text)
    else:
        mutants = PythonOperators(path, text).mutants()
    return tuple(sorted(mutants, key=lambda mutant: (mutant.start, mutant.operator)))


def _files(root: Path) -> Iterator[str]:
    for folder, pattern in (*((folder, "*.lua") for folder in LUA), (DOMAIN, "*.py")):
        for path in sorted((root / folder).rglob(pattern)):
            yield path.relative_to(root).as_posix()

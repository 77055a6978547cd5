"""The files that the tidy rules read, and where in them a rule is broken.

Walks the tree instead of asking git, so that it also works in an unpacked release.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOP = (
    *("proto", "quotasvc", "clients", "docs", "tests", "k8s"),
    *("Makefile", "LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("pyproject.toml", "requirements.lock", "requirements-dev.lock", "buf.yaml"),
)
"""All that the top level may hold beside dot-files."""
_DOT = (".ci", ".editorconfig", ".gitattributes", ".gitignore")
_MADE = {"__pycache__", "node_modules", "dist", "target"}


@cache
def files(*endings: str, below: str = "") -> tuple[Path, ...]:
    """All files that belong in a commit, of these endings (all if none), below a folder."""
    return tuple(
        path
        for path in _tree()
        if path.is_relative_to(ROOT / below) and (not endings or path.name.endswith(endings))
    )


@cache
def python_files(below: str = "") -> tuple[Path, ...]:
    """The Python modules that people write: generated stubs are left out."""
    return tuple(path for path in files(".py", below=below) if not path.name.endswith("_pb2.py"))


@cache
def text_of(path: Path) -> str:
    """The file's text; empty if it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def tree_of(path: Path) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(text_of(path), str(path))


def name_of(path: Path) -> str:
    """The path as rules and their exceptions write it."""
    return path.relative_to(ROOT).as_posix()


def matches(pattern: re.Pattern[str], text: str) -> list[str]:
    """Each line of `text` that the pattern hits, with its number."""
    lines = enumerate(text.splitlines(), start=1)
    return [f"{number}: {line.strip()}" for number, line in lines if pattern.search(line)]


def _tree() -> Iterator[Path]:
    for name in (*TOP, *_DOT):
        path = ROOT / name
        if path.is_file():
            yield path
        for found in sorted(path.rglob("*")):
            if found.is_file() and not _MADE & set(found.parts):
                yield found

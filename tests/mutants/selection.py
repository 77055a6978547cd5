"""Which tests are asked about a mutant, and in which order.

What a rule's own tests do not see, all others are asked about: a survivor has passed everything
that stands here. Knows paths; does not know mutants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """Files below `path` are asked about `first` (`{stem}`: the file's name), and `then` wholly."""

    path: str
    first: tuple[str, ...]
    then: tuple[str, ...]


_OF_SCRIPTS = ("tests/store", "tests/model", "tests/rules/test_rates.py")
"""Whose tests see what a script does."""

TABLE = (
    Row(
        "quotasvc/domain/",
        first=("tests/unit/test_{stem}*.py",),
        then=("tests/unit", *_OF_SCRIPTS, "tests/planes", "tests/grpc"),
    ),
    Row(
        "quotasvc/store/lua/lib/",
        first=("tests/lua/test_{stem}*.py", "tests/store/test_{stem}*.py"),
        then=("tests/lua", *_OF_SCRIPTS),
    ),
    Row(
        "quotasvc/store/lua/",
        first=("tests/store/test_{stem}*.py",),
        then=_OF_SCRIPTS,
    ),
    Row(
        "quotasvc/",
        first=("tests/*/test_{stem}*.py",),
        then=("tests/unit", *_OF_SCRIPTS, "tests/planes", "tests/grpc"),
    ),
)
"""The first row that fits counts. What does not exist is left out."""

NOT_ASKED = {
    "tests/store/test_connection.py": "connections",
    "tests/store/test_data_directory.py": "processes and files",
    "tests/store/test_embedded.py": "processes",
    "tests/store/test_executor.py": "connections",
    "tests/store/test_leftover.py": "processes",
    "tests/unit/test_bad_catalogs.py": "what a catalog may say",
    "tests/unit/test_cli.py": "processes",
    "tests/unit/test_store_watch.py": "a store that is away",
    "tests/unit/test_supervisor.py": "tasks that die",
    "tests/unit/test_telemetry.py": "what is measured",
    "tests/grpc/test_door.py": "connections",
    "tests/grpc/test_reflection.py": "descriptors",
}
"""Tests that take seconds and prove nothing that is mutated, with what they are about."""


def stages(root: Path, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What pytest is given for a mutant of `path`, first and then."""
    row = next(row for row in TABLE if path.startswith(row.path))
    stem = Path(path).stem
    first = (found for pattern in row.first for found in _found(root, pattern.format(stem=stem)))
    then = (found for pattern in row.then for found in _found(root, pattern))
    return tuple(dict.fromkeys(first)), tuple(then)


def not_asked(root: Path) -> tuple[str, ...]:
    """Options that leave out what is not asked."""
    return tuple(f"--ignore={path}" for path in NOT_ASKED if (root / path).exists())


def _found(root: Path, pattern: str) -> Iterator[str]:
    for found in sorted(root.glob(pattern)):
        name = found.relative_to(root).as_posix()
        if name not in NOT_ASKED:
            yield name

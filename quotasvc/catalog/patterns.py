"""Resource patterns: `text/*` names every resource whose id begins so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache

from quotasvc.catalog.problem import Finding, Path, choose


@lru_cache(maxsize=1024)
def matching(pattern: str, ids: tuple[str, ...]) -> tuple[str, ...]:
    """The ids that `pattern` names, in their order. A pattern holds no wildcard but *."""
    return tuple(one for one in ids if fnmatchcase(one, pattern))


def expand(patterns: Iterable[str], ids: tuple[str, ...]) -> tuple[str, ...]:
    """The ids that any of `patterns` names, each once."""
    return tuple(dict.fromkeys(one for pattern in patterns for one in matching(pattern, ids)))


def check_patterns(patterns: Iterable[str], ids: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """Each pattern must name something: one that does not is a mistake of spelling."""
    for place, pattern in enumerate(patterns):
        if not matching(pattern, ids):
            what = "matches no resource" if "*" in pattern else "is no resource"
            yield Finding((*path, place), f"`{pattern}` {what}", choose(pattern, ids))

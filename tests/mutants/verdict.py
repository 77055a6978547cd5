"""What became of each mutant, and who is likely to find the next one.

The record is a file of lines, so that a run that was cut off goes on where it was. Verdicts count
for the very tree that they were found on; who killed a mutant is a good first guess on any.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutants.mutant import Key, Mutant

NEAR = 8
FREQUENT = 4
"""How many tests are asked first: those that killed the nearest mutants, and the most."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Killed `by` a test (or by what else was wrong), or not at all, in so many seconds."""

    is_killed: bool
    by: str
    seconds: float


class Record:
    """All verdicts so far; kept in `file`, if there is one."""

    def __init__(self, tree: str, file: Path | None = None) -> None:
        self._tree = tree
        self._file = file
        self._verdicts: dict[str, Verdict] = {}
        self._last: dict[Key, Verdict] = {}
        self._killers: dict[str, dict[int, str]] = {}
        if file is not None and file.exists():
            text = file.read_text(encoding="utf-8")
            if not text.endswith("\n"):  # the run was cut off while it wrote
                file.write_text(text + "\n", encoding="utf-8")
            for line in text.splitlines():
                self._read(line)

    def of(self, mutant: Mutant) -> Verdict | None:
        """The verdict on this tree, if there is one already."""
        return self._verdicts.get(mutant.id)

    def has_survived(self, mutant: Mutant) -> bool:
        """Whether it did when it was last tried, on whichever tree."""
        last = self._last.get(mutant.key)
        return last is not None and not last.is_killed

    def add(self, mutant: Mutant, verdict: Verdict) -> None:
        """Remembers a verdict."""
        self._remember(mutant.id, mutant.key, mutant.line, verdict)
        if self._file is not None:
            fact = {
                "tree": self._tree,
                "id": mutant.id,
                "line": mutant.line,
                "key": asdict(mutant.key),
                "verdict": asdict(verdict),
            }
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(fact) + "\n")

    def likely(self, mutant: Mutant) -> tuple[str, ...]:
        """The tests that may well kill it, the likeliest first: the one that did before, if any."""
        own = self._last.get(mutant.key)
        killers = self._killers.get(mutant.path, {})
        near = sorted(killers, key=lambda line: abs(line - mutant.line))
        found = [own.by] if own and "::" in own.by else []
        found += list(dict.fromkeys(killers[line] for line in near))[:NEAR]
        found += [by for by, _ in Counter(killers.values()).most_common(FREQUENT)]
        return tuple(dict.fromkeys(found))

    def _read(self, line: str) -> None:
        try:
            fact = json.loads(line)
        except json.JSONDecodeError:  # half a line
            return
        key, verdict = Key(**fact["key"]), Verdict(**fact["verdict"])
        self._remember(fact["id"] if fact["tree"] == self._tree else "", key, fact["line"], verdict)

    def _remember(self, name: str, key: Key, line: int, verdict: Verdict) -> None:
        if name:
            self._verdicts[name] = verdict
        self._last[key] = verdict
        if verdict.is_killed and "::" in verdict.by:
            self._killers.setdefault(key.path, {})[line] = verdict.by

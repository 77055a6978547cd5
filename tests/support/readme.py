"""The README as a script: its console blocks with what they promise to print, its Python lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
ELISION = "…"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^\$ ", re.MULTILINE)
_CAMEL = re.compile(r'(?<=[a-z0-9])([A-Z])(?=\w*":)')


@dataclass(frozen=True, slots=True)
class Step:
    """One command and the lines that it prints; … stands for what may differ."""

    command: str
    output: tuple[str, ...]


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return [text for found, text in _BLOCK.findall(README.read_text()) if found == language]


def steps() -> Iterator[Step]:
    """Every command of the console blocks, in order: `$ ` begins one, `> ` goes on with it."""
    for block in blocks("console"):
        for part in _PROMPT.split(block)[1:]:
            yield _step(part)


def _step(part: str) -> Step:
    lines = part.rstrip("\n").split("\n")
    command = [lines[0]]
    rest = lines[1:]
    while rest and rest[0].startswith("> "):
        command.append(rest.pop(0)[2:])
    return Step("\n".join(command), tuple(rest))


def missing(step: Step, printed: str) -> str | None:
    """The first promised line that `printed` does not have in its place; None if all are there.

    Without a … between them, lines must follow each other. JSON is compared as it would be
    written with two spaces and names in snake case, since tools write it each in their own way.
    """
    actual = _tidied(printed).splitlines()
    at, may_skip = 0, False
    for line in step.output:
        if line.strip() == ELISION:
            may_skip = True
            continue
        reach = actual[at:] if may_skip else actual[at : at + 1]
        found = next((i for i, text in enumerate(reach) if _fits(line, text)), None)
        if found is None:
            return line
        at, may_skip = at + found + 1, False
    return None


def _fits(line: str, text: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in line.strip().split(ELISION))
    return re.fullmatch(pattern, text.strip()) is not None


def _tidied(printed: str) -> str:
    try:
        document = json.loads(printed)
    except ValueError:
        return printed
    written = json.dumps(document, indent=2)
    return _CAMEL.sub(lambda match: "_" + match[1].lower(), written)

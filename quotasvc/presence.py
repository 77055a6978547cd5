"""Says where the service of a data directory is: its process and the ports that it really has.

For `doctor`, tests and scripts, which cannot know a port that the system chose. Written when the
service is ready and removed when it stops; after a crash it is stale, so a reader asks the port.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from quotasvc.private_file import FileFault, read_private, replace_private

FILE_NAME = "serve.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A running service; addresses as HOST:PORT."""

    pid: int
    listen: str
    admin: str
    store: str
    catalog_version: str


def show_presence(data: Path, presence: Presence) -> None:
    """Writes the file."""
    try:
        replace_private(data / FILE_NAME, json.dumps(asdict(presence), indent=2) + "\n")
    except OSError as error:
        raise FileFault(f"{data / FILE_NAME} cannot be written: {error.strerror}") from None


def find_presence(data: Path) -> Presence | None:
    """What the file says; None if there is none, or none that can be read."""
    try:
        text = read_private(data / FILE_NAME)
        return None if text is None else Presence(**json.loads(text))
    except (FileFault, TypeError, ValueError):
        return None


def end_presence(data: Path) -> None:
    """Removes the file."""
    (data / FILE_NAME).unlink(missing_ok=True)

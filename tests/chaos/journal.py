"""The journal of a run: one JSON line for each answer that a caller got, written as it came."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType


class Journal:
    """Appends lines; the checker reads them, and knows nothing else of what was acknowledged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a")

    def write(self, kind: str, **facts: object) -> None:
        """One line."""
        self._file.write(json.dumps({"kind": kind, **facts}, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Lets others read what has been written so far."""
        self._file.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

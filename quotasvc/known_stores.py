"""Remembers which store was begun where, so that one that has lost its data is not taken for new.

The file lies beside the secrets, away from the store: it must survive what the store may not.
"""

from __future__ import annotations

import json
from pathlib import Path

from quotasvc.private_file import FileFault, read_private, replace_private

FILE_NAME = "store.json"


class KnownStores:
    """Store ids by the store's name; a data directory may have served several stores."""

    def __init__(self, data: Path) -> None:
        self.path = data / FILE_NAME

    def find(self, store_name: str) -> str | None:
        """The id that this store had when it was last used from here."""
        return self._read().get(store_name)

    def remember(self, store_name: str, store_id: str) -> None:
        """Keeps the id; nothing is written if it is known already."""
        known = self._read()
        if known.get(store_name) == store_id:
            return
        text = json.dumps({**known, store_name: store_id}, indent=2) + "\n"
        try:
            replace_private(self.path, text)
        except OSError as error:
            raise FileFault(f"{self.path} cannot be written: {error.strerror}") from None

    def _read(self) -> dict[str, str]:
        text = read_private(self.path)
        if text is None:
            return {}
        try:
            return {str(name): str(store_id) for name, store_id in json.loads(text).items()}
        except (AttributeError, ValueError):
            raise FileFault(f"{self.path} is no list of stores: bring back a copy of it") from None

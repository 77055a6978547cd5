"""The catalog in force, and those that older reservations were priced with."""

from __future__ import annotations

from collections.abc import Callable

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Unavailable
from quotasvc.store.catalog import CatalogStore


class Catalogs:
    """Finds a catalog by its version; a version never changes, so a found one is kept."""

    def __init__(
        self, current: Catalog, store: CatalogStore, parse: Callable[[str], Catalog]
    ) -> None:
        self.current = current
        self._store = store
        self._parse = parse
        self._known = {current.version: current}

    async def get(self, version: str, deadline: float) -> Catalog:
        """The catalog of this version; a reservation is never priced by another one (SEM-2)."""
        known = self._known.get(version)
        if known is None:
            text = await self._store.text(version, deadline)
            if text is None:
                raise Unavailable(
                    f"catalog version {version} is not in the store", reason="CATALOG_UNAVAILABLE"
                )
            known = self._known[version] = self._parse(text)
        return known

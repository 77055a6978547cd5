"""Keeps the text of every catalog version that has decided something (SEM-2)."""

from __future__ import annotations

from quotasvc.domain.catalog import Catalog
from quotasvc.store import keys
from quotasvc.store.executor import Executor


class CatalogStore:
    """Catalog texts by version, and which version is in force."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def keep(self, catalog: Catalog, deadline: float) -> None:
        """Stores the text under its version. A version is a content hash: it never changes."""
        key = keys.catalog(catalog.version)
        await self._executor.call("SET", key, catalog.text, deadline=deadline)

    async def text(self, version: str, deadline: float) -> str | None:
        """The text of a version, if this store has ever decided by it."""
        found = await self._executor.call("GET", keys.catalog(version), deadline=deadline)
        return found.decode() if isinstance(found, bytes) else None

    async def in_force(self, deadline: float) -> str | None:
        """The version that decides now, if there is one yet."""
        found = await self._executor.call("GET", keys.CATALOG_IN_FORCE, deadline=deadline)
        return found.decode() if isinstance(found, bytes) else None

    async def put_in_force(self, version: str, deadline: float) -> None:
        """Says which version decides from now on."""
        await self._executor.call("SET", keys.CATALOG_IN_FORCE, version, deadline=deadline)

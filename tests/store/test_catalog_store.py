"""Catalog texts by version, and the version in force (SEM-2)."""

from __future__ import annotations

from quotasvc.store.catalog import CatalogStore
from quotasvc.store.executor import Executor
from tests.support.catalogs import catalog
from tests.support.embedded import soon


async def test_a_version_is_kept_under_its_name(executor: Executor) -> None:
    store = CatalogStore(executor)
    assert await store.text("testtest", soon()) is None
    await store.keep(catalog(text="the text é"), soon())
    assert await store.text("testtest", soon()) == "the text é"
    assert await store.text("testtesu", soon()) is None


async def test_the_version_in_force_is_the_last_one_said(executor: Executor) -> None:
    store = CatalogStore(executor)
    assert await store.in_force(soon()) is None
    await store.put_in_force("testtest", soon())
    await store.put_in_force("newer001", soon())
    assert await store.in_force(soon()) == "newer001"

"""What `doctor` finds in the store, whether a service runs on it or not; writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from quotasvc.catalog import parse_catalog, predecessor
from quotasvc.cli.reach import on_store
from quotasvc.config import Settings
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Fault
from quotasvc.domain.secret import Secrets
from quotasvc.known_stores import KnownStores
from quotasvc.secrets_file import fingerprint
from quotasvc.store import checks, table
from quotasvc.store.catalog import CatalogStore
from quotasvc.store.checks import Finding, Overrides, check_store
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.old_scripts import old_scripts
from quotasvc.store.scripts import load_scripts
from quotasvc.store.seal import is_sealed_by, read_store_id

CONNECT_S_MAX = 2.0
MARKER = "store marker"
UNKNOWN_ID = "-"
"""Expected of a store that was never used from here, so that looking does not mark it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the store is compared with."""

    settings: Settings
    secrets: Secrets | None
    catalog: Catalog | None
    clock_ms: Callable[[], int]
    chance: Random


async def examine_store(around: Surroundings) -> list[Finding]:
    """All that `serve` would ask of the store."""
    settings = around.settings
    try:
        found = await on_store(settings, lambda endpoint: _examine(endpoint, around))
    except Fault as fault:
        cure = "start it, or give the right one by --store"
        return [Finding("store", False, f"{settings.store.name}: {fault.text}", cure)]
    return [Finding("store", True, "embedded, not begun yet")] if found is None else found


async def _examine(endpoint: Endpoint, around: Surroundings) -> list[Finding]:
    executor = Executor(endpoint, load_scripts(checks.SCRIPTS), chance=around.chance)
    try:
        await executor.start(_deadline())
        findings = await _check(executor, around)
        findings.append(await _old_scripts(executor))
        store_id = await read_store_id(executor, _deadline())
        if store_id is not None:
            findings.append(await _seal(executor, around))
            findings += await _catalog(executor, around)
        return findings
    finally:
        await executor.close()


async def _old_scripts(executor: Executor) -> Finding:
    scripts = load_scripts((*table.SCRIPTS, *checks.SCRIPTS))
    current = {library.name for library in scripts.libraries}
    finding = await old_scripts(executor, current, _deadline())
    return replace(finding, name=f"store {finding.name}")


async def _check(executor: Executor, around: Surroundings) -> list[Finding]:
    settings = around.settings
    known = KnownStores(settings.data).find(settings.store.name)
    report = await check_store(
        executor,
        expected_store_id=known or UNKNOWN_ID,
        new_store_id=UNKNOWN_ID,
        witness_ms=around.clock_ms(),
        deadline=_deadline(),
        overrides=Overrides(
            allow_unsafe_durability=settings.allow_unsafe_durability,
            allow_unsafe_version=settings.allow_unsafe_version,
            allow_unread_settings=settings.allow_unread_settings,
        ),
    )
    findings = [replace(finding, name=f"store {finding.name}") for finding in report.findings]
    return findings if known else [*findings[:-1], await _first_look(executor)]


async def _first_look(executor: Executor) -> Finding:
    """In place of the mark's finding, for a store that was never used from here."""
    store_id = await read_store_id(executor, _deadline())
    if store_id is not None:
        return Finding(MARKER, True, f"store {store_id}, never used from this data directory")
    is_empty = await executor.call("DBSIZE", deadline=_deadline()) == 0
    cure = "give a database of its own"
    return Finding(MARKER, is_empty, "empty" if is_empty else "has data that is not ours", cure)


async def _seal(executor: Executor, around: Surroundings) -> Finding:
    path = around.settings.secrets
    if around.secrets is None:
        cure = "bring back a copy of the secrets file, or give its place by --secrets"
        return Finding("store secrets", False, f"the store was begun with a {path}", cure)
    is_ours = await is_sealed_by(executor, fingerprint(around.secrets), _deadline())
    cure = "give the secrets file that the store was begun with"
    detail = "those of this store" if is_ours else f"{path} belongs to another store"
    return Finding("store secrets", is_ours, detail, cure)


async def _catalog(executor: Executor, around: Surroundings) -> list[Finding]:
    store = CatalogStore(executor)
    version = await store.in_force(_deadline())
    text = await store.text(version, _deadline()) if version else None
    if around.catalog is None or text is None:
        return []
    old = parse_catalog(text, source=f"catalog {version} of the store")
    problems = predecessor(old, around.catalog)
    if problems:
        return [Finding("store catalog", False, p.wrong, p.right) for p in problems]
    return [Finding("store catalog", True, f"version {version} is in force")]


def _deadline() -> float:
    return asyncio.get_running_loop().time() + CONNECT_S_MAX

"""What must be true before the first call is served: the right store, its secrets, its catalog.

Each step refuses with what to do. Knows the order of these steps; does not know what is built on
them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quotasvc.catalog import CatalogFault, parse_catalog, predecessor
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Fault
from quotasvc.domain.secret import Secrets
from quotasvc.known_stores import KnownStores
from quotasvc.private_file import FileFault
from quotasvc.secrets_file import create_secrets, fingerprint, read_secrets
from quotasvc.store.catalog import CatalogStore
from quotasvc.store.checks import Finding, Overrides, check_store
from quotasvc.store.executor import Executor
from quotasvc.store.seal import read_store_id, seal

STORE_ID_BYTES = 12

log = logging.getLogger(__name__)


class StoreRefused(Fault):
    """The store is unsafe, foreign or has lost its data; the text lists why, each with a cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What opening a store depends on beside the store."""

    store_name: str
    secrets_file: Path
    known_stores: KnownStores
    overrides: Overrides
    entropy: Callable[[int], bytes]
    clock_ms: Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStore:
    """A store that may be used, and the secrets that belong to it."""

    store_id: str
    secrets: Secrets


async def open_store(executor: Executor, opening: Opening, deadline: float) -> OpenStore:
    """Checks the store, and marks an empty one as ours."""
    known = opening.known_stores
    expected = known.find(opening.store_name)
    is_new = expected is None and await read_store_id(executor, deadline) is None
    # Before the store is marked: a marked store without secrets is one that has lost them.
    secrets = _secrets(opening, is_new=is_new)
    report = await check_store(
        executor,
        expected_store_id=expected,
        new_store_id=opening.entropy(STORE_ID_BYTES).hex(),
        witness_ms=opening.clock_ms(),
        deadline=deadline,
        overrides=opening.overrides,
    )
    if not report.is_safe or report.store_id is None:
        raise StoreRefused(_refusal(opening, report.findings))
    for finding in report.findings:
        if not finding.ok:
            log.warning("store: %s: %s; %s", finding.name, finding.detail, finding.cure)
    if not await seal(executor, fingerprint(secrets), deadline):
        raise FileFault(
            f"{opening.secrets_file} does not belong to this store: its keys would all be invalid; "
            "give the secrets file that the store was begun with"
        )
    known.remember(opening.store_name, report.store_id)
    return OpenStore(store_id=report.store_id, secrets=secrets)


async def open_catalog(catalog: Catalog, source: str, store: CatalogStore, deadline: float) -> None:
    """Keeps the catalog and puts it in force, unless its predecessor forbids that (SEM-18)."""
    version = await store.in_force(deadline)
    if version is not None and version != catalog.version:
        text = await store.text(version, deadline)
        if text is not None:
            old = parse_catalog(text, source=f"catalog {version} of the store")
            problems = predecessor(old, catalog, source=source)
            if problems:
                raise CatalogFault(problems)
    await store.keep(catalog, deadline)
    await store.put_in_force(catalog.version, deadline)


def _secrets(opening: Opening, *, is_new: bool) -> Secrets:
    path = opening.secrets_file
    secrets = read_secrets(path)
    if secrets is not None:
        return secrets
    if not is_new:
        raise FileFault(
            f"{path} is missing, and the store was begun with it: without it no API key of that "
            "store is valid and no hold can be settled; bring back a copy, or give its place by "
            "--secrets"
        )
    return create_secrets(path, opening.entropy)


def _refusal(opening: Opening, findings: tuple[Finding, ...]) -> str:
    lines = [f"  {f.name}: {f.detail}; {f.cure}" for f in findings if f.refuses]
    if opening.known_stores.find(opening.store_name) is not None:
        lines.append(f"  (the id of the right store is kept in {opening.known_stores.path})")
    return "\n".join([f"the store {opening.store_name} is refused:", *lines])

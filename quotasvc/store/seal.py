"""A store's mark: which store it is, and the secrets that it was begun with.

Key hashes and reservation ids mean nothing under other secrets. Knows their fingerprint; never
sees a secret.
"""

from __future__ import annotations

from quotasvc.store import keys
from quotasvc.store.executor import Executor

STORE_ID = "store_id"
SECRETS = "secrets"


async def read_store_id(executor: Executor, deadline: float) -> str | None:
    """The id that the store was given when it was begun; None for one that was not."""
    return await _read(executor, STORE_ID, deadline)


def require(executor: Executor, store_id: str) -> None:
    """From now on no other store is talked to, nor this one without its data."""
    executor.require(("HGET", keys.SCHEMA_MARKER, STORE_ID), store_id.encode())


async def seal(executor: Executor, fingerprint: str, deadline: float) -> bool:
    """Whether these are the store's secrets; the first that are shown to it are.

    Call it after `check_store` has marked the store as ours.
    """
    words = (keys.SCHEMA_MARKER, SECRETS, fingerprint)
    await executor.call("HSETNX", *words, deadline=deadline)
    return await is_sealed_by(executor, fingerprint, deadline)


async def is_sealed_by(executor: Executor, fingerprint: str, deadline: float) -> bool:
    """Whether these are the store's secrets, or it has none yet. Writes nothing."""
    return await _read(executor, SECRETS, deadline) in (None, fingerprint)


async def _read(executor: Executor, field: str, deadline: float) -> str | None:
    found = await executor.call("HGET", keys.SCHEMA_MARKER, field, deadline=deadline)
    return found.decode() if isinstance(found, bytes) else None

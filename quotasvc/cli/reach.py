"""How commands beside `serve` reach its store, whether a service runs on it or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from quotasvc.config import Settings
from quotasvc.domain.faults import Unavailable
from quotasvc.store.embedded import EmbeddedStore
from quotasvc.store.endpoint import Endpoint

AOF_FOLDER = "appendonlydir"
"""Where the embedded server keeps its log, below the data directory."""

T = TypeVar("T")


async def on_store(settings: Settings, act: Callable[[Endpoint], Awaitable[T]]) -> T | None:
    """What `act` finds on the running server; if the embedded one does not run, on one that is
    started for as long. None: the embedded store has not been begun yet."""
    if settings.store.endpoint is not None:
        return await act(settings.store.endpoint)
    store = EmbeddedStore(settings.data)
    if store.socket_path.exists():
        # After a crash the socket is still there, and nobody behind it.
        with suppress(Unavailable):
            return await act(store.endpoint)
    if not (settings.data / AOF_FOLDER).exists():
        return None
    await store.start()
    try:
        return await act(store.endpoint)
    finally:
        await store.stop()

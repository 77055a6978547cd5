"""`quotasvc peak`."""

from __future__ import annotations

import asyncio
import logging
from random import SystemRandom

from quotasvc.cli.reach import on_store
from quotasvc.config import Settings
from quotasvc.domain.catalog import PeakMode
from quotasvc.domain.faults import Fault
from quotasvc.known_stores import KnownStores
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.scripts import load_scripts
from quotasvc.store.seal import read_store_id
from quotasvc.store.switch import SwitchStore

CALL_S_MAX = 2.0

_MEANS = {
    None: "as the catalog says; never switched",
    PeakMode.AUTO: "auto: by the catalog's schedule",
    PeakMode.ON: "on: peak limits are in force",
    PeakMode.OFF: "off: peak limits are not in force",
}


class StoreRefused(Fault):
    """The store is not one that a service has begun, or not the one that it was."""


def show_or_switch(settings: Settings, mode: PeakMode | None) -> None:
    """Prints how peak hours are switched, after switching them if a mode is given."""
    # What goes wrong is said in one message, by the fault.
    logging.disable()
    asyncio.run(_run(settings, mode))


async def _run(settings: Settings, mode: PeakMode | None) -> None:
    name = settings.store.name

    async def act(endpoint: Endpoint) -> tuple[PeakMode | None]:
        known = KnownStores(settings.data).find(name)
        executor = Executor(endpoint, load_scripts(()), chance=SystemRandom())
        try:
            await executor.start(_deadline())
            store_id = await read_store_id(executor, _deadline())
            if store_id is None or known not in (None, store_id):
                raise StoreRefused(f"{name}: {_wrong(store_id, known)}")
            switches = SwitchStore(executor)
            if mode is not None:
                await switches.set_peak_mode(mode, _deadline())
            return (await switches.peak_mode(_deadline()),)
        finally:
            await executor.close()

    found = await on_store(settings, act)
    if found is None:
        raise StoreRefused(f"{name}: {_wrong(None, None)}")
    print(f"peak hours: {_MEANS[found[0]]}")
    if mode is not None:
        print("Running services follow within about a second.")


def _wrong(store_id: str | None, known: str | None) -> str:
    if store_id is None and known is None:
        return "no service has begun this store yet; `quotasvc serve` does"
    return f"this is not store {known}, which was used from here; see `quotasvc doctor`"


def _deadline() -> float:
    return asyncio.get_running_loop().time() + CALL_S_MAX

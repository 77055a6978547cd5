"""Switches follow the store, and the last known ones hold while it is away (J4, SEM-20)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from quotasvc.domain.catalog import PeakMode
from quotasvc.domain.faults import Corrupt
from quotasvc.planes.switches import Switches
from quotasvc.store import keys
from quotasvc.store.executor import Executor
from quotasvc.store.switch import SwitchStore
from quotasvc.switch_watch import SwitchWatch
from tests.support.embedded import soon


def seen(switches: Switches) -> PeakMode | None:
    """What the process goes by now."""
    return switches.peak_mode


async def test_a_switch_is_seen_and_told_once(
    executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    # given a store that was never switched
    caplog.set_level("INFO")
    store, switches = SwitchStore(executor), Switches()
    watch = SwitchWatch(store, switches)
    await watch.look(soon())
    assert seen(switches) is None
    # when peak hours are switched
    for mode in PeakMode:
        caplog.clear()
        await store.set_peak_mode(mode, soon())
        await watch.look(soon())
        await watch.look(soon())
        # then that is seen, and told
        assert seen(switches) is mode
        assert caplog.messages == [f"peak hours: switched to {mode.value}"]
    # and a switch that was taken out leaves the catalog's mode
    await executor.call("DEL", keys.SWITCHES, deadline=soon())
    await watch.look(soon())
    assert seen(switches) is None


async def test_the_watch_looks_by_itself_and_outlives_a_store_that_is_away(
    executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    store, switches = SwitchStore(executor), Switches()
    await store.set_peak_mode(PeakMode.ON, soon())
    task = asyncio.create_task(SwitchWatch(store, switches, look_s=0.001).run())
    while seen(switches) is None:
        await asyncio.sleep(0.001)
    # when the store says something that is no mode
    await executor.call("HSET", keys.SWITCHES, "peak", "perhaps", deadline=soon())
    while not any(message.startswith("switches: ") for message in caplog.messages):
        await asyncio.sleep(0.001)
    # then the last known switch holds, and the next one is seen
    assert seen(switches) is PeakMode.ON
    await store.set_peak_mode(PeakMode.OFF, soon())
    while seen(switches) is PeakMode.ON:
        await asyncio.sleep(0.001)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_switch_that_is_no_mode_is_corrupt(executor: Executor) -> None:
    await executor.call("HSET", keys.SWITCHES, "peak", "perhaps", deadline=soon())
    with pytest.raises(Corrupt, match="which is no mode"):
        await SwitchStore(executor).peak_mode(soon())

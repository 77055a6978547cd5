"""Scripts are timed; what a script answers is what it would have answered."""

from __future__ import annotations

import time
from random import Random

from quotasvc.store.endpoint import Endpoint
from quotasvc.store.measured import MeasuredExecutor
from quotasvc.store.scripts import ScriptSet
from quotasvc.telemetry import Telemetry
from tests.support.embedded import soon
from tests.support.scripts import ECHO


async def test_every_script_is_counted_with_its_time(store: Endpoint, scripts: ScriptSet) -> None:
    telemetry = Telemetry(clock_ns=time.time_ns)
    executor = MeasuredExecutor(store, scripts, chance=Random(7), telemetry=telemetry)
    await executor.start(soon())
    assert [await executor.run(ECHO, (), (n,), soon()) for n in (1, 2)] == [[1], [2]]
    await executor.close()
    shown = telemetry.exposition().decode()
    assert 'quotasvc_store_call_duration_seconds_count{quotasvc_script="echo"} 2.0' in shown
    telemetry.close()

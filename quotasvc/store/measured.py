"""An executor that tells telemetry how long each script took."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from time import perf_counter

from quotasvc.store.declaration import Script
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.resp import Reply, Word
from quotasvc.store.scripts import ScriptSet
from quotasvc.telemetry import Telemetry


class MeasuredExecutor(Executor):
    """From sending to the reply, its place in the pipeline included."""

    def __init__(
        self, endpoint: Endpoint, scripts: ScriptSet, *, chance: Random, telemetry: Telemetry
    ) -> None:
        super().__init__(endpoint, scripts, chance=chance)
        self._telemetry = telemetry

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[Word], deadline: float
    ) -> list[Reply]:
        """One script; its reply, outcome code first."""
        began = perf_counter()
        reply = await super().run(script, keys, args, deadline)
        self._telemetry.script(script.name, perf_counter() - began)
        return reply

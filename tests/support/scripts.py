"""Small Lua scripts, and a place for those of a test's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from quotasvc.store.endpoint import Endpoint
from quotasvc.store.resp import Reply, Word
from quotasvc.store.scripts import Arg, Script, ScriptSet
from tests.support.embedded import connected, soon

ECHO = Script(name="echo", args=(Arg("n"),))
"""Answers its number."""

COUNT = Script(name="count", keys=("counter",))
"""Adds 1 to a counter: tells how often it ran."""

SMALL_SCRIPTS: Mapping[str, str] = {
    "echo": "return {ARG.n}",
    "count": 'return {redis.call("INCR", KEY.counter)}',
}


def write_lua(root: Path, sources: Mapping[str, str]) -> Path:
    """Writes `{"lib/lot": "..."}` as files below `root`, which a loader then takes."""
    for name, text in sources.items():
        path = root / f"{name}.lua"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


async def run(
    endpoint: Endpoint, scripts: ScriptSet, script: Script, keys: tuple[str, ...] = (), *args: Word
) -> list[Reply]:
    """One call on a connection of its own."""
    async with connected(endpoint, scripts) as executor:
        return await executor.run(script, keys, args, soon())

"""A supervisor of its own process: prints its door's pid, then lives until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys

from quotasvc.doors.envoy import EnvoyDoor


async def main() -> None:
    """Starts a door on the address that it is given."""
    door = EnvoyDoor("tests.doors.envoy_app:app", sys.argv[1], environment=dict(os.environ))
    await door.start()
    print(door.pid, flush=True)
    await asyncio.Event().wait()

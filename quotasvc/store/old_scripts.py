"""Finds scripts of other releases that a store still keeps; deletes nothing.

Each release brings its own under names of their own, and none takes away another's: in a rolling
deploy both run. A script that is deleted too early is loaded again by the service that calls it,
unless the store's memory is full. So whoever deploys deletes them, when no old service runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from quotasvc.domain.faults import Corrupt
from quotasvc.store.executor import Executor
from quotasvc.store.findings import Finding
from quotasvc.store.resp import Reply

OLD_MAX = 5
"""Five releases' scripts, each over 100 KB of text: more is worth a word."""

OURS = re.compile(r"quotasvc_[0-9a-f]{16}")


async def old_scripts(executor: Executor, current: Collection[str], deadline: float) -> Finding:
    """How many there are beside the `current` ones; many are no danger, but memory."""
    try:
        found = await executor.call("FUNCTION", "LIST", deadline=deadline)
    except Corrupt:
        return Finding("old scripts", True, "could not be read")
    assert isinstance(found, list)
    names = (_name(library) for library in found)
    old = sorted(name for name in names if OURS.fullmatch(name) and name not in current)
    return Finding(
        "old scripts",
        len(old) <= OLD_MAX,
        f"{len(old)} of other releases",
        f"when no other release runs, FUNCTION DELETE each: {' '.join(old)}",
        is_fatal=False,
    )


def _name(library: Reply) -> str:
    """Of a library as the server describes it: names and values, one behind the other."""
    assert isinstance(library, list)
    name = dict(zip(library[::2], library[1::2], strict=True))[b"library_name"]
    assert isinstance(name, bytes)
    return name.decode()

"""What the store adds to the fault tree, and how the server's error replies become faults.

    Unavailable
    └── StoreUnavailable     `sent` tells "outcome unknown" from "surely not applied"
        ├── StoreDemoted     the server has become a replica
        └── ScriptUnknown    the server does not hold the script
    Overloaded
    ├── StoreOverloaded      too many calls under way here
    └── StoreFull            the server is at its memory limit
    Corrupt
    ├── ScriptKnown          a library that is loaded twice
    └── ScriptBroken         a Lua source that cannot be stitched (found at start)
    Fault
    └── StoreNotStarted      the embedded server cannot run on this directory

Knows the first word of an error reply; does not know what any script means by it.
"""

from __future__ import annotations

from quotasvc.domain.faults import Corrupt, Fault, Overloaded, Unavailable


class StoreUnavailable(Unavailable):
    """The store is away. `sent` means the call may have been applied; else it surely was not."""

    def __init__(self, text: str, *, sent: bool) -> None:
        super().__init__(text)
        self.sent = sent


class StoreDemoted(StoreUnavailable):
    """The server refuses to write because it has become a replica."""


class ScriptUnknown(StoreUnavailable):
    """The server does not hold this script: it did not run, so sending it again is safe."""


class ScriptKnown(Corrupt):
    """The server holds this script already: no harm, since its name says its content."""


class StoreOverloaded(Overloaded):
    """More calls are under way than one connection should hold; this one was not sent."""


class StoreFull(Overloaded):
    """The server is at its memory limit and refused to write; nothing was applied."""


class ScriptBroken(Corrupt):
    """A Lua source that cannot be stitched; the text starts with `file:line`."""


class StoreNotStarted(Fault):
    """The embedded server cannot run on its directory; the text says why and what to do."""


# Refused before anything ran: the server says so before the first command of a script.
REFUSALS = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOREPLICAS",
        "TRYAGAIN",
    }
)


NO_FUNCTION = "ERR Function not found"
KNOWN_LIBRARY = ("ERR Library '", "' already exists")


def fault_from_reply(text: str) -> Fault:
    """The fault that an error reply means, by the reply's first word."""
    word = text.partition(" ")[0]
    if word in REFUSALS:
        return StoreUnavailable(text, sent=False)
    if word == "READONLY":
        return StoreDemoted(text, sent=False)
    if text.startswith(NO_FUNCTION):
        return ScriptUnknown(text, sent=False)
    if text.startswith(KNOWN_LIBRARY[0]) and text.endswith(KNOWN_LIBRARY[1]):
        return ScriptKnown(text)
    if word == "OOM":
        return StoreFull(text)
    return Corrupt(text)

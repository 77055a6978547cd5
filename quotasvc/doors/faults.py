"""What can go wrong with a door itself."""

from __future__ import annotations

from quotasvc.domain.faults import Fault


class ListenFailed(Fault):
    """The address cannot be listened on; the text says which and why."""


class Malformed(Fault):
    """A call breaks the rules of its protocol; the text says which, for whoever wrote the client.

    gRPC calls that INTERNAL. It is no mistake of ours, so nothing is logged.
    """


class DoorNotStarted(Fault):
    """The door's process did not come up."""

"""What can go wrong with a door itself."""

from __future__ import annotations

from quotasvc.domain.faults import Fault


class ListenFailed(Fault):
    """The address cannot be listened on; the text says which and why."""

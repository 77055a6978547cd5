"""Which exit code a fault ends a command with."""

from __future__ import annotations

from quotasvc.cli.exit_code import ExitCode
from quotasvc.domain.faults import Fault, Unavailable
from quotasvc.doors.faults import ListenFailed
from quotasvc.store.faults import StoreNotStarted

_UNREACHABLE = (Unavailable, StoreNotStarted, ListenFailed)


def exit_code(fault: Fault) -> ExitCode:
    """What cannot be had now may be had later; what is refused needs another command."""
    return ExitCode.UNREACHABLE if isinstance(fault, _UNREACHABLE) else ExitCode.REFUSED

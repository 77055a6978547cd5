"""What a command says to the shell."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """As documented in docs and README; 3 is kept for denials, of commands that will ask."""

    OK = 0
    FAILED = 1  # `doctor` found something to cure, or something unforeseen happened
    REFUSED = 2  # what was asked for is wrong: usage, settings, catalog, secrets, an unsafe store
    UNREACHABLE = 4  # the store or an address cannot be had

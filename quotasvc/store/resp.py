"""The store's wire format, as hiredis packs and reads it."""

from __future__ import annotations

from collections.abc import Callable

import hiredis

Word = bytes | str | int
"""What a command is made of; whole numbers go out as decimal text."""

Reply = int | bytes | None | list["Reply"]
"""What the server answers, faults aside."""

# hiredis declares a tuple of one; it takes any number. Bound as it is: a wrapper costs 60 ns.
pack: Callable[[tuple[Word, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]

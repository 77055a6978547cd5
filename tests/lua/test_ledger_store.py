"""The outbox: an entry that is too long for one command is refused while nothing is written."""

from __future__ import annotations

import pytest

from tests.support.lua import LuaFailed, LuaModules

WORDS_MAX = 7_900
"""What one XADD can be handed: Lua's unpack gives up at 8,000."""


def test_an_entry_that_cannot_be_written_is_refused_before_anything_is(lua: LuaModules) -> None:
    """SEM-6, SEM-39: no movement is without its entry."""
    lua.receive_keys(ledger="ledger")
    ledger_store = lua.require("lib/ledger_store")
    lua.call(ledger_store.probe, ["word"] * WORDS_MAX)
    lua.call(ledger_store.append, {"entry": 1, "seq": 2}, "acme", "kind", 3, ["a"] * WORDS_MAX)
    assert len(lua.store.streams["ledger"]) == 11 + WORDS_MAX
    with pytest.raises(LuaFailed, match=r"^CORRUPT ledger is to take 7901 words"):
        lua.call(ledger_store.probe, ["word"] * (WORDS_MAX + 1))
    # where there is no entry, only the stream is looked at
    lua.call(ledger_store.probe)

"""One Lua for all tests of a process: the modules are pure."""

from __future__ import annotations

import pytest

from tests.support.lua import LuaModules


@pytest.fixture(scope="session")
def lua() -> LuaModules:
    """Our modules, as the store would run them."""
    return LuaModules()

"""What the tests of the store share."""

from __future__ import annotations

from pathlib import Path

import pytest

from quotasvc.store.connection import ask
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.scripts import ScriptSet, load_scripts
from tests.support.scripts import COUNT, ECHO, SMALL_SCRIPTS, write_lua


@pytest.fixture
async def store(endpoint: Endpoint) -> Endpoint:
    """The session's real store, without data and scripts. Leave its settings as they are."""
    await ask(endpoint, ("FLUSHALL",), ("FUNCTION", "FLUSH"), within_s=10)
    return endpoint


@pytest.fixture
def scripts(tmp_path: Path) -> ScriptSet:
    """ECHO and COUNT."""
    return load_scripts([ECHO, COUNT], root=write_lua(tmp_path / "lua", SMALL_SCRIPTS))

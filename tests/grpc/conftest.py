"""The whole road: a channel, each of the doors, the planes, the scripts, and a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from quotasvc.doors.envoy import why_not
from tests.support import door
from tests.support.door import Caller, make_door, serving
from tests.support.quota import Quota
from tests.support.relay import Relay, relaying

NO_ENVOY = why_not()
ENVOY = pytest.param(
    "envoy",
    marks=pytest.mark.skipif(NO_ENVOY is not None, reason=f"no Envoy door here: {NO_ENVOY}"),
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def relay() -> AsyncIterator[Relay]:
    """The Envoy of all tests of this process."""
    async with relaying() as relay:
        yield relay


@pytest.fixture(params=["grpcio", ENVOY], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of this folder runs over both doors."""
    if request.param == "envoy":
        monkeypatch.setattr(door, "relay", request.getfixturevalue("relay"))


@pytest_asyncio.fixture
async def caller(quota: Quota) -> AsyncIterator[Caller]:
    """A gateway in front of the real service."""
    async with serving(make_door(quota.decisions, quota.usage)) as caller:
        yield caller

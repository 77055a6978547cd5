"""The whole road: a channel, the door, the planes, the scripts, and a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.door import Caller, make_door, serving
from tests.support.quota import Quota


@pytest_asyncio.fixture
async def caller(quota: Quota) -> AsyncIterator[Caller]:
    """A gateway in front of the real service."""
    async with serving(make_door(quota.decisions, quota.usage)) as caller:
        yield caller

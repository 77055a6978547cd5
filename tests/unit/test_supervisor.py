"""Background work goes on whatever happens to it, and everybody can see when it does not."""

from __future__ import annotations

import asyncio

import pytest

from quotasvc.supervisor import Supervisor
from tests.support.embedded import until


class Work:
    """Dies at its first start, ends by itself at its second, then goes on."""

    def __init__(self) -> None:
        self.starts = 0

    async def __call__(self) -> None:
        """One life."""
        self.starts += 1
        if self.starts == 1:
            raise ValueError("died of something")
        if self.starts > 2:
            await asyncio.Event().wait()


async def test_what_dies_is_logged_shown_and_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor, work = Supervisor(), Work()
    supervisor.keep("work", work)
    # when it has died, then it is seen to be down until it runs again
    await until(lambda: supervisor.down == ("work",))
    assert "died of something" in caplog.text
    await until(lambda: work.starts == 3)
    assert supervisor.down == ()
    assert supervisor.restarts == 2
    await supervisor.end("work")


async def test_what_is_ended_stays_ended() -> None:
    supervisor, work = Supervisor(), Work()
    supervisor.keep("work", work)
    await until(lambda: supervisor.down == ("work",))
    await supervisor.end("work")
    assert (work.starts, supervisor.down) == (1, ())

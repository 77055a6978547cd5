"""Orders come from another loop, and are carried out in the one that serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import pytest_asyncio

from quotasvc.doors.asgi import Event
from quotasvc.doors.private import ALIVE, Road
from tests.doors.wire import Answer, Request


class Process:
    """The loop that serves, in a thread of its own."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self.road = Road()
        self.loop = asyncio.new_event_loop()
        self.carried_out_in: list[asyncio.AbstractEventLoop] = []
        self._thread = thread

    def open(self) -> None:
        """Opens the road from within, and turns the loop."""
        self.loop.call_soon(self.road.open, {ALIVE: self.tell, ("GET", "/fail"): self.fail})
        self._thread.submit(self.loop.run_forever)

    def end(self) -> None:
        """The loop turns no longer."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.shutdown()
        self.loop.close()

    async def tell(self) -> bytes:
        self.carried_out_in.append(asyncio.get_running_loop())
        return b"well"

    async def fail(self) -> bytes:
        raise RuntimeError("why")


@pytest_asyncio.fixture
async def process() -> AsyncIterator[Process]:
    with ThreadPoolExecutor(1) as thread:
        process = Process(thread)
        process.open()
        assert await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "turns"), process.loop)
        )
        yield process
        if not process.loop.is_closed():
            process.end()


async def order(road: Road, method: str, path: str) -> Answer:
    return await Request(path, {}, body=b"", method=method).answer(road)


async def test_an_order_is_carried_out_in_the_loop_that_serves(process: Process) -> None:
    answer = await order(process.road, *ALIVE)
    assert (answer.status, answer.body) == (200, b"well")
    assert process.carried_out_in == [process.loop]


@pytest.mark.parametrize(("method", "path"), [("POST", "/alive"), ("GET", "/"), ("GET", "/x")])
async def test_there_are_no_other_orders(process: Process, method: str, path: str) -> None:
    assert (await order(process.road, method, path)).status == 404


async def test_a_failure_is_the_supervisors_to_see(process: Process) -> None:
    with pytest.raises(RuntimeError, match="why"):
        await order(process.road, "GET", "/fail")


async def test_a_loop_that_has_ended_does_not_answer(process: Process) -> None:
    process.end()
    assert (await order(process.road, *ALIVE)).status == 503


async def test_a_road_that_is_closed_says_so(process: Process) -> None:
    process.road.close()
    assert (await order(process.road, *ALIVE)).status == 503


async def test_the_server_may_start_and_end_it() -> None:
    told: list[Event] = []

    async def receive() -> Event:
        return {}

    async def send(event: Event) -> None:
        told.append(event)

    await Road()({"type": "lifespan"}, receive, send)
    assert told == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]

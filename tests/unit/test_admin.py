"""The operators' port answers probes and Prometheus, and survives whoever else connects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from quotasvc.doors.admin import HEAD_BYTES_MAX, AdminDoor
from quotasvc.doors.faults import ListenFailed

Ask = Callable[[bytes], Awaitable[tuple[str, bytes]]]


@asynccontextmanager
async def serving(door: AdminDoor) -> AsyncIterator[Ask]:
    """Sends raw bytes; gets the status line and the body, both empty where nothing comes."""
    host, _, port = (await door.start()).rpartition(":")

    async def ask(request: bytes) -> tuple[str, bytes]:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.partition(b"\r\n")[0].decode(), body

    yield ask
    await door.stop()


def door(
    listen: str = "127.0.0.1:0",
    problems: tuple[str, ...] = (),
    exposition: Callable[[], bytes] = lambda: b"m 1\n",
) -> AdminDoor:
    async def shown() -> bytes:
        return exposition()

    return AdminDoor(listen, exposition=shown, problems=lambda: problems)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def test_the_three_pages() -> None:
    async with serving(door()) as ask:
        assert await ask(get("/healthz")) == ("HTTP/1.1 200 OK", b"ok\n")
        assert await ask(get("/readyz")) == ("HTTP/1.1 200 OK", b"ready\n")
        assert await ask(get("/metrics?x=1")) == ("HTTP/1.1 200 OK", b"m 1\n")


async def test_readiness_says_what_stands_in_the_way() -> None:
    async with serving(door(problems=("store: away", "sweeper: died"))) as ask:
        status, body = await ask(get("/readyz"))
        assert status == "HTTP/1.1 503 Service Unavailable"
        assert body == b"store: away\nsweeper: died\n"
        # the process is alive all the same
        assert (await ask(get("/healthz")))[0] == "HTTP/1.1 200 OK"


async def test_head_has_no_body() -> None:
    async with serving(door()) as ask:
        assert await ask(b"HEAD /metrics HTTP/1.1\r\n\r\n") == ("HTTP/1.1 200 OK", b"")


async def test_other_pages_and_methods_are_refused() -> None:
    async with serving(door()) as ask:
        assert (await ask(get("/")))[0] == "HTTP/1.1 404 Not Found"
        assert (await ask(b"POST /metrics HTTP/1.1\r\n\r\n"))[0] == (
            "HTTP/1.1 405 Method Not Allowed"
        )


async def test_a_mistake_of_ours_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bytes:
        raise RuntimeError("hunter2")

    async with serving(door(exposition=fail)) as ask:
        status, body = await ask(get("/metrics"))
    assert status == "HTTP/1.1 500 Internal Server Error"
    assert b"hunter2" not in body
    assert "hunter2" in caplog.text


@pytest.mark.parametrize(
    "request_",
    [b"", b"GET /metrics HTTP/1.1\r\n", b"x" * (HEAD_BYTES_MAX + 1)],
    ids=["nothing", "half a request", "too much"],
)
async def test_who_sends_no_request_gets_no_answer(request_: bytes) -> None:
    async with serving(door()) as ask:
        assert await ask(request_) == ("", b"")
        assert (await ask(get("/healthz")))[0] == "HTTP/1.1 200 OK"


async def test_an_address_in_use_is_refused() -> None:
    first = door()
    address = await first.start()
    with pytest.raises(ListenFailed, match=address):
        await door(address).start()
    await first.stop()


async def test_stop_before_start_is_harmless() -> None:
    await door().stop()

"""One question, one answer, within a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from quotasvc.doors.unix_http import ask


@asynccontextmanager
async def answering(path: Path, *pieces: bytes, hangs: bool = False) -> AsyncIterator[list[bytes]]:
    """A server that says what the test says; what it was asked."""
    asked: list[bytes] = []
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)
        if hangs:
            # Until the caller gives up.
            await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(serve, path)
    yield asked
    server.close()
    await asyncio.gather(*filter(None, serving))


async def test_an_answer_is_its_status_and_its_body(tmp_path: Path) -> None:
    pieces = (b"HTTP/1.1 200 OK\r\nX: y\r\n", b"\r\nfirst ", b"second")
    async with answering(tmp_path / "s", *pieces) as asked:
        assert await ask(tmp_path / "s", "POST", "/x?y", within_s=5) == (200, b"first second")
    assert asked == [b"POST /x?y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]


async def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    async with answering(tmp_path / "s", hangs=True):
        with pytest.raises(TimeoutError):
            await ask(tmp_path / "s", "GET", "/", within_s=0.02)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1"])
async def test_a_connection_that_is_closed_without_an_answer_is_an_error(
    tmp_path: Path, said: bytes
) -> None:
    async with answering(tmp_path / "s", said):
        with pytest.raises(ConnectionResetError):
            await ask(tmp_path / "s", "GET", "/", within_s=5)


async def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await ask(tmp_path / "s", "GET", "/", within_s=5)

"""One question over a Unix socket, in HTTP/1.1: for servers of our own, so only what they need."""

from __future__ import annotations

import asyncio
from pathlib import Path

ANSWER_BYTES_MAX = 1024 * 1024


async def ask(socket: Path, method: str, path: str, *, within_s: float) -> tuple[int, bytes]:
    """Status and body, as it comes: in chunks, perhaps.

    TimeoutError where nothing comes, another OSError where nobody is there.
    """
    async with asyncio.timeout(within_s):
        reader, writer = await asyncio.open_unix_connection(socket)
        try:
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            answer = await reader.read(ANSWER_BYTES_MAX)
            while more := await reader.read(ANSWER_BYTES_MAX - len(answer)):
                answer += more
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    if len(words) < 2:
        raise ConnectionResetError("closed without an answer")
    return int(words[1]), body

"""The server that connectconformance starts: told by stdin what it wants, told where it is.

python -m tests.conformance.server
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from quotasvc.doors.claim import Claim
from quotasvc.doors.envoy import EnvoyDoor
from quotasvc.doors.envoy_tls import Tls
from tests.conformance.app import BYTES_MAX
from tests.conformance.tools import stubs
from tests.tidy.sources import ROOT

pb = stubs("connectrpc.conformance.v1.server_compat_pb2")

APPLICATION = "tests.conformance.app:app"


@asynccontextmanager
async def served(variables: Mapping[str, str], tls: Tls | None = None) -> AsyncIterator[str]:
    """The door with the suites' services; its address."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    with Claim("127.0.0.1:0") as claim:
        door = EnvoyDoor(APPLICATION, claim.address, environment=environment, tls=tls)
        await door.start()
        try:
            yield claim.address
        finally:
            await door.stop(0)


async def main() -> None:
    """Serves until stdin ends or a signal comes."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    size = int.from_bytes(sys.stdin.buffer.read(4), "big")
    request = pb.ServerCompatRequest.FromString(sys.stdin.buffer.read(size))
    variables = {BYTES_MAX: str(request.message_receive_limit)}
    with TemporaryDirectory() as folder:
        tls = _tls(request, Path(folder)) if request.use_tls else None
        await _serve(variables, tls, request.server_creds.cert, ended)


async def _serve(
    variables: Mapping[str, str], tls: Tls | None, certificate: bytes, ended: asyncio.Event
) -> None:
    async with served(variables, tls) as address:
        host, _, port = address.rpartition(":")
        response = pb.ServerCompatResponse(
            host=host, port=int(port), pem_cert=certificate
        ).SerializeToString()
        sys.stdout.buffer.write(len(response).to_bytes(4, "big") + response)
        sys.stdout.buffer.flush()
        await ended.wait()


def _tls(request: Any, folder: Path) -> Tls:
    """The certificates that the suite wants, in files."""
    files = {
        "certificate": request.server_creds.cert,
        "key": request.server_creds.key,
        "callers": request.client_tls_cert,
    }
    for name, text in files.items():
        (folder / name).write_bytes(text)
    return Tls(
        certificate=folder / "certificate",
        key=folder / "key",
        callers_ca=folder / "callers" if request.client_tls_cert else None,
    )


if __name__ == "__main__":
    asyncio.run(main())

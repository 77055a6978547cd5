"""A port that several processes of ours share, and nobody else.

Servers that share a port would also share it with a second service that was started by mistake,
which gets a part of the calls without a word. So whoever starts them claims the port first.
"""

from __future__ import annotations

import socket
from types import TracebackType

from quotasvc.doors.faults import ListenFailed


class Claim:
    """Holds an address such as "127.0.0.1:50051"; port 0 means any free one.

    `address` has the port that it got.
    """

    def __init__(self, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        bare = host.strip("[]")
        family = socket.AF_INET6 if ":" in bare else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Servers of the last minute may still wait for late packets.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((bare, int(port)))
            # Only now: bound without it, the port is nobody else's; with it, ours can share it.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # A second claim would set it too, and be let in.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        except OSError as error:
            self._socket.close()
            text = f"cannot listen on {listen}: {error.strerror or error}"
            raise ListenFailed(text) from error
        self.address = f"{host}:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        """Gives it back."""
        self._socket.close()

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

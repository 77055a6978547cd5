"""gRPC's frames: a flag, four bytes of length, and the message."""

from __future__ import annotations

from quotasvc.api.faults import MessageTooLarge
from quotasvc.doors.faults import Malformed
from quotasvc.doors.gzip import inflate

PREFIX_BYTES = 5
_PLAIN, _COMPRESSED = 0, 1


def frame(message: bytes) -> bytes:
    """A message as it is sent: never compressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


class Frames:
    """Cuts what arrives into messages. Holds one message at most, beside the last arrival."""

    __slots__ = ("_buffer", "_bytes_max", "is_gzip")

    def __init__(self, bytes_max: int) -> None:
        self.is_gzip = False  # whether compressed ones are to be inflated
        self._buffer = bytearray()
        self._bytes_max = bytes_max

    @property
    def is_full(self) -> bool:
        """Whether there is enough for a message of any size."""
        return len(self._buffer) >= PREFIX_BYTES + self._bytes_max

    def feed(self, data: bytes) -> None:
        """More has arrived."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next message; None until it has arrived. One that will be too large is refused."""
        buffer = self._buffer
        if len(buffer) < PREFIX_BYTES:
            return None
        length = int.from_bytes(buffer[1:PREFIX_BYTES], "big")
        if length > self._bytes_max:
            raise MessageTooLarge(f"{length} bytes; at most {self._bytes_max}")
        end = PREFIX_BYTES + length
        if len(buffer) < end:
            return None
        flag, message = buffer[0], bytes(buffer[PREFIX_BYTES:end])
        del buffer[:end]
        if flag == _PLAIN:
            return message
        if flag == _COMPRESSED and self.is_gzip:
            return inflate(message, self._bytes_max)
        raise Malformed("a message is marked as compressed, and no header says how")

    def finish(self) -> None:
        """Nothing more arrives."""
        if self._buffer:
            raise Malformed("the last message is cut off")


def only_message(body: bytes, bytes_max: int) -> bytes | None:
    """The message of a body that is one plain frame, as that of nearly every call is."""
    length = len(body) - PREFIX_BYTES
    if body[:1] == b"\0" and int.from_bytes(body[1:PREFIX_BYTES], "big") == length <= bytes_max:
        return body[PREFIX_BYTES:]
    return None

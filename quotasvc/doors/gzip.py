"""Compressed messages of callers. Ours never are: they are small, and time is what counts."""

from __future__ import annotations

import zlib

from quotasvc.api.faults import MessageTooLarge, UnknownMethod
from quotasvc.doors.faults import Malformed

ACCEPTED = b"gzip,identity"
"""For those who ask, or come with something else."""

_GZIP = 16 + zlib.MAX_WBITS


def is_gzip(encoding: bytes) -> bool:
    """Whether messages of this encoding must be inflated; a refusal if they cannot be read."""
    match encoding:
        case b"" | b"identity":
            return False
        case b"gzip":
            return True
        case _:
            raise UnknownMethod("this compression is not read here: use gzip or identity")


def inflate(body: bytes, bytes_max: int) -> bytes:
    """The message within; never more memory than one of the largest takes."""
    stream = zlib.decompressobj(_GZIP)
    try:
        message = stream.decompress(body, bytes_max + 1)
    except zlib.error:
        raise Malformed("the message is not gzip") from None
    if len(message) > bytes_max:
        raise MessageTooLarge(f"more than {bytes_max} bytes, inflated")
    if not stream.eof or stream.unused_data:
        raise Malformed("the message is not one whole gzip member")
    return message

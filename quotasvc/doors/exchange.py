"""What a call says beside its messages, in whichever protocol it came; and the rpcs behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.message import Message

from quotasvc.api.faults import Status
from quotasvc.doors.asgi import Header


class Exchange:
    """One call: `remaining_s` is the caller's time, None where it set no limit.

    What a rpc puts into `answer_headers` leaves before its first message, `answer_trailers`
    after the last.
    """

    __slots__ = ("answer_headers", "answer_trailers", "headers", "remaining_s")

    def __init__(self, headers: Sequence[Header], remaining_s: float | None) -> None:
        self.headers = headers
        self.remaining_s = remaining_s
        self.answer_headers: tuple[Header, ...] = ()
        self.answer_trailers: tuple[Header, ...] = ()

    def header(self, wanted: bytes) -> str:
        """The first value of a header; empty if it did not come."""
        for name, value in self.headers:
            if name == wanted:
                return value.decode("latin-1")
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc:
    """A unary rpc: bytes in, bytes or a refusal out. Its messages are named for other codecs."""

    name: str  # "quotasvc.v1.DecisionService/Commit"
    request: type[Message]
    response: type[Message]
    answer: Callable[[bytes, Exchange], Awaitable[bytes | Status]]


Refuse: TypeAlias = Callable[[str, BaseException], Status]
"""The status of what went wrong with the rpc of that name."""

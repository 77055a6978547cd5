"""What the scripts and Python say to each other in numbers: append only."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The first number of every reply. Append only: old scripts keep answering with theirs."""

    GRANTED = 1
    SHORT = 2
    REPLAYED = 3
    CONFLICT = 4
    STALE = 5
    BOUNDARY = 6
    REAP = 7
    SKEWED = 8
    COMMITTED = 9
    SETTLED = 10
    REFUNDED = 11
    EXCEEDS = 12
    UNKNOWN = 13
    EXPIRED = 14
    TOO_EARLY = 15
    PURGED = 16
    TOO_MANY = 17
    FOUND = 18
    ENTER = 19
    EXTENDED = 20
    TOO_LATE = 21
    RECORDED = 22
    EXISTS = 23
    TAKEN = 24
    BOOKED = 25
    RELEASED = 26
    CHARGED = 27
    UNCHARGED = 28
    COUNTED = 29
    PRICE = 30


class KindCode(IntEnum):
    """Window kinds as Lua knows them."""

    SLIDING = 1
    ALIGNED = 2
    FIRST_USE = 3
    CYCLE = 4
    SLOTS = 5


class StraddleCode(IntEnum):
    """Straddles as Lua knows them."""

    STRICT = 1
    SPLIT = 2
    ABSORB = 3


class ModeCode(IntEnum):
    """How a decision is meant: to hold, to look, or to imagine another moment or plan."""

    NORMAL = 1
    CHECK_ONLY = 2
    WHAT_IF = 3


class RefundKind(IntEnum):
    """Scopes of a refund as Lua knows them."""

    ALL = 1
    USAGE = 2
    AMOUNT = 3

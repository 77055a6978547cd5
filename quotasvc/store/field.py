"""The fields of a stored record, by their short names: a settled one has to fit 400 bytes.

Numbered ones take a number behind the name: a window's place, a lot's or a refund's number.
"""

from __future__ import annotations

from enum import StrEnum


class Field(StrEnum):
    """Append only, and never give a name another meaning: records outlive releases."""

    # The reservation.
    ID = "i"
    ID_END = "j"  # what of the id does not fit the first
    CONTENT = "c"  # digest of the request
    STATE = "s"
    ADMIT = "a"
    HOLD = "x"  # for how long, as the first answer said
    EXTENDED = "xt"  # until when it was extended
    SEQ = "q"
    COST = "p"
    POOL = "o"
    PLAN = "n"  # in the allowance's unit
    PLAN_NANOS = "m"
    LOTS = "k"
    USAGE = "u"  # the estimate, after a commit the actual usage
    TOKENS = "t"  # those that count for tokens per minute
    SLOT = "w"  # numbered: where a window was charged at the admission
    LOT = "l"  # numbered: its member in the order
    LOT_EXPIRE = "e"  # numbered
    LOT_HELD = "h"  # numbered
    LOT_CHARGED = "g"  # numbered
    MARK = "M"  # of an old reservation whose usage this one recorded
    # Its settlement.
    SETTLE = "z"
    SETTLEMENT = "S"  # digest of what a commit settled at
    OUTCOME = "O"
    RATES = "r"  # price rows, where the commit's attributes chose others
    ACTUAL = "A"
    WRITTEN_OFF = "W"
    KEEP = "K"  # of the plan's hold, in its unit; all of it unless it is here
    OVER = "V"  # beyond it
    OVER_SLOT = "v"  # numbered: where that was charged
    PLAN_PAID = "P"  # nanos
    LATE = "L"
    COMMIT_SEQ = "Q"
    COMMIT_GONE = "G"
    # Its end without one.
    EXPIRE_SEQ = "X"
    PROVISIONAL = "Y"  # charged at its expiry
    RELEASED = "R"
    RELEASE_SEQ = "F"
    RELEASE_EXPIRED = "E"
    RELEASE_REVOKED = "D"
    RELEASE_GONE = "H"
    # Its refunds: sums, then each.
    REFUNDS = "N"
    REFUNDED = "B"  # nanos
    PLAN_BACK = "C"  # in the allowance's unit
    USAGE_BACK = "U"
    USAGE_NANOS = "T"  # what refunds by usage gave back
    REFUND_ID = "f"
    REFUND_SCOPE = "d"
    REFUND_NANOS = "b"  # all that had gone back after it
    REFUND_UNITS = "y"  # the same, in the allowance's unit
    REFUND_EXPIRED = "xp"
    REFUND_REVOKED = "rv"
    REFUND_GONE = "gn"
    REFUND_SEQ = "sq"

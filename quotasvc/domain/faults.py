"""What goes wrong that is not a denial: one tree, each leaf a reason of `errors.proto`.

    Fault
    ├── InvalidArgument      the request is wrong, with the path of the field
    │   └── UnmeasuredUnit, UnpricedUsage, EmptyEstimate, ...   (by `reason`)
    ├── NotFound             unknown or foreign, the same for both
    ├── Conflict             known request id, other content
    ├── FailedPrecondition   a terminal state won
    ├── Overloaded           the service or its store has no room; nothing was applied
    ├── Unavailable          the outcome is unknown or the store is away: ask again, same id
    ├── DeadlineExceeded     may have been applied
    └── Corrupt              an impossible state; nothing was changed

A denial is a value (`outcome.Denied`), never one of these. Faults are raised where they are
known and mapped to a status once, in `api.faults`.
"""

from __future__ import annotations


class Fault(Exception):
    """Base of the tree. `reason` is the ErrorInfo reason; `text` is for people, free of secrets."""

    reason: str = "INTERNAL"

    def __init__(self, text: str, *, reason: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        if reason is not None:
            self.reason = reason


class InvalidArgument(Fault):
    """The request is wrong; `field` is the path of the field that is."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, text: str, *, reason: str | None = None) -> None:
        super().__init__(text, reason=reason)
        self.field = field


class NotFound(Fault):
    """Unknown, or not yours: callers cannot tell the two apart."""

    reason = "NOT_FOUND"


class Conflict(Fault):
    """A known request id came with other content (SEM-35)."""

    reason = "REQUEST_ID_CONFLICT"


class FailedPrecondition(Fault):
    """The state forbids it; where a terminal state won, `winner` carries its figures (SEM-26).

    `winner` is a `domain.reservation.Reservation`; typed loosely here to keep this the root.
    """

    reason = "FAILED_PRECONDITION"

    def __init__(self, text: str, *, reason: str, winner: object | None = None) -> None:
        super().__init__(text, reason=reason)
        self.winner = winner


class Overloaded(Fault):
    """No room here now; nothing was applied."""

    reason = "OVERLOADED"


class Unavailable(Fault):
    """Outcome unknown, or the store is away: ask again with the same id (SEM-38)."""

    reason = "STORE_UNAVAILABLE"


class DeadlineExceeded(Fault):
    """Time ran out; the call may have been applied (SEM-38)."""

    reason = "DEADLINE_EXCEEDED"


class Corrupt(Fault):
    """A state that cannot be; nothing was changed. Callers see INTERNAL and an error id."""

    reason = "INTERNAL"

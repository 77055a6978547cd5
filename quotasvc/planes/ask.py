"""What callers ask of the decision plane, as validated at the edge."""

from __future__ import annotations

from dataclasses import dataclass, field

from quotasvc.domain.reservation import State, content_digest
from quotasvc.domain.unit import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request for a decision. `request_id` is empty for a bare CHECK_ONLY."""

    request_id: str
    api_key: str | None = field(repr=False)
    key_id: str | None
    resource: str
    usage: Usage
    attributes: tuple[tuple[str, str], ...]
    hold_ms: int | None
    check_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Usage to charge without a hold. `reservation_id`: the old one that is no longer known."""

    request_id: str
    api_key: str | None = field(repr=False)
    key_id: str | None
    resource: str
    usage: Usage
    attributes: tuple[tuple[str, str], ...]
    reservation_id: str | None
    outcome: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """What to commit at; no usage means exactly what was held."""

    usage: Usage | None
    attributes: tuple[tuple[str, str], ...]
    outcome: int

    @property
    def digest(self) -> str:
        """What makes a settlement the same one; `outcome` is a label and not part (SEM-28)."""
        usage = "as_reserved" if self.usage is None else self.usage.content
        return content_digest("Commit", usage, str(self.attributes))


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """What to refund of a commit: all (neither is set), the price of a usage, or an amount.

    Without a `refund_id` only a hold can be given back, and it goes back whole.
    """

    refund_id: str
    usage: Usage | None = None
    amount_nanos: int | None = None

    @property
    def digest(self) -> str:
        """Tells the same refund from another one under the same id (SEM-29)."""
        if self.usage is not None:
            return content_digest("Refund", "usage", self.usage.content)
        if self.amount_nanos is not None:
            return content_digest("Refund", "amount_nanos", str(self.amount_nanos))
        return content_digest("Refund", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which reservations of a team to list: in this state, after this place; at most `size`."""

    team_id: str
    state: State
    size: int
    after: tuple[int, str] | None  # (time in ms, reservation id) of the last one seen

"""A team: members with roles, seats, keys. One immutable document, changed by pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

TEAM_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,14}[a-z0-9])?")
"""1 … 16 characters. A key id adds `_k` and a number and stays within 22 (05)."""

SEAT_ID = re.compile(r"[A-Za-z0-9_-]{1,22}")
"""1 … 22 characters. Dots part the fields of a reservation id, which has 120 characters (05), and
colons those of a counter's name."""


class Role(Enum):
    """What a member may do (F13)."""

    OWNER = "owner"
    ADMIN = "admin"
    READER = "reader"


class KeyKind(Enum):
    """Which payers a key has: the only thing that chooses them (A15)."""

    SUBSCRIPTION = "subscription"
    PAYG = "payg"


class KeyState(Enum):
    """Whether a key is good. A deleted key keeps its hash as long as its records (SEM-35)."""

    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person in this team. `credits_access` is the switch of G5.

    One who left stays listed, for usage that is reported late (SEM-34).
    """

    user_id: str
    role: Role
    credits_access: bool
    removed_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A purchased subscription, held by at most one member (F5). Usage belongs to it (F10).

    Its billing cycle is [cycle_start_ms, paid_until_ms); None: it never ends. One that renews pays
    for a grace beyond that; a cancelled or removed one ends there (SEM-42).
    """

    seat_id: str
    plan_id: str
    purchased_ms: int
    user_id: str | None
    cycle_start_ms: int = 0
    paid_until_ms: int | None = None
    renews: bool = True

    def ends_ms(self, grace_ms: int) -> int | None:
        """From when on it is no seat any more, if nothing renews it."""
        if self.paid_until_ms is None:
            return None
        return self.paid_until_ms + (grace_ms if self.renews else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key: its id and the keyed hash of its secret, never the secret (A17)."""

    key_id: str
    kind: KeyKind
    user_id: str
    secret_hash: str
    state: KeyState
    ended_ms: int | None = None  # since when it is disabled or deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """The document, at one version."""

    team_id: str
    name: str
    is_default: bool
    members: tuple[Member, ...]
    seats: tuple[Seat, ...]
    keys: tuple[Key, ...]

    def key(self, key_id: str) -> Key | None:
        """The key with this id, if the team ever had it."""
        return next((k for k in self.keys if k.key_id == key_id), None)

    def member(self, user_id: str) -> Member | None:
        """The present member with this user id."""
        found = self.past_member(user_id)
        return found if found is not None and found.removed_ms is None else None

    def past_member(self, user_id: str) -> Member | None:
        """The member with this user id, present or removed."""
        return next((m for m in self.members if m.user_id == user_id), None)

    def seat_of(self, user_id: str) -> Seat | None:
        """The one seat that this user holds here (F6)."""
        return next((s for s in self.seats if s.user_id == user_id), None)

    def seat(self, seat_id: str) -> Seat | None:
        """The seat with this id, while the team has it."""
        return next((s for s in self.seats if s.seat_id == seat_id), None)

    def free_seats(self, now_ms: int, grace_ms: int) -> int:
        """Seats that nobody holds and that have not ended."""
        ends = (seat.ends_ms(grace_ms) for seat in self.seats if seat.user_id is None)
        return sum(1 for ends_ms in ends if ends_ms is None or now_ms < ends_ms)


def team_of_key(key_id: str) -> str | None:
    """The team that a key id names, or None if it is not a key id. A key id carries its team."""
    team_id, separator, number = key_id.rpartition("_k")
    if not separator or len(number) > 4 or not (number.isascii() and number.isdigit()):
        return None
    return team_id if TEAM_ID.fullmatch(team_id) else None

"""What comes of a request: an answer that allows, or a denial that explains itself.

The numbers of the enums are those of the contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from quotasvc.domain.reservation import Leg, Payer, State


class DenialReason(IntEnum):
    """In the order of the checks: if several apply, the first is the headline (SEM-7)."""

    KEY_INVALID = 1
    KEY_DISABLED = 2
    UNKNOWN_RESOURCE = 3
    NOT_COVERED = 4
    NO_RESOURCES = 5
    RATE_LIMITED = 6
    CONCURRENCY_LIMITED = 7
    NOT_IN_PLAN = 8
    WINDOW_EXHAUSTED = 9
    CREDITS_EXHAUSTED = 10
    WALLET_EXHAUSTED = 11
    CREDITS_ACCESS_OFF = 12


class RemedyKind(IntEnum):
    """What would help (SEM-9)."""

    WAIT = 1
    USE_CREDITS = 2
    UPGRADE = 3
    ASK_ASSIGNMENT = 4
    SWITCH_TO_PAYG = 5
    TOP_UP_WALLET = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitStatus:
    """One limit as it stands; figures in `unit`. `reset_ms` is None where nothing will leave.

    `payer` is PLAN for a window of the plan, None for a rate limit or a cap on concurrency.
    """

    limit_id: str
    payer: Payer | None = Payer.PLAN
    kind: str
    unit: str
    limit: int | None
    used: int
    held: int
    reset_ms: int | None
    denied: bool = False

    @property
    def remaining(self) -> int:
        """What is free; never below 0, and 0 where there is no limit to be free of."""
        return 0 if self.limit is None else max(0, self.limit - self.used - self.held)

    @property
    def over(self) -> int:
        """By how much the window is above its limit."""
        return 0 if self.limit is None else max(0, self.used + self.held - self.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One thing in the way. For a pool `limit` is what the request needed of it."""

    payer: Payer | None  # None: a rate limit or a cap on concurrency, whoever pays
    reason: DenialReason
    limit_id: str = ""
    unit: str = ""
    limit: int = 0
    used: int = 0
    held: int = 0
    remaining: int = 0
    reset_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """One thing that would help, with a sentence for the person."""

    kind: RemedyKind
    message: str
    until_ms: int | None = None
    plans: tuple[str, ...] = ()
    free_seats: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A business "no": why, until when, and what would help (SEM-7 … SEM-9)."""

    reason: DenialReason
    message: str
    retry_after_ms: int | None = None
    only_in_flight: bool = False
    obstacles: tuple[Obstacle, ...] = ()
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The answer to a request that may not proceed. Nothing moved."""

    denial: Denial
    limits: tuple[LimitStatus, ...] = ()
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The answer to a request that may. CHECK_ONLY has no id, no state and no expiry."""

    reservation_id: str
    state: State | None
    expire_ms: int | None
    legs: tuple[Leg, ...]
    cost_nanos: int
    limits: tuple[LimitStatus, ...]
    replayed: bool
    seq: int
    catalog_version: str

    @property
    def may_fail_open(self) -> bool:
        """The plan pays it all: a few minutes without an answer cost no money (04)."""
        return bool(self.legs) and all(leg.payer is Payer.PLAN for leg in self.legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commit charged."""

    legs: tuple[Leg, ...]
    actual_nanos: int
    written_off_nanos: int
    late: bool
    attributes_unmatched: bool
    limits: tuple[LimitStatus, ...]
    replayed: bool
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """What a refund gave back: of a hold (`released`) or of a charge (`refunded`)."""

    state: State
    released: tuple[Leg, ...]
    refunded: tuple[Leg, ...]
    expired_nanos: int
    revoked_nanos: int
    replayed: bool
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """Until when a hold lives now."""

    expire_ms: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Usage that was charged without a hold, by the prices of `catalog_version`."""

    reservation_id: str
    committed: Committed
    catalog_version: str

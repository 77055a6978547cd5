"""What a script is told of the reservation that it works on: its limits, its price, its names."""

from __future__ import annotations

from dataclasses import dataclass

from quotasvc.domain.catalog import Allowance, Plan
from quotasvc.domain.gate import Gate
from quotasvc.domain.order import WindowTerm, instance_bounds
from quotasvc.domain.reservation import shorten
from quotasvc.domain.unit import COST
from quotasvc.store.code import RefundKind
from quotasvc.store.limits import limit_numbers


@dataclass(frozen=True, slots=True)
class Bounds:
    """The clock of the service, and the times between which what was compiled holds."""

    witness_ms: int
    valid_from_ms: int
    valid_until_ms: int

    @staticmethod
    def of(windows: tuple[WindowTerm, ...], witness_ms: int) -> Bounds:
        """Until when the instances of these windows are the current ones (SEM-16)."""
        return Bounds(witness_ms, *instance_bounds(windows))

    @property
    def words(self) -> tuple[int, int, int]:
        """As the scripts' gate takes them."""
        return (self.witness_ms, self.valid_from_ms, self.valid_until_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A reservation with all that settling it can touch; its id alone says so (05).

    But which cycle of the seat is the current one.
    """

    reservation_id: str
    team_id: str
    digest: str
    seat_id: str
    pool: int
    plan: Plan | None
    allowance: Allowance | None
    windows: tuple[WindowTerm, ...]
    gates: tuple[Gate, ...]
    team_version: int = 0  # of the document that says which cycle is the current one; 0: not asked

    @property
    def short_id(self) -> str:
        """The id as its record keeps it."""
        return shorten(self.reservation_id)

    @property
    def is_counted(self) -> int:
        """1: its allowance counts something else than cost."""
        return int(self.allowance is not None and self.allowance.unit != COST)

    @property
    def limits(self) -> list[int]:
        """The limits as numbers."""
        return limit_numbers(self.gates, self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """A commit, priced: what to charge if the reservation is what its id says."""

    digest: str
    outcome: int
    is_as_reserved: bool
    actual_nanos: int
    plan_amount: int  # in the allowance's unit
    tokens: int
    rates: int  # 0: those of the reserve
    usage: str  # packed; empty: as reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """A refund, priced. `nanos` and `units` are looked at where the kind needs them; `seen` is how
    many refunds there were when a usage was priced, `usage` all that was refunded by usage."""

    refund_id: str  # digest; empty: none was given
    scope: str
    kind: RefundKind
    nanos: int = 0
    units: int = 0
    seen: int = 0
    usage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What an order is called in the store: its reservation, and the digest of its request."""

    reservation_id: str
    digest: str
    old_id: str = ""  # RecordUsage: the reservation that it makes up for
    old_digest: str = ""  # of that one's request
    mark: str = ""  # under which that is remembered

    @property
    def short_id(self) -> str:
        """The reservation's id as its record keeps it; empty: none is named."""
        return shorten(self.reservation_id) if self.reservation_id else ""

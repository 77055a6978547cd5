"""A reservation: its states, its legs, and the id that describes itself (SEM-26 … SEM-36)."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from quotasvc.domain.catalog import Allowance, Catalog, Plan, Resource

HOLD_MS_DEFAULT = 600_000
HOLD_MS_MIN = 1_000
HOLD_MS_MAX = 3_600_000
"""A hold lasts 1 s … 1 h, 10 minutes unless asked otherwise (SEM-30)."""

EXTENDED_MS_MAX = 4 * 3_600_000
"""How long after its admission a hold can live, however often it is extended (SEM-30)."""

LEASE_MS = 60_000
"""A slot is kept so long without an Extend, so that a crashed gateway locks nobody out (SEM-20)."""

RETRY_MS_MAX = 24 * 3_600_000
"""How long callers repeat a settlement that nobody answered (the gateway's duty)."""

SETTLED_RECORD_MS = RETRY_MS_MAX + 2 * 3_600_000
EXPIRED_RECORD_MS = 24 * 3_600_000
REPORTED_RECORD_MS = 25 * 3_600_000
"""How long a record stays after it settled or its latest refund, expired, or was reported by
RecordUsage; there is no SQL ledger yet (SEM-31). What was settled outlives every retry of it: the
last may arrive late, by a clock that is not ours."""

REFUNDS_MAX = 16
"""Refunds that one reservation takes (SEM-29)."""

RESERVATION_ID_CHARS_MAX = 120
_VERSION = "r1"
_MAC_CHARS = 14
_DIGEST_CHARS = 22
_CONTENT_CHARS = 16


class Payer(IntEnum):
    """Who pays a leg (SEM-10). The numbers are the contract's and the store's."""

    PLAN = 1
    CREDITS = 2
    WALLET = 3


class State(IntEnum):
    """The life of a reservation. The numbers are the contract's and the store's."""

    HELD = 1
    COMMITTED = 2
    RELEASED = 3
    EXPIRED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One source's share. `amount` is in `unit`; `nanos` is the list price that it covers."""

    payer: Payer
    source: str
    unit: str
    amount: int
    nanos: int
    expire_ms: int | None = None
    window_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A reservation as it stands at `now`: an expired hold shows as EXPIRED, reaped or not."""

    reservation_id: str
    state: State
    resource: str
    admit_ms: int
    expire_ms: int | None  # None: usage that was reported, and never held
    settle_ms: int | None
    held_legs: tuple[Leg, ...]
    charged_legs: tuple[Leg, ...]
    cost_nanos: int
    actual_nanos: int
    written_off_nanos: int
    refunded_nanos: int
    late: bool
    catalog_version: str
    reserve_seq: int
    settle_seq: int

    @property
    def charged_nanos(self) -> int:
        """What was paid: the sum of the charged legs."""
        return sum(leg.nanos for leg in self.charged_legs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationId:
    """What the id of a reservation says; any replica can settle from it alone (05).

    Indexes point into the tables of the pinned catalog version; `rates` is the mask of its price
    rows that applied at reserve; `digest` names the record.
    """

    team_id: str
    seat_id: str  # empty: no seat
    pool: int  # who pays what the plan does not: a Payer, or 0
    plan_index: int  # -1: no plan
    resource_index: int
    scopes: int  # rate-limit rows that applied, as a mask
    rates: int
    catalog_version: str
    admit_ms: int
    digest: str

    def sign(self, mac_key: bytes) -> str:
        """The id as text: ≤ 120 URL-safe characters, which cannot be made without the key."""
        fields = (
            _VERSION,
            self.team_id,
            self.seat_id,
            str(self.pool),
            _base36(self.plan_index + 1),
            _base36(self.resource_index),
            _base36(self.scopes),
            _base36(self.rates),
            self.catalog_version,
            _base36(self.admit_ms),
            self.digest,
        )
        body = ".".join(fields)
        return f"{body}.{_mac(body, mac_key)}"

    def plan(self, catalog: Catalog) -> Plan | None:
        """The seat's plan, if there was a seat."""
        return None if self.plan_index < 0 else catalog.plan_at[self.plan_index]

    def resource(self, catalog: Catalog) -> Resource:
        """What was asked for, in the catalog that the id pins."""
        return catalog.resource_at[self.resource_index]

    def allowance(self, catalog: Catalog) -> Allowance | None:
        """The seat's allowance for it, if there is a seat and its plan shows the resource."""
        plan = self.plan(catalog)
        return plan.allowance_for(self.resource(catalog).resource_id) if plan else None

    @staticmethod
    def verify(text: str, mac_key: bytes) -> ReservationId | None:
        """Reads an id that we signed; anything else is None, whatever it holds."""
        body, _, mac = text.rpartition(".")
        if not text.isascii() or not hmac.compare_digest(_mac(body, mac_key), mac):
            return None
        fields = body.split(".")
        if len(fields) != 11 or fields[0] != _VERSION:
            return None
        return ReservationId(
            team_id=fields[1],
            seat_id=fields[2],
            pool=int(fields[3]),
            plan_index=int(fields[4], 36) - 1,
            resource_index=int(fields[5], 36),
            scopes=int(fields[6], 36),
            rates=int(fields[7], 36),
            catalog_version=fields[8],
            admit_ms=int(fields[9], 36),
            digest=fields[10],
        )


def shorten(reservation_id: str) -> str:
    """The id without what the place of its record says: version, team and request."""
    fields = reservation_id.split(".")
    return ".".join((*fields[2:-2], fields[-1]))


def lengthen(short_id: str, team_id: str, request: str) -> str:
    """The id that `shorten` was given, of the record of `request` in that team."""
    body, _, mac = short_id.rpartition(".")
    return f"{_VERSION}.{team_id}.{body}.{request}.{mac}"


def request_digest(team_id: str, request_id: str) -> str:
    """Names the one record of a request: 22 URL-safe characters (SEM-36)."""
    return digest(team_id, request_id)


def content_digest(*parts: str) -> str:
    """96 bits over the parts: enough to tell one content of an id from another."""
    return digest(*parts)[:_CONTENT_CHARS]


def digest(*parts: str) -> str:
    """128 bits over the parts, each with its length, as 22 URL-safe characters."""
    text = "".join([f"{len(part)}:{part}" for part in parts])
    return urlsafe_b64encode(sha256(text.encode()).digest()[:16]).decode()[:_DIGEST_CHARS]


def _mac(body: str, mac_key: bytes) -> str:
    return urlsafe_b64encode(hmac.digest(mac_key, body.encode(), "sha256"))[:_MAC_CHARS].decode()


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while True:
        number, digit_value = divmod(number, 36)
        text = digits[digit_value] + text
        if number == 0:
            return text

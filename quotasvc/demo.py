"""The demo: three teams whose keys show one thing each, the same ones at every start.

The API keys derive from the installation's pepper, so that they can be printed again without
being stored anywhere, and every installation has others. What is in the store already is left
as its user left it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from quotasvc.domain.api_key import ApiKey, make_api_key, secret_hash
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Conflict, Fault
from quotasvc.domain.lot import WALLET_LOT
from quotasvc.domain.reservation import Payer
from quotasvc.domain.secret import Secrets
from quotasvc.domain.team import Key, KeyKind, KeyState, Member, Role, Seat, Team
from quotasvc.domain.unit import NANOS_PER_CURRENCY_UNIT
from quotasvc.domain.window import DAY_MS
from quotasvc.store.control import ControlStore
from quotasvc.store.usage import LotInfo

LEGACY_PURCHASE_MS = 1_768_435_200_000
"""2026-01-15: seats bought then have no weekly window (J6)."""


class DemoFault(Fault):
    """The demo cannot be had with this catalog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoKey:
    """One key of the demo with all that a person needs to try it."""

    team_id: str
    number: int
    user_id: str
    role: Role
    state: str  # what it shows, in words
    kind: KeyKind = KeyKind.SUBSCRIPTION
    plan: str | None = None  # None: no seat
    credits_access: bool = True
    is_active: bool = True

    @property
    def key_id(self) -> str:
        """The id that requests may name instead of the key."""
        return f"{self.team_id}_k{self.number}"

    @property
    def seat_id(self) -> str | None:
        """The seat of the key's user, where this key stands for it."""
        return f"{self.team_id}_s{self.number}" if self.plan else None

    @property
    def variable(self) -> str:
        """What a shell calls it, such as ACME_ADA or ACME_ADA_PAYG."""
        kind = "_payg" if self.kind is KeyKind.PAYG else ""
        return f"{self.team_id}_{self.user_id}{kind}".replace("-", "_").upper()

    def api_key(self, secrets: Secrets) -> ApiKey:
        """The key itself, the same for the same installation."""
        entropy = hmac.digest(secrets.pepper, b"demo key " + self.key_id.encode(), "sha256")
        return make_api_key(self.kind, self.key_id, entropy)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoLot:
    """A prepaid amount: bought so many days before the demo was made, valid for so many days."""

    team_id: str
    lot_id: str
    whole: int  # currency units
    bought_days: int = 0
    valid_days: int | None = 365
    payer: Payer = Payer.CREDITS
    origin: str = "top_up"


ACME, HOME, GLOBEX = "acme", "home-ada", "globex"
NAMES = {ACME: "Acme", HOME: "Ada's own team", GLOBEX: "Globex"}
LEGACY_PLAN = "starter-legacy"

KEYS: tuple[DemoKey, ...] = (
    DemoKey(
        team_id=ACME,
        number=1,
        user_id="ada",
        role=Role.OWNER,
        plan="plus",
        state="seat and Credits: the plan pays until its 5-hour window is full, then the lots",
    ),
    DemoKey(
        team_id=ACME,
        number=2,
        user_id="bob",
        role=Role.ADMIN,
        plan=LEGACY_PLAN,
        state="seat of an old plan: 1,500 text requests per 5 hours, then the lots",
    ),
    DemoKey(
        team_id=ACME,
        number=3,
        user_id="cleo",
        role=Role.READER,
        state="no seat, Credits access: the lots pay, the first to expire first",
    ),
    DemoKey(
        team_id=ACME,
        number=4,
        user_id="dan",
        role=Role.READER,
        credits_access=False,
        state="no seat, no Credits access: denied, NO_RESOURCES",
    ),
    DemoKey(
        team_id=ACME,
        number=5,
        user_id="eve",
        role=Role.READER,
        plan="plus",
        credits_access=False,
        state="seat, no Credits access: denied once the window is full, WINDOW_EXHAUSTED",
    ),
    DemoKey(
        team_id=ACME,
        number=6,
        user_id="finn",
        role=Role.READER,
        is_active=False,
        state="switched off: denied, KEY_DISABLED",
    ),
    DemoKey(
        team_id=ACME,
        number=7,
        user_id="ada",
        role=Role.OWNER,
        kind=KeyKind.PAYG,
        state="pay as you go: the wallet pays, for every resource",
    ),
    DemoKey(
        team_id=HOME,
        number=1,
        user_id="ada",
        role=Role.OWNER,
        plan="max",
        state="Default Team of one: a seat, and no Credits to fall back on",
    ),
    DemoKey(
        team_id=GLOBEX,
        number=1,
        user_id="gus",
        role=Role.OWNER,
        state="no seat, 1,000 Credits: denied what costs more, CREDITS_EXHAUSTED",
    ),
    DemoKey(
        team_id=GLOBEX,
        number=2,
        user_id="gus",
        role=Role.OWNER,
        kind=KeyKind.PAYG,
        state="pay as you go, empty wallet: denied, WALLET_EXHAUSTED",
    ),
)

LOTS: tuple[DemoLot, ...] = (
    # Small, and the first to expire: one large call runs through it into the next.
    DemoLot(team_id=ACME, lot_id="welcome", whole=1, bought_days=20, valid_days=30, origin="grant"),
    DemoLot(team_id=ACME, lot_id="spring", whole=5, bought_days=200),
    DemoLot(team_id=ACME, lot_id="autumn", whole=25, bought_days=30),
    DemoLot(team_id=ACME, lot_id=WALLET_LOT, whole=10, valid_days=None, payer=Payer.WALLET),
    DemoLot(team_id=GLOBEX, lot_id="welcome", whole=1, valid_days=30, origin="grant"),
)


async def create_demo(
    control: ControlStore, catalog: Catalog, secrets: Secrets, *, now_ms: int, deadline: float
) -> None:
    """Puts into the store what is not there yet."""
    missing = sorted({key.plan for key in KEYS if key.plan} - catalog.plans.keys())
    if missing:
        raise DemoFault(f"the demo needs the plans {', '.join(missing)}, which the catalog lacks")
    for team_id in NAMES:
        await control.put_team(_team(team_id, secrets, now_ms), 0, deadline)
    for lot in LOTS:
        try:
            info = _info(lot, now_ms)
            await control.grant_lot(lot.team_id, lot.payer, lot.lot_id, info, deadline)
        except Conflict:
            # An earlier start made it, at its own time.
            continue


def _team(team_id: str, secrets: Secrets, now_ms: int) -> Team:
    keys = [key for key in KEYS if key.team_id == team_id]
    people = {key.user_id: key for key in keys}
    return Team(
        team_id=team_id,
        name=NAMES[team_id],
        is_default=team_id == HOME,
        members=tuple(
            Member(user_id=user_id, role=key.role, credits_access=key.credits_access)
            for user_id, key in people.items()
        ),
        seats=tuple(
            Seat(
                seat_id=key.seat_id,
                plan_id=key.plan,
                purchased_ms=LEGACY_PURCHASE_MS if key.plan == LEGACY_PLAN else now_ms,
                user_id=key.user_id,
            )
            for key in keys
            if key.seat_id and key.plan
        ),
        keys=tuple(
            Key(
                key_id=key.key_id,
                kind=key.kind,
                user_id=key.user_id,
                secret_hash=secret_hash(key.api_key(secrets).secret, secrets),
                state=KeyState.ACTIVE if key.is_active else KeyState.DISABLED,
            )
            for key in keys
        ),
    )


def _info(lot: DemoLot, now_ms: int) -> LotInfo:
    bought_ms = now_ms - lot.bought_days * DAY_MS
    return LotInfo(
        origin=lot.origin,
        granted=lot.whole * NANOS_PER_CURRENCY_UNIT,
        # The place of a wallet's one lot must not depend on when it was filled.
        purchase_ms=0 if lot.payer is Payer.WALLET else bought_ms,
        grant_ms=bought_ms,
        expire_ms=None if lot.valid_days is None else bought_ms + lot.valid_days * DAY_MS,
    )

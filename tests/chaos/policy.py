"""The policy of a run: a catalog and two teams, small enough that everything runs out on the way.

Windows end in the middle of the run, lots and wallets near its end, two lots by their expiry; the
calendar is laid so that no day and no week ends while the run lasts. What the checker has to know
of it goes into the journal as plain facts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from quotasvc.domain.team import KeyKind

TEAMS = ("red", "blue")
FIVE_HOURS_MS = 5 * 3_600_000
DAY_MS = 24 * 3_600_000

NANOS = {"input_tokens": 300, "output_tokens": 1_200, "images": 1_000_000}
"""List prices of one unit."""

ALLOWANCES = {"text/a": "general", "image/a": "images"}
"""Which allowance of every plan a resource belongs to."""

SPLIT_MIN = 1_000_000
"""One credit: the catalog's default."""

BRIEF_WINDOW_MS = 2_000
"""It ends again and again while the run lasts."""

LOTS_MS = (1_500, 5_000, DAY_MS, DAY_MS, None)
"""How long each lot lasts. Two expire during the run, two in one later moment, and one never."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A member with a key, and the plan of the member's seat, if any."""

    user: str
    key_number: int
    plan: str | None
    kind: KeyKind = KeyKind.SUBSCRIPTION

    def key_id(self, team_id: str) -> str:
        """The id of the key."""
        return f"{team_id}_k{self.key_number}"


DESKS = (
    Desk("ann", 1, "split"),
    Desk("bob", 2, "strict"),
    Desk("cyd", 3, "absorb"),
    Desk("dee", 4, None),
    Desk("eve", 5, None, KeyKind.PAYG),
    Desk("fay", 6, "brief"),
)


FLICKERING = "ann"
"""The member whose access to Credits is switched off and on during the run."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A window of a plan, as the checker needs to know it."""

    plan: str
    allowance: str
    unit: str
    straddle: str
    overflow: str
    window: str  # its type's id
    kind: str
    length_ms: int
    limit: int

    @property
    def is_brief(self) -> bool:
        """It ends during the run."""
        return self.length_ms == BRIEF_WINDOW_MS

    @property
    def hold_ms_max(self) -> int:
        """How long a hold may last: it ends a slice before the window does (SEM-30, SEM-51)."""
        return self.length_ms - self.slice_ms

    @property
    def slice_ms(self) -> int:
        """A window's length in 120 parts, rounded up."""
        return -(-self.length_ms // 120)

    @property
    def text(self) -> str:
        """As the catalog writes it: money in currency units."""
        whole, nanos = divmod(self.limit, 1_000_000_000)
        return f"{whole}.{nanos:09d}" if self.unit == "cost" else str(self.limit)


@dataclass(frozen=True, slots=True)
class Policy:
    """All amounts grow with the number of operations, so that each run exhausts them."""

    operations: int

    @property
    def lot_nanos(self) -> int:
        """What each lot of a team is granted."""
        return 14_000 * self.operations + 7

    @property
    def wallet_nanos(self) -> int:
        """What each team's wallet is topped up with."""
        return 26_000 * self.operations + 11

    def limits(self) -> Iterator[Limit]:
        """Every window of every plan."""
        bar, images = 18_000 * self.operations + 5, 3 + self.operations // 200
        for plan, straddle, overflow in (
            ("split", "split", "credits_auto"),
            ("strict", "strict", "deny"),
            ("absorb", "absorb", "credits_auto"),
        ):
            # In one plan the week is the tighter one.
            week = bar * 4 // 5 if plan == "absorb" else bar * 3 // 2
            for window, kind, length_ms, limit in (
                ("five_hour", "sliding", FIVE_HOURS_MS, bar),
                ("week", "aligned", 7 * DAY_MS, week),
            ):
                yield Limit(
                    plan, "general", "cost", straddle, overflow, window, kind, length_ms, limit
                )
            yield Limit(
                plan, "images", "images", "strict", overflow, "day", "aligned", DAY_MS, images
            )
        # Full most of the time, whatever the length of the run.
        yield Limit(
            *("brief", "general", "cost", "strict", "deny", "two_seconds"),
            *("sliding", BRIEF_WINDOW_MS, 6_000_001),
        )

    def catalog(self, now: datetime) -> str:
        """The catalog's text. At `now` it is about noon in its zone, in the middle of the week."""
        ahead = 12 - now.astimezone(UTC).hour
        zone = f"Etc/GMT{-ahead:+d}" if ahead else "UTC"
        starts = (now.astimezone(UTC) + timedelta(hours=ahead, days=4)).strftime("%A").lower()
        plans = "".join(self._plan(plan) for plan in ("split", "strict", "absorb", "brief"))
        return _HEAD.format(zone=zone, starts=starts) + plans + _TAIL

    def _plan(self, plan: str) -> str:
        mine = [limit for limit in self.limits() if limit.plan == plan]
        text = _PLAN.format(plan=plan, overflow=mine[0].overflow)
        for allowance, resources in (("general", "text/*"), ("images", "image/*")):
            windows = [limit for limit in mine if limit.allowance == allowance]
            if not windows:
                continue
            text += _ALLOWANCE.format(
                allowance=allowance,
                unit=windows[0].unit,
                resources=resources,
                straddle=windows[0].straddle,
                windows=", ".join(f"{{type: {w.window}, limit: {w.text}}}" for w in windows),
            )
        return text


def cost_nanos(usage: dict[str, int]) -> int:
    """The list price of a usage."""
    return sum(NANOS[unit] * amount for unit, amount in usage.items())


_HEAD = """\
label: chaos
currency: USD
zone: {zone}
key_labels: {{subscription: Subscription Key, payg: API Key}}
coverage: {{include: [text/*, image/*]}}
resources:
  - id: text/a
    measures: [input_tokens, output_tokens]
    prices: [{{per: 1000000, price: {{input_tokens: 0.30, output_tokens: 1.20}}}}]
    estimate: {{default: {{input_tokens: 1, output_tokens: 1}}, min: {{output_tokens: 1}}}}
  - id: image/a
    measures: [images]
    prices: [{{price: {{images: 0.001}}}}]
    estimate: {{default: {{images: 1}}, min: {{images: 1}}}}
window_types:
  - {{id: five_hour, kind: sliding, length: 5h}}
  - {{id: two_seconds, kind: sliding, length: 2s}}
  - {{id: day, kind: aligned, period: day}}
  - {{id: week, kind: aligned, period: week, starts: {starts}}}
plans:
"""

_PLAN = """\
  - id: {plan}
    line: shared
    price: 20
    sellable: true
    overflow: {overflow}
    peak_concurrency: unlimited
    allowances:
"""

_ALLOWANCE = """\
      - id: {allowance}
        unit: {unit}
        resources: [{resources}]
        straddle: {straddle}
        windows: [{windows}]
"""

_TAIL = """\
credits: {per_currency_unit: 1000, validity: 365d, packages: [{price: 5, credits: 5000}]}
team_rules:
  max_members: 100
  max_seats: 100
  max_payg_keys_per_user: 5
  max_plans_per_member: 1
  credits_access_default: true
  seat_change: adjustable
peak:
  schedule: {weekdays: [monday], from: "15:00", until: "17:30"}
  mode: auto
"""

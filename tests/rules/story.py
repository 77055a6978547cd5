"""One row of a rule table: a team and its past, a request, and the answer in words.

Tells rows to the real planes on the real store, with the default catalog and so with the numbers
of the platform's own documents. A request that is allowed is committed at what it asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.outcome import Allowed, Denied
from quotasvc.domain.reservation import Leg, Payer
from quotasvc.domain.team import Role
from quotasvc.domain.unit import COST, Usage
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT
from tests.support.clock import Clock
from tests.support.quota import Quota

NOW_MS = int(datetime(2026, 11, 5, 12, tzinfo=UTC).timestamp() * 1_000)
"""A Thursday noon, 20:00 in China: no peak hours, and half a week to look back upon."""

CUTOFF_MS = int(datetime(2026, 3, 22, 16, tzinfo=UTC).timestamp() * 1_000)
"""2026-03-23 00:00:00 in China: who buys from here on has a weekly limit."""

BEFORE_CUTOFF_MS, AFTER_CUTOFF_MS = CUTOFF_MS - 1, CUTOFF_MS

SIX_SECONDS: Mapping[str, str] = {"resolution": "768P", "seconds": "6"}
"""The clip that daily quotas count."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for so much of a resource, `ago_ms` before now."""

    resource: str
    usage: Usage
    ago_ms: int = 0

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        """Videos are clips of 768P and 6 seconds."""
        is_video = self.resource.startswith("video/")
        return tuple(sorted(SIX_SECONDS.items())) if is_video else ()


@dataclass(frozen=True, slots=True)
class TopUp:
    """Credits that were bought `ago_ms` before now."""

    credits: int
    ago_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A team of one member, with what it has and what it did."""

    plan: str | None = None
    purchased_ms: int = BEFORE_CUTOFF_MS
    role: Role = Role.OWNER
    access: bool = True
    payg: bool = False
    free_seats: int = 0
    wallet: int = 0  # in credits' worth, a thousandth of a dollar
    top_ups: tuple[TopUp, ...] = ()
    used: tuple[Ask, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The rules that it proves, the situation in words and as it is, the request, the answer."""

    rules: str
    words: str
    given: Given
    asks: Ask
    answer: str

    def __str__(self) -> str:
        return f"{self.rules}: {self.words}"


def ask(resource: str, ago_ms: int = 0, **amounts: int) -> Ask:
    """A request, or with `ago_ms` one that was made, committed and paid."""
    return Ask(resource, Usage.of(**amounts), ago_ms)


class Story:
    """Where rows come to life: an empty store, a catalog, and a clock to move."""

    def __init__(self, executor: Executor, clock: Clock, policy: Catalog) -> None:
        self.quota = Quota(executor, clock, policy)
        self.clock = clock

    async def begin(self, given: Given, now_ms: int = NOW_MS) -> None:
        """Makes the team and its past, and lets it be now."""
        past: tuple[TopUp | Ask, ...] = (*given.top_ups, *given.used)
        self.clock.now_ms = now_ms - max((event.ago_ms for event in past), default=0)
        await self.quota.team(
            plan=given.plan,
            purchased_ms=given.purchased_ms,
            role=given.role,
            access=given.access,
            payg=given.payg,
            free_seats=given.free_seats,
        )
        if given.wallet:
            await self.quota.top_up_wallet(given.wallet)
        # The oldest first; of one moment a top-up before what it pays.
        for number, event in enumerate(sorted(past, key=lambda event: -event.ago_ms)):
            self.clock.now_ms = now_ms - event.ago_ms
            if isinstance(event, TopUp):
                await self.quota.grant(f"lot{number}", event.credits)
            else:
                await self.use(event)
        self.clock.now_ms = now_ms

    async def use(self, past: Ask) -> tuple[Leg, ...]:
        """Reserves and commits; what each source paid."""
        reservation = await self.quota.reserve(
            resource=past.resource, usage=past.usage, attributes=past.attributes
        )
        return (await self.quota.settle(reservation, past.usage)).legs

    async def answer(self, request: Ask) -> Allowed | Denied:
        """What the service says; a denial moves nothing (SEM-6)."""
        return await self.quota.decide(
            self.quota.ask(
                resource=request.resource, usage=request.usage, attributes=request.attributes
            )
        )

    async def tell(self, row: Row) -> str:
        """The answer to a row, in words."""
        await self.begin(row.given)
        await self.quota.reap()
        before = await self.quota.dump()
        answer = await self.answer(row.asks)
        if isinstance(answer, Denied):
            assert await self.quota.dump() == before
            return in_words(answer)
        committed = await self.quota.settle(answer, row.asks.usage)
        assert committed.written_off_nanos == 0
        return legs_in_words(committed.legs)


def in_words(denied: Denied) -> str:
    """Why not, and which windows are in the way."""
    full = [found.limit_id for found in denied.denial.obstacles if found.payer is Payer.PLAN]
    windows = [limit_id for limit_id in full if limit_id]
    reason = denied.denial.reason.name
    return f"{reason} by {', '.join(windows)}" if windows else reason


def legs_in_words(legs: tuple[Leg, ...]) -> str:
    """Who pays how much: dollars of quota and wallet, credits, or units of an old plan."""
    shares: dict[tuple[Payer, str], int] = {}
    for leg in legs:
        source = (leg.payer, leg.unit)
        shares[source] = shares.get(source, 0) + leg.amount
    return ", ".join(
        f"{payer.name.lower()} {_figure(payer, unit, amount)}"
        for (payer, unit), amount in shares.items()
        if amount
    )


def _figure(payer: Payer, unit: str, amount: int) -> str:
    if unit != COST:
        return f"{amount} {unit}"
    if payer is Payer.CREDITS:
        return f"{_decimal(amount, CREDIT)} credits"
    return f"${_decimal(amount, 1_000 * CREDIT)}"


def _decimal(amount: int, scale: int) -> str:
    """An exact decimal without zeros at its end."""
    return f"{(Decimal(amount) / scale).normalize():f}"

"""How much is left, and of what: bars of a seat, balances and lots of a team."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from quotasvc.domain.catalog import Allowance, Catalog, Plan
from quotasvc.domain.faults import InvalidArgument, NotFound
from quotasvc.domain.lot import Balance, Lot, LotPlace
from quotasvc.domain.order import WindowTerm, plan_of, window_term, windows_that_apply
from quotasvc.domain.outcome import LimitStatus
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import TEAM_ID, KeyKind, KeyState, Member, Seat, Team
from quotasvc.planes.catalogs import Catalogs
from quotasvc.planes.identity import Claim, Identities
from quotasvc.planes.limits import limit_status
from quotasvc.planes.patience import Patience
from quotasvc.planes.reaper import Reaper
from quotasvc.store.answer import Answer
from quotasvc.store.call import Bounds
from quotasvc.store.code import Code
from quotasvc.store.team import TeamDirectory
from quotasvc.store.usage import Bars, UsageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose figures: a key's, or a member's of a team."""

    api_key: str | None = field(default=None, repr=False)
    key_id: str | None = None
    team_id: str | None = None
    actor_user_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceStatus:
    """One allowance with its windows. `status`: ok, exhausted, not_in_plan."""

    allowance_id: str
    resources: tuple[str, ...]
    unit: str
    windows: tuple[LimitStatus, ...]

    @property
    def percent_used(self) -> int:
        """Of the fullest window, rounded down, at most 100 (K6)."""
        shares = (
            100 if w.limit == 0 else (w.used + w.held) * 100 // w.limit
            for w in self.windows
            if w.limit is not None
        )
        return min(100, max(shares, default=0))

    @property
    def status(self) -> str:
        """In a word."""
        if any(w.limit == 0 for w in self.windows):
            return "not_in_plan"
        is_full = any(w.limit is not None and w.remaining == 0 for w in self.windows)
        return "exhausted" if is_full else "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What a person's bars show. A balance that is not theirs to use is absent."""

    plan: str
    seat_id: str
    allowances: tuple[AllowanceStatus, ...]
    credits: Balance | None
    wallet: Balance | None
    catalog_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """A member of a team, as a key or an actor names them."""

    team: Team
    team_version: int
    member: Member
    kind: KeyKind | None  # None: asked for by team, not by key


class UsagePlane:
    """The figures of all teams, on one store."""

    def __init__(
        self,
        *,
        catalogs: Catalogs,
        identities: Identities,
        teams: TeamDirectory,
        store: UsageStore,
        reaper: Reaper,
        clock_ms: Callable[[], int],
    ) -> None:
        self._catalogs = catalogs
        self._identities = identities
        self._teams = teams
        self._store = store
        self._reaper = reaper
        self._clock_ms = clock_ms

    @property
    def catalog(self) -> Catalog:
        """The catalog in force."""
        return self._catalogs.current

    async def remains(self, subject: Subject, deadline: float) -> Remains:
        """The bars of a seat, and the balances that this person may use."""
        now_ms, patience = self._clock_ms(), Patience()
        while True:
            person = await self._person(subject, deadline)
            seat, plan = self._seat(person, now_ms)
            terms = _terms(plan, seat, now_ms) if plan and seat else ()
            bars = await self._bars(person, seat, terms, deadline)
            if bars.code is Code.GRANTED:
                break
            answer = Answer(code=bars.code, now_ms=bars.now_ms, seq=0)
            now_ms = await patience.go_on(self._reaper, person.team.team_id, answer, deadline)
        team_id = person.team.team_id
        credits, wallet = None, None
        if person.kind is not KeyKind.PAYG and person.member.credits_access:
            credits = await self._balance(team_id, Payer.CREDITS, deadline)
        if person.kind is not KeyKind.SUBSCRIPTION:
            wallet = await self._balance(team_id, Payer.WALLET, deadline)
        return Remains(
            plan=plan.plan_id if plan else "",
            seat_id=seat.seat_id if seat else "",
            allowances=_statuses(plan, terms, bars) if plan else (),
            credits=credits,
            wallet=wallet,
            catalog_version=self.catalog.version,
        )

    async def balance(self, subject: Subject, deadline: float) -> tuple[Balance, Balance]:
        """The team's Credits and wallet."""
        team_id = (await self._person(subject, deadline)).team.team_id
        credits = await self._balance(team_id, Payer.CREDITS, deadline)
        return credits, await self._balance(team_id, Payer.WALLET, deadline)

    async def lots(
        self, subject: Subject, size: int, place: LotPlace, deadline: float
    ) -> tuple[tuple[Lot, ...], LotPlace | None]:
        """A page of the team's Credit lots, and the place where the next one begins: open ones in
        the order of drawing, then those that wait, then the others.

        A page may have fewer than asked for, even none, and not be the last.
        """
        team_id = (await self._person(subject, deadline)).team.team_id
        patience = Patience()
        while True:
            page = await self._store.lots(team_id, Payer.CREDITS, size, place, deadline)
            match page.code:
                case Code.GRANTED:
                    return page.lots, page.further
                case Code.UNKNOWN:
                    raise InvalidArgument("page_token", "names no lot of this team")
            answer = Answer(code=page.code, now_ms=page.now_ms, seq=0)
            await patience.go_on(self._reaper, team_id, answer, deadline)

    async def _person(self, subject: Subject, deadline: float) -> _Person:
        """The member who asks or is asked about; unknown and foreign look alike."""
        if subject.team_id is not None:
            return await self._actor(subject.team_id, subject.actor_user_id, deadline)
        claim = Claim.of(subject.api_key, subject.key_id)
        identity = await self._identities.find(claim, deadline, is_fresh=True)
        member = identity.team.member(identity.key.user_id) if identity else None
        # A deleted key looks as it will when its hash is gone (SEM-45).
        if identity is None or member is None or identity.key.state is KeyState.DELETED:
            raise NotFound("there is no such key")
        return _Person(
            team=identity.team,
            team_version=identity.team_version,
            member=member,
            kind=identity.key.kind,
        )

    async def _actor(self, team_id: str, user_id: str, deadline: float) -> _Person:
        found = None
        if TEAM_ID.fullmatch(team_id):
            found = await self._teams.load(team_id, deadline)
        member = found.team.member(user_id) if found else None
        if found is None or member is None:
            raise NotFound("there is no such team, or this user is no member of it")
        return _Person(team=found.team, team_version=found.version, member=member, kind=None)

    def _seat(self, person: _Person, now_ms: int) -> tuple[Seat | None, Plan | None]:
        """The seat whose bars these are; a pay-as-you-go key has none, and one that has ended is
        none any more (SEM-42)."""
        if person.kind is KeyKind.PAYG:
            return None, None
        seat = person.team.seat_of(person.member.user_id)
        ends_ms = seat.ends_ms(self.catalog.team_rules.renewal_grace_ms) if seat else None
        if seat is None or (ends_ms is not None and now_ms >= ends_ms):
            return None, None
        return seat, plan_of(self.catalog, seat)

    async def _bars(
        self,
        person: _Person,
        seat: Seat | None,
        terms: tuple[tuple[Allowance, WindowTerm], ...],
        deadline: float,
    ) -> Bars:
        return await self._store.bars(
            person.team.team_id,
            person.team_version,
            seat.seat_id if seat else "",
            terms,
            Bounds.of(tuple(term for _, term in terms), self._clock_ms()),
            deadline,
        )

    async def _balance(self, team_id: str, payer: Payer, deadline: float) -> Balance:
        patience = Patience()
        while True:
            pool = await self._store.balance(team_id, payer, deadline)
            if pool.balance is not None:
                return pool.balance
            answer = Answer(code=pool.code, now_ms=pool.now_ms, seq=0)
            await patience.go_on(self._reaper, team_id, answer, deadline)


def _terms(plan: Plan, seat: Seat, now_ms: int) -> tuple[tuple[Allowance, WindowTerm], ...]:
    return tuple(
        (allowance, window_term(place, window, now_ms, seat))
        for allowance in plan.allowances
        for place, window in windows_that_apply(allowance, seat)
    )


def _statuses(
    plan: Plan, terms: tuple[tuple[Allowance, WindowTerm], ...], bars: Bars
) -> tuple[AllowanceStatus, ...]:
    windows = [
        (allowance.allowance_id, limit_status(allowance, term, level))
        for (allowance, term), level in zip(terms, bars.levels, strict=True)
    ]
    return tuple(
        AllowanceStatus(
            allowance_id=allowance.allowance_id,
            resources=tuple(sorted(allowance.resources)),
            unit=allowance.unit,
            windows=tuple(w for owner, w in windows if owner == allowance.allowance_id),
        )
        for allowance in plan.allowances
    )

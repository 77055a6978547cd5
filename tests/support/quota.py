"""The real planes on a real store, with a clock that the test moves: what most tests talk to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

from quotasvc.domain.api_key import ApiKey, make_api_key, secret_hash
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.lot import WALLET_LOT, Lot, LotPlace
from quotasvc.domain.outcome import (
    Allowed,
    Committed,
    Denied,
    Extended,
    LimitStatus,
    Recorded,
    Refunded,
)
from quotasvc.domain.reservation import Payer
from quotasvc.domain.secret import Secrets
from quotasvc.domain.team import Key, KeyKind, KeyState, Member, Role, Seat, Team
from quotasvc.domain.unit import Usage
from quotasvc.planes.ask import Ask, GiveBack, Report, Settle
from quotasvc.planes.catalogs import Catalogs
from quotasvc.planes.decision import DecisionPlane
from quotasvc.planes.identity import Identities
from quotasvc.planes.reaper import Reaper
from quotasvc.planes.switches import Switches
from quotasvc.planes.usage import Remains, Subject, UsagePlane
from quotasvc.store.agenda import AgendaStore
from quotasvc.store.catalog import CatalogStore
from quotasvc.store.control import ControlStore
from quotasvc.store.decision import DecisionStore
from quotasvc.store.executor import Executor
from quotasvc.store.team import TeamDirectory
from quotasvc.store.usage import LotInfo, UsageStore
from tests.support.catalogs import CREDIT, catalog
from tests.support.clock import DAY

SECRETS = Secrets(version=1, mac_key=b"m" * 32, pepper=b"p" * 32)
TEAM = "acme"
OWNER_KEY = "acme_k1"


class Quota:
    """One store with one team, "acme", and its Owner's key; tests change what they need."""

    def __init__(
        self, executor: Executor, clock: Callable[[], int], policy: Catalog | None = None
    ) -> None:
        self.executor = executor
        self.clock = clock
        self.control = ControlStore(executor)
        self.store = DecisionStore(executor)
        self.teams = TeamDirectory(executor)
        policy = catalog() if policy is None else policy
        self.catalogs = Catalogs(policy, CatalogStore(executor), lambda text: catalog(text=text))
        self.agenda = AgendaStore(executor)
        self.switches = Switches()
        self.reaper = Reaper(self.catalogs, self.store, self.agenda, SECRETS)
        identities = Identities(self.teams, SECRETS)
        self.decisions = DecisionPlane(
            catalogs=self.catalogs,
            identities=identities,
            teams=self.teams,
            store=self.store,
            agenda=self.agenda,
            reaper=self.reaper,
            secrets=SECRETS,
            switches=self.switches,
            clock_ms=clock,
        )
        self.usage = UsagePlane(
            catalogs=self.catalogs,
            identities=identities,
            teams=self.teams,
            store=UsageStore(executor),
            reaper=self.reaper,
            clock_ms=clock,
        )
        self._numbers = count(1)
        self._version = 0

    @property
    def deadline(self) -> float:
        """Far enough for any one call, on a machine that is busy with other things."""
        return asyncio.get_running_loop().time() + 30

    async def team(
        self,
        *,
        plan: str | None = "plus",
        access: bool = True,
        role: Role = Role.OWNER,
        payg: bool = False,
        state: KeyState = KeyState.ACTIVE,
        purchased_ms: int = 0,
        free_seats: int = 0,
    ) -> Team:
        """The team as it shall be from now on: one member with one key."""
        seats = (
            [Seat(seat_id="s1", plan_id=plan, purchased_ms=purchased_ms, user_id="ann")]
            if (plan)
            else []
        )
        seats += [
            Seat(seat_id=f"s{n + 2}", plan_id="plus", purchased_ms=0, user_id=None)
            for n in range(free_seats)
        ]
        key = Key(
            key_id=OWNER_KEY,
            kind=KeyKind.PAYG if payg else KeyKind.SUBSCRIPTION,
            user_id="ann",
            secret_hash=secret_hash(self.api_key(payg=payg).secret, SECRETS),
            state=state,
        )
        return await self.put(
            Team(
                team_id=TEAM,
                name="Acme",
                is_default=False,
                members=(Member(user_id="ann", role=role, credits_access=access),),
                seats=tuple(seats),
                keys=(key,),
            )
        )

    async def put(self, team: Team) -> Team:
        """Writes the team document, as the control plane will."""
        version = await self.control.put_team(team, self._version, self.deadline)
        assert version is not None
        self._version = version
        return team

    @staticmethod
    def api_key(*, payg: bool = False) -> ApiKey:
        """The Owner's key."""
        kind = KeyKind.PAYG if payg else KeyKind.SUBSCRIPTION
        return make_api_key(kind, OWNER_KEY, b"entropy-of-the-test-key-32-bytes")

    async def grant(self, lot_id: str, credits: int, *, days: int | None = 365) -> None:
        """A Credit lot, bought now; `days` of validity, None for ever."""
        await self._grant(Payer.CREDITS, lot_id, credits, days)

    async def top_up_wallet(self, credits: int) -> None:
        """The wallet's first top-up."""
        await self._grant(Payer.WALLET, WALLET_LOT, credits, None)

    async def revoke(self, lot_id: str) -> bool:
        """Takes back what is available of a Credit lot, as the control plane will (SEM-42)."""
        return await self.control.revoke_lot(TEAM, lot_id, self.deadline)

    async def _grant(self, payer: Payer, lot_id: str, credits: int, days: int | None) -> None:
        now_ms = self.clock()
        info = LotInfo(
            origin="top_up",
            granted=credits * CREDIT,
            purchase_ms=0 if payer is Payer.WALLET else now_ms,
            grant_ms=now_ms,
            expire_ms=None if days is None else now_ms + days * DAY,
        )
        assert await self.control.grant_lot(TEAM, payer, lot_id, info, self.deadline)

    def ask(self, tokens: int | None = None, **changes: object) -> Ask:
        """A request of the Owner's key for `tokens` output tokens of text/a: as many credits."""
        usage = Usage.of() if tokens is None else Usage.of(output_tokens=tokens)
        ask = Ask(
            request_id=f"r{next(self._numbers)}",
            api_key=None,
            key_id=OWNER_KEY,
            resource="text/a",
            usage=usage,
            attributes=(),
            hold_ms=None,
            check_only=False,
        )
        # mypy cannot tell which fields the keywords name; `replace` refuses unknown ones.
        return replace(ask, **changes)  # type: ignore[arg-type]

    async def decide(self, ask: Ask) -> Allowed | Denied:
        """Asks."""
        return await self.decisions.check_and_reserve(ask, self.deadline)

    async def reserve(self, tokens: int | None = None, **changes: object) -> Allowed:
        """Asks, and expects to be allowed."""
        answer = await self.decide(self.ask(tokens, **changes))
        assert isinstance(answer, Allowed), answer
        return answer

    async def denied(self, tokens: int | None = None, **changes: object) -> Denied:
        """Asks, and expects a denial that moves nothing (SEM-6)."""
        ask = self.ask(tokens, **changes)
        await self.reap()
        before = await self.dump()
        answer = await self.decide(ask)
        assert isinstance(answer, Denied), answer
        assert await self.dump() == before
        return answer

    async def use(self, tokens: int) -> None:
        """Usage that is there to stay."""
        await self.commit(await self.reserve(tokens))

    async def commit(self, reservation: Allowed, tokens: int | None = None) -> Committed:
        """Commits at so many output tokens; None: as reserved."""
        usage = None if tokens is None else Usage.of(output_tokens=tokens)
        return await self.settle(reservation, usage)

    async def settle(
        self,
        reservation: Allowed,
        usage: Usage | None,
        attributes: tuple[tuple[str, str], ...] = (),
    ) -> Committed:
        """Commits at a usage."""
        settle = Settle(usage=usage, attributes=attributes, outcome=1)
        return await self.decisions.commit(reservation.reservation_id, settle, self.deadline)

    async def refund(
        self,
        reservation: Allowed,
        refund_id: str = "",
        *,
        usage: Usage | None = None,
        amount_nanos: int | None = None,
    ) -> Refunded:
        """Gives back: all of it unless told otherwise."""
        back = GiveBack(refund_id=refund_id, usage=usage, amount_nanos=amount_nanos)
        return await self.decisions.refund(reservation.reservation_id, back, self.deadline)

    async def extend(self, reservation: Allowed, hold_ms: int | None = None) -> Extended:
        """Lets a hold live longer."""
        return await self.decisions.extend(reservation.reservation_id, hold_ms, self.deadline)

    def report(self, tokens: int | None = None, **changes: object) -> Report:
        """Usage of the Owner's key to charge without a hold."""
        usage = Usage.of() if tokens is None else Usage.of(output_tokens=tokens)
        report = Report(
            request_id=f"u{next(self._numbers)}",
            api_key=None,
            key_id=OWNER_KEY,
            resource="text/a",
            usage=usage,
            attributes=(),
            reservation_id=None,
            outcome=1,
        )
        return replace(report, **changes)  # type: ignore[arg-type]  # as in `ask`

    async def record(self, tokens: int | None = None, **changes: object) -> Recorded:
        """Charges without a hold, and expects no denial."""
        answer = await self.decisions.record_usage(self.report(tokens, **changes), self.deadline)
        assert isinstance(answer, Recorded), answer
        return answer

    async def reap(self) -> None:
        """What the sweeper does, for the one team."""
        await self.reaper.reap(TEAM, self.clock(), self.deadline)

    async def lots(self) -> dict[str, Lot]:
        """The Credit lots by id; each one's amounts add up (SEM-40)."""
        lots = [lot for page in await self.lot_pages() for lot in page]
        for lot in lots:
            parts = (lot.available, lot.held, lot.consumed, lot.expired, lot.revoked)
            assert min(parts) >= 0
            assert sum(parts) == lot.granted, lot
        found = {lot.lot_id: lot for lot in lots}
        assert len(found) == len(lots)
        return found

    async def lot_pages(self, size: int = 1_000) -> list[tuple[Lot, ...]]:
        """The list of Credit lots, page by page."""
        pages, place = [], LotPlace()
        while True:
            lots, further = await self.lot_page(size, place)
            pages.append(lots)
            if further is None:
                return pages
            place = further

    async def lot_page(
        self, size: int, place: LotPlace | None = None
    ) -> tuple[tuple[Lot, ...], LotPlace | None]:
        """A page of it, and where the next one begins."""
        subject = Subject(team_id=TEAM, actor_user_id="ann")
        return await self.usage.lots(subject, size, place or LotPlace(), self.deadline)

    async def available(self) -> dict[str, int]:
        """What each lot has left, in whole credits."""
        return {name: lot.available // CREDIT for name, lot in (await self.lots()).items()}

    async def remains(self) -> Remains:
        """The Owner's bars."""
        return await self.usage.remains(Subject(key_id=OWNER_KEY), self.deadline)

    async def status(self, limit_id: str) -> LimitStatus:
        """How a window of the Owner's seat stands."""
        for allowance in (await self.remains()).allowances:
            for status in allowance.windows:
                if status.limit_id == limit_id:
                    return status
        raise AssertionError(f"no window {limit_id}")

    async def window(self, limit_id: str = "general/five_hour") -> tuple[int, int]:
        """(used, held) of a window: in whole credits for cost, else in its unit."""
        status = await self.status(limit_id)
        scale = CREDIT if status.unit == "cost" else 1
        return status.used // scale, status.held // scale

    async def dump(self) -> Mapping[bytes, object]:
        """Every key of the store, byte for byte."""
        names = await self.executor.call("KEYS", "*", deadline=self.deadline)
        assert isinstance(names, list)
        texts = [name for name in names if isinstance(name, bytes)]
        dumps = await asyncio.gather(
            *(self.executor.call("DUMP", name, deadline=self.deadline) for name in texts)
        )
        return dict(zip(texts, dumps, strict=True))

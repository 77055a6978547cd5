"""Runs decisions in the store: names the keys, runs one script, decodes its reply.

Knows orders and records; does not know why an order was compiled as it is, and never decides.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from quotasvc.domain.catalog import Allowance, Straddle, WindowKind
from quotasvc.domain.faults import Corrupt
from quotasvc.domain.order import Order, WindowTerm
from quotasvc.domain.reservation import Payer
from quotasvc.domain.unit import AMOUNT_MAX, COST
from quotasvc.store import keys, table
from quotasvc.store.executor import Executor
from quotasvc.store.keys import PoolKeys, TeamKeys
from quotasvc.store.record import Record
from quotasvc.store.resp import Reply, Word
from quotasvc.store.table import Code, KindCode, StraddleCode

REAP_MAX = 1_000
"""Expired holds that one round of reaping takes on, pipelined."""

_KIND = {WindowKind.SLIDING: KindCode.SLIDING, WindowKind.ALIGNED: KindCode.ALIGNED}
_STRADDLE = {
    Straddle.STRICT: StraddleCode.STRICT,
    Straddle.SPLIT: StraddleCode.SPLIT,
    Straddle.ABSORB: StraddleCode.ABSORB,
}


@dataclass(frozen=True, slots=True)
class Level:
    """How one window stands: `total` includes `held`; times are ms, 0 for none, -1 for never."""

    place: int
    total: int
    held: int
    reset_ms: int
    fits_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decoded reply: its code, the store's time, and what the code brings."""

    code: Code
    now_ms: int
    levels: tuple[Level, ...] = ()
    record: Record | None = None
    seq: int = 0
    pool_available: int = 0
    pool_held: int = 0

    @property
    def known(self) -> Record:
        """The record, where the code says that there is one."""
        if self.record is None:
            raise Corrupt(f"a reply of code {self.code.name} came without its record")
        return self.record


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The clock of the service, and the times between which what was compiled holds."""

    witness_ms: int
    valid_from_ms: int
    valid_until_ms: int

    @staticmethod
    def of(windows: tuple[WindowTerm, ...], witness_ms: int) -> Bounds:
        """Until when the instances of these windows are the current ones (SEM-16)."""
        aligned = [term for term in windows if term.end_ms]
        return Bounds(
            witness_ms=witness_ms,
            valid_from_ms=max((term.start_ms for term in aligned), default=0),
            valid_until_ms=min((term.end_ms for term in aligned), default=AMOUNT_MAX),
        )

    @property
    def words(self) -> tuple[int, int, int]:
        """As the scripts' gate takes them."""
        return (self.witness_ms, self.valid_from_ms, self.valid_until_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A reservation with all that settling it can touch; its id alone says so (05)."""

    reservation_id: str
    team_id: str
    digest: str
    seat_id: str
    pool: int
    allowance: Allowance | None
    windows: tuple[WindowTerm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """A commit, priced: what to charge if the reservation is what its id says."""

    digest: str
    outcome: int
    is_as_reserved: bool
    actual_nanos: int
    plan_amount: int  # in the allowance's unit


class DecisionStore:
    """The scripts of the decision plane, on one store."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def reserve(
        self,
        order: Order,
        reservation_id: str,
        digest: str,
        team_version: int,
        witness_ms: int,
        deadline: float,
    ) -> Answer:
        """Holds the order, or says what is short, or what must be done first."""
        route, plan, request = order.route, order.plan, order.request
        team = keys.team_keys(route.team.team_id)
        pool = _pool(team, order.pool.value if order.pool else 0)
        allowance = plan.allowance if plan else None
        windows = plan.windows if plan else ()
        seat_id = route.seat.seat_id if route.seat else ""
        script_keys = (
            team.team,
            team.record(digest),
            team.holds,
            team.due,
            pool.order,
            pool.available,
            pool.held,
            pool.revoked,
            pool.ends,
            *_window_keys(team, seat_id, allowance, windows),
        )
        args: tuple[Word, ...] = (
            witness_ms,
            order.valid_from_ms,
            order.valid_until_ms,
            team.team_id,
            team_version,
            reservation_id,
            order.content,
            int(request.check_only),
            order.cost_nanos,
            order.pool.value if order.pool else 0,
            order.hold_ms,
            plan.amount if plan else 0,
            _straddle(allowance),
            plan.allowance.split_min if plan else 0,
            *window_args(windows),
        )
        return _decode(await self._executor.run(table.RESERVE, script_keys, args, deadline))

    async def commit(
        self, target: Target, settlement: Settlement, bounds: Bounds, deadline: float
    ) -> Answer:
        """Charges the settlement, or gives back the record of the one that won."""
        args: tuple[Word, ...] = (
            *bounds.words,
            target.team_id,
            target.reservation_id,
            settlement.digest,
            settlement.outcome,
            int(settlement.is_as_reserved),
            settlement.actual_nanos,
            settlement.plan_amount,
            int(_is_counted(target.allowance)),
            _straddle(target.allowance),
            *window_args(target.windows),
        )
        reply = await self._executor.run(table.COMMIT, _settle_keys(target), args, deadline)
        return _decode(reply)

    async def refund(
        self, target: Target, refund_digest: str, bounds: Bounds, deadline: float
    ) -> Answer:
        """Gives back a hold, or all that was charged."""
        args: tuple[Word, ...] = (
            *bounds.words,
            target.team_id,
            target.reservation_id,
            refund_digest,
            *window_args(target.windows),
        )
        reply = await self._executor.run(table.REFUND, _settle_keys(target), args, deadline)
        return _decode(reply)

    async def expire(self, target: Target, bounds: Bounds, deadline: float) -> Answer:
        """Reaps one hold if its time is over."""
        args: tuple[Word, ...] = (
            *bounds.words,
            target.team_id,
            target.reservation_id,
            *window_args(target.windows),
        )
        reply = await self._executor.run(table.EXPIRE, _settle_keys(target), args, deadline)
        return _decode(reply)

    async def purge(self, target: Target, deadline: float) -> Answer:
        """Removes one record if its time is over."""
        team = keys.team_keys(target.team_id)
        script_keys = (team.record(target.digest), team.purge)
        args = (target.reservation_id,)
        return _decode(await self._executor.run(table.PURGE, script_keys, args, deadline))

    async def find(self, team_id: str, digest: str, deadline: float) -> Record | None:
        """The record of a request, if it is kept, as it stands by the store's clock."""
        team = keys.team_keys(team_id)
        script_keys = (team.team, team.record(digest))
        return _decode(await self._executor.run(table.FIND, script_keys, (), deadline)).record

    async def due_holds(self, team_id: str, now_ms: int, deadline: float) -> tuple[str, ...]:
        """Ids of holds whose time is over, earliest first."""
        return await self._due(keys.team_keys(team_id).holds, now_ms, REAP_MAX, deadline)

    async def due_records(self, team_id: str, now_ms: int, deadline: float) -> tuple[str, ...]:
        """Ids of records whose time is over, earliest first."""
        return await self._due(keys.team_keys(team_id).purge, now_ms, REAP_MAX, deadline)

    async def due_teams(self, partition: int, now_ms: int, deadline: float) -> tuple[str, ...]:
        """Teams of a partition with something due, earliest first."""
        return await self._due(keys.due(partition), now_ms, REAP_MAX, deadline)

    async def settle_due(self, team_id: str, deadline: float) -> None:
        """Finds anew when the team is next due."""
        team = keys.team_keys(team_id)
        script_keys = (team.team, team.holds, team.purge, team.due)
        await self._executor.run(table.DUE, script_keys, (team_id,), deadline)

    async def holds_live(self, partition: int, deadline: float) -> int:
        """Live holds of a partition; of its first 1,000 teams with something due, if it has more.

        A team with a hold is always listed as due some day.
        """
        teams = await self._executor.call(
            "ZRANGE", keys.due(partition), 0, REAP_MAX - 1, deadline=deadline
        )
        assert isinstance(teams, list)
        lists = [keys.team_keys(t.decode()).holds for t in teams if isinstance(t, bytes)]
        sizes = await asyncio.gather(
            *(self._executor.call("ZCARD", key, deadline=deadline) for key in lists)
        )
        return sum(size for size in sizes if isinstance(size, int))

    async def _due(self, key: str, now_ms: int, most: int, deadline: float) -> tuple[str, ...]:
        found = await self._executor.call(
            "ZRANGEBYSCORE", key, "-inf", now_ms, "LIMIT", 0, most, deadline=deadline
        )
        assert isinstance(found, list)
        return tuple(member.decode() for member in found if isinstance(member, bytes))


def _settle_keys(target: Target) -> tuple[str, ...]:
    team = keys.team_keys(target.team_id)
    pool = _pool(team, target.pool)
    return (
        team.team,
        team.record(target.digest),
        team.holds,
        team.purge,
        team.due,
        team.ledger,
        pool.order,
        pool.available,
        pool.held,
        pool.consumed,
        pool.expired,
        pool.revoked,
        *_window_keys(team, target.seat_id, target.allowance, target.windows),
    )


def _pool(team: TeamKeys, pool: int) -> PoolKeys:
    return team.wallet if pool == Payer.WALLET else team.credits


def _window_keys(
    team: TeamKeys, seat_id: str, allowance: Allowance | None, windows: tuple[WindowTerm, ...]
) -> list[str]:
    if allowance is None:
        return []
    return [team.window(seat_id, allowance, term.window) for term in windows]


def window_args(windows: tuple[WindowTerm, ...]) -> list[int]:
    """Seven numbers a window, as lib/order_window.lua reads them."""
    words: list[int] = []
    for term in windows:
        window = term.window
        words += (
            term.place,
            _KIND[window.kind].value,
            -1 if window.limit is None else window.limit,
            window.slice_ms,
            window.length_ms,
            term.start_ms,
            term.end_ms,
        )
    return words


def _straddle(allowance: Allowance | None) -> int:
    straddle = Straddle.STRICT if allowance is None else allowance.straddle
    return _STRADDLE[straddle].value


def _is_counted(allowance: Allowance | None) -> bool:
    return allowance is not None and allowance.unit != COST


def _decode(reply: list[Reply]) -> Answer:
    """The one reader of decision replies: code, time, then what the code brings."""
    match reply:
        case [int(code), int(now_ms)]:
            return Answer(code=Code(code), now_ms=now_ms)
        case [int(code), int(now_ms), list(levels), list(raw), list(added)]:
            record = Record.from_reply(now_ms, raw, added)
            return Answer(
                code=Code(code), now_ms=now_ms, levels=decode_levels(levels), record=record
            )
        case [int(code), int(now_ms), int(seq), int(available), int(held), list(levels)]:
            return Answer(
                code=Code(code),
                now_ms=now_ms,
                seq=seq,
                pool_available=available,
                pool_held=held,
                levels=decode_levels(levels),
            )
        case _:
            raise Corrupt("a decision script answered in no known shape")


def decode_levels(levels: list[Reply]) -> tuple[Level, ...]:
    """How each window stands, as lib/reply.lua writes it."""
    decoded = []
    for level in levels:
        match level:
            case [int(place), int(total), int(held), int(reset_ms), int(fits_ms)]:
                decoded.append(Level(place, total, held, reset_ms, fits_ms))
            case _:
                raise Corrupt("a script described a window in no known shape")
    return tuple(decoded)

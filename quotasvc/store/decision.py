"""Runs decisions in the store: names the keys, runs one script, decodes its reply.

Knows orders and records; does not know why an order was compiled as it is, and never decides.
"""

from __future__ import annotations

from quotasvc.domain.catalog import Allowance, Straddle
from quotasvc.domain.order import Order, Request
from quotasvc.domain.reservation import request_digest, shorten
from quotasvc.domain.unit import COST
from quotasvc.store import keys, table
from quotasvc.store.answer import Answer, decode
from quotasvc.store.call import Bounds, Naming, Return, Settlement, Target
from quotasvc.store.code import Code, ModeCode, StraddleCode
from quotasvc.store.declaration import Script
from quotasvc.store.executor import Executor
from quotasvc.store.faults import StoreFull
from quotasvc.store.keys import PoolKeys, TeamKeys
from quotasvc.store.limits import limit_keys, limit_numbers
from quotasvc.store.resp import Word

MARK_PREFIX = "mark."
"""Tells marks from reservation ids in a list of purges."""

_STRADDLE = {
    Straddle.STRICT: StraddleCode.STRICT.value,
    Straddle.SPLIT: StraddleCode.SPLIT.value,
    Straddle.ABSORB: StraddleCode.ABSORB.value,
}


class DecisionStore:
    """The scripts of the decision plane, on one store."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def reserve(
        self,
        order: Order,
        naming: Naming,
        team_version: int,
        witness_ms: int,
        deadline: float,
        *,
        ahead_ms: int | None = None,
    ) -> Answer:
        """Holds the order, or says what is short, or what must be done first.

        With `ahead_ms` it is asked what would be so much later, and nothing is held.
        """
        given = (order, naming, team_version, witness_ms, deadline)
        if ahead_ms is not None:
            return await self._reserve(ModeCode.WHAT_IF, ahead_ms, *given)
        if order.request.check_only:
            return await self._reserve(ModeCode.CHECK_ONLY, 0, *given)
        try:
            return await self._reserve(ModeCode.NORMAL, 0, *given)
        except StoreFull:
            # It has no room for a hold; replays and denials need none (SEM-35).
            answer = await self._reserve(ModeCode.CHECK_ONLY, 0, *given)
            if answer.code is Code.GRANTED:
                raise
            return answer

    async def _reserve(
        self,
        mode: ModeCode,
        ahead_ms: int,
        order: Order,
        naming: Naming,
        team_version: int,
        witness_ms: int,
        deadline: float,
    ) -> Answer:
        plan = order.plan
        team = keys.team_keys(order.route.team.team_id)
        pool = team.pool(order.pool_number)
        script_keys = (
            team.team,
            team.record(naming.digest),
            team.holds,
            team.due,
            pool.order,
            pool.available,
            pool.held,
            pool.revoked,
            pool.ends,
            pool.waiting,
            *_order_keys(team, order),
        )
        args: tuple[Word, ...] = (
            witness_ms,
            order.valid_from_ms,
            order.valid_until_ms,
            ahead_ms,
            team_version,
            mode.value,
            order.cost_nanos,
            order.pool_number,
            order.hold_ms,
            order.tokens,
            plan.amount if plan else 0,
            _straddle(plan.allowance if plan else None),
            plan.allowance.split_min if plan else 0,
            team.team_id,
            naming.reservation_id,
            naming.short_id,
            naming.digest,
            order.content,
            order.estimate.pack(order.route.resource.measures),
            *limit_numbers(order.gates, plan.windows if plan else ()),
        )
        script = table.RESERVE if mode is ModeCode.NORMAL else table.RESERVE_LOOK
        reply = await self._executor.run(script, script_keys, args, deadline)
        return decode(reply, team.team_id, naming.digest)

    async def record_usage(
        self, order: Order, naming: Naming, team_version: int, witness_ms: int, deadline: float
    ) -> Answer:
        """Charges an order without a hold."""
        plan = order.plan
        team = keys.team_keys(order.route.team.team_id)
        pool = team.pool(order.pool_number)
        script_keys = (
            team.team,
            team.record(naming.digest),
            team.record(naming.old_digest),
            team.mark(naming.mark),
            team.holds,
            team.purge,
            team.due,
            team.ledger,
            *_moved(pool),
            pool.ends,
            pool.waiting,
            *_order_keys(team, order),
        )
        args: tuple[Word, ...] = (
            witness_ms,
            order.valid_from_ms,
            order.valid_until_ms,
            team_version,
            order.request.outcome,
            order.cost_nanos,
            order.pool_number,
            order.tokens,
            plan.amount if plan else 0,
            int(plan is not None and plan.allowance.unit != COST),
            _straddle(plan.allowance if plan else None),
            plan.allowance.split_min if plan else 0,
            team.team_id,
            naming.reservation_id,
            naming.short_id,
            naming.digest,
            order.content,
            order.estimate.pack(order.route.resource.measures),
            shorten(naming.old_id) if naming.old_id else "",
            MARK_PREFIX + naming.mark if naming.mark else "",
            *limit_numbers(order.gates, plan.windows if plan else ()),
        )
        return decode(
            await self._executor.run(table.RECORD_USAGE, script_keys, args, deadline),
            team.team_id,
            naming.digest,
        )

    async def commit(
        self, target: Target, settlement: Settlement, bounds: Bounds, deadline: float
    ) -> Answer:
        """Charges the settlement, or gives back the record of the one that won."""
        args: tuple[Word, ...] = (
            *bounds.words,
            target.team_version,
            settlement.outcome,
            int(settlement.is_as_reserved),
            settlement.actual_nanos,
            settlement.plan_amount,
            settlement.tokens,
            settlement.rates,
            target.is_counted,
            _straddle(target.allowance),
            target.team_id,
            target.reservation_id,
            target.short_id,
            target.digest,
            settlement.digest,
            settlement.usage,
            *target.limits,
        )
        pool = keys.team_keys(target.team_id).pool(target.pool)
        names = _settle_keys(target, pool.ends, pool.waiting)
        reply = await self._executor.run(table.COMMIT, names, args, deadline)
        return decode(reply, target.team_id, target.digest)

    async def release(self, target: Target, bounds: Bounds, deadline: float) -> Answer:
        """Gives back a hold."""
        numbers = (*bounds.words, target.team_version)
        return await self._end(table.RELEASE, target, numbers, deadline)

    async def expire(
        self, target: Target, bounds: Bounds, deadline: float, *, is_charged: bool
    ) -> Answer:
        """Reaps one hold if its time is over: gives it back, or charges it until it is settled."""
        return await self._end(table.EXPIRE, target, (*bounds.words, int(is_charged)), deadline)

    async def _end(
        self, script: Script, target: Target, numbers: tuple[int, ...], deadline: float
    ) -> Answer:
        args: tuple[Word, ...] = (
            *numbers,
            target.team_id,
            target.reservation_id,
            target.short_id,
            target.digest,
            *target.limits,
        )
        reply = await self._executor.run(script, _settle_keys(target), args, deadline)
        return decode(reply, target.team_id, target.digest)

    async def refund(self, target: Target, back: Return, bounds: Bounds, deadline: float) -> Answer:
        """Gives back of a charge."""
        team = keys.team_keys(target.team_id)
        names = (
            team.team,
            team.record(target.digest),
            team.purge,
            team.ledger,
            *_moved(team.pool(target.pool)),
            *_target_keys(team, target),
        )
        args: tuple[Word, ...] = (
            *bounds.words,
            target.team_version,
            back.kind.value,
            back.nanos,
            back.units,
            back.seen,
            target.is_counted,
            target.team_id,
            target.reservation_id,
            target.short_id,
            back.refund_id,
            back.scope,
            back.usage,
            *target.limits,
        )
        reply = await self._executor.run(table.REFUND, names, args, deadline)
        return decode(reply, target.team_id, target.digest)

    async def extend(self, target: Target, hold_ms: int, bounds: Bounds, deadline: float) -> Answer:
        """Lets a hold live until `hold_ms` from now, within its bounds."""
        team = keys.team_keys(target.team_id)
        names = (
            team.team,
            team.record(target.digest),
            team.holds,
            team.due,
            *_target_keys(team, target),
        )
        args: tuple[Word, ...] = (
            *bounds.words,
            hold_ms,
            target.reservation_id,
            target.short_id,
            target.digest,
            *target.limits,
        )
        reply = await self._executor.run(table.EXTEND, names, args, deadline)
        return decode(reply, target.team_id, target.digest)

    async def confirm(
        self, team_id: str, request: Request, team_version: int, witness_ms: int, deadline: float
    ) -> Answer:
        """Whether a refusal of this request may be given: its record, if there is one; UNKNOWN if
        there is none, the clocks agree and the team is still at this version."""
        team, name = keys.team_keys(team_id), request_digest(team_id, request.request_id)
        reply = await self._executor.run(
            table.CONFIRM,
            (team.team, team.record(name)),
            (*Bounds.of((), witness_ms).words, team_version, request.content),
            deadline,
        )
        return decode(reply, team_id, name)

    async def find(self, team_id: str, digest: str, deadline: float) -> Answer:
        """The record of a request, if it is kept, as it stands by the store's clock."""
        team = keys.team_keys(team_id)
        script_keys = (team.team, team.record(digest))
        return decode(
            await self._executor.run(table.FIND, script_keys, (), deadline), team_id, digest
        )


def _settle_keys(target: Target, *more: str) -> tuple[str, ...]:
    team = keys.team_keys(target.team_id)
    return (
        team.team,
        team.record(target.digest),
        team.holds,
        team.purge,
        team.due,
        team.ledger,
        *_moved(team.pool(target.pool)),
        *more,
        *_target_keys(team, target),
    )


def _moved(pool: PoolKeys) -> tuple[str, ...]:
    """What of a pool a settlement can move."""
    return (
        pool.order,
        pool.available,
        pool.held,
        pool.consumed,
        pool.expired,
        pool.revoked,
        pool.sums,
    )


def _target_keys(team: TeamKeys, target: Target) -> list[str]:
    return limit_keys(team, target.seat_id, target.gates, target.allowance, target.windows)


def _order_keys(team: TeamKeys, order: Order) -> list[str]:
    seat, plan = order.route.seat, order.plan
    seat_id = seat.seat_id if seat else ""
    if plan is None:
        return limit_keys(team, seat_id, order.gates, None, ())
    return limit_keys(team, seat_id, order.gates, plan.allowance, plan.windows)


def _straddle(allowance: Allowance | None) -> int:
    return _STRADDLE[Straddle.STRICT if allowance is None else allowance.straddle]

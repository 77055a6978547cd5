"""Reads bars and lots: one script each, so that what they show was true at one moment."""

from __future__ import annotations

import json
from dataclasses import dataclass

from quotasvc.domain.catalog import Allowance
from quotasvc.domain.faults import Corrupt
from quotasvc.domain.lot import Balance, Lot
from quotasvc.domain.order import WindowTerm
from quotasvc.domain.reservation import Payer
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store import keys, table
from quotasvc.store.answer import Level, code_of, decode_levels
from quotasvc.store.call import Bounds
from quotasvc.store.code import Code
from quotasvc.store.executor import Executor
from quotasvc.store.limits import limit_numbers
from quotasvc.store.resp import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """The windows that were asked for, in that order; empty where the code is not GRANTED."""

    code: Code
    now_ms: int
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """All lots of a pool at one moment; empty where the code is not GRANTED."""

    code: Code
    now_ms: int
    lots: tuple[Lot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolBalance:
    """What a pool comes to; None where the code is not GRANTED."""

    code: Code
    now_ms: int
    balance: Balance | None = None


class UsageStore:
    """The scripts of the usage plane."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def bars(
        self,
        team_id: str,
        team_version: int,
        seat_id: str,
        terms: tuple[tuple[Allowance, WindowTerm], ...],
        bounds: Bounds,
        deadline: float,
    ) -> Bars:
        """How the windows of a seat stand."""
        team = keys.team_keys(team_id)
        names = (
            team.team,
            *(team.window(seat_id, allowance, term.window) for allowance, term in terms),
        )
        numbers = limit_numbers((), tuple(term for _, term in terms))
        args = (*bounds.words, team_version, *numbers)
        reply = await self._executor.run(table.REMAINS, names, args, deadline)
        match reply:
            case [int(code), int(now_ms), int(), list(levels)]:
                return Bars(code=code_of(code), now_ms=now_ms, levels=decode_levels(levels))
            case [int(code), int(now_ms), int()]:
                return Bars(code=code_of(code), now_ms=now_ms)
            case _:
                raise Corrupt("usage/remains answered in no known shape")

    async def pool(self, team_id: str, payer: Payer, deadline: float) -> Pool:
        """Every lot of the team's Credits or wallet, spent ones too."""
        team = keys.team_keys(team_id)
        pool = team.pool(payer)
        names = (
            team.team,
            pool.order,
            pool.available,
            pool.held,
            pool.consumed,
            pool.expired,
            pool.revoked,
            pool.info,
            pool.parked,
            pool.ends,
            pool.waiting,
        )
        reply = await self._executor.run(table.LOTS, names, (), deadline)
        match reply:
            case [int(code), int(now_ms), int(), [list(info), *states]]:
                return Pool(code=code_of(code), now_ms=now_ms, lots=_lots(info, states, now_ms))
            case [int(code), int(now_ms), int()]:
                return Pool(code=code_of(code), now_ms=now_ms)
            case _:
                raise Corrupt("usage/lots answered in no known shape")

    async def balance(self, team_id: str, payer: Payer, deadline: float) -> PoolBalance:
        """What the team's Credits or wallet come to; costs the same however many lots are spent."""
        team = keys.team_keys(team_id)
        pool = team.pool(payer)
        names = (
            team.team,
            pool.order,
            pool.available,
            pool.held,
            pool.parked,
            pool.sums,
            pool.ends,
            pool.waiting,
        )
        reply = await self._executor.run(table.BALANCE, names, (), deadline)
        match reply:
            case [int(code), int(now_ms), int(), list(parts)]:
                balance = _balance(parts, now_ms)
                return PoolBalance(code=code_of(code), now_ms=now_ms, balance=balance)
            case [int(code), int(now_ms), int()]:
                return PoolBalance(code=code_of(code), now_ms=now_ms)
            case _:
                raise Corrupt("usage/balance answered in no known shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class LotInfo:
    """What never changes about a lot; one JSON text in the store."""

    origin: str
    granted: int
    purchase_ms: int
    grant_ms: int
    expire_ms: int | None

    def to_json(self) -> str:
        """The text: the same for the same lot, so that a repeated grant can be told."""
        return json.dumps(
            {
                "origin": self.origin,
                "granted": self.granted,
                "purchase_ms": self.purchase_ms,
                "grant_ms": self.grant_ms,
                "expire_ms": self.expire_ms,
            },
            separators=(",", ":"),
        )

    @staticmethod
    def from_json(lot_id: str, text: str) -> LotInfo:
        """Reads what `to_json` wrote; a text of another shape is Corrupt."""
        try:
            return LotInfo(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise Corrupt(f"lot {lot_id} cannot be read: {error!r}") from error


def _lots(info: list[Reply], states: list[Reply], now_ms: int) -> tuple[Lot, ...]:
    available, held, consumed, expired, revoked, parked = (_amounts(state) for state in states)
    lots = []
    for lot_id, text in _pairs(info):
        facts = LotInfo.from_json(lot_id, text)
        left = available.get(lot_id, 0) + parked.get(lot_id, 0)
        # Every answer counts a lot as expired from that moment on, booked or not (SEM-22).
        is_over = facts.expire_ms is not None and facts.expire_ms <= now_ms
        lots.append(
            Lot(
                lot_id=lot_id,
                origin=facts.origin,
                granted=facts.granted,
                available=0 if is_over else left,
                held=held.get(lot_id, 0),
                consumed=consumed.get(lot_id, 0),
                expired=expired.get(lot_id, 0) + (left if is_over else 0),
                revoked=revoked.get(lot_id, 0),
                purchase_ms=facts.purchase_ms,
                grant_ms=facts.grant_ms,
                expire_ms=facts.expire_ms,
                waiting=lot_id in parked and not is_over,
            )
        )
    return tuple(lots)


def _balance(parts: list[Reply], now_ms: int) -> Balance:
    """What was spent is what was granted and neither lost nor left."""
    available, held, waiting, ends, sums = (_amounts(parts[i]) for i in (0, 1, 3, 4, 5))
    over = {word.decode() for word in _words(parts[2])}
    over_waiting = {lot_id for lot_id, end in ends.items() if 0 < end <= now_ms}
    left = sum(available.values()) + sum(held.values()) + sum(waiting.values())
    gone = _sum_of(sums, "expired") + _sum_of(sums, "revoked")
    return Balance(
        available=sum(amount for lot_id, amount in available.items() if lot_id not in over),
        held=sum(held.values()),
        waiting=sum(amount for lot_id, amount in waiting.items() if lot_id not in over_waiting),
        settled=_sum_of(sums, "granted") - gone - left,
    )


SUM_LIMB = 10**15
"""A sum is kept as two whole numbers, as lib/sum_store.lua writes it."""


def _sum_of(sums: dict[str, int], name: str) -> int:
    return sums.get(f"{name}_high", 0) * SUM_LIMB + sums.get(name, 0)


def _words(flat: Reply) -> list[bytes]:
    assert isinstance(flat, list)
    return [word for word in flat if isinstance(word, bytes)]


def _pairs(flat: Reply) -> list[tuple[str, str]]:
    words = [word.decode() for word in _words(flat)]
    return list(zip(words[::2], words[1::2], strict=True))


def _amounts(flat: Reply) -> dict[str, int]:
    amounts = {}
    for lot_id, text in _pairs(flat):
        if not text.isascii() or not text.isdigit() or int(text) > AMOUNT_MAX:
            raise Corrupt(f"lot {lot_id} has {text!r}, which is no amount")
        amounts[lot_id] = int(text)
    return amounts

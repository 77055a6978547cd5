"""Reads bars and lots: one script each, so that what they show was true at one moment."""

from __future__ import annotations

import json
from dataclasses import dataclass

from quotasvc.domain.catalog import Allowance
from quotasvc.domain.faults import Corrupt
from quotasvc.domain.lot import Balance, Lot, LotPlace
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
class LotPage:
    """Some lots of a pool at one moment, and where the next ones begin; None: there are no more.
    Empty where the code is not GRANTED."""

    code: Code
    now_ms: int
    lots: tuple[Lot, ...] = ()
    further: LotPlace | None = None


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

    async def lots(
        self, team_id: str, payer: Payer, size: int, place: LotPlace, deadline: float
    ) -> LotPage:
        """Up to `size` lots of the team's Credits or wallet from a place on, spent ones too."""
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
            pool.all,
            pool.ends,
            pool.waiting,
        )
        args = (place.section, size, place.after)
        reply = await self._executor.run(table.LOTS, names, args, deadline)
        match reply:
            case [int(code), int(now_ms), int(), [list(ids), *columns], list(further)]:
                return LotPage(
                    code=code_of(code),
                    now_ms=now_ms,
                    lots=_lots(_words(ids), columns, now_ms),
                    further=_place(further),
                )
            case [int(code), int(now_ms), int()]:
                return LotPage(code=code_of(code), now_ms=now_ms)
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


def _lots(ids: list[bytes], columns: list[Reply], now_ms: int) -> tuple[Lot, ...]:
    """The lots of a page: their facts and amounts as columns, in the order of the ids."""
    rows = zip(ids, *(column for column in columns if isinstance(column, list)), strict=True)
    return tuple(_lot(lot_id.decode(), text, amounts, now_ms) for lot_id, text, *amounts in rows)


def _lot(lot_id: str, text: Reply, amounts: list[Reply], now_ms: int) -> Lot:
    facts = LotInfo.from_json(lot_id, text.decode() if isinstance(text, bytes) else "")
    available, held, consumed, expired, revoked, parked = (
        _amount(lot_id, amount) for amount in amounts
    )
    left = available + parked
    # Every answer counts a lot as expired from that moment on, booked or not (SEM-22).
    is_over = facts.expire_ms is not None and facts.expire_ms <= now_ms
    return Lot(
        lot_id=lot_id,
        origin=facts.origin,
        granted=facts.granted,
        available=0 if is_over else left,
        held=held,
        consumed=consumed,
        expired=expired + (left if is_over else 0),
        revoked=revoked,
        purchase_ms=facts.purchase_ms,
        grant_ms=facts.grant_ms,
        expire_ms=facts.expire_ms,
        waiting=parked > 0 and not is_over,
    )


def _place(words: list[Reply]) -> LotPlace | None:
    match words:
        case [int(section), bytes(after)]:
            return LotPlace(section=section, after=after.decode())
        case _:
            return None


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
    return {lot_id: _amount(lot_id, text.encode()) for lot_id, text in _pairs(flat)}


def _amount(lot_id: str, word: Reply) -> int:
    """What is stored; nothing is 0."""
    if word is None:
        return 0
    text = word.decode() if isinstance(word, bytes) else ""
    if not text.isascii() or not text.isdigit() or int(text) > AMOUNT_MAX:
        raise Corrupt(f"lot {lot_id} has {text!r}, which is no amount")
    return int(text)

"""Reads what decision scripts answer: code, time, the team's `seq`, and what the code brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from quotasvc.domain.faults import Corrupt
from quotasvc.store.code import Code
from quotasvc.store.record import Record
from quotasvc.store.resp import Reply

LEVEL_NUMBERS = 5
RENEWAL = -2


@dataclass(frozen=True, slots=True)
class Level:
    """How one limit stands: `total` includes `held`; times are ms, 0 for none. A request never fits
    at -1, and at RENEWAL when the cycle is renewed."""

    place: int
    total: int
    held: int
    reset_ms: int
    fits_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """What was short: what the pool could give and what holds keep of it; whether it is payers that
    are short, gates aside; and whether an instance is ahead of the clock."""

    available: int
    held: int
    is_unpaid: bool
    is_ahead: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decoded reply."""

    code: Code
    now_ms: int
    seq: int
    levels: tuple[Level, ...] = ()
    record: Record | None = None
    refund: int = 0  # the number of the refund that is meant
    short: Shortfall | None = None

    @property
    def known(self) -> Record:
        """The record, where the code says that there is one."""
        if self.record is None:
            raise Corrupt(f"a reply of code {self.code.name} came without its record")
        return self.record

    @property
    def shortfall(self) -> Shortfall:
        """What was short, where the code says that something was."""
        if self.short is None:
            raise Corrupt(f"a reply of code {self.code.name} came without what was short")
        return self.short


def code_of(number: int) -> Code:
    """The code of a reply; one that no script has is Corrupt."""
    try:
        return Code(number)
    except ValueError:
        raise Corrupt(f"a script answered with code {number}, which is in no known shape") from None


def decode(reply: list[Reply], team_id: str = "", request: str = "") -> Answer:
    """The one reader of decision replies; a record in it is of this team and request (digest)."""
    match reply:
        case [int(code), int(now_ms), int(seq)]:
            return Answer(code=code_of(code), now_ms=now_ms, seq=seq)
        case [int(code), int(now_ms), int(seq), list(levels), list(raw), list(added), int(refund)]:
            return Answer(
                code=code_of(code),
                now_ms=now_ms,
                seq=seq,
                levels=decode_levels(levels),
                record=Record.from_reply(now_ms, team_id, request, raw, added),
                refund=refund,
            )
        case [int(code), int(now_ms), int(seq), list(levels), *short]:
            return Answer(
                code=code_of(code),
                now_ms=now_ms,
                seq=seq,
                levels=decode_levels(levels),
                short=_shortfall(short),
            )
        case _:
            raise Corrupt("a decision script answered in no known shape")


def _shortfall(words: list[Reply]) -> Shortfall:
    match words:
        case [int(available), int(held), int(is_unpaid), int(is_ahead)]:
            return Shortfall(
                available=available, held=held, is_unpaid=is_unpaid == 1, is_ahead=is_ahead == 1
            )
        case _:
            raise Corrupt("a decision script said what is short in no known shape")


def decode_levels(numbers: list[Reply]) -> tuple[Level, ...]:
    """How each limit stands, five numbers each, as lib/reply.lua writes it."""
    if len(numbers) % LEVEL_NUMBERS or not all(type(number) is int for number in numbers):
        raise Corrupt("a script described a limit in no known shape")
    words = cast("list[int]", numbers)
    return tuple(Level(*words[i : i + LEVEL_NUMBERS]) for i in range(0, len(words), LEVEL_NUMBERS))

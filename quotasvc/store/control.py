"""Changes teams and pools: compare-and-set of a document, grants of lots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from quotasvc.domain.faults import (
    Conflict,
    Corrupt,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from quotasvc.domain.lot import LOT_NANOS_MAX, LOTS_MAX, UNPAID_LOTS_MAX, WALLET_LOT
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import Team
from quotasvc.store import keys, table
from quotasvc.store.agenda import ROUNDS_MAX, AgendaStore
from quotasvc.store.answer import decode
from quotasvc.store.code import Code
from quotasvc.store.executor import Executor
from quotasvc.store.team import team_to_json
from quotasvc.store.usage import LotInfo

LOT_ID_CHARS_MAX = 46
"""A lot's place in the order is a value of records, which stay compact up to 64 bytes: 14 for the
purchase, and 4 for the number of a part."""

PART_ID = re.compile(r".*\.[0-9]+", re.DOTALL)
"""Names the second or a later part of a grant; no lot is granted under such a name."""


class ControlStore:
    """The scripts of the control plane."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._agenda = AgendaStore(executor)

    async def put_team(self, team: Team, version: int, deadline: float) -> int | None:
        """Replaces the document if its version is still `version` (0: there is none yet).

        Returns the new version, or None if somebody else was first.
        """
        names = keys.team_keys(team.team_id)
        args = (version, team.team_id, team_to_json(team))
        reply = await self._executor.run(table.PUT_TEAM, (names.team, names.ledger), args, deadline)
        match reply:
            case [Code.GRANTED, int(new_version), int()]:
                return new_version
            case [Code.STALE, int(), int()]:
                return None
            case _:
                raise Corrupt("control/put_team answered in no known shape")

    async def grant_lot(
        self,
        team_id: str,
        payer: Payer,
        lot_id: str,
        info: LotInfo,
        deadline: float,
        *,
        is_paid: bool = True,
    ) -> bool:
        """Adds a lot to the Credits, or the one lot of a wallet. False: it was there already.

        More than one lot can count comes as several, `<id>`, `<id>.2` … . One that was paid for and
        finds the pool full waits for a place; one that was not is refused early (SEM-24).
        A wallet's one lot is never several, and no grant more lots than a script is bound to.
        """
        names = keys.team_keys(team_id)
        pool = names.pool(payer)
        _check_grant(payer, lot_id, info.granted)
        lots = [
            word
            for name, part in _parts(lot_id, info)
            for word in (keys.lot_member(part.purchase_ms, name), part.granted, part.to_json())
        ]
        args = (payer.value, info.expire_ms or 0, int(is_paid), team_id, *lots)
        script_keys = (
            names.team,
            names.ledger,
            names.due,
            pool.order,
            pool.available,
            pool.held,
            pool.info,
            pool.parked,
            pool.all,
            pool.sums,
            pool.ends,
            pool.waiting,
        )
        for _ in range(ROUNDS_MAX):
            answer = decode(await self._executor.run(table.GRANT_LOT, script_keys, args, deadline))
            match answer.code:
                case Code.GRANTED | Code.REPLAYED:
                    return answer.code is Code.GRANTED
                case Code.ENTER:
                    await self._agenda.enter(team_id, payer, deadline)
                case Code.CONFLICT:
                    raise Conflict(f"lot {lot_id} of team {team_id} exists with other content")
                case Code.TOO_MANY:
                    text = f"team {team_id} has {UNPAID_LOTS_MAX} open lots already"
                    raise FailedPrecondition(text, reason="TOO_MANY_LOTS")
                case Code.UNKNOWN:
                    raise NotFound(f"there is no team {team_id}")
                case _:
                    raise Corrupt(f"control/grant_lot answered {answer.code.name}")
        raise Unavailable("lots keep waiting for a place", reason="CHANGING")

    async def revoke_lot(self, team_id: str, lot_id: str, deadline: float) -> bool:
        """Takes back what is available of a grant of Credits, in all its lots; what comes back to
        them later is revoked too (SEM-42). False: it was revoked already."""
        if PART_ID.fullmatch(lot_id):
            raise NotFound(f"{lot_id} is a part of a grant, which is revoked as a whole")
        names = keys.team_keys(team_id)
        pool = names.credits
        script_keys = (
            names.team,
            names.ledger,
            names.due,
            pool.order,
            pool.available,
            pool.revoked,
            pool.info,
            pool.parked,
            pool.sums,
            pool.ends,
            pool.waiting,
        )
        args = (team_id, lot_id)
        answer = decode(await self._executor.run(table.REVOKE_LOT, script_keys, args, deadline))
        match answer.code:
            case Code.GRANTED | Code.REPLAYED:
                return answer.code is Code.GRANTED
            case Code.UNKNOWN:
                raise NotFound(f"there is no lot {lot_id} of team {team_id}")
            case _:
                raise Corrupt(f"control/revoke_lot answered {answer.code.name}")


def _check_grant(payer: Payer, lot_id: str, nanos: int) -> None:
    """Raises what its caller should have seen to."""
    if payer is Payer.WALLET and lot_id != WALLET_LOT:
        raise ValueError("a wallet has one lot")
    most = LOT_NANOS_MAX * (1 if payer is Payer.WALLET else LOTS_MAX)
    if nanos > most:
        raise InvalidArgument("granted", f"a grant here has at most {most} nanos")
    if len(lot_id) > LOT_ID_CHARS_MAX or PART_ID.fullmatch(lot_id):
        text = f"a lot id has at most {LOT_ID_CHARS_MAX} characters, and no number behind a dot"
        raise ValueError(text)


def _parts(lot_id: str, info: LotInfo) -> Iterator[tuple[str, LotInfo]]:
    """The lots that an amount is granted as (SEM-3, L6)."""
    left, number = info.granted, 1
    while True:
        part = min(left, LOT_NANOS_MAX)
        name = lot_id if number == 1 else f"{lot_id}.{number}"
        yield name, replace(info, granted=part)
        left, number = left - part, number + 1
        if left == 0:
            return

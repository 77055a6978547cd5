"""Changes teams and pools: compare-and-set of a document, grants of lots."""

from __future__ import annotations

from quotasvc.domain.faults import Conflict, Corrupt, FailedPrecondition, NotFound
from quotasvc.domain.lot import LOTS_MAX, WALLET_LOT
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import Team
from quotasvc.store import keys, table
from quotasvc.store.executor import Executor
from quotasvc.store.table import Code
from quotasvc.store.team import team_to_json
from quotasvc.store.usage import LotInfo


class ControlStore:
    """The scripts of the control plane."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def put_team(self, team: Team, version: int, deadline: float) -> int | None:
        """Replaces the document if its version is still `version` (0: there is none yet).

        Returns the new version, or None if somebody else was first.
        """
        names = keys.team_keys(team.team_id)
        args = (team.team_id, version, team_to_json(team))
        reply = await self._executor.run(table.PUT_TEAM, (names.team, names.ledger), args, deadline)
        match reply:
            case [Code.GRANTED, int(new_version)]:
                return new_version
            case [Code.STALE, int()]:
                return None
            case _:
                raise Corrupt("control/put_team answered in no known shape")

    async def grant_lot(
        self, team_id: str, payer: Payer, lot_id: str, info: LotInfo, deadline: float
    ) -> bool:
        """Adds a lot to the Credits, or the one lot of a wallet. False: it was there already."""
        names = keys.team_keys(team_id)
        pool = names.wallet if payer is Payer.WALLET else names.credits
        if payer is Payer.WALLET and lot_id != WALLET_LOT:
            raise ValueError("a wallet has one lot")
        member = f"{info.purchase_ms:013d}:{lot_id}"
        reply = await self._executor.run(
            table.GRANT_LOT,
            (
                names.team,
                names.ledger,
                pool.order,
                pool.available,
                pool.held,
                pool.ends,
                pool.info,
            ),
            (
                team_id,
                payer.value,
                lot_id,
                member,
                info.expire_ms or 0,
                info.granted,
                info.to_json(),
            ),
            deadline,
        )
        match reply:
            case [Code.GRANTED, int()]:
                return True
            case [Code.REPLAYED, int()]:
                return False
            case [Code.CONFLICT, int()]:
                raise Conflict(f"lot {lot_id} of team {team_id} exists with other content")
            case [Code.TOO_MANY, int()]:
                raise FailedPrecondition(
                    f"team {team_id} has {LOTS_MAX} open lots already", reason="TOO_MANY_LOTS"
                )
            case [Code.UNKNOWN, int()]:
                raise NotFound(f"there is no team {team_id}")
            case _:
                raise Corrupt("control/grant_lot answered in no known shape")

"""Puts the teams of a run into the store of a running service, until the control plane can.

Set-up may use the service's own code; the checker may not. What was done goes into the journal.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from quotasvc.domain.faults import Unavailable
from quotasvc.domain.lot import WALLET_LOT
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import Key, KeyKind, KeyState, Member, Role, Seat, Team
from quotasvc.store.control import ControlStore
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.scripts import load_scripts
from quotasvc.store.table import SCRIPTS
from quotasvc.store.team import TeamDirectory
from quotasvc.store.usage import LotInfo
from tests.chaos.journal import Journal
from tests.chaos.policy import (
    DESKS,
    FLICKERING,
    LOTS_MS,
    SPLIT_MIN,
    TEAMS,
    Desk,
    Policy,
)

CALL_S_MAX = 2.0
FLIP_S = 0.2


async def make_teams(socket: Path, policy: Policy, journal: Journal) -> None:
    """Two teams with five lots, a wallet, four seats and six keys each."""
    async with _executor(socket) as executor:
        control = ControlStore(executor)
        for team_id in TEAMS:
            assert await control.put_team(_team(team_id), 0, _soon()) == 1
            journal.write("team", team=team_id)
            for payer, lot_id, info in _lots(policy):
                assert await control.grant_lot(team_id, payer, lot_id, info, _soon())
                journal.write(
                    "grant",
                    team=team_id,
                    payer=payer.value,
                    lot=lot_id,
                    nanos=info.granted,
                    purchase_ms=info.purchase_ms,
                    expire_ms=info.expire_ms or 0,
                )
            _tell_policy(team_id, policy, journal)


async def flip_access(socket: Path, journal: Journal, stop: asyncio.Event) -> None:
    """Switches one member's access to Credits off and on, all the time, in both teams.

    Every order under way is stale at once; a switch holds on the very next decision.
    """
    async with _executor(socket) as executor:
        version = 1
        while not stop.is_set():
            for team_id in TEAMS:
                await _put(executor, _team(team_id, is_flickering_on=version % 2 == 0), version)
                journal.write("team", team=team_id)
            version += 1
            await asyncio.sleep(FLIP_S)


async def _put(executor: Executor, team: Team, version: int) -> None:
    """Until it is done: the version tells whether an attempt without an answer was."""
    control, teams = ControlStore(executor), TeamDirectory(executor)
    while True:
        try:
            found = await teams.load(team.team_id, _soon())
            assert found is not None
            if found.version > version:
                return
            await control.put_team(team, version, _soon())
        except Unavailable:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _executor(socket: Path) -> AsyncIterator[Executor]:
    executor = Executor(Endpoint(path=str(socket)), load_scripts(SCRIPTS), chance=random.Random())
    await executor.start(_soon())
    try:
        yield executor
    finally:
        await executor.close()


def _soon() -> float:
    return asyncio.get_running_loop().time() + CALL_S_MAX


def _seat_of(desk: Desk) -> str:
    return f"s-{desk.user}" if desk.plan else ""


def _team(team_id: str, *, is_flickering_on: bool = True) -> Team:
    return Team(
        team_id=team_id,
        name=team_id,
        is_default=False,
        members=tuple(
            Member(
                user_id=desk.user,
                role=Role.ADMIN,
                credits_access=is_flickering_on or desk.user != FLICKERING,
            )
            for desk in DESKS
        ),
        seats=tuple(
            Seat(seat_id=_seat_of(desk), plan_id=desk.plan, purchased_ms=0, user_id=desk.user)
            for desk in DESKS
            if desk.plan is not None
        ),
        keys=tuple(
            Key(
                key_id=desk.key_id(team_id),
                kind=desk.kind,
                user_id=desk.user,
                # The gateway of this run has verified its keys itself.
                secret_hash="",
                state=KeyState.ACTIVE,
            )
            for desk in DESKS
        ),
    )


def _lots(policy: Policy) -> Iterator[tuple[Payer, str, LotInfo]]:
    """Five lots of Credits, and the one of the wallet."""
    now_ms = time.time_ns() // 1_000_000
    for number, lasts_ms in enumerate(LOTS_MS, start=1):
        info = LotInfo(
            origin="top_up",
            granted=policy.lot_nanos,
            # The later its number, the older the purchase: where expiries tie, that decides.
            purchase_ms=now_ms - number * 1_000,
            grant_ms=now_ms,
            expire_ms=lasts_ms and now_ms + lasts_ms,
        )
        yield Payer.CREDITS, f"lot-{number}", info
    wallet = LotInfo(
        origin="top_up",
        granted=policy.wallet_nanos,
        purchase_ms=0,
        grant_ms=now_ms,
        expire_ms=None,
    )
    yield Payer.WALLET, WALLET_LOT, wallet


def _tell_policy(team_id: str, policy: Policy, journal: Journal) -> None:
    """What the checker has to know to replay the decisions."""
    for desk in DESKS:
        mine = [limit for limit in policy.limits() if limit.plan == desk.plan]
        for limit in mine:
            journal.write(
                "limit",
                team=team_id,
                source=f"{_seat_of(desk)}/{limit.allowance}",
                window=f"{limit.kind}:{limit.length_ms}",
                length_ms=limit.length_ms,
                is_brief=limit.is_brief,
                slice_ms=limit.slice_ms,
                hold_ms_max=limit.hold_ms_max,
                unit=limit.unit,
                limit=limit.limit,
                limit_id=f"{limit.allowance}/{limit.window}",
                straddle=limit.straddle,
                split_min=SPLIT_MIN,
            )
        is_denied = any(limit.overflow == "deny" for limit in mine)
        pool = Payer.WALLET if desk.kind is KeyKind.PAYG else Payer.CREDITS
        journal.write(
            "key",
            team=team_id,
            key=desk.key_id(team_id),
            user=desk.user,
            seat=_seat_of(desk),
            pool=0 if is_denied else pool.value,
        )

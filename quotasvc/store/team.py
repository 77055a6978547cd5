"""Team documents: JSON in the store, parsed teams in a cache that decisions keep honest.

The cache is never trusted alone: each decision script compares the version that its order was
compiled against, so a change made anywhere holds on the very next decision.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from quotasvc.domain.faults import Corrupt
from quotasvc.domain.team import SEAT_ID, Key, KeyKind, KeyState, Member, Role, Seat, Team
from quotasvc.store import keys
from quotasvc.store.executor import Executor


@dataclass(frozen=True, slots=True)
class VersionedTeam:
    """A team at one version of its document."""

    version: int
    team: Team


class TeamDirectory:
    """Loads teams and remembers the parsed ones, up to a bound."""

    def __init__(self, executor: Executor, *, teams_max: int = 20_000) -> None:
        self._executor = executor
        self._teams_max = teams_max
        self._cache: OrderedDict[str, tuple[bytes, VersionedTeam]] = OrderedDict()

    async def get(self, team_id: str, deadline: float) -> VersionedTeam | None:
        """The team as last seen; loaded if it was not. None: there is no such team."""
        found = self._cache.get(team_id)
        return found[1] if found is not None else await self.load(team_id, deadline)

    async def load(self, team_id: str, deadline: float) -> VersionedTeam | None:
        """The team as it is now. What has not changed is not parsed again: a key that is unknown
        brings its caller here each time, and a large team takes long to parse."""
        key = keys.team_keys(team_id).team
        reply = await self._executor.call("HMGET", key, "version", "document", deadline=deadline)
        match reply:
            case [bytes(version), bytes(document)] if version.isdigit():
                digest = blake2b(document, digest_size=16).digest()
                known = self._cache.get(team_id)
                if known is not None and known[0] == digest and known[1].version == int(version):
                    return known[1]
                found = VersionedTeam(int(version), team_from_json(document.decode()))
            case [None, None]:
                self._cache.pop(team_id, None)
                return None
            case _:
                raise Corrupt(f"version or document of team {team_id} is in no known shape")
        self._cache[team_id] = digest, found
        if len(self._cache) > self._teams_max:
            self._cache.popitem(last=False)
        return found


def team_to_json(team: Team) -> str:
    """The document: names as in domain.team, enums by value.

    Raises ValueError for a seat id that reservation ids could not carry.
    """
    _refuse_seat_ids(team)
    return json.dumps(
        {
            "team_id": team.team_id,
            "name": team.name,
            "is_default": team.is_default,
            "members": [
                {
                    "user_id": m.user_id,
                    "role": m.role.value,
                    "credits_access": m.credits_access,
                    "removed_ms": m.removed_ms,
                }
                for m in team.members
            ],
            "seats": [
                {
                    "seat_id": s.seat_id,
                    "plan_id": s.plan_id,
                    "purchased_ms": s.purchased_ms,
                    "user_id": s.user_id,
                    "cycle_start_ms": s.cycle_start_ms,
                    "paid_until_ms": s.paid_until_ms,
                    "renews": s.renews,
                }
                for s in team.seats
            ],
            "keys": [
                {
                    "key_id": k.key_id,
                    "kind": k.kind.value,
                    "user_id": k.user_id,
                    "secret_hash": k.secret_hash,
                    "state": k.state.value,
                    "ended_ms": k.ended_ms,
                }
                for k in team.keys
            ],
        },
        separators=(",", ":"),
    )


def team_from_json(text: str) -> Team:
    """The team that a document describes; a document of another shape is Corrupt."""
    try:
        document: dict[str, Any] = json.loads(text)
        team = Team(
            team_id=document["team_id"],
            name=document["name"],
            is_default=document["is_default"],
            members=tuple(
                Member(
                    user_id=m["user_id"],
                    role=Role(m["role"]),
                    credits_access=m["credits_access"],
                    removed_ms=m.get("removed_ms"),
                )
                for m in document["members"]
            ),
            seats=tuple(Seat(**seat) for seat in document["seats"]),
            keys=tuple(
                Key(
                    key_id=k["key_id"],
                    kind=KeyKind(k["kind"]),
                    user_id=k["user_id"],
                    secret_hash=k["secret_hash"],
                    state=KeyState(k["state"]),
                    ended_ms=k.get("ended_ms"),
                )
                for k in document["keys"]
            ),
        )
        _refuse_seat_ids(team)
    except (KeyError, TypeError, ValueError) as error:
        raise Corrupt(f"a team document cannot be read: {error!r}") from error
    return team


def _refuse_seat_ids(team: Team) -> None:
    for seat in team.seats:
        if not SEAT_ID.fullmatch(seat.seat_id):
            text = f"seat id {seat.seat_id!r}: 1 to 22 letters, digits, hyphens and underscores"
            raise ValueError(text)

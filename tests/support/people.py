"""Teams of several people, spelled shortly."""

from __future__ import annotations

from quotasvc.domain.api_key import make_api_key, secret_hash
from quotasvc.domain.team import Key, KeyKind, KeyState, Member, Role, Seat, Team
from tests.support.quota import SECRETS, TEAM


def member(user_id: str, role: Role = Role.READER, *, access: bool = True) -> Member:
    """A member, with access to the team's Credits unless said otherwise."""
    return Member(user_id=user_id, role=role, credits_access=access)


def seat(seat_id: str, user_id: str | None, plan: str = "plus", purchased_ms: int = 0) -> Seat:
    """A seat, and who holds it."""
    return Seat(seat_id=seat_id, plan_id=plan, purchased_ms=purchased_ms, user_id=user_id)


def key(
    number: int,
    user_id: str,
    *,
    payg: bool = False,
    state: KeyState = KeyState.ACTIVE,
    team_id: str = TEAM,
) -> Key:
    """Key k<number> of a member, whose secret is the same for the same number."""
    kind = KeyKind.PAYG if payg else KeyKind.SUBSCRIPTION
    key_id = f"{team_id}_k{number}"
    secret = make_api_key(kind, key_id, key_id.encode().ljust(32, b".")).secret
    return Key(
        key_id=key_id,
        kind=kind,
        user_id=user_id,
        secret_hash=secret_hash(secret, SECRETS),
        state=state,
    )


def team(
    members: tuple[Member, ...],
    *,
    seats: tuple[Seat, ...] = (),
    keys: tuple[Key, ...],
    team_id: str = TEAM,
) -> Team:
    """A team that is not anybody's default one."""
    return Team(
        team_id=team_id, name="Acme", is_default=False, members=members, seats=seats, keys=keys
    )

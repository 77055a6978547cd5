"""What histories are drawn from: requests, waits, seats, team documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from quotasvc.domain.team import Key, KeyKind, KeyState, Member, Role, Seat, Team
from tests.model.policy import AMOUNT_MAX
from tests.model.world import START_MS
from tests.support.clock import DAY, HOUR, MINUTE, SECOND
from tests.support.people import key
from tests.support.quota import TEAM

PLANS = ("split", "strict", "absorb", "charge", "deny", "max", "old")
KEYS = (1, 1, 1, 2, 2, 3, 4)  # ann owner, bob reader, cleo admin; 4 is bob's pay-as-you-go key
UNITS = {
    "text/a": ("output_tokens", "input_tokens", "cache_read_tokens"),
    "text/tiered": ("input_tokens", "output_tokens"),
    "image/a": ("images",),
    "song/a": ("songs",),
    "video/a": ("clips",),
    "video/b": ("clips",),
    "music/free": ("songs",),
    "vlm/a": ("requests",),
    "voice/clone": ("characters",),
    "draft/a": ("input_tokens", "output_tokens"),
}
MOST = {"text/a": 90, "text/tiered": 60, "image/a": 8, "song/a": 4, "video/a": 3, "video/b": 4}
RESOURCES = (*["text/a"] * 5, *["text/tiered"] * 3, *["image/a"] * 2, "song/a", "video/a")
OTHERS = ("video/b", "draft/a", "music/free", "vlm/a", "vlm/a", "voice/clone", "no/such")

STATES = ("HELD", "COMMITTED", "RELEASED", "EXPIRED")

resources = st.sampled_from((*RESOURCES, *OTHERS))
attributes = st.sampled_from(
    (
        {},
        {},
        {},
        {"size": "small"},
        {"size": "large"},
        {"service_tier": "priority"},
        {"size": "huge"},
    )
)
holds = st.sampled_from((None, None, SECOND, 20 * SECOND, MINUTE, 5 * MINUTE, HOUR))
waits = st.sampled_from(
    (
        *(1, 499, 500, SECOND, 10 * SECOND, 30 * SECOND, MINUTE, MINUTE + 1, 5 * MINUTE),
        *(10 * MINUTE, 20 * MINUTE, HOUR, 3 * HOUR, 5 * HOUR, DAY),
    )
)
steps_back = st.sampled_from((-1, -SECOND, -20 * SECOND, -30 * SECOND, -31 * SECOND, -HOUR, -DAY))


@st.composite
def usages(draw: st.DrawFn, resource: str) -> dict[str, int]:
    """Some of the units of a resource, some of them 0; seldom one that it does not measure, or
    more than anybody could pay."""
    odd = draw(st.integers(0, 40))
    if odd == 1:
        return {UNITS.get(resource, ("requests",))[0]: AMOUNT_MAX}
    if odd == 0:
        return {"clips" if resource != "video/a" else "songs": 1}
    most = MOST.get(resource, 5)
    units = UNITS.get(resource, ("requests",))
    wanted = draw(st.lists(st.sampled_from(units), max_size=len(units), unique=True))
    return {unit: draw(st.integers(0, most)) for unit in sorted(wanted)}


@st.composite
def asks(draw: st.DrawFn) -> dict[str, Any]:
    """A request, without its id."""
    resource = draw(resources)
    return {
        "key_id": f"{TEAM}_k{draw(st.sampled_from(KEYS))}",
        "resource": resource,
        "usage": draw(usages(resource)),
        "attributes": draw(attributes) if resource in ("video/b", "text/tiered", "draft/a") else {},
        "hold_ms": draw(holds),
        "mode": "NORMAL",
    }


@st.composite
def seats(draw: st.DrawFn, now_ms: int, cycle_ms: int) -> tuple[Seat, ...]:
    """Three seats and who holds them; some end soon, some were bought long ago."""
    users: list[str | None] = ["ann", "bob", "cleo", None]
    made = []
    for number in range(3):
        user = draw(st.sampled_from(users))
        if user is not None:
            users.remove(user)
        ends = draw(st.sampled_from((None, None, HOUR, 3 * DAY)))
        made.append(
            Seat(
                seat_id=f"s{number}",
                plan_id=draw(st.sampled_from(PLANS)),
                purchased_ms=draw(st.sampled_from((0, START_MS))),
                user_id=user,
                cycle_start_ms=cycle_ms,
                paid_until_ms=None if ends is None else now_ms + ends,
                renews=draw(st.booleans()),
            )
        )
    return tuple(made)


@st.composite
def documents(draw: st.DrawFn, now_ms: int, cycle_ms: int) -> Team:
    """The team of four keys, as anything the control plane could make of it."""
    access = st.sampled_from((True, True, True, False))
    is_removed = draw(st.integers(0, 9)) == 0
    states = st.sampled_from((KeyState.ACTIVE,) * 12 + (KeyState.DISABLED, KeyState.DELETED))
    members = (
        Member(user_id="ann", role=Role.OWNER, credits_access=draw(access)),
        Member(user_id="bob", role=Role.READER, credits_access=draw(access)),
        Member(
            user_id="cleo",
            role=Role.ADMIN,
            credits_access=draw(access),
            removed_ms=now_ms if is_removed else None,
        ),
    )
    people = (("ann", False), ("bob", False), ("cleo", False), ("bob", True))
    return Team(
        team_id=TEAM,
        name="Acme",
        is_default=False,
        members=members,
        seats=draw(seats(now_ms, cycle_ms)),
        keys=tuple(
            key_of(number, user, draw(states), now_ms, is_payg=is_payg)
            for number, (user, is_payg) in enumerate(people, start=1)
        ),
    )


def key_of(number: int, user: str, state: KeyState, now_ms: int, *, is_payg: bool) -> Key:
    made = key(number, user, payg=is_payg, state=state)
    return Key(
        key_id=made.key_id,
        kind=KeyKind.PAYG if is_payg else KeyKind.SUBSCRIPTION,
        user_id=user,
        secret_hash=made.secret_hash,
        state=state,
        ended_ms=None if state is KeyState.ACTIVE else now_ms,
    )


def team_on(plan_id: str, now_ms: int, cycle_ms: int, *, has_seat: bool = True) -> Team:
    """The same team with nothing in its way: keys that work, access, ann and bob on a plan."""
    users = ("ann", "bob", None) if has_seat else (None, None, None)
    people = (("ann", False), ("bob", False), ("cleo", False), ("bob", True))
    return Team(
        team_id=TEAM,
        name="Acme",
        is_default=False,
        members=tuple(
            Member(user_id=user, role=role, credits_access=True)
            for user, role in (("ann", Role.OWNER), ("bob", Role.READER), ("cleo", Role.ADMIN))
        ),
        seats=tuple(
            Seat(
                seat_id=f"s{number}",
                plan_id=plan_id,
                purchased_ms=START_MS,
                user_id=user,
                cycle_start_ms=cycle_ms,
                paid_until_ms=None,
                renews=True,
            )
            for number, user in enumerate(users)
        ),
        keys=tuple(
            key_of(number, user, KeyState.ACTIVE, now_ms, is_payg=is_payg)
            for number, (user, is_payg) in enumerate(people, start=1)
        ),
    )


def changed(team: Team, what: str, now_ms: int) -> Team:
    """The team after one thing has happened to ann."""
    ann, *members = team.members
    seat, other, *seats = team.seats
    first, *keys = team.keys
    if what == "access off":
        ann = replace(ann, credits_access=False)
    elif what == "holder":
        seat, other = replace(seat, user_id=other.user_id), replace(other, user_id=seat.user_id)
    elif what.startswith("key"):
        state = KeyState.DELETED if what == "key deleted" else KeyState.DISABLED
        first = replace(first, state=state, ended_ms=now_ms)
    return replace(team, members=(ann, *members), seats=(seat, other, *seats), keys=(first, *keys))

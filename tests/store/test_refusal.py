"""Refusals that no script decides: of keys, resources, coverage and mistakes in the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from quotasvc.domain.api_key import make_api_key
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Conflict, InvalidArgument, Unavailable
from quotasvc.domain.outcome import Allowed, DenialReason, Denied
from quotasvc.domain.reservation import ReservationId
from quotasvc.domain.team import KeyKind, KeyState
from quotasvc.domain.unit import Usage
from quotasvc.store.answer import Answer
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, catalog
from tests.support.clock import DAY, SECOND, Clock
from tests.support.people import key, member, seat, team
from tests.support.quota import OWNER_KEY, SECRETS, TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

FORGED = make_api_key(KeyKind.SUBSCRIPTION, OWNER_KEY, b"another-entropy-of-32-bytes-long")
SKEW_MS = 30 * SECOND
WRONG_SECRET = {"key_id": None, "api_key": FORGED.text}


async def reported(quota: Quota, **changes: Any) -> Denied:
    """A report that is denied, after which nothing has moved (SEM-6)."""
    before = await quota.dump()
    answer = await quota.decisions.record_usage(quota.report(5, **changes), quota.deadline)
    assert isinstance(answer, Denied)
    assert await quota.dump() == before
    return answer


# With the team's counter.


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (WRONG_SECRET, DenialReason.KEY_INVALID),
        ({"key_id": f"{TEAM}_k9"}, DenialReason.KEY_INVALID),
        ({"resource": "nothing"}, DenialReason.UNKNOWN_RESOURCE),
        ({"resource": "voice/clone"}, DenialReason.NOT_COVERED),
    ],
)
async def test_an_early_denial_names_the_teams_seq(
    quota: Quota, changes: dict[str, Any], reason: DenialReason
) -> None:
    """SEM-39: `seq` is in every reply."""
    # given a team in which something has moved
    await quota.team()
    seq = (await quota.reserve(1)).seq
    # when it is denied without a look at any balance
    for denied in (await quota.denied(1, **changes), await reported(quota, **changes)):
        # then its counter is shown
        assert (denied.denial.reason, denied.seq) == (reason, seq)


@pytest.mark.parametrize("key_id", [None, "", "nobody_k1"])
async def test_a_denial_has_no_seq_where_there_is_no_team(quota: Quota, key_id: str | None) -> None:
    """SEM-39."""
    await quota.team()
    denied = await quota.denied(1, key_id=key_id)
    assert (denied.denial.reason, denied.seq) == (DenialReason.KEY_INVALID, 0)


# In the order of the checks.


@pytest.mark.parametrize("state", [KeyState.ACTIVE, KeyState.DELETED])
async def test_who_has_no_key_learns_nothing_about_ids(quota: Quota, state: KeyState) -> None:
    """SEM-44: the secret is verified before the old reservation is looked at."""
    # given a reservation of the team, one of another, and one that somebody made up
    await quota.team(state=KeyState.ACTIVE)
    genuine = (await quota.reserve(1)).reservation_id
    foreign = _of_another_team(genuine)
    await quota.team(state=state)
    # when a report with a wrong secret names them, or a key that does not exist
    for changes in (WRONG_SECRET, {"key_id": f"{TEAM}_k9"}, {"key_id": "nobody"}):
        answers = {
            (await reported(quota, reservation_id=old, **changes)).denial
            for old in (genuine, foreign, genuine[:-1] + "?", "made-up")
        }
        # then all of them are answered alike
        assert [denial.reason for denial in answers] == [DenialReason.KEY_INVALID]


def _of_another_team(reservation_id: str) -> str:
    rid = ReservationId.verify(reservation_id, SECRETS.mac_key)
    assert rid is not None
    return replace(rid, team_id="other").sign(SECRETS.mac_key)


# By the store's clock.


MISTAKES: dict[str, dict[str, Any]] = {
    "unknown": {"resource": "nothing"},
    "not covered": {"resource": "voice/clone"},
    "unmeasured": {"usage": Usage.of(images=1)},
}


@pytest.mark.parametrize("by_ms", [SKEW_MS + 1, -SKEW_MS - 1])
@pytest.mark.parametrize("mistake", [*MISTAKES, "disabled", "nothing to pay with"])
async def test_clocks_that_differ_too_much_stop_refusals_too(
    executor: Executor, clock: Clock, mistake: str, by_ms: int
) -> None:
    """SEM-37."""
    # given a service whose clock is more than 30 s off, and what it would refuse
    good, bad = Quota(executor, clock), Quota(executor, lambda: clock() + by_ms)
    state = KeyState.DISABLED if mistake == "disabled" else KeyState.ACTIVE
    await good.team(plan=None, access=mistake != "nothing to pay with", state=state)
    changes = MISTAKES.get(mistake, {})
    before = await good.dump()
    # when it is asked, then it says so, and nothing moves
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: bad.decide(bad.ask(1, **changes)),
        lambda: bad.decide(bad.ask(1, request_id="", check_only=True, **changes)),
    ]
    if mistake != "nothing to pay with":  # what has happened is written off
        calls.append(lambda: bad.record(1, **changes))
    for call in calls:
        with pytest.raises(Unavailable) as refused:
            await call()
        assert refused.value.reason == "CLOCK_SKEW"
    assert await good.dump() == before


@pytest.mark.parametrize("by_ms", [SKEW_MS, -SKEW_MS])
async def test_a_refusal_is_given_within_the_bound(
    executor: Executor, clock: Clock, by_ms: int
) -> None:
    """SEM-37."""
    quota = Quota(executor, lambda: clock() + by_ms)
    await quota.team()
    assert (await quota.denied(1, resource="nothing")).denial.reason is (
        DenialReason.UNKNOWN_RESOURCE
    )


async def test_secret_and_record_come_before_the_clock(executor: Executor, clock: Clock) -> None:
    """SEM-35, SEM-44."""
    # given a key that has been switched off since it was used, and a clock that is far off
    good, bad = Quota(executor, clock), Quota(executor, lambda: clock() + SKEW_MS + 1)
    await good.team()
    first = await good.reserve(1, request_id="known")
    await good.team(state=KeyState.DISABLED)
    # then a wrong secret is wrong, and what is known is answered again
    denial = (await bad.denied(1, request_id="known", **WRONG_SECRET)).denial
    assert denial.reason is DenialReason.KEY_INVALID
    again = await bad.decide(bad.ask(1, request_id="known"))
    assert isinstance(again, Allowed)
    assert (again.replayed, again.reservation_id) == (True, first.reservation_id)
    # or is the conflict that it would be at any time
    with pytest.raises(Conflict):
        await bad.decide(bad.ask(2, request_id="known"))


@pytest.mark.parametrize("by_ms", [SKEW_MS, -SKEW_MS])
async def test_a_seat_ends_by_the_stores_clock(
    executor: Executor, clock: Clock, by_ms: int
) -> None:
    """SEM-37, SEM-42: nobody else could pay."""
    # given a seat that ends, and a service whose clock is on the other side of its end
    quota = Quota(executor, lambda: clock() + by_ms)
    paid_until_ms = clock() + (1 if by_ms > 0 else 0)
    ends = replace(seat("s1", "ann"), paid_until_ms=paid_until_ms, renews=False)
    people = (member("ann", access=False),)
    await quota.put(team(people, seats=(ends,), keys=(key(1, "ann"),)))
    # then the seat pays until the store's clock is there, and not beyond
    if by_ms > 0:
        assert isinstance(await quota.decide(quota.ask(1)), Allowed)
    else:
        assert (await quota.denied(1)).denial.reason is DenialReason.NO_RESOURCES


@pytest.mark.parametrize("by_ms", [SKEW_MS, -SKEW_MS])
@pytest.mark.parametrize("is_removed", [False, True])
async def test_a_key_that_ended_is_good_for_a_day_by_the_stores_clock(
    executor: Executor, clock: Clock, by_ms: int, is_removed: bool
) -> None:
    """SEM-34, SEM-37."""
    # given a key that ended nearly or exactly a day ago, and a clock that sees it otherwise
    quota = Quota(executor, lambda: clock() + by_ms)
    ended_ms = clock() - DAY + (1 if by_ms > 0 else 0)
    who, one = member("ann"), key(1, "ann")
    if is_removed:
        who = replace(who, removed_ms=ended_ms)
    else:
        one = replace(one, state=KeyState.DISABLED, ended_ms=ended_ms)
    await quota.put(team((who,), keys=(one,)))
    # then it is good for less than a day by the store's clock
    if by_ms > 0:
        await quota.record(5)
    else:
        assert (await reported(quota)).denial.reason is DenialReason.KEY_DISABLED


@pytest.mark.parametrize("by_ms", [SECOND, -SECOND])
async def test_a_price_is_in_force_by_the_stores_clock(
    executor: Executor, clock: Clock, conserved: list[Catalog], by_ms: int
) -> None:
    """SEM-2a, SEM-37."""
    # given a price that ends now, or begins, and a service that sees it otherwise
    text = catalog().resources["text/a"]
    edges: dict[str, Any] = {"until_ms": clock() + 1} if by_ms > 0 else {"from_ms": clock()}
    dated = replace(text, rows=tuple(replace(row, **edges) for row in text.rows))
    policy = catalog(version="dated001")
    resources = MappingProxyType({**policy.resources, "text/a": dated})
    policy = replace(policy, resources=resources)
    conserved.append(policy)
    quota = Quota(executor, lambda: clock() + by_ms, policy)
    await quota.team()
    # then the store's clock decides
    assert (await quota.reserve(10)).cost_nanos == 10 * CREDIT
    if by_ms > 0:
        clock.advance(1)
        with pytest.raises(InvalidArgument) as refused:
            await quota.reserve(10)
        assert refused.value.reason == "UNPRICED_USAGE"


# Of the team as it is.


async def test_a_refusal_of_a_team_that_keeps_changing_is_given_up(
    quota: Quota, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEM-16: three recompiles, then UNAVAILABLE."""
    # given a team that is changed whenever somebody is to be refused
    people = await quota.team(state=KeyState.DISABLED)
    confirm, asked = quota.store.confirm, []

    async def change_and_confirm(*words: Any) -> Answer:
        asked.append(await quota.put(people))
        return await confirm(*words)

    monkeypatch.setattr(quota.store, "confirm", change_and_confirm)
    # then it is given up
    with pytest.raises(Unavailable) as refused:
        await quota.decide(quota.ask(1))
    assert (refused.value.reason, len(asked)) == ("CHANGING", 4)

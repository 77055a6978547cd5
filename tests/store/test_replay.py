"""The same request again: the first answer, the present state, and nothing moves (SEM-35, 36)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Conflict, InvalidArgument, Unavailable
from quotasvc.domain.outcome import Allowed, DenialReason, Denied
from quotasvc.domain.reservation import State
from quotasvc.domain.team import KeyState
from quotasvc.domain.unit import Usage
from quotasvc.planes.ask import Ask
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, PLANS, catalog
from tests.support.clock import HOUR, MINUTE, Clock
from tests.support.people import key, member, seat, team
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")


async def replayed(quota: Quota, ask: Ask) -> Allowed:
    """The answer to a request that is known, which moves nothing."""
    before = await quota.dump()
    answer = await quota.decide(ask)
    assert isinstance(answer, Allowed), answer
    assert answer.replayed
    assert await quota.dump() == before
    return answer


async def test_the_same_request_gets_the_first_answer_again(quota: Quota, clock: Clock) -> None:
    # given a hold over plan and lot
    await quota.team()
    await quota.grant("lot", 50)
    ask = quota.ask(120, request_id="same")
    first = await quota.reserve(120, request_id="same")
    # when it comes again, a minute and another request later
    clock.advance(MINUTE)
    await quota.reserve(5)
    again = await replayed(quota, ask)
    # then everything that was decided is the same (SEM-35)
    assert again == replace(first, replayed=True, limits=())


async def test_a_replay_tells_the_present_state(quota: Quota, clock: Clock) -> None:
    # given three holds
    await quota.team()
    asks = [quota.ask(10, request_id=name) for name in ("c", "r", "e")]
    committed, released, expired = [await quota.reserve(10, request_id=a.request_id) for a in asks]
    # when they come to different ends
    await quota.commit(committed, 3)
    await quota.refund(released)
    clock.advance(10 * MINUTE)
    # then each replay says which, with the legs of the reserve
    answers = [await replayed(quota, ask) for ask in asks]
    assert [answer.state for answer in answers] == [State.COMMITTED, State.RELEASED, State.EXPIRED]
    assert {answer.legs[0].nanos for answer in answers} == {10 * CREDIT}
    assert expired.state is State.HELD


async def test_a_replay_after_a_release_says_nothing_of_what_that_found(
    quota: Quota, clock: Clock
) -> None:
    """SEM-35: the first answer again. SEM-15, SEM-49: the release says that the window was gone."""
    # given images of yesterday, whose hold is released today
    await quota.team()
    clock.advance(17 * HOUR - MINUTE)
    ask = quota.ask(resource="image/a", usage=Usage.of(images=4))
    first = await quota.decide(ask)
    assert isinstance(first, Allowed)
    clock.advance(2 * MINUTE)
    released = (await quota.refund(first)).released
    assert [leg.window_gone for leg in released] == [True]
    # when the request comes again
    again = await replayed(quota, ask)
    # then its legs are those of the first answer, and who looks sees what became of them
    assert again == replace(first, replayed=True, limits=(), state=State.RELEASED)
    found = await quota.decisions.get_reservation(first.reservation_id, quota.deadline)
    assert found.held_legs == released


@pytest.mark.parametrize("state", [KeyState.DISABLED, KeyState.DELETED])
async def test_a_replay_stands_above_the_state_of_the_key(
    quota: Quota, make_quota: Callable[[], Quota], state: KeyState
) -> None:
    # given a hold whose key is switched off or deleted afterwards
    await quota.team()
    first = await quota.reserve(10, request_id="same")
    await quota.team(state=state)
    # then every replica still gives the first answer to its retry, and no other
    for replica in (quota, make_quota()):
        again = await replayed(replica, quota.ask(10, request_id="same"))
        assert again.reservation_id == first.reservation_id
        with pytest.raises(Conflict):
            await replica.decide(quota.ask(11, request_id="same"))
        assert isinstance(await replica.decide(quota.ask(10)), Denied)


async def test_a_replay_stands_above_the_end_of_seat_access_and_membership(quota: Quota) -> None:
    # given a hold of a member with everything
    await quota.team()
    first = await quota.reserve(10, request_id="same")
    # when seat and access go, and then the member
    await quota.team(plan=None, access=False)
    assert (await replayed(quota, quota.ask(10, request_id="same"))).legs == first.legs
    await quota.put(team((member("bob"),), keys=(key(1, "ann"),)))
    assert (await replayed(quota, quota.ask(10, request_id="same"))).legs == first.legs


async def test_the_secret_is_verified_even_for_a_replay(quota: Quota) -> None:
    # given a hold
    await quota.team()
    await quota.reserve(10, request_id="same")
    # when its request comes with a key that is nearly right
    api_key = quota.api_key().text[:-1] + "x"
    denied = await quota.denied(10, request_id="same", key_id=None, api_key=api_key)
    # then it is no replay
    assert denied.denial.reason is DenialReason.KEY_INVALID


async def test_a_replay_survives_another_catalog(
    executor: Executor, clock: Clock, quota: Quota
) -> None:
    # given a hold under one catalog
    await quota.team()
    ask = quota.ask(10, request_id="same")
    first = await quota.decide(ask)
    assert isinstance(first, Allowed)
    # when a newer catalog neither knows the resource nor the plan's order
    other = replace(catalog(version="newer001"), resources={}, plans={PLANS[1].plan_id: PLANS[1]})
    newer = Quota(executor, clock, other)
    with pytest.raises(Unavailable) as refused:
        await newer.decide(ask)
    # then the answer waits for the version that decided (SEM-2)
    assert refused.value.reason == "CATALOG_UNAVAILABLE"
    # and once the store has that version's text it is the first answer again
    await newer.catalogs._store.keep(catalog(), newer.deadline)
    again = await replayed(newer, ask)
    assert (again.legs, again.catalog_version) == (first.legs, "testtest")
    # and the reservation is settled by it
    committed = await newer.commit(again, 7)
    assert committed.actual_nanos == 7 * CREDIT


async def test_a_replay_stands_above_a_unit_that_is_measured_no_more(
    executor: Executor, clock: Clock, quota: Quota
) -> None:
    # given a hold, and a newer catalog that does not measure its unit (SEM-44)
    await quota.team()
    ask = quota.ask(10, request_id="same")
    first = await quota.reserve(10, request_id="same")
    text = replace(catalog().resources["text/a"], measures=("requests", "input_tokens"))
    other = replace(catalog(version="newer001"), resources={**catalog().resources, "text/a": text})
    newer = Quota(executor, clock, other)
    await newer.catalogs._store.keep(catalog(), newer.deadline)
    # then a new request is at fault, and the known one is answered
    with pytest.raises(InvalidArgument):
        await newer.decide(newer.ask(10, request_id="new"))
    assert (await replayed(newer, ask)).legs == first.legs


async def test_a_replay_needs_no_price(quota: Quota, clock: Clock) -> None:
    # given a request that would be at fault now: its record stands above that (SEM-44)
    await quota.team()
    await quota.reserve(10, request_id="same")
    before = await quota.dump()
    with pytest.raises(Conflict):
        await quota.decide(quota.ask(request_id="same", usage=Usage.of(images=1)))
    assert await quota.dump() == before


# Other content.


@pytest.mark.parametrize(
    "change",
    [
        {"resource": "clip/tiered"},
        {"resource": "no/such"},
        {"usage": Usage.of(output_tokens=11)},
        {"usage": Usage.of(output_tokens=10, input_tokens=0)},  # a sent zero is content
        {"usage": Usage.of(output_tokens=10, requests=1)},
        {"attributes": (("a", "b"),)},
        {"hold_ms": 60_001},
        {"hold_ms": None},
        {"key_id": "acme_k2"},
    ],
    ids=str,
)
@pytest.mark.parametrize("check_only", [False, True])
async def test_other_content_under_a_known_id_is_a_conflict(
    quota: Quota, change: dict[str, Any], *, check_only: bool
) -> None:
    # given a known request
    await quota.put(
        team((member("ann"),), seats=(seat("s1", "ann"),), keys=(key(1, "ann"), key(2, "ann")))
    )
    ask = replace(quota.ask(10, request_id="same"), hold_ms=60_000)
    assert isinstance(await quota.decide(ask), Allowed)
    before = await quota.dump()
    # when anything about it differs, also in a mere check (SEM-50)
    other = replace(ask, check_only=check_only, **change)
    with pytest.raises(Conflict) as refused:
        await quota.decide(other)
    # then it is refused, and nothing has changed
    assert refused.value.reason == "REQUEST_ID_CONFLICT"
    assert await quota.dump() == before


async def test_a_key_is_the_same_however_it_is_presented(quota: Quota) -> None:
    # given a request with the key's text
    await quota.team()
    ask = quota.ask(10, request_id="same", key_id=None, api_key=quota.api_key().text)
    assert isinstance(await quota.decide(ask), Allowed)
    # then the key's id is the same content
    await replayed(quota, quota.ask(10, request_id="same"))


async def test_a_denial_is_not_recorded(quota: Quota) -> None:
    # given a denied request
    await quota.team(plan=None)
    assert isinstance(await quota.decide(quota.ask(10, request_id="same")), Denied)
    # when there are Credits
    await quota.grant("lot", 10)
    # then the same id is admitted, as a first answer
    assert not (await quota.reserve(10, request_id="same")).replayed


async def test_request_ids_are_per_team(quota: Quota) -> None:
    # given the same id in two teams
    await quota.team()
    other = team(
        (member("ann"),),
        seats=(seat("s1", "ann"),),
        keys=(key(1, "ann", team_id="beta"),),
        team_id="beta",
    )
    await quota.control.put_team(other, 0, quota.deadline)
    first = await quota.reserve(10, request_id="same")
    second = await quota.reserve(20, request_id="same", key_id="beta_k1")
    # then they are two requests
    assert not second.replayed
    assert first.reservation_id != second.reservation_id


async def test_a_foreign_team_cannot_see_a_request(quota: Quota) -> None:
    await quota.team()
    reservation = await quota.reserve(10, request_id="same")
    assert reservation.reservation_id.split(".")[1] == "acme"


async def test_fifty_callers_with_one_id_make_one_hold(quota: Quota) -> None:
    # given a request that fifty retries send at the same time
    await quota.team()
    ask = quota.ask(10, request_id="same")
    # when all are decided
    answers = await asyncio.gather(*(quota.decide(ask) for _ in range(50)))
    # then one of them made the hold, and all got its answer
    allowed = [answer for answer in answers if isinstance(answer, Allowed)]
    assert len(allowed) == 50
    assert len({answer.reservation_id for answer in allowed}) == 1
    assert [answer.replayed for answer in allowed].count(False) == 1
    assert await quota.window() == (0, 10)


async def test_the_catalog_that_decided_is_loaded_once(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    # given a store that has the text of an older version
    quota = Quota(executor, clock, catalog(version="newer001"))
    await quota.catalogs._store.keep(catalog(), quota.deadline)
    # when it is asked for twice
    first = await quota.catalogs.get("testtest", quota.deadline)
    # then the second time it is at hand
    assert await quota.catalogs.get("testtest", quota.deadline) is first

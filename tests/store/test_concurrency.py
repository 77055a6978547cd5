"""Many at once: what is admitted together never exceeds what there is (SEM-5, SEM-6)."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from quotasvc.domain.faults import FailedPrecondition
from quotasvc.domain.outcome import Allowed, Committed, Denied, Refunded
from quotasvc.planes.ask import Ask
from tests.support.catalogs import CREDIT
from tests.support.clock import MINUTE, Clock
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")


async def all_at_once(quota: Quota, asks: list[Ask]) -> list[Allowed]:
    """Sends all requests in one moment; those that are allowed."""
    answers = await asyncio.gather(*(quota.decide(ask) for ask in asks))
    assert all(isinstance(answer, Allowed | Denied) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Allowed)]


async def test_64_callers_on_a_nearly_empty_seat_get_what_is_left(quota: Quota) -> None:
    # given a window with room for 10
    await quota.team(access=False)
    await quota.commit(await quota.reserve(90))
    # when 64 ask for 3 each
    allowed = await all_at_once(quota, [quota.ask(3) for _ in range(64)])
    # then three of them fit
    assert len(allowed) == 3
    assert await quota.window() == (90, 9)


async def test_64_callers_on_a_nearly_empty_pool_get_what_is_left(quota: Quota) -> None:
    # given a pool of 10 in small lots
    await quota.team(plan=None)
    for number in range(5):
        await quota.grant(f"lot{number}", 2)
    # when 64 ask for 3 each
    allowed = await all_at_once(quota, [quota.ask(3) for _ in range(64)])
    # then three of them fit, over shared lots
    assert len(allowed) == 3
    assert sum((await quota.available()).values()) == 1


async def test_20_callers_of_75_on_500_are_6(quota: Quota) -> None:
    # given a plan of 500 and no Credits
    await quota.team(plan="max", access=False)
    allowed = await all_at_once(quota, [quota.ask(75) for _ in range(20)])
    assert len(allowed) == 6
    assert await quota.window() == (0, 450)


async def test_callers_who_split_share_seat_and_pool_to_the_last_nano(quota: Quota) -> None:
    # given 100 of a plan and 50 of a pool
    await quota.team()
    await quota.grant("lot", 50)
    # when 64 ask for 7 each
    allowed = await all_at_once(quota, [quota.ask(7) for _ in range(64)])
    # then 21 fit, one of them over both
    assert len(allowed) == 21
    held = sum(leg.nanos for answer in allowed for leg in answer.legs)
    assert held == 147 * CREDIT
    assert [len(answer.legs) for answer in allowed].count(2) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_commit_and_refund_of_one_hold_have_one_winner(quota: Quota, seed: int) -> None:
    # given a hold that is committed in two ways and released, all at once (SEM-26)
    await quota.team()
    reservation = await quota.reserve(50)
    calls = [
        quota.commit(reservation, 20),
        quota.commit(reservation, 30),
        quota.refund(reservation),
    ] * 1
    Random(seed).shuffle(calls)
    results = await asyncio.gather(*calls, return_exceptions=True)
    # then the first wins, and the others are told of it
    winners = [r for r in results if isinstance(r, Committed | Refunded)]
    losers = [r for r in results if isinstance(r, FailedPrecondition)]
    assert (len(winners), len(losers)) == (1, 2)
    reasons = {loser.reason for loser in losers}
    won_by_commit = isinstance(winners[0], Committed)
    assert reasons == {"ALREADY_COMMITTED" if won_by_commit else "ALREADY_RELEASED"}


async def test_fifty_refunds_of_one_charge_give_back_once(quota: Quota) -> None:
    # given a charge that is refunded under many ids at once
    await quota.team(plan=None)
    await quota.grant("lot", 100)
    reservation = await quota.reserve(40)
    await quota.commit(reservation)
    results = await asyncio.gather(
        *(quota.refund(reservation, f"f{number}") for number in range(50)), return_exceptions=True
    )
    # then one of them did it
    assert sum(isinstance(result, Refunded) for result in results) == 1
    assert await quota.available() == {"lot": 100}


async def test_a_team_that_changes_under_load_is_never_decided_by_an_old_version(
    quota: Quota,
) -> None:
    # given requests of a member without seat, while access is switched off
    await quota.team(plan=None)
    await quota.grant("lot", 100)
    await quota.reserve(1)
    before = [quota.decide(quota.ask(1)) for _ in range(10)]
    after = [quota.decide(quota.ask(1)) for _ in range(10)]
    answers = await asyncio.gather(*before, quota.team(plan=None, access=False), *after)
    # then those sent before it are allowed, and those sent after it are not
    assert [type(answer) for answer in answers[:10]] == [Allowed] * 10
    assert [type(answer) for answer in answers[11:]] == [Denied] * 10


async def test_many_who_find_the_same_expired_holds_all_get_their_turn(
    quota: Quota, clock: Clock
) -> None:
    # given a window full of holds whose time is over
    await quota.team(access=False)
    for _ in range(20):
        await quota.reserve(5)
    clock.advance(10 * MINUTE)
    # when 64 ask at once for 2 each
    allowed = await all_at_once(quota, [quota.ask(2) for _ in range(64)])
    # then they share the whole window
    assert len(allowed) == 50
    assert await quota.window() == (0, 100)

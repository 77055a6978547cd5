"""Rate limits: short windows of a team, which no payer can make up for (J1 … J3, SEM-19)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from quotasvc.domain.catalog import Catalog, PeakMode, RateLimit
from quotasvc.domain.outcome import Allowed, DenialReason, Denied, RemedyKind
from quotasvc.domain.reservation import Payer
from quotasvc.domain.team import Role
from quotasvc.domain.unit import AMOUNT_MAX, Usage
from quotasvc.store.executor import Executor
from tests.support.catalogs import CREDIT, price
from tests.support.clock import MINUTE, SECOND, Clock
from tests.support.exact import assert_exact
from tests.support.gates import gated, limit, row
from tests.support.people import key, member, seat, team
from tests.support.quota import Quota

RPM, TPM = "rate/text/rpm", "rate/text/tpm"
Make = Callable[..., Quota]


@pytest.fixture
def make(executor: Executor, clock: Clock, conserved: list[Catalog]) -> Make:
    """The service by a catalog with these rows."""

    def quota(*rows: RateLimit, mode: PeakMode = PeakMode.AUTO) -> Quota:
        made = gated(*rows, mode=mode)
        conserved.append(made)
        return Quota(executor, clock, made)

    return quota


async def test_requests_are_counted_one_by_one_whatever_their_units(
    make: Make, clock: Clock
) -> None:
    # given a limit of 3 requests a minute (SEM-52)
    quota = make(row("text", "text/a", "image/a", rpm=3))
    await quota.team()
    # when three requests of several units, and of several resources, are admitted
    await quota.reserve(50)
    await quota.reserve(usage=Usage.of(input_tokens=2, output_tokens=3, requests=7))
    answer = await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    assert limit(answer, RPM).used == 3
    # then a fourth is throttled, for a minute and at most one slice (R1)
    clock.advance(123)
    denied = await quota.denied(1)
    assert denied.denial.reason is DenialReason.RATE_LIMITED
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == 60_500 - 123


@pytest.mark.parametrize("way", ["commit", "refund", "expiry", "refund of a commit"])
async def test_nothing_returns_to_requests(make: Make, clock: Clock, way: str) -> None:
    # given one request a minute
    quota = make(row(rpm=1))
    await quota.team()
    reservation = await quota.reserve(5, hold_ms=SECOND)
    # when it ends, in any way
    if way == "expiry":
        clock.advance(SECOND)
        await quota.reap()
    elif way == "refund":
        await quota.refund(reservation)
    else:
        await quota.commit(reservation, 0 if way == "commit" else None)
        if way != "commit":
            await quota.refund(reservation, "f1")
    # then it has been admitted all the same (SEM-19)
    assert (await quota.denied(5)).denial.reason is DenialReason.RATE_LIMITED


async def test_neither_denials_nor_checks_nor_replays_are_counted(make: Make) -> None:
    # given two requests a minute, one of which is used
    quota = make(row(rpm=2))
    await quota.team(access=False)
    await quota.reserve(5, request_id="r")
    # when others are denied, looked at, or come again
    await quota.denied(101)
    check = await quota.reserve(5, request_id="", check_only=True)
    assert limit(check, RPM).used == 2
    assert (await quota.reserve(5, request_id="r")).replayed
    # then there is room for the second, and it is the last
    await quota.reserve(5)
    await quota.denied(5)


async def test_what_it_counts_leaves_slice_by_slice(make: Make, clock: Clock) -> None:
    # given three requests a minute, made 20 seconds apart
    quota = make(row(rpm=3))
    await quota.team()
    for _ in range(3):
        await quota.reserve(1)
        clock.advance(20 * SECOND)
    # then each makes room for one more a minute after it was made
    assert await assert_exact(quota, clock, await quota.denied(1), quota.ask(1)) == 500
    clock.advance(500)
    await quota.reserve(1)
    assert await assert_exact(quota, clock, await quota.denied(1), quota.ask(1)) == 20 * SECOND


async def test_two_rows_that_match_apply_both(make: Make, clock: Clock) -> None:
    # given a row for one resource and one for two (J3)
    quota = make(row("text", rpm=2), row("all", "text/a", "image/a", rpm=3))
    await quota.team()
    await quota.reserve(resource="image/a", usage=Usage.of(images=1))
    clock.advance(10 * SECOND)
    # when the narrow one is full, and then both
    first = await quota.reserve(1)
    assert [s.limit_id for s in first.limits[:2]] == [RPM, "rate/all/rpm"]
    await quota.reserve(1)
    denied = await quota.denied(1)
    # then both are named, and the time is that of the last to clear (D4)
    full = [o.limit_id for o in denied.denial.obstacles]
    assert full == [RPM, "rate/all/rpm"]
    resets = [o.reset_ms for o in denied.denial.obstacles]
    assert resets == [clock() + 60_500, clock() + 50_500]
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == 60_500
    # and the other resource waits for the wide one alone
    image = quota.ask(resource="image/a", usage=Usage.of(images=1))
    denied = await quota.denied(resource="image/a", usage=Usage.of(images=1))
    assert [o.limit_id for o in denied.denial.obstacles] == ["rate/all/rpm"]
    assert await assert_exact(quota, clock, denied, image) == 50_500


async def test_tokens_count_prompt_and_output_of_the_estimate(make: Make) -> None:
    # given a limit of 100 tokens a minute (SEM-2b)
    quota = make(row(tpm=100))
    await quota.team(plan="max")
    # when the output is not named, its estimate counts: 5 (SEM-13)
    answer = await quota.reserve(usage=Usage.of(input_tokens=30))
    assert limit(answer, TPM).used == 35
    answer = await quota.reserve(usage=Usage.of(input_tokens=30, output_tokens=20))
    assert limit(answer, TPM).used == 85
    # then a request of more than is left is throttled, and one of less is not
    denied = await quota.denied(16)
    [obstacle] = denied.denial.obstacles
    assert (obstacle.unit, obstacle.limit, obstacle.used, obstacle.remaining) == (
        "tokens",
        100,
        85,
        15,
    )
    await quota.reserve(15)


async def test_a_request_of_more_tokens_than_the_limit_never_passes(make: Make) -> None:
    quota = make(row(tpm=40))
    await quota.team()
    denied = await quota.denied(41)
    assert denied.denial.reason is DenialReason.RATE_LIMITED
    assert (denied.denial.retry_after_ms, denied.denial.obstacles[0].reset_ms) == (None, None)
    assert denied.denial.remedies == ()


@pytest.mark.parametrize("way", ["refund", "expiry", "refund of a commit", "late, as reserved"])
async def test_tokens_of_what_is_given_back_stay_counted(
    make: Make, clock: Clock, way: str
) -> None:
    # given a request of all tokens of a minute
    quota = make(row(tpm=50))
    await quota.team()
    reservation = await quota.reserve(50, hold_ms=SECOND)
    # when it is given back in any way
    if way in ("expiry", "late, as reserved"):
        clock.advance(SECOND)
        await quota.reap()
    if way == "late, as reserved":
        await quota.commit(reservation)
    elif way == "refund":
        await quota.refund(reservation)
    elif way == "refund of a commit":
        await quota.commit(reservation)
        await quota.refund(reservation, "f1")
    # then it keeps its tokens (SEM-52, R4)
    denied = await quota.denied(1)
    assert limit(denied, TPM).used == 50


async def test_tokens_return_no_more_once_their_slice_has_gone(make: Make, clock: Clock) -> None:
    # given a hold of 50 tokens whose minute is over, and 30 others since
    quota = make(row(tpm=50))
    await quota.team()
    reservation = await quota.reserve(50)
    clock.advance(MINUTE + 500)
    await quota.reserve(30)
    # when it turns out that nothing was used
    await quota.commit(reservation, 0)
    # then nothing leaves what others have used (SEM-19)
    assert limit(await quota.reserve(1), TPM).used == 31


async def test_tokens_beyond_the_estimate_may_pass_the_limit(make: Make, clock: Clock) -> None:
    # given a request that needs far more tokens than it said
    quota = make(row(tpm=50))
    await quota.team()
    reservation = await quota.reserve(10)
    clock.advance(MINUTE // 2)
    await quota.commit(reservation, 90)
    # then the next one waits until those have gone (R4): a minute after the commit
    denied = await quota.denied(1)
    status = limit(denied, TPM)
    assert (status.used, status.remaining, status.over) == (90, 0, 40)
    assert await assert_exact(quota, clock, denied, quota.ask(1)) == 60_500


@pytest.mark.parametrize("way", ["commit", "report"])
async def test_tokens_count_as_far_as_a_number_goes(
    executor: Executor, clock: Clock, conserved: list[Catalog], way: str
) -> None:
    """SEM-3, SEM-19, SEM-27, SEM-34: what nobody can count is no reason to refuse a charge."""
    # given a model whose input is free, and a request of which a minute is full already
    made = gated(row(tpm=50))
    text = made.resources["text/a"]
    free = replace(text, rows=(price(output_tokens=CREDIT, input_tokens=0),))
    made = replace(made, resources={**made.resources, "text/a": free})
    conserved.append(made)
    quota = Quota(executor, clock, made)
    await quota.team()
    reservation = await quota.reserve(10)
    # when as much is used as a client can say, twice
    usage = Usage.of(input_tokens=AMOUNT_MAX, output_tokens=7)
    if way == "commit":
        await quota.settle(reservation, usage)
    else:
        await quota.record(usage=usage)
    again = await quota.record(usage=usage)
    # then it is charged, and the minute is as full as it can be
    assert sum(leg.nanos for leg in again.committed.legs) == 7 * CREDIT
    assert limit(await quota.denied(1), TPM).used == AMOUNT_MAX
    # and it is over a minute later
    clock.advance(MINUTE + SECOND)
    assert limit(await quota.reserve(1), TPM).used == 1


async def test_a_late_commit_corrects_tokens_as_any_other(make: Make, clock: Clock) -> None:
    # given holds of 20 tokens that have expired (R4)
    quota = make(row(tpm=100))
    await quota.team()
    more, less = [await quota.reserve(20, hold_ms=SECOND) for _ in range(2)]
    clock.advance(SECOND)
    assert (await quota.commit(more, 35)).late
    assert (await quota.commit(less, 5)).late
    assert limit(await quota.reserve(1), TPM).used == 41


async def test_resources_without_tokens_are_not_held_up_by_them(make: Make) -> None:
    # given a row with tokens over a resource that has none, all used
    quota = make(row("text", "text/a", "image/a", tpm=10))
    await quota.team()
    await quota.reserve(10)
    # then it passes, and shows the limit all the same (R6)
    answer = await quota.reserve(resource="image/a", usage=Usage.of(images=1))
    assert limit(answer, TPM).used == 10


async def test_rates_hold_for_wallets_and_free_usage_alike(make: Make) -> None:
    # given a row over a priced and a free resource, and a wallet
    quota = make(row("text", "text/a", "music/free", rpm=2))
    await quota.team(payg=True)
    await quota.top_up_wallet(1_000)
    # when one of each was admitted (R1)
    assert [leg.payer for leg in (await quota.reserve(1)).legs] == [Payer.WALLET]
    free: dict[str, Any] = {"resource": "music/free", "usage": Usage.of(songs=1)}
    assert (await quota.reserve(**free)).legs == ()
    # then both are throttled, and money is no remedy (SEM-48)
    for denied in (await quota.denied(1), await quota.denied(**free)):
        assert denied.denial.reason is DenialReason.RATE_LIMITED
        assert [r.kind for r in denied.denial.remedies] == [RemedyKind.WAIT]


async def test_free_usage_needs_no_seat_and_is_throttled(make: Make) -> None:
    quota = make(row("text", "music/free", rpm=1))
    await quota.team(plan=None, access=False)
    free = quota.ask(resource="music/free", usage=Usage.of(songs=1))
    assert isinstance(await quota.decide(free), Allowed)
    denied = await quota.denied(resource="music/free", usage=Usage.of(songs=1))
    assert denied.denial.reason is DenialReason.RATE_LIMITED


async def test_a_throttled_request_does_not_fall_through_to_credits(make: Make) -> None:
    # given a seat with room, Credits in plenty, and one request a minute (J2)
    quota = make(row(rpm=1))
    await quota.team()
    await quota.grant("lot", 1_000)
    assert [leg.payer for leg in (await quota.reserve(1)).legs] == [Payer.PLAN]
    # then the second is paid by nobody
    denied = await quota.denied(1)
    assert denied.denial.reason is DenialReason.RATE_LIMITED
    # and as the payers could pay, none of them is in the way (D2)
    assert [o.payer for o in denied.denial.obstacles] == [None]
    assert await quota.available() == {"lot": 1_000}


async def test_a_throttled_request_blames_no_window_that_is_made_up_for(make: Make) -> None:
    """SEM-7, SEM-47."""
    # given a plan that one request has used up, Credits in plenty, and one request a minute
    quota = make(row(rpm=1))
    await quota.team()
    await quota.grant("lot", 1_000)
    await quota.use(100)
    # when another comes, then only the rate denies it: Credits would pay
    denied = await quota.denied(1)
    assert [status.limit_id for status in denied.limits if status.denied] == [RPM]
    assert [o.limit_id for o in denied.denial.obstacles] == [RPM]


async def test_with_nobody_to_pay_either_all_of_it_is_said(make: Make, clock: Clock) -> None:
    # given one request a minute, made by one who has used up all there is (SEM-8)
    quota = make(row(rpm=1))
    await quota.team(plan="strict", access=False)
    await quota.commit(await quota.reserve(100))
    clock.advance(SECOND)
    denied = await quota.denied(1)
    # then the rate is the headline, the window is named as well, and the later of them counts
    assert denied.denial.reason is DenialReason.RATE_LIMITED
    found = [o.limit_id for o in denied.denial.obstacles if o.limit_id]
    assert found == [RPM, "general/five_hour"]
    assert await assert_exact(quota, clock, denied, quota.ask(1)) > MINUTE
    assert [r.kind for r in denied.denial.remedies] == [RemedyKind.WAIT]


async def test_holds_alone_in_the_way_of_payers_are_not_in_flight_while_throttled(
    make: Make,
) -> None:
    # given a plan full of a hold, and a rate that is used up (SEM-47)
    quota = make(row(rpm=1))
    await quota.team(plan="strict", access=False)
    await quota.reserve(100)
    denied = await quota.denied(1)
    assert denied.denial.reason is DenialReason.RATE_LIMITED
    assert not denied.denial.only_in_flight


async def test_the_keys_of_a_team_share_its_rates(make: Make) -> None:
    # given two members with a seat each (J3)
    quota = make(row(rpm=3, tpm=100))
    people = (member("ann", Role.OWNER), member("bob"))
    seats = (seat("s1", "ann"), seat("s2", "bob"))
    await quota.put(team(people, seats=seats, keys=(key(1, "ann"), key(2, "bob"))))
    # when one asks twice, and the other once
    for name in ("acme_k1", "acme_k2"):
        await quota.reserve(10, key_id=name)
    answer = await quota.reserve(10, key_id="acme_k1")
    # then their requests and tokens are one count, and both are throttled
    assert (limit(answer, RPM).used, limit(answer, TPM).used) == (3, 30)
    for name in ("acme_k1", "acme_k2"):
        denied = await quota.denied(10, key_id=name)
        assert denied.denial.reason is DenialReason.RATE_LIMITED


# Together.


async def test_of_many_at_once_no_more_pass_than_the_limit(make: Make, clock: Clock) -> None:
    # given fifty callers at one moment
    quota = make(row(rpm=17, tpm=1_000))
    await quota.team()
    answers = await asyncio.gather(*(quota.decide(quota.ask(1)) for _ in range(50)))
    # then exactly so many are admitted, the others are told the same wait
    assert sum(isinstance(answer, Allowed) for answer in answers) == 17
    waits = {a.denial.retry_after_ms for a in answers if isinstance(a, Denied)}
    assert waits == {60_500}


async def test_in_no_minute_more_pass_than_the_limit(make: Make, clock: Clock) -> None:
    # given a caller that asks every 700 ms for some minutes (SEM-14)
    quota = make(row(rpm=20))
    await quota.team(plan="unlimited")
    admitted = []
    for _ in range(300):
        if isinstance(await quota.decide(quota.ask(1)), Allowed):
            admitted.append(clock())
        clock.advance(700)
    # then no 60 s have more than 20, and what waits at most a slice too long loses little
    for first, beyond in zip(admitted, admitted[20:], strict=False):
        assert beyond - first >= MINUTE
        assert beyond - first < MINUTE + 500 + 700

"""Plans whose holds are charged at their expiry, until somebody settles them (SEM-30, S2)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from quotasvc.domain.catalog import Catalog, OnExpiry
from quotasvc.domain.faults import FailedPrecondition
from quotasvc.domain.lot import LOTS_MAX
from quotasvc.domain.outcome import Allowed
from quotasvc.domain.reservation import Payer, Reservation, State
from quotasvc.domain.unit import Usage
from quotasvc.store.answer import Answer
from quotasvc.store.executor import Executor
from tests.support.books import Books, Entry
from tests.support.catalogs import CREDIT, PLANS, by_the_nano, catalog
from tests.support.clock import DAY, HOUR, MINUTE, START_MS, Clock
from tests.support.lots import grant, shares
from tests.support.quota import TEAM, Quota

HOLD_MS = 10 * MINUTE


POLICY = catalog(
    version="charging",
    plans=tuple(replace(plan, on_expiry=OnExpiry.CHARGE) for plan in PLANS),
)
"""Every plan charges at expiry."""


@pytest.fixture
def quota(executor: Executor, clock: Clock, conserved: list[Catalog]) -> Quota:
    """The service by it."""
    conserved.append(POLICY)
    return Quota(executor, clock, POLICY)


async def entries(quota: Quota) -> tuple[Entry, ...]:
    """The team's ledger, without its own changes and grants."""
    found = (await Books.read(quota.executor)).team(TEAM).entries
    return tuple(entry for entry in found if entry.kind not in ("team", "grant"))


async def get(quota: Quota, reservation: Allowed) -> Reservation:
    """The reservation as it stands."""
    return await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)


async def expired(quota: Quota, clock: Clock, tokens: int) -> Allowed:
    """A hold that nobody has settled in time, and that is reaped."""
    reservation = await quota.reserve(tokens)
    clock.advance(HOLD_MS)
    await quota.reap()
    return reservation


async def test_what_was_held_is_used_from_then_on(quota: Quota, clock: Clock) -> None:
    # given a hold over the plan and a lot
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await quota.reserve(120)
    clock.advance(HOLD_MS - 1)
    assert await quota.window() == (0, 100)
    # when it expires (SEM-30)
    clock.advance(1)
    assert await quota.window() == (100, 0)
    # then windows and lots have it as charged, for good unless somebody settles it
    lot = (await quota.lots())["lot"]
    assert (lot.available, lot.held, lot.consumed) == (30 * CREDIT, 0, 20 * CREDIT)
    found = await get(quota, reservation)
    assert (found.state, found.actual_nanos, found.settle_ms) == (
        State.EXPIRED,
        120 * CREDIT,
        None,
    )
    assert shares(found.charged_legs) == {"s1/general": 100, "lot": 20}
    # and it is one entry, that names what was moved (SEM-39)
    [entry] = await entries(quota)
    assert (entry.kind, entry.first["plan"]) == ("expire", str(100 * CREDIT))
    assert [(m[14:], state, n) for m, state, n in entry.lots()] == [("lot", "nanos", 20 * CREDIT)]


async def test_it_looks_the_same_before_and_after_the_reap(quota: Quota, clock: Clock) -> None:
    # given a hold whose time is over, which nobody has reaped
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await quota.reserve(120)
    clock.advance(HOLD_MS)
    before = await get(quota, reservation)
    # when it is reaped
    await quota.reap()
    # then whoever looks sees no difference: expiry is authoritative (SEM-30)
    assert await get(quota, reservation) == before
    assert before.charged_nanos == 120 * CREDIT
    # and a hold that lives is charged nothing
    alive = await get(quota, await quota.reserve(1))
    assert (alive.state, alive.charged_legs, alive.actual_nanos) == (State.HELD, (), 0)


@pytest.mark.parametrize("is_reaped", [True, False])
@pytest.mark.parametrize(
    ("actual", "plan", "lot", "written_off"),
    [
        (120, 100, 20, 0),  # as much
        (110, 100, 10, 0),  # less: the lot first
        (40, 40, 0, 0),
        (0, 0, 0, 0),
        (130, 100, 30, 0),  # more: from the pool
        (170, 100, 50, 20),  # and what nobody has
    ],
)
async def test_the_first_commit_replaces_it(
    quota: Quota,
    clock: Clock,
    actual: int,
    plan: int,
    lot: int,
    written_off: int,
    *,
    is_reaped: bool,
) -> None:
    # given a hold of 100 of the plan and 20 of a lot of 50, which was charged at its expiry
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await quota.reserve(120)
    clock.advance(HOLD_MS + HOUR)
    if is_reaped:
        await quota.reap()
    # when it is committed late, at as much, less or more
    committed = await quota.commit(reservation, actual)
    # then that is what it costs, and no more than the difference moves (S2)
    assert committed.late
    assert committed.written_off_nanos == written_off * CREDIT
    expected = {name: n for name, n in (("s1/general", plan), ("lot", lot)) if n}
    assert shares(committed.legs) == expected
    assert await quota.window() == (plan, 0)
    assert await quota.available() == {"lot": 50 - lot}
    found = await get(quota, reservation)
    assert (found.state, found.late, found.actual_nanos) == (
        State.COMMITTED,
        True,
        actual * CREDIT,
    )
    assert [entry.kind for entry in await entries(quota)] == ["expire", "commit"]


async def test_committed_as_reserved_it_stays_as_charged(quota: Quota, clock: Clock) -> None:
    await quota.team()
    reservation = await expired(quota, clock, 40)
    committed = await quota.commit(reservation)
    assert (committed.late, committed.actual_nanos) == (True, 40 * CREDIT)
    assert await quota.window() == (40, 0)
    # and a second one is a replay of it (SEM-28)
    assert (await quota.commit(reservation)).replayed
    with pytest.raises(FailedPrecondition) as refused:
        await quota.commit(reservation, 41)
    assert refused.value.reason == "ALREADY_COMMITTED"


async def test_less_returns_to_the_slice_of_the_admission(quota: Quota, clock: Clock) -> None:
    # given a charge by expiry, and others later (SEM-15)
    await quota.team()
    reservation = await expired(quota, clock, 40)
    clock.advance(HOUR)
    await quota.commit(await quota.reserve(10))
    # when it turns out to be less
    await quota.commit(reservation, 30)
    assert await quota.window() == (40, 0)
    # then what stays leaves with its admission, not with the commit
    clock.advance(4 * HOUR)
    assert await quota.window() == (10, 0)


async def test_what_is_more_is_absorbed_where_the_plan_alone_pays(
    quota: Quota, clock: Clock
) -> None:
    await quota.team(plan="strict", access=False)
    reservation = await expired(quota, clock, 90)
    committed = await quota.commit(reservation, 130)
    assert (shares(committed.legs), committed.written_off_nanos) == ({"s1/general": 130}, 0)
    assert await quota.window() == (130, 0)
    await quota.denied(1)


@pytest.mark.parametrize("refund_id", ["", "f1"])
@pytest.mark.parametrize("is_reaped", [True, False])
async def test_a_refund_gives_the_charge_back_with_or_without_an_id(
    quota: Quota, clock: Clock, refund_id: str, *, is_reaped: bool
) -> None:
    # given a charge by expiry over the plan and a lot
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await quota.reserve(120)
    clock.advance(HOLD_MS)
    if is_reaped:
        await quota.reap()
    # when it is refunded (S2)
    refunded = await quota.refund(reservation, refund_id)
    # then all of it comes back, as `refunded`: it was charged
    assert (refunded.state, refunded.released) == (State.RELEASED, ())
    assert shares(refunded.refunded) == {"s1/general": 100, "lot": 20}
    assert await quota.window() == (0, 0)
    assert await quota.available() == {"lot": 50}
    found = await get(quota, reservation)
    assert (found.state, found.refunded_nanos) == (State.RELEASED, 120 * CREDIT)
    assert found.settle_ms == clock()
    assert [entry.kind for entry in await entries(quota)] == ["expire", "refund"]
    # and again it is a no-op that says the same, whatever the id (SEM-29)
    before = await quota.dump()
    for again in (refund_id, "other", ""):
        answer = await quota.refund(reservation, again)
        assert (answer.replayed, answer.refunded) == (True, refunded.refunded)
    with pytest.raises(FailedPrecondition) as refused:
        await quota.commit(reservation)
    assert refused.value.reason == "ALREADY_RELEASED"
    assert await quota.dump() == before


async def test_a_release_that_a_commit_overtakes_refunds_nothing(
    quota: Quota, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEM-26, SEM-29: without an id nothing that was committed is given back."""
    # given a charge by expiry, and somebody who commits it while another releases it
    await quota.team()
    reservation = await expired(quota, clock, 40)
    refund, dumps = quota.store.refund, []

    async def commit_and_refund(*words: Any) -> Answer:
        await quota.commit(reservation, 30)
        dumps.append(await quota.dump())
        return await refund(*words)

    monkeypatch.setattr(quota.store, "refund", commit_and_refund)
    # when the release arrives second, then it hears who won, and nothing has moved
    with pytest.raises(FailedPrecondition) as refused:
        await quota.refund(reservation)
    assert refused.value.reason == "ALREADY_COMMITTED"
    assert [await quota.dump()] == dumps
    assert await quota.window() == (30, 0)


async def test_a_refund_of_a_part_gives_all_of_it_back(quota: Quota, clock: Clock) -> None:
    # given a charge by expiry: there is no usage yet that a part could be told of
    await quota.team()
    reservation = await expired(quota, clock, 40)
    refunded = await quota.refund(reservation, "f1", usage=Usage.of(output_tokens=1))
    # then it is released whole (SEM-29: on EXPIRED a refund makes it RELEASED)
    assert (refunded.state, shares(refunded.refunded)) == (State.RELEASED, {"s1/general": 40})


async def test_a_refund_finds_lots_that_ended_meanwhile(quota: Quota, clock: Clock) -> None:
    # given a charge by expiry of a lot that is over since (SEM-23)
    await quota.team(plan="plus")
    await quota.grant("lot", 50, days=1)
    clock.advance(DAY - HOLD_MS - 1)
    reservation = await expired(quota, clock, 120)
    clock.advance(1)
    # when it is refunded, then the plan has its part back, and the lot's is expired
    refunded = await quota.refund(reservation)
    assert (refunded.expired_nanos, shares(refunded.refunded)["lot"]) == (20 * CREDIT, 20)
    lot = (await quota.lots())["lot"]
    assert (lot.available, lot.consumed, lot.expired) == (0, 0, 50 * CREDIT)


async def test_counted_units_are_charged_as_held(quota: Quota, clock: Clock) -> None:
    # given a hold of 4 images, which the plan counts
    await quota.team()
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    clock.advance(HOLD_MS)
    assert await quota.window("images/day") == (4, 0)
    found = await get(quota, reservation)
    [leg] = found.charged_legs
    assert (leg.unit, leg.amount, leg.nanos) == ("images", 4, 12 * CREDIT)
    # when three were made
    await quota.settle(reservation, Usage.of(images=3))
    assert await quota.window("images/day") == (3, 0)


async def test_a_hold_over_midnight_is_charged_to_its_own_day(quota: Quota, clock: Clock) -> None:
    # given a hold of images that expires after midnight
    await quota.team()
    clock.advance(17 * HOUR - MINUTE)
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    clock.advance(HOLD_MS)
    await quota.reap()
    # then the new day is untouched, by the charge and by what replaces it (SEM-15)
    assert await quota.window("images/day") == (0, 0)
    await quota.settle(reservation, Usage.of(images=3))
    assert await quota.window("images/day") == (0, 0)
    # except for what was used beyond it (SEM-27)
    other = await quota.reserve(resource="image/a", usage=Usage.of(images=1))
    await quota.commit(other)
    assert await quota.window("images/day") == (1, 0)


async def test_the_plan_of_the_seat_decides_whoever_pays(quota: Quota, clock: Clock) -> None:
    # given a hold that Credits alone pay, of a seat whose plan charges (S2)
    await quota.team()
    await quota.grant("lot", 100)
    reservation = await quota.reserve(resource="video/a", usage=Usage.of(clips=1))
    assert [leg.payer for leg in reservation.legs] == [Payer.CREDITS]
    clock.advance(HOLD_MS)
    assert (await quota.lots())["lot"].consumed == 30 * CREDIT
    # and one without a seat, which goes back
    await quota.team(plan=None)
    await quota.reserve(40)
    clock.advance(HOLD_MS)
    assert await quota.available() == {"lot": 70}


async def test_a_hold_of_nothing_is_charged_nothing(quota: Quota, clock: Clock) -> None:
    # given free usage that nobody has settled
    await quota.team()
    reservation = await quota.reserve(resource="music/free", usage=Usage.of(songs=1))
    clock.advance(HOLD_MS)
    await quota.reap()
    # then there is no entry, and a refund has nothing to give back
    assert await entries(quota) == ()
    refunded = await quota.refund(reservation)
    assert (refunded.state, refunded.released, refunded.refunded) == (State.RELEASED, (), ())


async def test_a_hold_of_one_nano_is_charged_too(
    executor: Executor, clock: Clock, conserved: list[Catalog]
) -> None:
    """SEM-1, SEM-30."""
    # given a hold of the least that there is
    policy = by_the_nano(replace(POLICY, version="nanoless"))
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team()
    # when nobody has settled it in time, then it is charged
    reservation = await expired(quota, clock, 1)
    assert (await quota.status("general/five_hour")).used == 1
    assert (await get(quota, reservation)).charged_nanos == 1
    assert [entry.kind for entry in await entries(quota)] == ["expire"]


async def test_a_charge_may_be_refunded_after_a_late_commit(quota: Quota, clock: Clock) -> None:
    # given a charge by expiry that a commit has replaced by less
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await expired(quota, clock, 120)
    await quota.commit(reservation, 110)
    # when that is refunded, in two parts
    first = await quota.refund(reservation, "f1", amount_nanos=15 * CREDIT)
    second = await quota.refund(reservation, "f2")
    # then what was charged last goes back, and no more than that
    assert shares(first.refunded) == {"lot": 10, "s1/general": 5}
    assert shares(second.refunded) == {"s1/general": 95}
    assert await quota.available() == {"lot": 50}
    assert await quota.window() == (0, 0)


@pytest.mark.parametrize("are_over", [False, True])
async def test_a_charge_of_a_thousand_legs_is_replaced_whole(
    quota: Quota, clock: Clock, *, are_over: bool
) -> None:
    """SEM-6, SEM-24, SEM-30, SEM-39: all moves or nothing, at the most legs that there can be."""
    # given a charge by expiry of the plan and of as many lots as a pool may have open
    await quota.team()
    ends_ms = START_MS + DAY
    names = [f"lot{number:04d}" for number in range(LOTS_MAX)]
    await asyncio.gather(
        *(grant(quota, name, 2, purchase_ms=START_MS, expire_ms=ends_ms) for name in names)
    )
    reservation = await expired(quota, clock, 100 + 2 * LOTS_MAX)
    # when it is committed at half of it and one, while the lots live, or after their end
    clock.now_ms = ends_ms - 1 + are_over
    committed = await quota.commit(reservation, 100 + LOTS_MAX + 1)
    # then one lot is split, those before it are charged, and those after it have theirs back
    assert len(committed.legs) == 1 + LOTS_MAX // 2 + 1
    assert sum(leg.nanos for leg in committed.legs) == (100 + LOTS_MAX + 1) * CREDIT
    lots = (await quota.lots()).values()
    assert sum(lot.consumed for lot in lots) == (LOTS_MAX + 1) * CREDIT
    back = sum(lot.expired if are_over else lot.available for lot in lots)
    assert back == (LOTS_MAX - 1) * CREDIT
    # and the ledger says of every lot what it was charged before (SEM-39)
    entry = (await entries(quota))[-1]
    was = [nanos for member, state, nanos in entry.lots() if member and state == "was"]
    assert was == [2 * CREDIT] * LOTS_MAX

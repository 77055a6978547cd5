"""Refunds: of a live hold, of a charge, and of what is over already (SEM-15, 23, 25, 29)."""

from __future__ import annotations

import pytest

from quotasvc.domain.faults import FailedPrecondition
from quotasvc.domain.outcome import Refunded
from quotasvc.domain.reservation import Reservation, State
from quotasvc.domain.unit import Usage
from tests.support.books import Books
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, HOUR, MINUTE, Clock
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")


def released(refunded: Refunded) -> list[tuple[str, int]]:
    """(source, whole credits) of a hold that was given back."""
    return [(leg.source, leg.nanos // CREDIT) for leg in refunded.released]


def given_back(refunded: Refunded) -> list[tuple[str, int]]:
    """(source, whole credits) of a charge that was given back."""
    return [(leg.source, leg.nanos // CREDIT) for leg in refunded.refunded]


# Of a hold.


@pytest.mark.parametrize("refund_id", ["", "f1"])
async def test_a_live_hold_is_released_whole(quota: Quota, refund_id: str) -> None:
    # given a hold over plan and lots
    await quota.team()
    await quota.grant("first", 20, days=1)
    await quota.grant("second", 50, days=2)
    reservation = await quota.reserve(150)
    # when it is refunded, with or without an id
    refunded = await quota.refund(reservation, refund_id)
    # then all that it kept is free again, and nothing was ever spent
    assert refunded.state is State.RELEASED
    assert released(refunded) == [("s1/general", 100), ("first", 20), ("second", 30)]
    assert refunded.refunded == ()
    assert (refunded.expired_nanos, refunded.revoked_nanos, refunded.replayed) == (0, 0, False)
    assert await quota.window() == (0, 0)
    assert await quota.available() == {"first": 20, "second": 50}
    # and no ledger entry: nothing of value moved (SEM-39)
    kinds = [entry.kind for entry in (await Books.read(quota.executor)).team(TEAM).entries]
    assert set(kinds) == {"team", "grant"}


async def test_releasing_again_is_a_no_op_that_says_the_same(quota: Quota) -> None:
    # given a released hold
    await quota.team()
    reservation = await quota.reserve(40)
    first = await quota.refund(reservation)
    before = await quota.dump()
    # when it is refunded again, with any id
    for refund_id in ("", "f1", "f2"):
        again = await quota.refund(reservation, refund_id)
        # then nothing moves, and the answer is the first one
        assert (again.state, again.released, again.seq) == (
            State.RELEASED,
            first.released,
            first.seq,
        )
        assert again.replayed
    assert await quota.dump() == before


@pytest.mark.parametrize("refund_id", ["", "f1"])
@pytest.mark.parametrize("is_reaped", [True, False])
async def test_an_expired_hold_becomes_released_with_nothing_to_give(
    quota: Quota, clock: Clock, refund_id: str, *, is_reaped: bool
) -> None:
    """SEM-29."""
    # given a hold that has expired, reaped or not
    await quota.team()
    reservation = await quota.reserve(40)
    clock.advance(10 * MINUTE)
    if is_reaped:
        await quota.reap()
    # when it is refunded, with or without an id
    refunded = await quota.refund(reservation, refund_id)
    # then it is RELEASED, and nothing is given back: it had gone back before
    assert (refunded.state, refunded.released, refunded.refunded) == (State.RELEASED, (), ())
    assert await quota.window() == (0, 0)
    # and it cannot be charged late any more
    with pytest.raises(FailedPrecondition, match="RELEASED already"):
        await quota.commit(reservation, 40)


# Of a charge.


async def test_a_refund_returns_credit_to_the_lots_and_windows_it_came_from(
    quota: Quota,
) -> None:
    # given a charge over plan and two lots
    await quota.team()
    await quota.grant("first", 20, days=1)
    await quota.grant("second", 50, days=2)
    reservation = await quota.reserve(150)
    await quota.commit(reservation, 140)
    # when it is refunded
    refunded = await quota.refund(reservation, "f1")
    # then everything is where it was
    assert refunded.state is State.COMMITTED
    assert given_back(refunded) == [("s1/general", 100), ("first", 20), ("second", 20)]
    assert refunded.released == ()
    assert await quota.window() == (0, 0)
    assert await quota.available() == {"first": 20, "second": 50}
    lots = (await quota.lots()).values()
    assert [(lot.consumed, lot.held) for lot in lots] == [(0, 0), (0, 0)]
    # and the ledger has one more entry
    team = (await Books.read(quota.executor)).team(TEAM)
    assert team.entries[-1].kind == "refund"
    assert team.entries[-1].seq == refunded.seq == team.counters["seq"]


async def test_a_refund_goes_back_to_the_slice_of_the_admission(quota: Quota, clock: Clock) -> None:
    # given 60 charged now and 40 an hour later
    await quota.team(access=False)
    reservation = await quota.reserve(60)
    await quota.commit(reservation)
    clock.advance(HOUR)
    await quota.commit(await quota.reserve(40))
    # when the first is refunded
    await quota.refund(reservation, "f1")
    # then the later one stays until its own time
    clock.advance(4 * HOUR + 30 * MINUTE)
    assert await quota.window() == (40, 0)


async def test_a_refund_after_the_window_slid_on_moves_no_window(
    quota: Quota, clock: Clock
) -> None:
    # given a charge that has left the window, and one that has not
    await quota.team(access=False)
    reservation = await quota.reserve(60)
    await quota.commit(reservation)
    clock.advance(6 * HOUR)
    await quota.commit(await quota.reserve(70))
    # when the old one is refunded
    refunded = await quota.refund(reservation, "f1")
    # then the leg says that its window is gone, its nanos count as refunded (SEM-49), and what
    # the week still counts goes back there
    assert refunded.refunded[0].window_gone
    assert given_back(refunded) == [("s1/general", 60)]
    assert await quota.window() == (70, 0)
    assert await quota.window("general/week") == (70, 0)


async def test_a_charge_needs_a_refund_id(quota: Quota) -> None:
    # given a charge
    await quota.team()
    reservation = await quota.reserve(40)
    await quota.commit(reservation, 30)
    before = await quota.dump()
    # when a refund comes without an id, it can only mean a release (SEM-29)
    with pytest.raises(FailedPrecondition) as refused:
        await quota.refund(reservation)
    # then it is told what was committed
    assert refused.value.reason == "ALREADY_COMMITTED"
    assert isinstance(refused.value.winner, Reservation)
    assert refused.value.winner.charged_nanos == 30 * CREDIT
    assert await quota.dump() == before


async def test_the_same_refund_again_is_a_replay(quota: Quota) -> None:
    # given a refund
    await quota.team()
    reservation = await quota.reserve(40)
    await quota.commit(reservation)
    first = await quota.refund(reservation, "f1")
    before = await quota.dump()
    # when it comes again
    again = await quota.refund(reservation, "f1")
    # then the answer is the same and nothing moves
    assert again.replayed
    assert (again.refunded, again.seq, again.state) == (first.refunded, first.seq, first.state)
    assert await quota.dump() == before
    found = await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)
    assert (found.state, found.refunded_nanos) == (State.COMMITTED, 40 * CREDIT)
    assert found.refunded_nanos == sum(leg.nanos for leg in first.refunded)


async def test_nothing_is_refunded_twice(quota: Quota) -> None:
    # given a refund of all
    await quota.team()
    reservation = await quota.reserve(40)
    await quota.commit(reservation)
    await quota.refund(reservation, "f1")
    before = await quota.dump()
    # when another one comes
    with pytest.raises(FailedPrecondition) as refused:
        await quota.refund(reservation, "f2")
    # then there is nothing left to give
    assert refused.value.reason == "REFUND_EXCEEDS_CHARGE"
    assert await quota.dump() == before


async def test_a_refunded_charge_is_still_committed(quota: Quota) -> None:
    # given a refunded charge
    await quota.team()
    reservation = await quota.reserve(40)
    first = await quota.commit(reservation)
    await quota.refund(reservation, "f1")
    # then its commit can be replayed
    again = await quota.commit(reservation)
    assert (again.replayed, again.legs) == (True, first.legs)


async def test_a_counted_charge_returns_its_units(quota: Quota) -> None:
    await quota.team()
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=6))
    await quota.settle(reservation, Usage.of(images=4))
    refunded = await quota.refund(reservation, "f1")
    assert [(leg.amount, leg.nanos // CREDIT) for leg in refunded.refunded] == [(4, 12)]
    assert await quota.window("images/day") == (0, 0)


async def test_a_charge_of_nothing_is_refunded_as_nothing(quota: Quota) -> None:
    await quota.team()
    reservation = await quota.reserve(40)
    await quota.commit(reservation, 0)
    refunded = await quota.refund(reservation, "f1")
    assert (refunded.state, refunded.refunded) == (State.COMMITTED, ())


# Into lots that have ended (SEM-23, N10).


@pytest.mark.parametrize("is_committed", [True, False])
async def test_what_returns_to_an_expired_lot_is_expired(
    quota: Quota, clock: Clock, *, is_committed: bool
) -> None:
    # given 30 of a lot's 50, held or charged, when the lot ends
    await quota.team(plan=None)
    clock.advance(-DAY)
    await quota.grant("lot", 50, days=1)
    clock.advance(DAY - 1_000)
    reservation = await quota.reserve(30)
    if is_committed:
        await quota.commit(reservation)
    clock.advance(1_000)
    # when it is given back
    refunded = await quota.refund(reservation, "f1" if is_committed else "")
    # then it counts as given back, and is expired
    legs = refunded.refunded if is_committed else refunded.released
    assert [leg.nanos // CREDIT for leg in legs] == [30]
    assert (refunded.expired_nanos, refunded.revoked_nanos) == (30 * CREDIT, 0)
    lot = (await quota.lots())["lot"]
    assert (lot.available, lot.held, lot.consumed, lot.expired) == (0, 0, 0, 50 * CREDIT)
    # and the ledger has an entry of it, since Credits went away
    entry = (await Books.read(quota.executor)).team(TEAM).entries[-1]
    assert entry.kind == ("refund" if is_committed else "loss")
    assert [(state, n // CREDIT) for _, state, n in entry.lots()] == [("expired", 30)]


@pytest.mark.parametrize("is_expired_too", [True, False])
@pytest.mark.parametrize("is_committed", [True, False])
async def test_what_returns_to_a_revoked_lot_is_revoked(
    quota: Quota, clock: Clock, *, is_committed: bool, is_expired_too: bool
) -> None:
    # given 30 of a lot's 50, held or charged, when the lot is revoked (SEM-42)
    await quota.team(plan=None)
    clock.advance(-DAY)
    await quota.grant("lot", 50, days=1)
    clock.advance(DAY - 1_000)
    reservation = await quota.reserve(30)
    if is_committed:
        await quota.commit(reservation)
    assert await quota.revoke("lot")
    clock.advance(1_000 if is_expired_too else 0)
    # when it is given back
    refunded = await quota.refund(reservation, "f1" if is_committed else "")
    # then it is revoked, even if the lot has expired as well (SEM-49)
    assert (refunded.expired_nanos, refunded.revoked_nanos) == (0, 30 * CREDIT)
    lot = (await quota.lots())["lot"]
    assert (lot.available, lot.expired, lot.revoked) == (0, 0, 50 * CREDIT)
    assert (await quota.refund(reservation, "f1" if is_committed else "")).revoked_nanos


async def test_a_revoked_lot_of_nothing_is_revoked_all_the_same(quota: Quota) -> None:
    # given a lot that was wholly held when it was revoked
    await quota.team(plan=None)
    await quota.grant("lot", 50)
    reservation = await quota.reserve(50)
    assert await quota.revoke("lot")
    # when the hold is committed at less
    await quota.commit(reservation, 20)
    # then the rest is revoked
    assert (await quota.lots())["lot"].revoked == 30 * CREDIT


async def test_a_drained_lot_comes_back_into_the_order(quota: Quota) -> None:
    # given a lot that a hold has emptied, and a later one
    await quota.team(plan=None)
    await quota.grant("first", 20, days=1)
    await quota.grant("second", 20, days=2)
    reservation = await quota.reserve(20)
    # when it is given back
    await quota.refund(reservation)
    # then it is first in line again
    legs = (await quota.reserve(25)).legs
    assert [(leg.source, leg.nanos // CREDIT) for leg in legs] == [("first", 20), ("second", 5)]

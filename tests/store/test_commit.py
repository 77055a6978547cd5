"""Commits within what was held: what is charged, what returns, what a replay is (SEM-27, 28)."""

from __future__ import annotations

import pytest

from quotasvc.domain.faults import FailedPrecondition, InvalidArgument, NotFound
from quotasvc.domain.reservation import Payer, Reservation, State
from quotasvc.domain.unit import Usage
from quotasvc.planes.ask import Settle
from tests.support.books import Books
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, Clock
from tests.support.lots import drawn
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")


def winner(refused: FailedPrecondition) -> Reservation:
    """The reservation that a fault carries."""
    assert isinstance(refused.winner, Reservation)
    return refused.winner


async def test_a_commit_at_less_gives_the_rest_back(quota: Quota) -> None:
    # given a hold of the plan
    await quota.team()
    reservation = await quota.reserve(80)
    # when less was used
    committed = await quota.commit(reservation, 30)
    # then that is charged, and the rest is free again
    assert drawn(committed) == [("s1/general", 30)]
    assert (committed.actual_nanos, committed.written_off_nanos) == (30 * CREDIT, 0)
    assert not committed.late
    assert await quota.window() == (30, 0)
    assert [(s.used // CREDIT, s.held) for s in committed.limits] == [(30, 0), (30, 0)]


@pytest.mark.parametrize(
    ("tokens", "charged", "available"),
    [
        (150, [("s1/general", 100), ("first", 20), ("second", 30)], {"first": 0, "second": 20}),
        (130, [("s1/general", 100), ("first", 20), ("second", 10)], {"first": 0, "second": 40}),
        (110, [("s1/general", 100), ("first", 10)], {"first": 10, "second": 50}),
        (60, [("s1/general", 60)], {"first": 20, "second": 50}),
        (0, [], {"first": 20, "second": 50}),
    ],
)
async def test_what_stays_charged_is_a_prefix_of_what_was_drawn(
    quota: Quota, tokens: int, charged: list[tuple[str, int]], available: dict[str, int]
) -> None:
    # given a hold over the plan and two lots (SEM-25)
    await quota.team()
    await quota.grant("first", 20, days=1)
    await quota.grant("second", 50, days=2)
    reservation = await quota.reserve(150)
    # when any part of it was used
    committed = await quota.commit(reservation, tokens)
    # then the last drawn is the first given back
    assert drawn(committed) == charged
    assert await quota.available() == available
    assert await quota.window() == (min(tokens, 100), 0)


async def test_as_reserved_charges_exactly_what_was_held(quota: Quota) -> None:
    await quota.team()
    await quota.grant("lot", 100)
    reservation = await quota.reserve(120)
    committed = await quota.commit(reservation)
    assert [(leg.source, leg.nanos) for leg in committed.legs] == [
        (leg.source, leg.nanos) for leg in reservation.legs
    ]
    assert committed.actual_nanos == reservation.cost_nanos


async def test_as_reserved_of_a_counted_allowance_counts_its_units(quota: Quota) -> None:
    await quota.team()
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    committed = await quota.commit(reservation)
    assert [(leg.amount, leg.nanos) for leg in committed.legs] == [(4, 12 * CREDIT)]
    assert await quota.window("images/day") == (4, 0)


async def test_a_counted_leg_is_compared_in_its_unit_and_priced_by_the_list(quota: Quota) -> None:
    # given 6 images held
    await quota.team()
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=6))
    # when 2 were made
    committed = await quota.settle(reservation, Usage.of(images=2))
    # then 2 count, and their nanos are the list price (SEM-27)
    assert [(leg.unit, leg.amount, leg.nanos) for leg in committed.legs] == [
        ("images", 2, 6 * CREDIT)
    ]
    assert committed.actual_nanos == 6 * CREDIT
    assert await quota.window("images/day") == (2, 0)


async def test_units_that_are_not_sent_are_nothing_but_requests_are_one(quota: Quota) -> None:
    # given a resource priced by images, and one priced by requests (SEM-4)
    await quota.team()
    image = await quota.reserve(resource="image/a", usage=Usage.of(images=2))
    vision = await quota.reserve(resource="vlm/a", usage=Usage.of())
    # then an empty usage is no image, but a request
    assert (await quota.settle(image, Usage.of())).actual_nanos == 0
    assert (await quota.settle(vision, Usage.of())).actual_nanos == CREDIT
    assert await quota.window("vlm/day") == (3, 0)


async def test_a_commit_is_one_ledger_entry_that_tells_all(quota: Quota) -> None:
    # given a commit that plan and lot share (SEM-39)
    await quota.team()
    await quota.grant("lot", 50)
    reservation = await quota.reserve(120)
    committed = await quota.commit(reservation, 110)
    # then the last entry has it, and both counters move with it
    team = (await Books.read(quota.executor)).team(TEAM)
    entry = team.entries[-1]
    assert (entry.kind, entry.entry) == ("commit", team.counters["entry"])
    assert entry.seq == committed.seq == team.counters["seq"]
    assert entry.first["id"] == reservation.reservation_id
    assert int(entry.first["plan"]) == 100 * CREDIT
    assert int(entry.first["actual"]) == 110 * CREDIT
    assert int(entry.first["written_off"]) == 0
    assert [(state, n) for _, state, n in entry.lots()] == [("nanos", 10 * CREDIT)]


# Settled once (SEM-26, SEM-28).


async def test_the_same_settlement_again_is_a_replay(quota: Quota) -> None:
    # given a commit
    await quota.team()
    reservation = await quota.reserve(50)
    first = await quota.commit(reservation, 30)
    before = await quota.dump()
    # when it comes again, also under another label
    settle = Settle(usage=Usage.of(output_tokens=30), attributes=(), outcome=2)
    again = await quota.decisions.commit(reservation.reservation_id, settle, quota.deadline)
    # then the same answer is given, and nothing moves
    assert again.replayed
    assert not first.replayed
    assert (again.legs, again.actual_nanos, again.seq) == (
        first.legs,
        first.actual_nanos,
        first.seq,
    )
    assert await quota.dump() == before


@pytest.mark.parametrize(
    "other",
    [
        Settle(usage=Usage.of(output_tokens=31), attributes=(), outcome=1),
        Settle(usage=Usage.of(output_tokens=50), attributes=(), outcome=1),  # SEM-49
        Settle(usage=Usage.of(output_tokens=30, input_tokens=0), attributes=(), outcome=1),
        Settle(usage=Usage.of(output_tokens=30), attributes=(("a", "b"),), outcome=1),
        Settle(usage=None, attributes=(), outcome=1),
    ],
    ids=["more", "as held", "a sent zero", "attributes", "as_reserved"],
)
async def test_another_settlement_is_told_what_was_committed(quota: Quota, other: Settle) -> None:
    # given a commit of 30 of 50 held
    await quota.team()
    reservation = await quota.reserve(50)
    await quota.commit(reservation, 30)
    before = await quota.dump()
    # when another settlement comes
    with pytest.raises(FailedPrecondition) as refused:
        await quota.decisions.commit(reservation.reservation_id, other, quota.deadline)
    # then it lost, with the winner's figures, and nothing moved
    assert refused.value.reason == "ALREADY_COMMITTED"
    won = winner(refused.value)
    assert (won.state, won.actual_nanos, won.charged_nanos) == (
        State.COMMITTED,
        30 * CREDIT,
        30 * CREDIT,
    )
    assert await quota.dump() == before


async def test_as_reserved_and_an_equal_usage_are_different_settlements(quota: Quota) -> None:
    await quota.team()
    reservation = await quota.reserve(50)
    await quota.commit(reservation)
    assert (await quota.commit(reservation)).replayed
    with pytest.raises(FailedPrecondition, match="COMMITTED already"):
        await quota.commit(reservation, 50)


async def test_a_commit_after_a_release_is_told_of_it(quota: Quota) -> None:
    # given a released hold
    await quota.team()
    reservation = await quota.reserve(50)
    await quota.refund(reservation)
    before = await quota.dump()
    # when a commit comes too late
    with pytest.raises(FailedPrecondition) as refused:
        await quota.commit(reservation, 50)
    # then the release won
    assert refused.value.reason == "ALREADY_RELEASED"
    assert winner(refused.value).state is State.RELEASED
    assert winner(refused.value).charged_nanos == 0
    assert await quota.dump() == before


async def test_a_genuine_id_that_the_store_does_not_know_is_not_found(
    quota: Quota, clock: Clock
) -> None:
    # given ids of a record that has been purged, and of a team that is gone
    await quota.team()
    reservation = await quota.reserve(50)
    await quota.executor.call("FLUSHALL", deadline=quota.deadline)
    for call in (
        quota.commit(reservation, 50),
        quota.settle(reservation, Usage.of(images=1)),  # whatever it is to be settled at (SEM-44)
        quota.refund(reservation),
        quota.decisions.get_reservation(reservation.reservation_id, quota.deadline),
    ):
        with pytest.raises(NotFound):
            await call


# What a commit prices with.


async def test_an_unmeasured_unit_changes_nothing(quota: Quota) -> None:
    # given a hold
    await quota.team()
    reservation = await quota.reserve(50)
    before = await quota.dump()
    # when the usage names a unit that the resource does not measure (SEM-2a)
    with pytest.raises(InvalidArgument) as refused:
        await quota.settle(reservation, Usage.of(images=1))
    # then the hold is as it was, and the right commit still works
    assert refused.value.reason == "UNMEASURED_UNIT"
    assert await quota.dump() == before
    assert (await quota.commit(reservation, 50)).actual_nanos == 50 * CREDIT


@pytest.mark.parametrize(
    ("attributes", "credits", "is_unmatched"),
    [
        ((), 3, False),  # empty: those of the reserve
        ((("resolution", "720P"),), 3, False),
        ((("resolution", "1080P"),), 6, False),  # others replace them whole
        ((("resolution", "4K"),), 3, True),  # unmatched: priced as at reserve, and flagged
    ],
)
async def test_attributes_of_the_commit_choose_its_price(
    quota: Quota, attributes: tuple[tuple[str, str], ...], credits: int, *, is_unmatched: bool
) -> None:
    # given clips reserved at 720P (SEM-2a, SEM-49)
    await quota.team()
    at_720p = (("resolution", "720P"),)
    reservation = await quota.reserve(
        resource="clip/tiered", usage=Usage.of(clips=5), attributes=at_720p
    )
    # when 3 are committed with some attributes
    committed = await quota.settle(reservation, Usage.of(clips=3), attributes)
    # then those decide, where a price row knows them
    assert committed.actual_nanos == credits * CREDIT
    assert committed.attributes_unmatched is is_unmatched
    # and a replay says the same
    again = await quota.settle(reservation, Usage.of(clips=3), attributes)
    assert (again.replayed, again.attributes_unmatched) == (True, is_unmatched)


async def test_a_lot_that_expired_meanwhile_still_pays_what_it_held(
    quota: Quota, clock: Clock
) -> None:
    # given a hold from a lot that ends before the commit (N10, SEM-23)
    await quota.team(plan=None)
    clock.advance(-DAY)
    await quota.grant("lot", 100, days=1)
    clock.advance(DAY - 1_000)
    reservation = await quota.reserve(80)
    clock.advance(1_000)
    # when less is committed
    committed = await quota.commit(reservation, 50)
    # then the lot pays, and what comes back is expired
    assert drawn(committed) == [("lot", 50)]
    lot = (await quota.lots())["lot"]
    assert (lot.available, lot.held, lot.consumed) == (0, 0, 50 * CREDIT)
    assert lot.expired == 50 * CREDIT
    # and the ledger says how much of it this commit lost
    team = (await Books.read(quota.executor)).team(TEAM)
    assert [(s, n // CREDIT) for _, s, n in team.entries[-1].lots()] == [
        ("nanos", 50),
        ("expired", 30),
    ]
    assert committed.legs[0].payer is Payer.CREDITS

"""Lists of reservations name those that there are, whatever else the store's own lists hold."""

from __future__ import annotations

import pytest

from quotasvc.domain.faults import NotFound
from quotasvc.domain.outcome import Allowed
from quotasvc.domain.reservation import SETTLED_RECORD_MS, State
from quotasvc.planes.ask import Listing
from quotasvc.store.answer import Answer
from tests.support.clock import HOUR, MINUTE, SECOND, Clock
from tests.support.quota import TEAM, Quota


async def listed(quota: Quota, state: State, size: int = 100) -> list[str]:
    """The ids of the reservations in a state, page by page."""
    found: list[str] = []
    after = None
    while True:
        listing = Listing(team_id=TEAM, state=state, size=size, after=after)
        page, after = await quota.decisions.list_reservations(listing, quota.deadline)
        assert {one.state for one in page} <= {state}
        found += [one.reservation_id for one in page]
        if after is None:
            return found


async def settled(quota: Quota, count: int) -> list[Allowed]:
    """So many reservations that were committed."""
    made = [await quota.reserve(1) for _ in range(count)]
    for reservation in made:
        await quota.commit(reservation)
    return made


@pytest.mark.parametrize("size", [1, 2, 100])
async def test_marks_of_old_reservations_are_not_listed(
    quota: Quota, clock: Clock, size: int
) -> None:
    # given use that was reported for reservations which the store no longer knows (SEM-34)
    await quota.team()
    old = await settled(quota, 3)
    clock.advance(SETTLED_RECORD_MS)
    await quota.reaper.purge(TEAM, clock(), quota.deadline)
    reports = [await quota.record(1, reservation_id=one.reservation_id) for one in old]
    # then the reports are listed as what was committed, once each, and nothing else is
    expected = sorted(report.reservation_id for report in reports)
    assert sorted(await listed(quota, State.COMMITTED, size)) == expected


async def test_a_clock_that_is_behind_hides_no_reservation(quota: Quota, clock: Clock) -> None:
    """A team's time never goes back (SEM-37): what is over by it is over in the lists too."""
    # given a hold that is over by the time of a later call, which reaped nothing
    await quota.team()
    over = await quota.reserve(1)
    later = await quota.reserve(1, hold_ms=HOUR)
    clock.advance(10 * MINUTE)
    await quota.refund(later)
    # when the list is asked of a replica whose clock is a second behind
    clock.advance(-SECOND)
    # then the hold is in the list of its state
    assert await listed(quota, State.EXPIRED) == [over.reservation_id]
    assert await listed(quota, State.HELD) == []


async def test_what_leaves_while_it_is_listed_is_left_out(
    quota: Quota, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two settled reservations, of which one leaves the store, and whose request comes again,
    # just when the list has been read
    await quota.team()
    first, second = await settled(quota, 2)
    clock.advance(MINUTE)
    [third] = await settled(quota, 1)
    clock.advance(SETTLED_RECORD_MS - MINUTE)
    places = quota.agenda.places

    async def places_then_purge(*args: object, **more: object) -> object:
        found = await places(*args, **more)  # type: ignore[arg-type]  # as it is called
        await quota.reaper.purge(TEAM, clock(), quota.deadline)
        await quota.reserve(1, request_id="r1")
        return found

    monkeypatch.setattr(quota.agenda, "places", places_then_purge)
    # then only what is still there is listed
    assert await listed(quota, State.COMMITTED) == [third.reservation_id]
    for gone in (first, second):
        with pytest.raises(NotFound):
            await quota.decisions.get_reservation(gone.reservation_id, quota.deadline)


async def test_a_page_is_looked_up_a_few_at_a_time_and_keeps_its_order(
    quota: Quota, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given five holds that end one after the other, and a service that looks up two at once
    await quota.team()
    made = []
    for _ in range(5):
        made.append((await quota.reserve(1)).reservation_id)
        clock.advance(1)
    monkeypatch.setattr("quotasvc.planes.reservations.FINDS_AT_ONCE", 2)
    under_way: list[int] = [0]
    find = quota.store.find

    async def counted(team_id: str, name: str, deadline: float) -> Answer:
        under_way.append(under_way[-1] + 1)
        answer = await find(team_id, name, deadline)
        under_way.append(under_way[-1] - 1)
        return answer

    monkeypatch.setattr(quota.store, "find", counted)
    # when they are listed, then in their order, and never more than two at once
    assert await listed(quota, State.HELD) == made
    assert max(under_way) == 2

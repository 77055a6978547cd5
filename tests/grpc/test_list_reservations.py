"""What operators see of a team's reservations: by state, page by page."""

from __future__ import annotations

import grpc
import pytest

from quotasvc.v1 import common_pb2
from quotasvc.v1.decision_pb2 import (
    CommitRequest,
    GetReservationRequest,
    ListReservationsRequest,
    ListReservationsResponse,
    RefundRequest,
)
from tests.grpc.test_decision import allowed
from tests.support.clock import MINUTE, Clock
from tests.support.door import DECISIONS, Caller, refusal
from tests.support.quota import TEAM, Quota


async def listing(caller: Caller, request: ListReservationsRequest) -> ListReservationsResponse:
    return await caller.call(f"{DECISIONS}/ListReservations", request, ListReservationsResponse)


async def listed(
    caller: Caller, state: common_pb2.ReservationState.ValueType = common_pb2.HELD
) -> list[str]:
    """The ids of all in this state."""
    answer = await listing(caller, ListReservationsRequest(team_id=TEAM, state=state))
    assert answer.next_page_token == ""
    assert {one.state for one in answer.reservations} <= {state}
    return [one.reservation_id for one in answer.reservations]


async def test_a_team_without_reservations_has_an_empty_page(caller: Caller, quota: Quota) -> None:
    await quota.team()
    answer = await listing(caller, ListReservationsRequest(team_id=TEAM))
    assert (list(answer.reservations), answer.next_page_token) == ([], "")


async def test_open_reservations_are_shown_as_they_are(caller: Caller, quota: Quota) -> None:
    await quota.team()
    made = await allowed(caller, 30)
    [shown] = (await listing(caller, ListReservationsRequest(team_id=TEAM))).reservations
    by_id = GetReservationRequest(reservation_id=made.reservation_id)
    assert shown == (await caller.find(by_id)).reservation
    assert list(shown.held_legs) == list(made.legs)


async def test_each_reservation_is_listed_in_its_state(
    caller: Caller, quota: Quota, clock: Clock
) -> None:
    # given one that will expire, one committed, one released, and a later one that is held
    await quota.team()
    expiring, committed, released = [await allowed(caller, 10) for _ in range(3)]
    await caller.commit(CommitRequest(reservation_id=committed.reservation_id, as_reserved=True))
    await caller.refund(RefundRequest(reservation_id=released.reservation_id))
    clock.advance(5 * MINUTE)
    held = await allowed(caller, 10)
    # when the first one's time is over, reaped or not
    clock.advance(5 * MINUTE)
    # then each is in one list
    assert await listed(caller) == [held.reservation_id]
    assert await listed(caller, common_pb2.EXPIRED) == [expiring.reservation_id]
    assert await listed(caller, common_pb2.COMMITTED) == [committed.reservation_id]
    assert await listed(caller, common_pb2.RELEASED) == [released.reservation_id]


async def test_the_expired_stay_listed_when_they_have_been_reaped(
    caller: Caller, quota: Quota, clock: Clock
) -> None:
    await quota.team()
    made = await allowed(caller, 10)
    clock.advance(10 * MINUTE)
    await quota.reap()
    assert await listed(caller, common_pb2.EXPIRED) == [made.reservation_id]
    assert await listed(caller) == []


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_pages_together_are_the_list(
    caller: Caller, quota: Quota, clock: Clock, size: int
) -> None:
    """Those of one moment too."""
    await quota.team()
    made = []
    for number in range(5):
        made.append((await allowed(caller, 1)).reservation_id)
        clock.advance(number % 2 * MINUTE)
    seen, token, pages = [], "", 0
    while pages == 0 or token:
        request = ListReservationsRequest(team_id=TEAM, page_size=size, page_token=token)
        answer = await listing(caller, request)
        assert len(answer.reservations) <= size
        seen += [one.reservation_id for one in answer.reservations]
        token, pages = answer.next_page_token, pages + 1
    assert sorted(seen) == sorted(made)
    assert seen == await listed(caller)


async def test_a_page_goes_on_where_the_last_one_ended(caller: Caller, quota: Quota) -> None:
    # given a first page of two out of four
    await quota.team()
    for _ in range(4):
        await allowed(caller, 1)
    whole = await listed(caller)
    first = await listing(caller, ListReservationsRequest(team_id=TEAM, page_size=2))
    # when one of them ends before the next page is read
    await caller.refund(RefundRequest(reservation_id=whole[0]))
    rest = await listing(
        caller, ListReservationsRequest(team_id=TEAM, page_token=first.next_page_token)
    )
    # then none is left out
    assert [one.reservation_id for one in rest.reservations] == whole[2:]


@pytest.mark.parametrize("team_id", ["nobody", "q1:{p0}:x"])
async def test_an_unknown_team_is_not_found(caller: Caller, quota: Quota, team_id: str) -> None:
    await quota.team()
    refused = await refusal(listing(caller, ListReservationsRequest(team_id=team_id)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_a_page_token_of_another_list_is_refused(caller: Caller, quota: Quota) -> None:
    await quota.team()
    request = ListReservationsRequest(team_id=TEAM, page_token="made-up")
    refused = await refusal(listing(caller, request))
    assert (refused.code, refused.field) == (grpc.StatusCode.INVALID_ARGUMENT, "page_token")

"""Extend keeps a hold for longer, within bounds, and moves no amount (SEM-33)."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from quotasvc.v1 import common_pb2
from quotasvc.v1.decision_pb2 import (
    CommitRequest,
    ExtendRequest,
    ExtendResponse,
    GetReservationRequest,
    RefundRequest,
    Reservation,
)
from tests.grpc.test_decision import allowed
from tests.support.catalogs import CREDIT
from tests.support.clock import HOUR, MINUTE, START_MS, Clock
from tests.support.door import DECISIONS, Caller, refusal
from tests.support.quota import Quota


async def extend(caller: Caller, request: ExtendRequest) -> ExtendResponse:
    return await caller.call(f"{DECISIONS}/Extend", request, ExtendResponse)


def extending(reservation_id: str, seconds: int) -> ExtendRequest:
    return ExtendRequest(reservation_id=reservation_id, hold_duration=Duration(seconds=seconds))


@pytest.mark.parametrize(
    ("change", "hold_ms"),
    [(ExtendRequest(), 600_000), (extending("", 1_800), 1_800_000)],
    ids=["10 minutes unless sent", "as sent"],
)
async def test_a_hold_lives_on_from_now(
    caller: Caller, quota: Quota, clock: Clock, change: ExtendRequest, hold_ms: int
) -> None:
    # given a hold of some minutes
    await quota.team()
    made = await allowed(caller, 30)
    clock.advance(5 * MINUTE)
    # when it is extended
    request = ExtendRequest(reservation_id=made.reservation_id)
    request.MergeFrom(change)
    answer = await extend(caller, request)
    # then it ends so long from now, nothing else has moved, and it can still be committed
    assert answer.expire_time.ToMilliseconds() == START_MS + 5 * MINUTE + hold_ms
    assert answer.seq == made.seq + 1
    assert await quota.window() == (0, 30)
    clock.advance(hold_ms - 1)
    commit = CommitRequest(reservation_id=made.reservation_id, as_reserved=True)
    assert not (await caller.commit(commit)).late
    assert await quota.window() == (30, 0)


async def test_a_hold_is_never_shortened(caller: Caller, quota: Quota) -> None:
    await quota.team()
    made = await allowed(caller, 30)
    answer = await extend(caller, extending(made.reservation_id, 1))
    assert answer.expire_time == made.expire_time


async def test_a_hold_ends_4_hours_after_its_admission_at_the_latest(
    caller: Caller, quota: Quota, clock: Clock
) -> None:
    """SEM-30: silently; the answer says when."""
    await quota.team()
    made = await allowed(caller, 30)
    answer = await extend(caller, extending(made.reservation_id, 3_600))
    for _ in range(7):
        clock.advance(HOUR // 2)
        answer = await extend(caller, extending(made.reservation_id, 3_600))
    assert answer.expire_time.ToMilliseconds() == START_MS + 4 * HOUR


async def test_a_hold_that_has_ended_is_not_extended_but_can_be_committed(
    caller: Caller, quota: Quota, clock: Clock
) -> None:
    await quota.team()
    made = await allowed(caller, 30)
    clock.advance(600_000)
    await quota.reap()
    before = await quota.dump()
    refused = await refusal(extend(caller, extending(made.reservation_id, 60)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "EXPIRED")
    assert await quota.dump() == before
    commit = CommitRequest(reservation_id=made.reservation_id, as_reserved=True)
    assert (await caller.commit(commit)).late


async def test_a_settled_hold_is_not_extended_and_shows_what_became_of_it(
    caller: Caller, quota: Quota
) -> None:
    await quota.team()
    committed, released = await allowed(caller, 30), await allowed(caller, 20)
    await caller.commit(CommitRequest(reservation_id=committed.reservation_id, as_reserved=True))
    await caller.refund(RefundRequest(reservation_id=released.reservation_id))
    for made, reason, charged in (
        (committed, "ALREADY_COMMITTED", 30),
        (released, "ALREADY_RELEASED", 0),
    ):
        refused = await refusal(extend(caller, extending(made.reservation_id, 60)))
        assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, reason)
        winner = Reservation.FromString(refused.details["quotasvc.v1.Reservation"])
        assert winner.charged_nanos == charged * CREDIT


async def test_a_made_up_reservation_is_not_found(caller: Caller, quota: Quota) -> None:
    await quota.team()
    made = await allowed(caller, 30)
    refused = await refusal(extend(caller, extending(made.reservation_id[:-1] + "!", 60)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_an_hour_is_the_longest_step(caller: Caller, quota: Quota) -> None:
    await quota.team()
    made = await allowed(caller, 30)
    refused = await refusal(extend(caller, extending(made.reservation_id, 3_601)))
    assert (refused.code, refused.field) == (grpc.StatusCode.INVALID_ARGUMENT, "hold_duration")
    by_id = GetReservationRequest(reservation_id=made.reservation_id)
    found = (await caller.find(by_id)).reservation
    assert (found.state, found.expire_time) == (common_pb2.HELD, made.expire_time)

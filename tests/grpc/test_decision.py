"""The whole road of a decision, as a gateway sees it: from its channel to the store and back."""

from __future__ import annotations

import itertools

import grpc
import pytest

from quotasvc.domain.team import KeyState
from quotasvc.doors.grpcio import Limits
from quotasvc.v1 import common_pb2
from quotasvc.v1.common_pb2 import Usage
from quotasvc.v1.decision_pb2 import (
    ALLOW,
    CHECK_ONLY,
    DENY,
    CheckAndReserveRequest,
    CheckAndReserveResponse,
    CommitRequest,
    GetReservationRequest,
    RefundRequest,
    RequestRef,
    Reservation,
)
from tests.support.catalogs import CREDIT
from tests.support.clock import START_MS, Clock
from tests.support.door import Caller, make_door, refusal, serving
from tests.support.quota import TEAM, Quota

_numbers = itertools.count(1)


def asking(
    tokens: int, change: CheckAndReserveRequest | None = None, *, request_id: str = ""
) -> CheckAndReserveRequest:
    """For so many credits of text/a, with the Owner's key, but for what `change` sets."""
    request = CheckAndReserveRequest(
        request_id=request_id or f"r{next(_numbers)}",
        api_key=Quota.api_key().text,
        resource="text/a",
        usage=Usage(output_tokens=tokens),
    )
    if change is not None:
        request.MergeFrom(change)
    return request


async def allowed(caller: Caller, tokens: int) -> CheckAndReserveResponse:
    answer = await caller.reserve(asking(tokens))
    assert answer.decision == ALLOW, answer
    return answer


def committing(reservation: CheckAndReserveResponse, tokens: int) -> CommitRequest:
    return CommitRequest(
        reservation_id=reservation.reservation_id, usage=Usage(output_tokens=tokens)
    )


async def test_a_request_that_the_plan_pays(caller: Caller, quota: Quota) -> None:
    await quota.team()
    answer = await caller.reserve(asking(30))
    assert (answer.decision, answer.reservation_state) == (ALLOW, common_pb2.HELD)
    assert answer.expire_time.ToMilliseconds() == START_MS + 600_000
    [leg] = answer.legs
    assert (leg.payer, leg.source, leg.amount_nanos) == (
        common_pb2.PLAN,
        "s1/general",
        30 * CREDIT,
    )
    assert (answer.payer, answer.cost_nanos) == (common_pb2.PLAN, 30 * CREDIT)
    assert answer.may_fail_open
    held = {limit.limit_id: limit.held for limit in answer.limits}
    assert held == {"general/five_hour": 30 * CREDIT, "general/week": 30 * CREDIT}
    assert not answer.replayed
    assert (answer.catalog_version, answer.currency) == ("testtest", "USD")


async def test_a_request_that_lots_pay_when_the_plan_is_used_up(
    caller: Caller, quota: Quota
) -> None:
    # given a full window and two lots
    await quota.team()
    await quota.grant("later", 50, days=20)
    await quota.grant("sooner", 10, days=10)
    await allowed(caller, 100)
    # when more is asked for
    answer = await allowed(caller, 30)
    # then the lot that expires first pays first
    assert [(leg.source, leg.amount_nanos) for leg in answer.legs] == [
        ("sooner", 10 * CREDIT),
        ("later", 20 * CREDIT),
    ]
    assert answer.payer == common_pb2.CREDITS
    assert not answer.may_fail_open


async def test_a_denial_is_an_answer_that_explains_itself_and_moves_nothing(
    caller: Caller, quota: Quota
) -> None:
    # given a full window and too few credits
    await quota.team()
    await quota.grant("lot", 5)
    await allowed(caller, 100)
    before = await quota.dump()
    # when more is asked for
    answer = await caller.reserve(asking(30))
    # then the answer says why, until when, and what would help
    assert answer.decision == DENY
    assert answer.denial.reason == common_pb2.WINDOW_EXHAUSTED
    assert {o.reason for o in answer.denial.obstacles} == {
        common_pb2.WINDOW_EXHAUSTED,
        common_pb2.CREDITS_EXHAUSTED,
    }
    assert answer.denial.message
    assert answer.denial.remedies
    assert answer.reservation_id == ""
    # and nothing has moved
    assert await quota.dump() == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (CheckAndReserveRequest(api_key="qsk_made_up"), common_pb2.KEY_INVALID),
        (CheckAndReserveRequest(api_key=""), common_pb2.KEY_INVALID),
        (CheckAndReserveRequest(key_id="nobody_k1"), common_pb2.KEY_INVALID),
        (CheckAndReserveRequest(resource="text/unheard-of"), common_pb2.UNKNOWN_RESOURCE),
        (CheckAndReserveRequest(resource="voice/clone"), common_pb2.NOT_COVERED),
    ],
    ids=["malformed", "empty", "unknown key", "unknown resource", "not covered"],
)
async def test_what_is_the_end_users_mistake_is_a_denial(
    caller: Caller, quota: Quota, change: CheckAndReserveRequest, reason: int
) -> None:
    await quota.team()
    answer = await caller.reserve(asking(1, change))
    assert (answer.decision, answer.denial.reason) == (DENY, reason)


async def test_a_disabled_key_is_denied_at_once(caller: Caller, quota: Quota) -> None:
    await quota.team()
    await allowed(caller, 1)
    await quota.team(state=KeyState.DISABLED)
    answer = await caller.reserve(asking(1))
    assert answer.denial.reason == common_pb2.KEY_DISABLED


async def test_a_check_holds_nothing(caller: Caller, quota: Quota) -> None:
    await quota.team()
    before = await quota.dump()
    answer = await caller.reserve(asking(30, CheckAndReserveRequest(mode=CHECK_ONLY)))
    assert answer.decision == ALLOW
    assert (answer.reservation_id, answer.HasField("expire_time")) == ("", False)
    assert await quota.dump() == before


async def test_the_same_request_again_is_the_same_answer(caller: Caller, quota: Quota) -> None:
    """SEM-35, SEM-38: after a lost answer, the same id gives the one true outcome."""
    await quota.team()
    first = await caller.reserve(asking(30, request_id="same"))
    again = await caller.reserve(asking(30, request_id="same"))
    assert again.replayed
    assert (again.reservation_id, again.seq) == (first.reservation_id, first.seq)
    assert list(again.legs) == list(first.legs)


async def test_the_same_id_with_other_content_is_a_conflict(caller: Caller, quota: Quota) -> None:
    await quota.team()
    await caller.reserve(asking(30, request_id="same"))
    before = await quota.dump()
    refused = await refusal(caller.reserve(asking(31, request_id="same")))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "REQUEST_ID_CONFLICT",
    )
    assert await quota.dump() == before


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        (CheckAndReserveRequest(usage=Usage(images=1)), "UNMEASURED_UNIT", "usage.images"),
        (
            CheckAndReserveRequest(resource="clip/tiered", usage=Usage(clips=1)),
            "UNMEASURED_UNIT",
            "usage.output_tokens",
        ),
        (
            CheckAndReserveRequest(usage=Usage(output_tokens=-1)),
            "INVALID_FIELD",
            "usage.output_tokens",
        ),
    ],
    ids=["not measured", "not measured there", "negative"],
)
async def test_a_bad_usage_is_a_fault_that_moves_nothing(
    caller: Caller, quota: Quota, change: CheckAndReserveRequest, reason: str, field: str
) -> None:
    await quota.team()
    before = await quota.dump()
    refused = await refusal(caller.reserve(asking(1, change)))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.reason, refused.field) == (reason, field)
    assert await quota.dump() == before


async def test_attributes_that_no_price_covers_are_a_fault(caller: Caller, quota: Quota) -> None:
    """SEM-2a: free is stated, never inferred."""
    await quota.team()
    change = CheckAndReserveRequest(resource="clip/tiered", attributes={"resolution": "8K"})
    request = asking(1, change)
    request.usage.CopyFrom(Usage(clips=1))
    refused = await refusal(caller.reserve(request))
    assert (refused.reason, refused.field) == ("UNPRICED_USAGE", "usage.clips")


async def test_a_commit_charges_what_was_used_and_gives_the_rest_back(
    caller: Caller, quota: Quota
) -> None:
    await quota.team()
    reservation = await allowed(caller, 30)
    answer = await caller.commit(committing(reservation, 12))
    assert (answer.actual_nanos, answer.charged_nanos) == (12 * CREDIT, 12 * CREDIT)
    assert (answer.written_off_nanos, answer.late, answer.replayed) == (0, False, False)
    assert await quota.window() == (12, 0)
    again = await caller.commit(committing(reservation, 12))
    assert again.replayed
    assert again.seq == answer.seq


async def test_another_commit_learns_what_was_committed(caller: Caller, quota: Quota) -> None:
    """SEM-26: the loser sees the winner's figures."""
    await quota.team()
    reservation = await allowed(caller, 30)
    await caller.commit(committing(reservation, 12))
    refused = await refusal(caller.commit(committing(reservation, 13)))
    winner = Reservation.FromString(refused.details["quotasvc.v1.Reservation"])
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "ALREADY_COMMITTED",
    )
    assert (winner.state, winner.actual_nanos, winner.currency) == (
        common_pb2.COMMITTED,
        12 * CREDIT,
        "USD",
    )


async def test_a_refund_gives_credit_back_to_its_lots(caller: Caller, quota: Quota) -> None:
    # given a commit that two lots paid
    await quota.team(plan=None)
    await quota.grant("old", 40, days=10)
    await quota.grant("new", 100, days=20)
    reservation = await allowed(caller, 45)
    await caller.commit(committing(reservation, 45))
    # when it is refunded
    refund = RefundRequest(reservation_id=reservation.reservation_id, refund_id="f1", all=True)
    answer = await caller.refund(refund)
    # then both lots are whole again, and the same refund again moves nothing
    assert (answer.refunded_nanos, answer.replayed) == (45 * CREDIT, False)
    assert await quota.available() == {"old": 40, "new": 100}
    assert (await caller.refund(refund)).replayed
    assert await quota.available() == {"old": 40, "new": 100}


async def test_a_hold_is_released_without_a_refund_id(caller: Caller, quota: Quota) -> None:
    await quota.team()
    reservation = await allowed(caller, 30)
    request = RefundRequest(reservation_id=reservation.reservation_id)
    answer = await caller.refund(request)
    assert (answer.state, answer.released_nanos) == (common_pb2.RELEASED, 30 * CREDIT)
    assert await quota.window() == (0, 0)
    refused = await refusal(caller.commit(committing(reservation, 1)))
    assert refused.reason == "ALREADY_RELEASED"


async def test_a_charge_is_not_refunded_without_a_refund_id(caller: Caller, quota: Quota) -> None:
    await quota.team()
    reservation = await allowed(caller, 30)
    await caller.commit(committing(reservation, 30))
    request = RefundRequest(reservation_id=reservation.reservation_id)
    refused = await refusal(caller.refund(request))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "ALREADY_COMMITTED",
    )
    assert await quota.window() == (30, 0)


async def test_a_reservation_is_found_by_its_id_and_by_its_request(
    caller: Caller, quota: Quota
) -> None:
    await quota.team()
    made = await caller.reserve(asking(30, request_id="mine"))
    by_id = GetReservationRequest(reservation_id=made.reservation_id)
    by_request = GetReservationRequest(request=RequestRef(team_id=TEAM, request_id="mine"))
    found = (await caller.find(by_id)).reservation
    assert (found.state, found.cost_nanos, found.resource) == (
        common_pb2.HELD,
        30 * CREDIT,
        "text/a",
    )
    assert (await caller.find(by_request)).reservation == found


async def test_a_hold_shows_as_expired_from_its_end_on(
    caller: Caller, quota: Quota, clock: Clock
) -> None:
    """SEM-30: reaped or not."""
    await quota.team()
    made = await allowed(caller, 30)
    clock.advance(600_000)
    by_id = GetReservationRequest(reservation_id=made.reservation_id)
    assert (await caller.find(by_id)).reservation.state == common_pb2.EXPIRED


async def test_unknown_and_forged_reservations_look_alike(caller: Caller, quota: Quota) -> None:
    # given an id that is genuine but no longer kept
    await quota.team()
    made = await allowed(caller, 30)
    await quota.executor.call("FLUSHALL", deadline=quota.deadline)
    # when it, and one that was made up, are used
    genuine, forged = made.reservation_id, made.reservation_id[:-1] + "!"
    refusals = [
        await refusal(caller.commit(CommitRequest(reservation_id=name, as_reserved=True)))
        for name in (genuine, forged)
    ]
    refusals += [
        await refusal(caller.find(GetReservationRequest(reservation_id=name)))
        for name in (genuine, forged)
    ]
    # then nobody can tell which was which
    assert {(r.code, r.reason, r.message) for r in refusals} == {
        (grpc.StatusCode.NOT_FOUND, "NOT_FOUND", refusals[0].message)
    }


async def test_a_store_that_is_away_is_unavailable_within_the_deadline(quota: Quota) -> None:
    await quota.team()
    door = make_door(quota.decisions, quota.usage, limits=Limits(call_ms_max=100))
    async with serving(door) as caller:
        await quota.executor.close()
        refused = await refusal(caller.reserve(asking(1)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


async def test_a_clock_far_from_the_stores_is_unavailable(quota: Quota, clock: Clock) -> None:
    """SEM-37: nothing is decided when nobody knows what time it is."""
    await quota.team()
    skewed = Quota(quota.executor, lambda: clock() + 31_000)
    async with serving(make_door(skewed.decisions, skewed.usage)) as caller:
        before = await quota.dump()
        refused = await refusal(caller.reserve(asking(1)))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "CLOCK_SKEW")
        assert await quota.dump() == before


async def test_no_answer_holds_a_secret(caller: Caller, quota: Quota) -> None:
    await quota.team()
    secret = quota.api_key().secret
    answers = [
        await caller.reserve(asking(1)),
        await caller.reserve(asking(1, CheckAndReserveRequest(resource="voice/clone"))),
        await refusal(caller.reserve(asking(-1))),
    ]
    assert all(secret not in f"{answer}" for answer in answers)

"""RecordUsage charges what was served without a hold; only its key or coverage can deny it."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest

from quotasvc.v1 import common_pb2
from quotasvc.v1.common_pb2 import Usage
from quotasvc.v1.decision_pb2 import (
    ALLOW,
    DENY,
    CommitRequest,
    GetReservationRequest,
    RecordUsageRequest,
    RecordUsageResponse,
    RefundRequest,
    RequestRef,
)
from tests.grpc.test_decision import allowed, asking
from tests.support.catalogs import CREDIT
from tests.support.door import DECISIONS, Caller, refusal
from tests.support.quota import OWNER_KEY, TEAM, Quota


async def record(caller: Caller, request: RecordUsageRequest) -> RecordUsageResponse:
    return await caller.call(f"{DECISIONS}/RecordUsage", request, RecordUsageResponse)


def using(
    tokens: int, change: RecordUsageRequest | None = None, *, request_id: str = "late"
) -> RecordUsageRequest:
    """So many credits of text/a, with the Owner's key, but for what `change` sets."""
    request = RecordUsageRequest(
        request_id=request_id,
        api_key=Quota.api_key().text,
        resource="text/a",
        usage=Usage(output_tokens=tokens),
    )
    if change is not None:
        request.MergeFrom(change)
    return request


async def test_use_is_charged_at_once(caller: Caller, quota: Quota) -> None:
    await quota.team()
    answer = await record(caller, using(30))
    assert (answer.decision, answer.HasField("denial")) == (ALLOW, False)
    [leg] = answer.legs
    assert (leg.payer, leg.source) == (common_pb2.PLAN, "s1/general")
    assert (answer.actual_nanos, answer.charged_nanos, answer.written_off_nanos) == (
        30 * CREDIT,
        30 * CREDIT,
        0,
    )
    assert {limit.limit_id for limit in answer.limits} == {"general/five_hour", "general/week"}
    assert (answer.replayed, answer.currency, answer.catalog_version) == (False, "USD", "testtest")
    assert await quota.window() == (30, 0)


async def test_recorded_use_is_a_committed_reservation(caller: Caller, quota: Quota) -> None:
    await quota.team()
    answer = await record(caller, using(30))
    by_id = GetReservationRequest(reservation_id=answer.reservation_id)
    by_request = GetReservationRequest(request=RequestRef(team_id=TEAM, request_id="late"))
    found = (await caller.find(by_id)).reservation
    assert (found.state, found.charged_nanos) == (common_pb2.COMMITTED, 30 * CREDIT)
    assert (await caller.find(by_request)).reservation == found
    # and what was charged can go back
    refund = RefundRequest(reservation_id=answer.reservation_id, refund_id="f1", all=True)
    assert (await caller.refund(refund)).refunded_nanos == 30 * CREDIT
    assert await quota.window() == (0, 0)


async def test_no_usage_is_one_request(caller: Caller, quota: Quota) -> None:
    await quota.team()
    request = RecordUsageRequest(request_id="late", key_id=OWNER_KEY, resource="vlm/a")
    answer = await record(caller, request)
    assert answer.actual_nanos == CREDIT
    # and weighs 3 there
    assert await quota.window("vlm/day") == (3, 0)


async def test_what_the_plan_has_no_room_for_the_plan_absorbs(caller: Caller, quota: Quota) -> None:
    """SEM-34: after the Credits that there are; nothing of it is refused."""
    await quota.team()
    await quota.grant("lot", 10)
    answer = await record(caller, using(150))
    assert (answer.decision, answer.charged_nanos) == (ALLOW, 150 * CREDIT)
    paid = {payer: 0 for payer in (common_pb2.PLAN, common_pb2.CREDITS)}
    for leg in answer.legs:
        paid[leg.payer] += leg.amount_nanos // CREDIT
    assert paid == {common_pb2.PLAN: 140, common_pb2.CREDITS: 10}
    assert await quota.window() == (140, 0)


async def test_what_nobody_can_pay_is_written_off(caller: Caller, quota: Quota) -> None:
    await quota.team(plan=None)
    await quota.grant("lot", 10)
    answer = await record(caller, using(30))
    assert (answer.decision, answer.actual_nanos // CREDIT) == (ALLOW, 30)
    assert (answer.charged_nanos // CREDIT, answer.written_off_nanos // CREDIT) == (10, 20)
    assert await quota.available() == {"lot": 0}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (RecordUsageRequest(api_key="qsk_made_up"), common_pb2.KEY_INVALID),
        (RecordUsageRequest(key_id="nobody_k1"), common_pb2.KEY_INVALID),
        (RecordUsageRequest(resource="text/unheard-of"), common_pb2.UNKNOWN_RESOURCE),
        (RecordUsageRequest(resource="voice/clone"), common_pb2.NOT_COVERED),
    ],
    ids=["malformed key", "unknown key", "unknown resource", "not covered"],
)
async def test_what_is_denied_charges_nothing(
    caller: Caller, quota: Quota, change: RecordUsageRequest, reason: int
) -> None:
    await quota.team()
    before = await quota.dump()
    answer = await record(caller, using(1, change))
    assert (answer.decision, answer.denial.reason) == (DENY, reason)
    assert (answer.reservation_id, list(answer.legs)) == ("", [])
    assert await quota.dump() == before


@pytest.mark.parametrize(
    ("usage", "attributes", "resource", "reason", "field"),
    [
        (Usage(images=1), {}, "text/a", "UNMEASURED_UNIT", "usage.images"),
        (Usage(clips=1), {"resolution": "8K"}, "clip/tiered", "UNPRICED_USAGE", "usage.clips"),
    ],
    ids=["not measured", "not priced"],
)
async def test_use_without_a_price_is_a_fault(
    caller: Caller,
    quota: Quota,
    usage: Usage,
    attributes: dict[str, str],
    resource: str,
    reason: str,
    field: str,
) -> None:
    await quota.team()
    before = await quota.dump()
    request = RecordUsageRequest(
        request_id="late", key_id=OWNER_KEY, resource=resource, usage=usage, attributes=attributes
    )
    refused = await refusal(record(caller, request))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.reason, refused.field) == (reason, field)
    assert await quota.dump() == before


async def test_the_same_report_again_is_the_same_answer(caller: Caller, quota: Quota) -> None:
    await quota.team()
    first = await record(caller, using(30))
    before = await quota.dump()
    again = await record(caller, using(30))
    assert again.replayed
    assert (again.reservation_id, again.seq) == (first.reservation_id, first.seq)
    assert list(again.legs) == list(first.legs)
    assert await quota.dump() == before


@pytest.mark.parametrize(
    "other", [using(31), using(30, RecordUsageRequest(attributes={"a": "b"}))], ids=["use", "price"]
)
async def test_the_same_id_with_another_report_is_a_conflict(
    caller: Caller, quota: Quota, other: RecordUsageRequest
) -> None:
    await quota.team()
    await record(caller, using(30))
    before = await quota.dump()
    refused = await refusal(record(caller, other))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "REQUEST_ID_CONFLICT",
    )
    assert await quota.dump() == before


async def test_reports_and_decisions_share_their_ids(caller: Caller, quota: Quota) -> None:
    """SEM-50: the same fields through another call are other content."""
    await quota.team()
    await caller.reserve(asking(30, request_id="same"))
    refused = await refusal(record(caller, using(30, request_id="same")))
    assert refused.reason == "REQUEST_ID_CONFLICT"
    await record(caller, using(30))
    refused = await refusal(caller.reserve(asking(30, request_id="late")))
    assert refused.reason == "REQUEST_ID_CONFLICT"


@pytest.mark.parametrize("is_settled", [False, True], ids=["held", "committed"])
async def test_a_reservation_that_is_known_is_to_be_committed(
    caller: Caller, quota: Quota, *, is_settled: bool
) -> None:
    await quota.team()
    made = await allowed(caller, 30)
    if is_settled:
        commit = CommitRequest(reservation_id=made.reservation_id, as_reserved=True)
        await caller.commit(commit)
    before = await quota.dump()
    change = RecordUsageRequest(reservation_id=made.reservation_id)
    refused = await refusal(record(caller, using(30, change)))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "RESERVATION_EXISTS",
    )
    assert await quota.dump() == before


async def test_a_reservation_that_is_no_longer_known_is_recorded_once(
    caller: Caller, quota: Quota, make_quota: Callable[[], Quota]
) -> None:
    # given a genuine reservation of which the store knows nothing
    await quota.team()
    made = await allowed(caller, 30)
    await quota.executor.call("FLUSHALL", deadline=quota.deadline)
    await make_quota().team()
    # when its use is recorded
    change = RecordUsageRequest(reservation_id=made.reservation_id)
    answer = await record(caller, using(30, change))
    assert (answer.decision, answer.charged_nanos) == (ALLOW, 30 * CREDIT)
    # then it is not recorded again under another id
    before = await quota.dump()
    refused = await refusal(record(caller, using(30, change, request_id="later")))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "REQUEST_ID_CONFLICT",
    )
    assert await quota.dump() == before


async def test_a_made_up_reservation_is_not_found(caller: Caller, quota: Quota) -> None:
    await quota.team()
    made = await allowed(caller, 30)
    before = await quota.dump()
    change = RecordUsageRequest(reservation_id=made.reservation_id[:-1] + "!")
    refused = await refusal(record(caller, using(30, change)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    assert await quota.dump() == before

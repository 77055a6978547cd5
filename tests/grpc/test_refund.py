"""What a commit charged goes back whole, by units or by amount, and never twice (SEM-29)."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest

from quotasvc.v1 import common_pb2
from quotasvc.v1.common_pb2 import Usage
from quotasvc.v1.decision_pb2 import (
    CheckAndReserveRequest,
    CheckAndReserveResponse,
    CommitRequest,
    RefundRequest,
)
from tests.grpc.test_decision import allowed, asking, committing
from tests.support.catalogs import CREDIT
from tests.support.door import Caller, refusal
from tests.support.quota import Quota


async def charged(caller: Caller, quota: Quota, tokens: int = 45) -> CheckAndReserveResponse:
    """So many credits, of which the lot "old" paid the first 40 and "new" the others."""
    await quota.team(plan=None)
    await quota.grant("old", 40, days=10)
    await quota.grant("new", 100, days=20)
    made = await allowed(caller, tokens)
    await caller.commit(committing(made, tokens))
    return made


def refunding(
    made: CheckAndReserveResponse, scope: RefundRequest, refund_id: str = "f1"
) -> RefundRequest:
    request = RefundRequest(reservation_id=made.reservation_id, refund_id=refund_id)
    request.MergeFrom(scope)
    return request


def tokens(number: int) -> RefundRequest:
    return RefundRequest(usage=Usage(output_tokens=number))


def credits(number: int) -> RefundRequest:
    return RefundRequest(amount_nanos=number * CREDIT)


ALL = RefundRequest(all=True)


@pytest.mark.parametrize("scope", [tokens, credits], ids=["usage", "amount"])
async def test_a_part_goes_back_last_lot_first(
    caller: Caller, quota: Quota, scope: Callable[[int], RefundRequest]
) -> None:
    # given 45 credits charged to two lots
    made = await charged(caller, quota)
    # when 3, then 10 and then the rest are refunded
    answers = [
        await caller.refund(refunding(made, part, f"f{number}"))
        for number, part in enumerate((scope(3), scope(10), ALL))
    ]
    # then each went back to where it came from, and all are back
    assert [answer.refunded_nanos // CREDIT for answer in answers] == [3, 10, 32]
    assert {answer.state for answer in answers} == {common_pb2.COMMITTED}
    assert [leg.source for leg in answers[0].refunded] == ["new"]
    assert {leg.source for leg in answers[1].refunded} == {"new", "old"}
    assert await quota.available() == {"old": 40, "new": 100}


async def test_units_go_back_to_the_window_that_paid_them(caller: Caller, quota: Quota) -> None:
    await quota.team()
    made = await allowed(caller, 30)
    await caller.commit(committing(made, 30))
    answer = await caller.refund(refunding(made, tokens(12)))
    assert answer.refunded_nanos == 12 * CREDIT
    assert await quota.window() == (18, 0)


async def test_counted_units_go_back_by_usage_only(caller: Caller, quota: Quota) -> None:
    # given 4 images, which the plan counts
    await quota.team()
    change = CheckAndReserveRequest(resource="image/a")
    request = asking(1, change)
    request.usage.CopyFrom(Usage(images=4))
    made = await caller.reserve(request)
    await caller.commit(CommitRequest(reservation_id=made.reservation_id, as_reserved=True))
    before = await quota.dump()
    # when an amount of money is asked back, then that is no amount of images
    refused = await refusal(caller.refund(refunding(made, credits(3))))
    assert (refused.code, refused.field) == (grpc.StatusCode.INVALID_ARGUMENT, "amount_nanos")
    assert await quota.dump() == before
    # and one image is one image
    await caller.refund(refunding(made, RefundRequest(usage=Usage(images=1))))
    assert await quota.window("images/day") == (3, 0)


@pytest.mark.parametrize(
    ("scope", "reason", "field"),
    [
        (tokens(46), "INVALID_FIELD", "usage.output_tokens"),
        (RefundRequest(usage=Usage(input_tokens=1)), "INVALID_FIELD", "usage.input_tokens"),
        (RefundRequest(usage=Usage(images=1)), "UNMEASURED_UNIT", "usage.images"),
    ],
    ids=["more than was used", "what was not used", "what is not measured"],
)
async def test_no_more_units_go_back_than_were_used(
    caller: Caller, quota: Quota, scope: RefundRequest, reason: str, field: str
) -> None:
    made = await charged(caller, quota)
    before = await quota.dump()
    refused = await refusal(caller.refund(refunding(made, scope)))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.reason, refused.field) == (reason, field)
    assert await quota.dump() == before


async def test_no_more_goes_back_than_is_still_charged(caller: Caller, quota: Quota) -> None:
    # given a charge of 45, of which 40 have gone back
    made = await charged(caller, quota)
    await caller.refund(refunding(made, credits(40)))
    before = await quota.dump()
    # when 6 are asked back, then nothing moves
    refused = await refusal(caller.refund(refunding(made, credits(6), "f2")))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "REFUND_EXCEEDS_CHARGE",
    )
    assert await quota.dump() == before


async def test_the_same_refund_again_is_the_same_answer(caller: Caller, quota: Quota) -> None:
    made = await charged(caller, quota)
    first = await caller.refund(refunding(made, tokens(3)))
    await caller.refund(refunding(made, tokens(4), "f2"))
    before = await quota.dump()
    again = await caller.refund(refunding(made, tokens(3)))
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.refunded_nanos, again.seq) == (3 * CREDIT, first.seq)
    assert await quota.dump() == before


@pytest.mark.parametrize("other", [tokens(4), credits(3), ALL], ids=["usage", "amount", "all"])
async def test_the_same_id_with_another_scope_is_a_conflict(
    caller: Caller, quota: Quota, other: RefundRequest
) -> None:
    made = await charged(caller, quota)
    await caller.refund(refunding(made, tokens(3)))
    before = await quota.dump()
    refused = await refusal(caller.refund(refunding(made, other)))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.ALREADY_EXISTS,
        "REQUEST_ID_CONFLICT",
    )
    assert await quota.dump() == before


async def test_a_17th_refund_is_refused(caller: Caller, quota: Quota) -> None:
    made = await charged(caller, quota)
    for number in range(16):
        await caller.refund(refunding(made, credits(1), f"f{number}"))
    before = await quota.dump()
    refused = await refusal(caller.refund(refunding(made, credits(1), "f16")))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "TOO_MANY_REFUNDS",
    )
    assert await quota.dump() == before


@pytest.mark.parametrize("scope", [tokens(1), credits(1), ALL], ids=["usage", "amount", "all"])
async def test_a_hold_goes_back_whole_whatever_the_scope(
    caller: Caller, quota: Quota, scope: RefundRequest
) -> None:
    await quota.team()
    made = await allowed(caller, 30)
    answer = await caller.refund(refunding(made, scope))
    assert (answer.state, answer.released_nanos, answer.refunded_nanos) == (
        common_pb2.RELEASED,
        30 * CREDIT,
        0,
    )
    assert await quota.window() == (0, 0)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (RefundRequest(reservation_id="r", amount_nanos=1), "refund_id"),
        (RefundRequest(reservation_id="r", refund_id="f", usage=Usage()), "usage"),
        (RefundRequest(reservation_id="r", refund_id="f"), "scope"),
    ],
    ids=["amount without an id", "usage without a unit", "id without a scope"],
)
async def test_a_refund_that_says_too_little_is_invalid(
    caller: Caller, request_: RefundRequest, field: str
) -> None:
    refused = await refusal(caller.refund(request_))
    assert (refused.code, refused.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)

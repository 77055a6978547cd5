"""Refunds in parts: by usage, by amount, all that is left; sixteen of them (SEM-29, SEM-49, S3)."""

from __future__ import annotations

from random import Random

import pytest

from quotasvc.domain.faults import Conflict, FailedPrecondition, InvalidArgument
from quotasvc.domain.outcome import Allowed, Refunded
from quotasvc.domain.reservation import REFUNDS_MAX
from quotasvc.domain.unit import Usage
from tests.support.catalogs import CREDIT
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")


def credits(refunded: Refunded) -> list[tuple[str, int]]:
    """(source, whole credits) of what was given back."""
    return [(leg.source, leg.nanos // CREDIT) for leg in refunded.refunded]


async def charged(quota: Quota, tokens: int, actual: int | None = None) -> Allowed:
    """A charge over the plan's 100 and, beyond them, a lot of 100."""
    await quota.team()
    await quota.grant("lot", 100)
    reservation = await quota.reserve(tokens)
    await quota.commit(reservation, actual)
    return reservation


async def refused(
    quota: Quota,
    reservation: Allowed,
    refund_id: str,
    *,
    usage: Usage | None = None,
    amount_nanos: int | None = None,
) -> str:
    """The reason why a refund is refused; nothing has changed."""
    before = await quota.dump()
    with pytest.raises((FailedPrecondition, InvalidArgument, Conflict)) as fault:
        await quota.refund(reservation, refund_id, usage=usage, amount_nanos=amount_nanos)
    assert await quota.dump() == before
    return fault.value.reason


async def test_an_amount_goes_back_from_the_last_source_to_the_first(quota: Quota) -> None:
    # given 100 of the plan and 20 of a lot
    reservation = await charged(quota, 120)
    # when it goes back in parts
    first = await quota.refund(reservation, "f1", amount_nanos=5 * CREDIT)
    second = await quota.refund(reservation, "f2", amount_nanos=40 * CREDIT)
    rest = await quota.refund(reservation, "f3")
    # then the lot gets all of its own before the plan gets any (SEM-25)
    assert credits(first) == [("lot", 5)]
    assert credits(second) == [("s1/general", 25), ("lot", 15)]
    assert credits(rest) == [("s1/general", 75)]
    assert await quota.window() == (0, 0)
    assert await quota.available() == {"lot": 100}


async def test_a_usage_goes_back_at_the_price_that_it_adds(quota: Quota) -> None:
    reservation = await charged(quota, 120, 110)
    # when units are given back, some of them twice named
    first = await quota.refund(reservation, "f1", usage=Usage.of(output_tokens=30))
    again = await quota.refund(reservation, "f1", usage=Usage.of(output_tokens=30))
    second = await quota.refund(reservation, "f2", usage=Usage.of(output_tokens=80))
    # then each once, and never more than were used
    assert credits(first) == credits(again) == [("s1/general", 20), ("lot", 10)]
    assert again.replayed
    assert credits(second) == [("s1/general", 80)]
    assert await refused(quota, reservation, "f3", usage=Usage.of(output_tokens=1)) == (
        "INVALID_FIELD"
    )


async def test_what_was_written_off_is_not_given_back(quota: Quota) -> None:
    # given a usage of 30 of which a lot could pay 20 (SEM-49)
    await quota.team(plan=None)
    await quota.grant("lot", 20)
    reservation = await quota.reserve(20)
    assert (await quota.commit(reservation, 30)).written_off_nanos == 10 * CREDIT
    # when 15 of it are given back, then those that nobody paid are used up first
    refunded = await quota.refund(reservation, "f1", usage=Usage.of(output_tokens=15))
    assert credits(refunded) == [("lot", 5)]


@pytest.mark.parametrize("unit", ["requests", "images"])
async def test_a_commit_that_names_no_unit_is_refunded_by_what_it_charged(
    quota: Quota, unit: str
) -> None:
    # given an estimate of 5, committed at a usage that names nothing: 1 request, or no image
    await quota.team(plan=None)
    await quota.grant("lot", 100)
    resource = {"requests": "vlm/a", "images": "image/a"}[unit]
    reservation = await quota.reserve(resource=resource, usage=Usage.of(**{unit: 5}))
    await quota.settle(reservation, Usage.of())
    # then no unit of the estimate is taken for used
    if unit == "images":
        assert await refused(quota, reservation, "f1", usage=Usage.of(images=1)) == (
            "INVALID_FIELD"
        )
        return
    assert await refused(quota, reservation, "f1", usage=Usage.of(requests=2)) == "INVALID_FIELD"
    refunded = await quota.refund(reservation, "f1", usage=Usage.of(requests=1))
    assert credits(refunded) == [("lot", 1)]


async def test_units_that_a_plan_counts_go_back_as_units(quota: Quota) -> None:
    # given 4 images of the plan's 10 (S4), of which an amount of money is nobody's
    await quota.team()
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=4))
    await quota.settle(reservation, None)
    assert await refused(quota, reservation, "f1", amount_nanos=1) == "INVALID_FIELD"
    refunded = await quota.refund(reservation, "f1", usage=Usage.of(images=3))
    assert [(leg.amount, leg.nanos // CREDIT) for leg in refunded.refunded] == [(3, 9)]
    assert await quota.window("images/day") == (1, 0)


@pytest.mark.parametrize("rest", [None, 5])
async def test_the_rest_of_what_a_plan_counts_is_no_more_than_the_rest(
    quota: Quota, rest: int | None
) -> None:
    # given 8 images of which 3 went back (SEM-29), and one of somebody else
    await quota.team()
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=8))
    await quota.settle(reservation, None)
    other = await quota.reserve(resource="image/a", usage=Usage.of(images=1))
    await quota.settle(other, None)
    await quota.refund(reservation, "f1", usage=Usage.of(images=3))
    # when the rest is given back, by name or as all there is
    usage = None if rest is None else Usage.of(images=rest)
    refunded = await quota.refund(reservation, "f2", usage=usage)
    # then it is 5, and the day keeps what is the other's
    assert [(leg.amount, leg.nanos // CREDIT) for leg in refunded.refunded] == [(5, 15)]
    assert await quota.window("images/day") == (1, 0)


async def test_one_image_of_a_plan_goes_back_as_one_image(quota: Quota) -> None:
    await quota.team()
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=1))
    await quota.settle(reservation, None)
    assert await refused(quota, reservation, "f1", amount_nanos=1) == "INVALID_FIELD"
    await quota.refund(reservation, "f1")
    assert await quota.window("images/day") == (0, 0)


async def test_more_than_is_left_is_refused(quota: Quota) -> None:
    reservation = await charged(quota, 50)
    await quota.refund(reservation, "f1", amount_nanos=30 * CREDIT)
    too_much = 20 * CREDIT + 1
    assert await refused(quota, reservation, "f2", amount_nanos=too_much) == "REFUND_EXCEEDS_CHARGE"
    await quota.refund(reservation, "f2", amount_nanos=20 * CREDIT)
    # and of nothing not even all (S3)
    assert await refused(quota, reservation, "f3") == "REFUND_EXCEEDS_CHARGE"


async def test_a_known_refund_of_another_scope_is_a_conflict(quota: Quota) -> None:
    reservation = await charged(quota, 50)
    await quota.refund(reservation, "f1", amount_nanos=30 * CREDIT)
    usage = Usage.of(output_tokens=30)
    assert await refused(quota, reservation, "f1") == "REQUEST_ID_CONFLICT"
    assert await refused(quota, reservation, "f1", amount_nanos=1) == "REQUEST_ID_CONFLICT"
    assert await refused(quota, reservation, "f1", usage=usage) == "REQUEST_ID_CONFLICT"


async def test_sixteen_refunds_are_taken_each_with_its_own_answer(quota: Quota) -> None:
    # given a charge, refunded in as many parts as may be, of one kind or another
    reservation = await charged(quota, 190)
    chance, answers = Random(3), {}
    for number in range(REFUNDS_MAX):
        part = chance.randrange(1, 10)
        kind = (
            {"amount_nanos": part * CREDIT}
            if number % 2
            else {"usage": Usage.of(output_tokens=part)}
        )
        answers[number] = (kind, await quota.refund(reservation, f"f{number}", **kind))
    # then one more is not, whatever it asks for
    assert await refused(quota, reservation, "f16", amount_nanos=2**53 - 1) == "TOO_MANY_REFUNDS"
    # and each of them is answered as at first
    for number, (kind, first) in answers.items():
        again = await quota.refund(reservation, f"f{number}", **kind)
        assert again.replayed
        assert (again.refunded, again.seq) == (first.refunded, first.seq)

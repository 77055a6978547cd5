"""What is stated to be free: it passes everything but the key and coverage (SEM-2a, SEM-46)."""

from __future__ import annotations

import pytest

from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.outcome import DenialReason, Denied
from quotasvc.domain.reservation import State
from quotasvc.domain.team import KeyState
from quotasvc.domain.unit import Usage
from tests.support.clock import Clock
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")

SONG = Usage.of(songs=1)


@pytest.mark.parametrize("payg", [False, True])
async def test_free_usage_needs_neither_seat_nor_credits(quota: Quota, *, payg: bool) -> None:
    # given a member with nothing at all (D6)
    await quota.team(plan=None, access=False, payg=payg)
    # when something free is asked for
    reservation = await quota.reserve(resource="music/free", usage=SONG)
    # then it is held with no legs, and committed for nothing
    assert (reservation.legs, reservation.cost_nanos) == ((), 0)
    assert reservation.state is State.HELD
    assert not reservation.may_fail_open
    committed = await quota.settle(reservation, Usage.of(songs=1_000))
    assert (committed.legs, committed.actual_nanos, committed.written_off_nanos) == ((), 0, 0)


async def test_free_usage_passes_exhausted_windows(quota: Quota) -> None:
    # given a seat with nothing left
    await quota.team()
    await quota.reserve(100)
    assert isinstance(await quota.decide(quota.ask(1)), Denied)
    # then what is free passes
    assert (await quota.reserve(resource="music/free", usage=SONG)).legs == ()


async def test_free_usage_needs_a_valid_key(quota: Quota) -> None:
    await quota.team(state=KeyState.DISABLED)
    answer = await quota.denied(resource="music/free", usage=SONG)
    assert answer.denial.reason is DenialReason.KEY_DISABLED


async def test_a_free_hold_can_be_released_and_expires(quota: Quota, clock: Clock) -> None:
    # given two free holds
    await quota.team(plan=None)
    released = await quota.reserve(resource="music/free", usage=SONG)
    expired = await quota.reserve(resource="music/free", usage=SONG)
    # when one is released and the other's time ends
    assert (await quota.refund(released)).state is State.RELEASED
    clock.advance(600_000)
    await quota.reap()
    # then both are over, and a late commit of the second costs nothing either
    committed = await quota.settle(expired, SONG)
    assert (committed.late, committed.actual_nanos) == (True, 0)


async def test_nothing_asked_of_a_priced_resource_is_not_free(quota: Quota) -> None:
    # given a resource that prices requests and nothing else (SEM-2a)
    await quota.team()
    # when a request for no requests comes, raised to the least that is held (SEM-13)
    reservation = await quota.reserve(resource="vlm/a", usage=Usage.of(requests=0))
    # then it is held at the price of one
    assert reservation.cost_nanos > 0


async def test_usage_without_a_price_is_a_fault_not_free(quota: Quota) -> None:
    # given attributes that no price row has (SEM-2a)
    await quota.team()
    before = await quota.dump()
    with pytest.raises(InvalidArgument, match="resolution=4K") as refused:
        await quota.reserve(resource="clip/tiered", attributes=(("resolution", "4K"),))
    assert refused.value.reason == "UNPRICED_USAGE"
    assert refused.value.field == "usage.clips"
    assert await quota.dump() == before

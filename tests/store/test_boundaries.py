"""Holds and charges over the end of a day or week: usage belongs to its admission (SEM-15)."""

from __future__ import annotations

import pytest

from quotasvc.domain.unit import Usage
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, HOUR, MINUTE, START_MS, Clock
from tests.support.quota import Quota

pytestmark = pytest.mark.usefixtures("conserved")

MIDNIGHT_MS = START_MS - 7 * HOUR + DAY
MONDAY_MS = START_MS - 7 * HOUR + 7 * DAY


async def test_a_hold_over_midnight_belongs_to_the_old_day(quota: Quota, clock: Clock) -> None:
    # given images that were admitted just before midnight
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - MINUTE
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=8))
    # when they are committed just after it, at fewer
    clock.now_ms = MIDNIGHT_MS + MINUTE
    committed = await quota.settle(reservation, Usage.of(images=5))
    # then the new day has seen nothing of them, and the leg says that its window is gone
    assert [(leg.amount, leg.window_gone) for leg in committed.legs] == [(5, True)]
    assert await quota.window("images/day") == (0, 0)
    await quota.reserve(resource="image/a", usage=Usage.of(images=10))


async def test_a_whole_commit_over_midnight_has_nothing_to_adjust(
    quota: Quota, clock: Clock
) -> None:
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - MINUTE
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=8))
    clock.now_ms = MIDNIGHT_MS + MINUTE
    committed = await quota.settle(reservation, Usage.of(images=8))
    assert [(leg.amount, leg.window_gone) for leg in committed.legs] == [(8, False)]
    assert await quota.window("images/day") == (0, 0)


async def test_a_release_over_midnight_leaves_the_new_day_alone(quota: Quota, clock: Clock) -> None:
    # given a hold of yesterday, and usage of today
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - MINUTE
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=8))
    clock.now_ms = MIDNIGHT_MS + MINUTE
    await quota.reserve(resource="image/a", usage=Usage.of(images=3))
    # when the hold is released
    refunded = await quota.refund(reservation)
    # then today's stays as it is
    assert [(leg.amount, leg.window_gone) for leg in refunded.released] == [(8, True)]
    assert await quota.window("images/day") == (0, 3)


async def test_a_refund_after_midnight_leaves_the_new_day_alone(quota: Quota, clock: Clock) -> None:
    # given images of yesterday, committed, and usage of today
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - MINUTE
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=8))
    await quota.settle(reservation, Usage.of(images=8))
    clock.now_ms = MIDNIGHT_MS + MINUTE
    await quota.reserve(resource="image/a", usage=Usage.of(images=3))
    # when they are refunded
    refunded = await quota.refund(reservation, "f1")
    # then the refund counts, and today's stays as it is (SEM-49)
    assert [(leg.amount, leg.window_gone) for leg in refunded.refunded] == [(8, True)]
    assert sum(leg.nanos for leg in refunded.refunded) == 24 * CREDIT
    assert await quota.window("images/day") == (0, 3)


async def test_an_overrun_after_midnight_counts_in_the_new_day(quota: Quota, clock: Clock) -> None:
    # given a hold of yesterday (the only exception to SEM-15: SEM-27)
    await quota.team(access=False)
    clock.now_ms = MIDNIGHT_MS - MINUTE
    reservation = await quota.reserve(resource="image/a", usage=Usage.of(images=8))
    clock.now_ms = MIDNIGHT_MS + MINUTE
    # when more is committed
    committed = await quota.settle(reservation, Usage.of(images=9))
    # then what is more than the hold belongs to today
    assert [leg.amount for leg in committed.legs] == [9]
    assert await quota.window("images/day") == (1, 0)
    # and only that can come back, which the leg says
    refunded = await quota.refund(reservation, "f1")
    assert [(leg.amount, leg.window_gone) for leg in refunded.refunded] == [(9, True)]
    assert await quota.window("images/day") == (0, 0)


async def test_a_hold_over_the_weeks_end_keeps_its_slice_of_the_five_hours(
    quota: Quota, clock: Clock
) -> None:
    # given a hold in a window that ends and in one that slides
    await quota.team(access=False)
    clock.now_ms = MONDAY_MS - MINUTE
    reservation = await quota.reserve(50)
    clock.now_ms = MONDAY_MS + MINUTE
    # when less is committed
    committed = await quota.commit(reservation, 30)
    # then the rest comes back where it can
    assert committed.legs[0].window_gone
    assert await quota.window("general/five_hour") == (30, 0)
    assert await quota.window("general/week") == (0, 0)


async def test_an_overrun_over_the_weeks_end_is_refunded_to_both_windows(
    quota: Quota, clock: Clock
) -> None:
    # given 50 held last week of which 70 were used
    await quota.team(access=False)
    clock.now_ms = MONDAY_MS - MINUTE
    reservation = await quota.reserve(50)
    clock.now_ms = MONDAY_MS + MINUTE
    await quota.commit(reservation, 70)
    assert await quota.window("general/five_hour") == (70, 0)
    assert await quota.window("general/week") == (20, 0)
    # when it is refunded
    await quota.refund(reservation, "f1")
    # then each window gives back what it was charged
    assert await quota.window("general/five_hour") == (0, 0)
    assert await quota.window("general/week") == (0, 0)


async def test_parts_of_a_refund_take_what_came_beyond_the_hold_first(
    quota: Quota, clock: Clock
) -> None:
    # SEM-29, S5: given 50 held last week, and 20 more of this week
    await quota.team(access=False)
    clock.now_ms = MONDAY_MS - MINUTE
    reservation = await quota.reserve(50)
    clock.now_ms = MONDAY_MS + MINUTE
    await quota.commit(reservation, 70)
    # when 15 go back, then 10, then 5: the week gives back its 20, and then nothing
    for number, (part, week) in enumerate(((15, 5), (10, 0), (5, 0))):
        await quota.refund(reservation, f"f{number}", amount_nanos=part * CREDIT)
        assert await quota.window("general/week") == (week, 0)
    # and the five hours have given back each part
    assert await quota.window("general/five_hour") == (40, 0)

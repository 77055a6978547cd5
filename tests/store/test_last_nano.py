"""Nothing is too small to be paid: one nano beyond the plan is drawn, or missed (SEM-1, SEM-11)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quotasvc.domain.catalog import Straddle
from quotasvc.domain.outcome import DenialReason
from quotasvc.domain.reservation import Leg, Payer
from quotasvc.domain.unit import Usage
from quotasvc.store.executor import Executor
from quotasvc.store.usage import LotInfo
from tests.support.books import Books
from tests.support.catalogs import CREDIT, DAY_OF_TEN, FIVE_HOURS, TEXT, allowance, catalog, plan
from tests.support.clock import DAY, HOUR, MINUTE, Clock
from tests.support.lots import buy_large
from tests.support.quota import TEAM, Quota

LIMIT = 100 * CREDIT - 1
"""What the plan pays: all of 100 tokens but the last nano."""


@pytest.fixture
async def tight(executor: Executor, clock: Clock, conserved: list[object]) -> Quota:
    """A team on a plan that splits, and pays LIMIT."""
    window = replace(FIVE_HOURS, limit=LIMIT)
    general = allowance("general", "cost", TEXT, window, straddle=Straddle.SPLIT, split_min=1)
    images = allowance("images", "images", ("image/a",), DAY_OF_TEN)
    policy = catalog(version="lastnano", plans=(plan("plus", general), plan("images", images)))
    conserved.append(policy)
    quota = Quota(executor, clock, policy)
    await quota.team()
    return quota


def paid(legs: tuple[Leg, ...]) -> list[tuple[Payer, int]]:
    """Who pays how many nanos."""
    return [(leg.payer, leg.nanos) for leg in legs]


BOTH = [(Payer.PLAN, LIMIT), (Payer.CREDITS, 1)]


async def test_the_last_nano_of_a_request_is_held(tight: Quota) -> None:
    await tight.grant("lot", 1)
    assert paid((await tight.reserve(100)).legs) == BOTH
    assert (await tight.lots())["lot"].available == CREDIT - 1


async def test_a_request_that_is_short_of_a_nano_is_denied(tight: Quota) -> None:
    # given no Credits at all, and then a lot with nothing but its last nano spent
    assert (await tight.denied(100)).denial.reason is DenialReason.WINDOW_EXHAUSTED
    await tight.grant("lot", 1)
    await tight.use(100)
    # then what is left of it is not a credit
    assert (await tight.denied(1)).denial.reason is DenialReason.WINDOW_EXHAUSTED
    assert (await tight.lots())["lot"].available == CREDIT - 1


async def test_the_last_nano_of_an_overrun_is_drawn(tight: Quota) -> None:
    # given a hold that is used up to the last of the plan, and one nano beyond
    await tight.grant("lot", 1)
    committed = await tight.commit(await tight.reserve(99), 100)
    assert paid(committed.legs) == BOTH
    assert committed.written_off_nanos == 0
    assert (await tight.lots())["lot"].available == CREDIT - 1


async def test_a_nano_that_is_held_and_not_used_comes_back(tight: Quota) -> None:
    # given a hold of all that the plan has, and of one nano of a lot
    await tight.grant("lot", 1)
    held = await tight.reserve(100)
    assert paid(held.legs) == BOTH
    # when less was used
    await tight.commit(held, 99)
    # then the lot has it again
    lot = (await tight.lots())["lot"]
    assert (lot.available, lot.held) == (CREDIT, 0)


async def test_the_last_nano_of_a_report_is_charged(tight: Quota) -> None:
    await tight.grant("lot", 1)
    recorded = await tight.record(100)
    assert paid(recorded.committed.legs) == BOTH
    assert (await tight.lots())["lot"].available == CREDIT - 1


async def test_the_last_nano_of_a_report_that_nobody_has_is_absorbed(tight: Quota) -> None:
    # given a plan that is full but for all that is reported without its last nano, and no Credits
    recorded = (await tight.record(100)).committed
    # then the plan has it all the same (SEM-34)
    assert paid(recorded.legs) == [(Payer.PLAN, LIMIT + 1)]
    assert recorded.written_off_nanos == 0


async def test_units_that_a_lot_is_a_nano_short_of_are_absorbed(tight: Quota) -> None:
    # given a day of ten images that is used up, and a lot that lacks a nano of the price of one
    await tight.team(plan="images")
    await buy_large(tight, 3 * CREDIT - 1)
    images: dict[str, Any] = {"resource": "image/a", "usage": Usage.of(images=1)}
    await tight.record(**{**images, "usage": Usage.of(images=10)})
    # when one more is reported, then the day has it whole, and the lot keeps what it has (SEM-34)
    recorded = (await tight.record(**images)).committed
    assert [(leg.payer, leg.amount) for leg in recorded.legs] == [(Payer.PLAN, 1)]
    assert (await tight.lots())["big"].available == 3 * CREDIT - 1


@pytest.mark.parametrize("access", [True, False])
async def test_a_plan_that_lacks_a_nano_is_waited_for_until_it_has_it(
    tight: Quota, clock: Clock, *, access: bool
) -> None:
    # given 60 credits of the plan used, and 39 more a while later, and no Credits to draw on
    await tight.team(access=access)
    await tight.use(60)
    clock.advance(HOUR)
    await tight.use(39)
    # when 61 are asked for, then they do not fit when the 60 have left: a nano is missing (SEM-8)
    first = (await tight.denied(60)).denial.retry_after_ms
    second = (await tight.denied(61)).denial.retry_after_ms
    assert first is not None
    assert second == first + HOUR


async def test_the_last_nano_is_revoked_with_its_lot(tight: Quota, clock: Clock) -> None:
    # given a lot of a nano
    now_ms = clock()
    info = LotInfo(origin="grant", granted=1, purchase_ms=now_ms, grant_ms=now_ms, expire_ms=None)
    await tight.control.grant_lot(TEAM, Payer.CREDITS, "lot", info, tight.deadline)
    # when it is taken back
    await tight.control.revoke_lot(TEAM, "lot", tight.deadline)
    # then nothing of it is left
    lot = (await tight.lots())["lot"]
    assert (lot.available, lot.revoked) == (0, 1)


@pytest.mark.parametrize("way", ["released", "expired"])
async def test_the_last_nano_is_lost_with_its_lot_and_by_an_entry(
    tight: Quota, clock: Clock, way: str
) -> None:
    # given a nano that a hold keeps of a lot beyond its end
    await tight.grant("lot", 1, days=1)
    clock.advance(DAY - MINUTE)
    hold = await tight.reserve(100)
    clock.advance(2 * MINUTE)
    entry = (await Books.read(tight.executor)).team(TEAM).counters["entry"]
    # when it comes back, then it is expired, and the ledger says so (SEM-23, SEM-39)
    if way == "released":
        await tight.refund(hold)
    else:
        clock.advance(10 * MINUTE)
        await tight.reap()
    assert (await Books.read(tight.executor)).team(TEAM).counters["entry"] > entry
    assert (await tight.lots())["lot"].expired >= 1

"""ListLots page by page, and none is lost on the way (SEM-21, SEM-24, SEM-53)."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable

import pytest

from quotasvc.domain.faults import InvalidArgument
from quotasvc.domain.lot import Lot, LotPlace
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Executor
from quotasvc.store.keys import team_keys
from quotasvc.store.scripts import ScriptSet
from tests.support.clock import DAY, MINUTE, START_MS, Clock
from tests.support.embedded import soon
from tests.support.lots import grant, scripts_of_small_pools
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

POOL = team_keys(TEAM).credits
LOTS_MAX = 4
"""Open lots of a pool here."""


@pytest.fixture
async def executor(endpoint: Endpoint, clock: Clock) -> AsyncIterator[Executor]:
    """The road to an empty store whose pools have few places."""
    scripts = ScriptSet(scripts_of_small_pools(LOTS_MAX, LOTS_MAX), clock_ms=clock)
    executor = Executor(endpoint, scripts, chance=random.Random(1))
    await executor.start(soon())
    await executor.call("FLUSHALL", deadline=soon())
    yield executor
    await executor.close()


async def buy(quota: Quota, lot_id: str, days: int | None, credits: int = 1) -> None:
    """A lot that is paid for now and ends so many days after the start."""
    expire_ms = None if days is None else START_MS + days * DAY
    assert await grant(quota, lot_id, credits, purchase_ms=quota.clock(), expire_ms=expire_ms)


async def buy_brief(quota: Quota, lot_id: str, minutes: int, credits: int = 1) -> None:
    """One that ends so many minutes after the start."""
    expire_ms = START_MS + minutes * MINUTE
    assert await grant(quota, lot_id, credits, purchase_ms=quota.clock(), expire_ms=expire_ms)


def names(lots: Iterable[Lot]) -> list[str]:
    """Their ids."""
    return [lot.lot_id for lot in lots]


OPEN = ("half-held", "held", "entered", "partly", "endless")
WAITING = ("waits", "waited")
CLOSED = ("booked", "ended", "spent", "revoked")


async def everything(quota: Quota, clock: Clock) -> None:
    """Lots of every kind, named by what they are six minutes after the start."""
    await quota.team(plan=None)
    await buy_brief(quota, "booked", 1)
    await buy(quota, "spent", 1)
    await buy(quota, "revoked", 2)
    clock.advance(MINUTE)
    await quota.reaper.book(TEAM, quota.deadline)
    await quota.use(1)
    await quota.revoke("revoked")
    await buy(quota, "held", 1)
    await quota.reserve(1)
    await buy_brief(quota, "half-held", 5, credits=2)
    await quota.reserve(1)
    await buy_brief(quota, "ended", 6)
    await buy(quota, "endless", None)
    for lot_id, days in (("entered", 3), ("partly", 4), ("waits", 1)):
        clock.advance(1)
        await buy(quota, lot_id, days, credits=2)
    clock.advance(1)
    await buy_brief(quota, "waited", 5)
    clock.now_ms = START_MS + 6 * MINUTE


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 1_000])
async def test_pages_together_are_the_list(quota: Quota, clock: Clock, size: int) -> None:
    # given lots of every kind
    await everything(quota, clock)
    # then open ones come in the order of drawing, what waits as it will enter, all others behind
    pages = await quota.lot_pages(size)
    assert names(lot for page in pages for lot in page) == [*OPEN, *WAITING, *CLOSED]
    # and each page but the last is full, and there is none behind that
    assert {len(page) for page in pages[:-1]} <= {size}
    assert 0 < len(pages[-1]) <= size


async def test_a_pool_without_lots_is_one_empty_page(quota: Quota) -> None:
    await quota.team()
    assert await quota.lot_pages() == [()]


@pytest.mark.parametrize("comes", [True, False])
async def test_a_page_goes_on_where_the_last_one_ended(quota: Quota, *, comes: bool) -> None:
    # given a first page of two open lots
    await quota.team(plan=None)
    for number in range(LOTS_MAX):
        await buy(quota, f"lot{number}", 3 + number)
    shown, place = await quota.lot_page(2)
    assert names(shown) == ["lot0", "lot1"]
    # when both are spent, and perhaps an earlier one has come
    await quota.use(2)
    if comes:
        await buy(quota, "earlier", 1)
    # then the second page begins behind them all the same
    shown, place = await quota.lot_page(2, place)
    assert names(shown) == ["lot2", "lot3"]
    # and the last one has what is closed by now
    shown, place = await quota.lot_page(2, place)
    assert (names(shown), place) == (["lot0", "lot1"], None)


async def test_what_waits_is_not_repeated_when_older_ones_have_entered(
    quota: Quota, clock: Clock
) -> None:
    # given a page that ends with the first of three lots that wait
    await quota.team(plan=None)
    for number in range(LOTS_MAX + 3):
        await buy(quota, f"lot{number}", 9)
        clock.advance(1)
    shown, place = await quota.lot_page(LOTS_MAX + 1)
    assert names(shown) == ["lot0", "lot1", "lot2", "lot3", "lot4"]
    # when that one enters
    await quota.use(1)
    # then the next page has those that still wait
    shown, place = await quota.lot_page(2, place)
    assert names(shown) == ["lot5", "lot6"]


@pytest.mark.parametrize("section", [1, 2, 3])
async def test_a_page_behind_a_lot_of_nobody_is_refused(quota: Quota, section: int) -> None:
    await quota.team()
    await buy(quota, "lot", 1)
    with pytest.raises(InvalidArgument) as refused:
        await quota.lot_page(2, LotPlace(section=section, after=f"{START_MS}:other"))
    assert refused.value.field == "page_token"


async def test_a_page_ends_before_it_is_full_where_too_many_lots_lie_between(
    quota: Quota,
) -> None:
    # given a spent lot that 210 which wait would be drawn before
    await quota.team(plan=None)
    await buy(quota, "spent", 3)
    await quota.use(1)
    for number in range(LOTS_MAX + 210):
        await buy(quota, f"lot{number:03d}", 2)
    # when all others are asked for
    found: list[list[str]] = []
    place: LotPlace | None = LotPlace(section=3)
    while place is not None:
        shown, place = await quota.lot_page(5, place)
        found.append(names(shown))
    # then each page has looked at a bounded number
    assert found == [[], [], ["spent"]]

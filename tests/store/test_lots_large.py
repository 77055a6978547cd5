"""Amounts above what one lot can count come as several lots (SEM-3, L6)."""

from __future__ import annotations

import pytest

from quotasvc.domain.faults import Conflict
from quotasvc.domain.lot import LOT_NANOS_MAX, Balance
from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.planes.usage import Subject
from tests.support.catalogs import CREDIT
from tests.support.lots import buy_large
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")


async def balance(quota: Quota) -> Balance:
    """The Credits."""
    subject = Subject(team_id=TEAM, actor_user_id="ann")
    return (await quota.usage.balance(subject, quota.deadline))[0]


async def test_an_amount_above_2_to_the_53_can_be_spent_to_the_last_nano(quota: Quota) -> None:
    # given more nanos than a double can count (SEM-3, L2, L6)
    await quota.team(plan=None)
    total = 2 * LOT_NANOS_MAX + 3 * CREDIT + 1
    assert total > AMOUNT_MAX
    assert await buy_large(quota, total)
    # then it comes as several lots, and the balance is exact
    lots = {name: lot.granted for name, lot in (await quota.lots()).items()}
    assert lots == {"big": LOT_NANOS_MAX, "big.2": LOT_NANOS_MAX, "big.3": 3 * CREDIT + 1}
    assert (await balance(quota)).available == total
    # when it is spent, by holds that go over two of them
    most = LOT_NANOS_MAX // CREDIT
    for tokens in (most - 1, most, 3):
        await quota.commit(await quota.reserve(tokens))
    assert (await balance(quota)).available == CREDIT + 1
    # then the last of it pays as well, to the last nano
    recorded = await quota.record(2)
    assert recorded.committed.written_off_nanos == CREDIT - 1
    found = await balance(quota)
    assert (found.available, found.settled) == (0, total)


@pytest.mark.parametrize("other", [1, LOT_NANOS_MAX, LOT_NANOS_MAX + 2, 2 * LOT_NANOS_MAX + 1])
async def test_another_amount_under_a_known_name_is_a_conflict(quota: Quota, other: int) -> None:
    # given a purchase that came as two lots
    await quota.team(plan=None)
    await buy_large(quota, LOT_NANOS_MAX + 1)
    before = await quota.dump()
    # then the same again is a replay, and any other amount is not, whatever its parts
    assert not await buy_large(quota, LOT_NANOS_MAX + 1)
    with pytest.raises(Conflict):
        await buy_large(quota, other)
    assert await quota.dump() == before


@pytest.mark.parametrize("lot_id", ["big.2", "a.b.17", "x" * 47])
async def test_no_lot_can_be_taken_for_a_part_of_another(quota: Quota, lot_id: str) -> None:
    await quota.team(plan=None)
    with pytest.raises(ValueError, match="46 characters, and no number behind a dot"):
        await buy_large(quota, CREDIT, lot_id)
    assert await buy_large(quota, CREDIT, lot_id[:46] + "." if len(lot_id) < 46 else lot_id[:46])

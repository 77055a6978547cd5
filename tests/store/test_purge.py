"""Records leave by time, never by TTL, and then their request ids are new again (SEM-31)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from quotasvc.domain.catalog import OnExpiry
from quotasvc.domain.faults import Conflict, NotFound
from quotasvc.domain.outcome import Allowed
from quotasvc.domain.reservation import (
    REPORTED_RECORD_MS,
    RETRY_MS_MAX,
    SETTLED_RECORD_MS,
    State,
    request_digest,
)
from quotasvc.planes.ask import GiveBack
from quotasvc.store import keys
from quotasvc.store.code import Code
from quotasvc.store.executor import Executor
from tests.support.books import Books
from tests.support.catalogs import CREDIT, PLANS, catalog
from tests.support.clock import DAY, HOUR, MINUTE, Clock
from tests.support.conservation import check
from tests.support.quota import TEAM, Quota


@pytest.fixture(autouse=True)
async def conserved_but_for_what_was_purged(executor: Executor) -> AsyncIterator[None]:
    """After each test everything adds up, except for numbers that left with their record."""
    yield
    await check(executor, catalog(), is_purged=True)


async def purge(quota: Quota) -> int:
    """What the sweeper does with old records."""
    return await quota.reaper.purge(TEAM, quota.clock(), quota.deadline)


async def records(quota: Quota) -> int:
    """How many records the team has."""
    return len((await Books.read(quota.executor)).team(TEAM).records)


async def charged_by_expiry(executor: Executor, clock: Clock) -> tuple[Quota, Allowed]:
    """A hold of 40 that was charged at its expiry, just now."""
    charging = tuple(replace(plan, on_expiry=OnExpiry.CHARGE) for plan in PLANS)
    quota = Quota(executor, clock, catalog(plans=charging))
    await quota.team()
    reservation = await quota.reserve(40)
    clock.advance(10 * MINUTE)
    await quota.reap()
    return quota, reservation


@pytest.mark.parametrize("end", ["committed", "released", "refunded"])
async def test_a_settled_record_stays_26_hours_after_it_settled(
    quota: Quota, clock: Clock, end: str
) -> None:
    # given a reservation that has come to its end
    await quota.team()
    reservation = await quota.reserve(40)
    clock.advance(MINUTE)
    if end != "released":
        await quota.commit(reservation)
    if end != "committed":
        await quota.refund(reservation, "f1")
    # then a purge finds it 26 hours later, and not before
    clock.advance(26 * HOUR - 1)
    assert await purge(quota) == 0
    assert await records(quota) == 1
    clock.advance(1)
    assert await purge(quota) == 1
    assert await records(quota) == 0
    # and nothing is known of it any more
    for call in (
        quota.commit(reservation),
        quota.refund(reservation, "f1"),
        quota.decisions.get_reservation(reservation.reservation_id, quota.deadline),
    ):
        with pytest.raises(NotFound):
            await call
    # nor is the sweeper to come again
    assert (await Books.read(quota.executor)).team(TEAM).due_ms is None


def test_a_record_outlives_every_retry() -> None:
    """SEM-31: a retry at the end of its day, late and by a clock 30 s off, meets its record."""
    assert RETRY_MS_MAX == DAY
    assert min(SETTLED_RECORD_MS, REPORTED_RECORD_MS) >= RETRY_MS_MAX + HOUR


@pytest.mark.parametrize("is_reported", [False, True])
async def test_a_refund_keeps_its_record_for_its_own_retries(
    quota: Quota, clock: Clock, is_reported: bool
) -> None:
    """SEM-29, SEM-31: the same refund is answered again for as long as any settlement is."""
    # given a charge, and a refund 23 hours later
    await quota.team()
    if is_reported:
        charged = (await quota.record(40)).reservation_id
    else:
        held = await quota.reserve(40)
        await quota.commit(held)
        charged = held.reservation_id
    back = GiveBack(refund_id="f1", usage=None, amount_nanos=CREDIT)
    clock.advance(23 * HOUR)
    first = await quota.decisions.refund(charged, back, quota.deadline)
    # when it is retried a little less than 26 hours later
    clock.advance(SETTLED_RECORD_MS - 1)
    assert await purge(quota) == 0
    before = await quota.dump()
    again = await quota.decisions.refund(charged, back, quota.deadline)
    # then it is a replay, which moves nothing
    assert again == replace(first, replayed=True)
    assert await quota.dump() == before
    # and then the record leaves, once
    clock.advance(1)
    assert await purge(quota) == 1
    assert await records(quota) == 0


async def test_a_refund_of_a_charge_by_expiry_keeps_its_record(
    executor: Executor, clock: Clock
) -> None:
    """SEM-30, SEM-31."""
    # given a hold that was charged at its expiry, and refunded 23 hours later
    quota, reservation = await charged_by_expiry(executor, clock)
    clock.advance(23 * HOUR)
    await quota.refund(reservation, "f1")
    # then it is kept as any settled record
    clock.advance(SETTLED_RECORD_MS - 1)
    assert await purge(quota) == 0
    assert (await quota.refund(reservation, "f1")).replayed
    clock.advance(1)
    assert await purge(quota) == 1


async def test_an_expired_record_stays_a_day_after_its_expiry(quota: Quota, clock: Clock) -> None:
    # given a hold that expired, and was reaped an hour later
    await quota.team()
    reservation = await quota.reserve(40)
    clock.advance(70 * MINUTE)
    await quota.reap()
    # then a late commit is possible for a day after the expiry
    clock.advance(DAY - 60 * MINUTE - 1)
    assert await purge(quota) == 0
    found = await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)
    assert found.state is State.EXPIRED
    # and then it is gone
    clock.advance(1)
    assert await purge(quota) == 1
    with pytest.raises(NotFound):
        await quota.commit(reservation)


async def test_a_late_commit_gives_its_record_as_long_a_life_as_any(
    quota: Quota, clock: Clock
) -> None:
    # given an expired hold that is committed just before its record would leave
    await quota.team()
    reservation = await quota.reserve(40)
    clock.advance(10 * MINUTE + DAY - 1)
    await quota.commit(reservation)
    # then its replays are answered as long as any others
    clock.advance(SETTLED_RECORD_MS - 1)
    assert await purge(quota) == 0
    assert (await quota.commit(reservation)).replayed
    clock.advance(1)
    assert await purge(quota) == 1


async def test_a_report_is_known_for_25_hours(quota: Quota, clock: Clock) -> None:
    # SEM-31, S7: given usage that was recorded
    await quota.team()
    await quota.record(7, request_id="u1")
    # then the same report is answered again, not charged again, up to an hour after a day
    clock.advance(DAY + 60 * MINUTE - 1)
    assert await purge(quota) == 0
    assert (await quota.record(7, request_id="u1")).committed.replayed
    clock.advance(1)
    assert await purge(quota) == 1


async def test_a_request_id_that_comes_again_after_the_purge_is_a_new_request(
    quota: Quota, clock: Clock
) -> None:
    # given a record that has been purged
    await quota.team()
    old = await quota.reserve(40, request_id="same")
    await quota.commit(old)
    clock.advance(SETTLED_RECORD_MS)
    await purge(quota)
    # when its request id comes again, with other content
    new = await quota.reserve(7, request_id="same")
    # then it is held anew, under an id of its own, and the old id means nothing
    assert not new.replayed
    assert new.reservation_id != old.reservation_id
    for call in (quota.commit(old), quota.refund(old)):
        with pytest.raises(NotFound):
            await call
    assert (await quota.commit(new)).actual_nanos == 7 * CREDIT


async def test_a_purge_never_removes_a_later_reservation_of_the_same_request(
    quota: Quota, clock: Clock
) -> None:
    # given a purged record, and a later hold of its request id
    await quota.team()
    old = await quota.reserve(40, request_id="same")
    await quota.commit(old)
    clock.advance(SETTLED_RECORD_MS)
    await purge(quota)
    new = await quota.reserve(7, request_id="same")
    # when a slow sweeper comes with the old id
    names = keys.team_keys(TEAM)
    words = ("ZADD", names.purge, str(clock()), old.reservation_id)
    await quota.executor.call(*words, deadline=quota.deadline)
    assert await purge(quota) == 1
    # then the hold is still there
    found = await quota.decisions.get_reservation(new.reservation_id, quota.deadline)
    assert found.state is State.HELD


async def test_a_purge_comes_never_early(quota: Quota, clock: Clock) -> None:
    # given a settled record, and a sweeper whose clock is ahead
    await quota.team()
    await quota.commit(await quota.reserve(40))
    clock.advance(SETTLED_RECORD_MS - 1)
    # when it thinks that the record may leave, the store knows better
    await quota.reaper.purge(TEAM, clock() + 20_000, quota.deadline)
    assert await records(quota) == 1


async def test_purging_twice_is_harmless(quota: Quota, clock: Clock) -> None:
    # given a record that may leave, and two sweepers that found it
    await quota.team()
    await quota.commit(await quota.reserve(40, request_id="once"))
    clock.advance(SETTLED_RECORD_MS)
    [reservation_id] = await quota.agenda.due_records(TEAM, clock(), quota.deadline)
    assert await purge(quota) == 1
    # when the second asks for it
    digest = request_digest(TEAM, "once")
    before = await quota.dump()
    answer = await quota.agenda.purge(TEAM, reservation_id, digest, quota.deadline)
    assert answer.code is Code.UNKNOWN
    # then nothing happens
    assert await quota.dump() == before


async def test_what_was_spent_stays_spent_without_its_record(quota: Quota, clock: Clock) -> None:
    # given a charge over plan and lot whose record has been purged
    await quota.team()
    await quota.grant("lot", 50)
    await quota.commit(await quota.reserve(120))
    clock.advance(SETTLED_RECORD_MS)
    await purge(quota)
    # then week and lot remember it
    assert await quota.window("general/week") == (100, 0)
    assert (await quota.lots())["lot"].consumed == 20 * CREDIT


async def test_purging_a_team_with_a_live_hold_keeps_it_due(quota: Quota, clock: Clock) -> None:
    # given an old record and a live hold
    await quota.team()
    await quota.commit(await quota.reserve(40))
    clock.advance(SETTLED_RECORD_MS)
    await quota.reserve(5)
    # when the record is purged
    await purge(quota)
    # then the sweeper comes back for the hold
    assert (await Books.read(quota.executor)).team(TEAM).due_ms == clock() + 10 * MINUTE


@pytest.mark.parametrize("way", ["commit", "refund"])
async def test_a_charge_by_expiry_is_final_after_a_day(
    executor: Executor, clock: Clock, way: str
) -> None:
    # given a hold that was charged at its expiry, which nobody settles for a day (SEM-30)
    quota, reservation = await charged_by_expiry(executor, clock)
    clock.advance(DAY - 1)
    assert await purge(quota) == 0
    clock.advance(1)
    assert await purge(quota) == 1
    # then nobody settles it any more, and what the week counts stays
    with pytest.raises(NotFound):
        await getattr(quota, way)(reservation)
    assert await quota.window("general/week") == (40, 0)


async def test_a_report_stays_25_hours_and_leaves_with_its_mark(quota: Quota, clock: Clock) -> None:
    # given a report that names an old reservation, which the store knows no more
    await quota.team()
    old = await quota.reserve(5)
    await quota.commit(old)
    clock.advance(SETTLED_RECORD_MS)
    assert await purge(quota) == 1
    naming = {"request_id": "r", "reservation_id": old.reservation_id}
    await quota.record(5, **naming)
    # when a little less than 25 hours have passed, it is still known (SEM-31)
    clock.advance(REPORTED_RECORD_MS - 1)
    assert await purge(quota) == 0
    assert (await quota.record(5, **naming)).committed.replayed
    with pytest.raises(Conflict):
        await quota.record(5, reservation_id=old.reservation_id)
    # then the record leaves, and with it the mark that keeps others from naming the same
    clock.advance(1)
    assert await purge(quota) == 2
    books = (await Books.read(quota.executor)).team(TEAM)
    assert (books.records, books.purge) == ((), {})

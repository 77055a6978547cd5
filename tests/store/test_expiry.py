"""Expiry is authoritative, reaped or not, and needs no sweeper (SEM-30)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quotasvc.domain.faults import Unavailable
from quotasvc.domain.outcome import DenialReason, Denied
from quotasvc.domain.reservation import SETTLED_RECORD_MS, Payer, State
from quotasvc.domain.unit import Usage
from quotasvc.planes.usage import Subject
from quotasvc.store import keys, table
from quotasvc.store.declaration import Script
from quotasvc.store.executor import Executor, Reply, Word
from quotasvc.store.faults import StoreUnavailable
from tests.support.books import Books
from tests.support.catalogs import CREDIT, PLANS, catalog
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, Clock
from tests.support.quota import TEAM, Quota

pytestmark = pytest.mark.usefixtures("conserved")

HOLD_MS = 10 * MINUTE


async def test_a_hold_is_live_up_to_its_expiry_and_not_at_it(quota: Quota, clock: Clock) -> None:
    # given a hold
    await quota.team()
    reservation = await quota.reserve(40, request_id="same")
    clock.advance(HOLD_MS - 1)

    async def states() -> set[State | None]:
        found = await quota.decisions.get_reservation(reservation.reservation_id, quota.deadline)
        known = await quota.decisions.find_reservation(TEAM, "same", quota.deadline)
        again = await quota.reserve(40, request_id="same")
        return {found.state, known.state, again.state}

    # then it is HELD to the last millisecond, and EXPIRED from then on, though nobody reaped it
    assert await states() == {State.HELD}
    clock.advance(1)
    assert await states() == {State.EXPIRED}


@pytest.mark.parametrize("early_ms", [1, 0])
async def test_commit_and_refund_see_the_expiry_without_a_sweeper(
    quota: Quota, clock: Clock, early_ms: int
) -> None:
    # given two holds
    await quota.team()
    committed, refunded = await quota.reserve(10), await quota.reserve(10)
    clock.advance(HOLD_MS - early_ms)
    is_over = early_ms == 0
    # then a commit is late, and a refund finds nothing to release, exactly from the expiry on
    assert (await quota.commit(committed)).late is is_over
    assert (await quota.refund(refunded)).released == (() if is_over else refunded.legs)


async def test_no_decision_counts_an_expired_hold(quota: Quota, clock: Clock) -> None:
    # given everything held, by a request that never came back
    await quota.team()
    await quota.grant("lot", 50)
    await quota.reserve(150)
    assert isinstance(await quota.decide(quota.ask(1)), Denied)
    # when its time is over, and nobody has swept
    clock.advance(HOLD_MS)
    # then the next decision finds all of it
    reservation = await quota.reserve(150)
    assert [leg.nanos // CREDIT for leg in reservation.legs] == [100, 50]


@pytest.mark.parametrize("ask", ["check_only", "remains", "lots", "balance"])
async def test_what_is_shown_counts_no_expired_hold(quota: Quota, clock: Clock, ask: str) -> None:
    # given everything held, and the hold's time over
    await quota.team()
    await quota.grant("lot", 50)
    await quota.reserve(150)
    clock.advance(HOLD_MS)
    # then every view has given it back first
    subject = Subject(team_id=TEAM, actor_user_id="ann")
    if ask == "check_only":
        await quota.reserve(150, check_only=True, request_id="")
    elif ask == "remains":
        assert (await quota.remains()).allowances[0].windows[0].held == 0
    elif ask == "lots":
        assert await quota.available() == {"lot": 50}
    else:
        credits, _ = await quota.usage.balance(subject, quota.deadline)
        assert (credits.available, credits.held) == (50 * CREDIT, 0)


async def test_expiry_is_no_ledger_entry_unless_credit_is_lost(quota: Quota, clock: Clock) -> None:
    # given a hold of the plan, and one of a lot that ends before the hold does
    await quota.team()
    clock.advance(-DAY)
    await quota.grant("lot", 50, days=1)
    clock.advance(DAY - SECOND)
    await quota.reserve(100)
    await quota.reserve(30)
    # when both have expired
    clock.advance(HOLD_MS)
    await quota.reap()
    # then the plan's moved `seq` only, and the lot's is a loss in the ledger
    team = (await Books.read(quota.executor)).team(TEAM)
    assert [entry.kind for entry in team.entries] == ["team", "grant", "loss"]
    assert team.entries[-1].ms == clock()
    assert [(state, n // CREDIT) for _, state, n in team.entries[-1].lots()] == [("expired", 30)]
    assert team.counters["seq"] == 2 + 2 + 2
    lot = (await quota.lots())["lot"]
    assert (lot.available, lot.held, lot.expired) == (0, 0, 50 * CREDIT)


async def test_a_hold_is_never_reaped_early(quota: Quota, clock: Clock) -> None:
    # given a hold, and a sweeper whose clock is 20 s ahead
    await quota.team()
    await quota.reserve(40)
    clock.advance(HOLD_MS - 1)
    # when it thinks that the hold is over
    assert await quota.reaper.reap(TEAM, clock() + 20 * SECOND, quota.deadline) == 1
    # then the store knows better
    assert await quota.window() == (0, 40)


async def test_reaping_twice_gives_back_once(quota: Quota, clock: Clock) -> None:
    # given two expired holds, and two sweepers at once
    await quota.team()
    await quota.reserve(30)
    await quota.reserve(40)
    clock.advance(HOLD_MS)
    ids = await quota.agenda.due_holds(TEAM, clock(), quota.deadline)
    assert len(ids) == 2
    await quota.reap()
    # when the second comes to the same holds
    for reservation_id in ids:
        await quota.reaper._expire(reservation_id, clock(), quota.deadline)
    # then nothing is left for it, and nothing to do
    assert await quota.agenda.due_holds(TEAM, clock(), quota.deadline) == ()
    assert await quota.window() == (0, 0)


async def test_a_round_that_fails_has_ended_before_anybody_is_told(
    quota: Quota, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next round, of a caller who tries again, runs beside the rest of it (SEM-16)."""
    # given five holds that are over, and a store that loses what is asked of it about the first
    await quota.team()
    for _ in range(5):
        await quota.reserve(10)
    clock.advance(HOLD_MS)
    run, running, expired = quota.executor.run, 0, 0

    async def losing(
        script: Script, keys: Sequence[str], args: Sequence[Word], deadline: float
    ) -> list[Reply]:
        nonlocal running, expired
        expired += script is table.EXPIRE
        if script is table.EXPIRE and expired == 1:
            raise StoreUnavailable("lost", sent=False)
        running += 1
        try:
            return await run(script, keys, args, deadline)
        finally:
            running -= 1

    monkeypatch.setattr(quota.executor, "run", losing)
    # when somebody reaps
    with pytest.raises(Unavailable):
        await quota.reap()
    # then nothing goes on behind his back, the other holds are over, and the next round has the one
    assert (running, expired) == (0, 5)
    assert len(await quota.agenda.due_holds(TEAM, clock(), quota.deadline)) == 1
    await quota.reap()
    assert await quota.agenda.due_holds(TEAM, clock(), quota.deadline) == ()


async def test_more_holds_than_one_round_takes_are_all_reaped(quota: Quota, clock: Clock) -> None:
    # given 1,005 holds of one credit each in an unlimited plan, and more than a thousand free
    await quota.team(plan="unlimited")
    for number in range(1_005):
        await quota.reserve(1, request_id=f"many{number}")
    assert await quota.window() == (0, 1_005)
    # when all have expired
    clock.advance(HOLD_MS)
    # then the next decision finds none of them
    reservation = await quota.reserve(1)
    assert [(s.used, s.held) for s in reservation.limits] == [(0, CREDIT)]
    assert (await Books.read(quota.executor)).team(TEAM).holds.keys() == {
        reservation.reservation_id
    }


async def test_only_what_is_due_is_reaped(quota: Quota, clock: Clock) -> None:
    # given holds of a minute and of an hour
    await quota.team()
    short, long = await quota.reserve(30, hold_ms=MINUTE), await quota.reserve(40, hold_ms=HOUR)
    clock.advance(MINUTE)
    # when a decision reaps
    await quota.reserve(5)
    # then the longer hold stays
    assert await quota.window() == (0, 45)
    assert not (await quota.commit(long)).late
    assert (await quota.commit(short)).late


async def test_a_commit_reaps_what_else_is_over(quota: Quota, clock: Clock) -> None:
    # given two expired holds
    await quota.team()
    first, _ = await quota.reserve(30), await quota.reserve(60)
    clock.advance(HOLD_MS)
    # when one is committed late, then the other keeps no room from it
    committed = await quota.commit(first, 100)
    assert [(leg.payer, leg.nanos // CREDIT) for leg in committed.legs] == [(Payer.PLAN, 100)]
    assert await quota.window() == (100, 0)


async def test_a_commit_in_time_reaps_what_is_over_beside_it(quota: Quota, clock: Clock) -> None:
    # given a hold that is over, and a longer one that is not (SEM-30)
    await quota.team()
    await quota.reserve(40)
    longer = await quota.reserve(60, hold_ms=HOUR)
    await quota.grant("lot", 50)
    clock.advance(HOLD_MS)
    # when the longer is committed at more, then the first keeps no room of the plan from it
    committed = await quota.commit(longer, 100)
    assert [(leg.payer, leg.nanos // CREDIT) for leg in committed.legs] == [(Payer.PLAN, 100)]
    assert await quota.window() == (100, 0)


async def test_a_hold_whose_day_is_over_expires_without_touching_today(
    quota: Quota, clock: Clock
) -> None:
    # given images held over midnight
    await quota.team(access=False)
    midnight_ms = clock() - 7 * HOUR + DAY
    clock.now_ms = midnight_ms - MINUTE
    await quota.reserve(resource="image/a", usage=Usage.of(images=8))
    clock.now_ms = midnight_ms
    await quota.reserve(resource="image/a", usage=Usage.of(images=10))
    # when they expire
    clock.advance(HOLD_MS - MINUTE)
    denied = await quota.denied(resource="image/a", usage=Usage.of(images=1))
    # then today is as it was
    assert denied.denial.reason is DenialReason.WINDOW_EXHAUSTED
    assert await quota.window("images/day") == (0, 10)


async def test_a_service_with_another_catalog_reaps_by_that_of_the_hold(
    quota: Quota, executor: Executor, clock: Clock
) -> None:
    # given an expired hold, and a service whose catalog has another plan under its number
    await quota.team()
    await quota.reserve(40)
    clock.advance(HOLD_MS)
    newer = Quota(executor, clock, catalog(version="newer001", plans=PLANS[::-1]))
    before = await quota.dump()
    # when the store lacks the catalog that decided, then nothing is guessed (SEM-2)
    with pytest.raises(Unavailable) as refused:
        await newer.reap()
    assert refused.value.reason == "CATALOG_UNAVAILABLE"
    assert await quota.dump() == before
    # and once it is there, what was held goes back to where it came from
    await newer.catalogs._store.keep(catalog(), newer.deadline)
    await newer.reap()
    assert await quota.window() == (0, 0)
    words = ("DEL", keys.catalog("testtest"))
    await executor.call(*words, deadline=quota.deadline)


# The sweeper's lists.


async def due(quota: Quota) -> tuple[tuple[str, ...], float | None]:
    """The teams of the partition that are due by now, and when this one is."""
    partition = keys.partition(TEAM)
    teams = await quota.agenda.due_teams(partition, quota.clock(), quota.deadline)
    return teams, (await Books.read(quota.executor)).team(TEAM).due_ms


async def test_the_sweeper_finds_a_team_when_its_first_hold_ends(
    quota: Quota, clock: Clock
) -> None:
    # given holds of different lengths
    await quota.team()
    await quota.reserve(1, hold_ms=HOUR)
    await quota.reserve(1, hold_ms=MINUTE)
    assert await due(quota) == ((), clock() + MINUTE)
    # when the first is over
    clock.advance(MINUTE)
    assert await due(quota) == ((TEAM,), clock())
    # then reaping it makes the team due at the next
    await quota.reap()
    assert await due(quota) == ((), clock() + 59 * MINUTE)


async def test_a_team_without_holds_is_due_when_its_first_record_may_leave(
    quota: Quota, clock: Clock
) -> None:
    # given one committed and one released reservation
    await quota.team()
    reservation = await quota.reserve(1)
    await quota.commit(reservation)
    settled_ms = clock()
    clock.advance(SECOND)
    await quota.refund(await quota.reserve(1))
    # when what was due for the holds has been looked at
    clock.advance(HOLD_MS)
    await quota.reap()
    # then the records' purge is next
    assert await due(quota) == ((), settled_ms + SETTLED_RECORD_MS)


async def test_the_store_counts_what_is_due_some_day(quota: Quota) -> None:
    await quota.team()
    assert await quota.agenda.holds_live(keys.partition(TEAM), quota.deadline) == 0
    await quota.reserve(1)
    assert await quota.agenda.holds_live(keys.partition(TEAM), quota.deadline) == 1

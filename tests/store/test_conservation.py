"""Random histories on two services: after every step the store adds up (SEM-40).

The checker reads the store with plain commands and rebuilds lots and windows from the ledger; it
is itself checked here by spoiling a store that adds up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import pytest

from quotasvc.domain.faults import Fault
from quotasvc.domain.outcome import Allowed, Committed
from quotasvc.domain.team import Role
from quotasvc.domain.unit import Usage
from quotasvc.planes.ask import Ask
from quotasvc.store import keys
from quotasvc.store.executor import Executor
from tests.support.catalogs import catalog
from tests.support.clock import DAY, HOUR, MINUTE, SECOND, Clock
from tests.support.conservation import check
from tests.support.people import key, member, seat, team
from tests.support.quota import TEAM, Quota

STEPS = 120

ASKS: tuple[tuple[str, str, int, tuple[tuple[str, str], ...]], ...] = (
    ("text/a", "output_tokens", 90, ()),
    ("text/a", "input_tokens", 30, ()),
    ("image/a", "images", 6, ()),
    ("video/a", "clips", 2, ()),
    ("vlm/a", "requests", 2, ()),
    ("music/free", "songs", 9, ()),
    ("clip/tiered", "clips", 20, (("resolution", "1080P"),)),
)
"""Resource, unit, most of it, attributes."""

EXPECTED = {
    *("ALREADY_COMMITTED", "ALREADY_RELEASED", "REFUND_EXCEEDS_CHARGE"),
    *("REQUEST_ID_CONFLICT", "NOT_FOUND"),
}
"""Faults that a history of honest but clumsy callers may meet."""


class History:
    """A team of two on two services, and what happens to it by chance."""

    def __init__(self, executor: Executor, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.chance = Random(seed)
        self.services = (Quota(executor, clock), Quota(executor, clock))
        self.asks: list[Ask] = []
        self.known: list[tuple[Allowed, str]] = []  # with the unit that was asked for
        self.lots = 0
        self.version = 0
        self.committed = 0

    @property
    def quota(self) -> Quota:
        """Either service."""
        return self.chance.choice(self.services)

    async def change_the_team(self) -> None:
        """Seats, plans and switches as they come; the keys stay."""
        chance = self.chance
        holder = chance.choice(("ann", "bob", None))
        plan = chance.choice(("plus", "strict", "absorb", "max"))
        document = team(
            (
                member("ann", Role.OWNER, access=chance.random() < 0.8),
                member("bob", access=chance.random() < 0.8),
            ),
            seats=(seat("s1", holder, plan), seat("s2", None if holder == "bob" else "bob")),
            keys=(key(1, "ann"), key(2, "bob"), key(3, "bob", payg=True)),
        )
        version = await self.quota.control.put_team(document, self.version, self.quota.deadline)
        assert version is not None
        self.version = version

    async def grant(self) -> None:
        """A lot of any size and life."""
        self.lots += 1
        days = self.chance.choice((1, 1, 7, None))
        await self.quota.grant(f"lot{self.lots}", self.chance.randint(1, 60), days=days)

    async def ask(self) -> None:
        """A new request."""
        resource, unit, most, attributes = self.chance.choice(ASKS)
        ask = self.quota.ask(
            request_id=f"h{len(self.asks)}",
            key_id=f"{TEAM}_k{self.chance.choice((1, 2, 2, 3))}",
            resource=resource,
            usage=Usage.of(**{unit: self.chance.randint(1, most)}),
            attributes=attributes,
            hold_ms=self.chance.choice((None, SECOND, MINUTE, HOUR)),
            check_only=self.chance.random() < 0.1,
        )
        self.asks.append(ask)
        answer = await self.quota.decide(ask)
        if isinstance(answer, Allowed) and answer.reservation_id:
            self.known.append((answer, unit))

    async def ask_again(self) -> None:
        """A retry, perhaps of a request that was denied."""
        if self.asks:
            await self.quota.decide(self.chance.choice(self.asks[-9:]))

    async def commit(self) -> None:
        """A settlement of a recent reservation: as held, less or more."""
        if self.known:
            reservation, unit = self.chance.choice(self.known[-9:])
            usage = Usage.of(**{unit: self.chance.randint(0, 120)})
            as_reserved = self.chance.random() < 0.3
            answer = await self.quota.settle(reservation, None if as_reserved else usage)
            assert isinstance(answer, Committed)
            self.committed += not answer.replayed

    async def refund(self) -> None:
        """A refund of a recent reservation."""
        if self.known:
            reservation, _ = self.chance.choice(self.known[-9:])
            await self.quota.refund(reservation, self.chance.choice(("", "f1", "f2")))

    async def wait(self) -> None:
        """Time passes, and perhaps somebody sweeps."""
        self.clock.advance(self.chance.choice((1, SECOND, MINUTE, 20 * MINUTE, 3 * HOUR)))
        if self.chance.random() < 0.3:
            await self.quota.reap()

    async def step(self) -> None:
        """Anything."""
        steps: tuple[tuple[Callable[[], Awaitable[None]], int], ...] = (
            (self.ask, 10),
            (self.ask_again, 2),
            (self.commit, 6),
            (self.refund, 3),
            (self.wait, 4),
            (self.grant, 1),
            (self.change_the_team, 1),
        )
        chosen = self.chance.choices([s for s, _ in steps], [weight for _, weight in steps])[0]
        try:
            await chosen()
        except Fault as fault:
            if fault.reason not in EXPECTED:
                raise


@pytest.mark.parametrize("seed", range(6))
async def test_any_history_adds_up_after_every_step(
    executor: Executor, clock: Clock, seed: int
) -> None:
    # given a team with a little of everything
    history = History(executor, clock, seed)
    await history.change_the_team()
    await history.grant()
    await history.quota.top_up_wallet(80)
    # when anything happens, in any order, then every lot, window, list and number adds up
    for _ in range(STEPS):
        await history.step()
        await check(executor, catalog())
    # and when all time is over, nothing is held any more
    clock.advance(DAY)
    await history.quota.reap()
    await check(executor, catalog())
    names = keys.team_keys(TEAM)
    for name in (names.holds, names.credits.held, names.wallet.held):
        found = await executor.call("EXISTS", name, deadline=history.quota.deadline)
        assert found == 0
    assert history.committed > 5


# The checker checked.


@pytest.mark.parametrize(
    "words",
    [
        ("HINCRBY", "{pool}consumed", "lot", "1"),
        ("HINCRBY", "{pool}available", "lot", "-1"),
        ("HSET", "{pool}held", "lot", "5"),
        ("HDEL", "{pool}held", "lot"),
        ("HSET", "{pool}ends", "lot", "7"),
        ("ZREM", "{pool}order", "{bought}:lot"),
        ("ZADD", "{pool}order", "7", "{bought}:lot"),
        ("HINCRBY", "{window}", "t", "1"),
        ("HINCRBY", "{window}", "h", "-1"),
        ("HINCRBY", "{team}", "seq", "1"),
        ("HINCRBY", "{team}", "entry", "1"),
        ("XTRIM", "{ledger}", "MAXLEN", "2"),
        ("DEL", "{holds}"),
        ("DEL", "{purge}"),
        ("DEL", "{due}"),
        ("EXPIRE", "{team}", "100"),
    ],
    ids=" ".join,
)
async def test_the_checker_finds_a_store_that_was_changed_by_hand(
    quota: Quota, words: tuple[str, ...]
) -> None:
    # given a store that adds up, with a hold and a charge over plan and lot
    await quota.team()
    names = keys.team_keys(TEAM)
    await quota.grant("lot", 100)
    await quota.commit(await quota.reserve(40))
    await quota.reserve(90)
    await check(quota.executor, catalog())
    # when one thing in it is changed
    prefix = names.credits.order.removesuffix("order")
    window = f"{names.prefix}:win:{TEAM}:s1:general:cost:s:5h:150s"
    spelled = {
        "{window}": window,
        "{team}": names.team,
        "{ledger}": names.ledger,
        "{holds}": names.holds,
        "{purge}": names.purge,
        "{due}": names.due,
    }
    bought = f"{quota.clock():013d}"
    changed = [
        spelled.get(word, word.replace("{pool}", prefix).replace("{bought}", bought))
        for word in words
    ]
    await quota.executor.call(*changed, deadline=quota.deadline)
    # then the checker says so
    with pytest.raises(AssertionError):
        await check(quota.executor, catalog())

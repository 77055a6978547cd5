"""The load: many short stories at once, each a request and what becomes of it.

A story is drawn from a seed, so that a run can be told again; how stories interleave is up to the
machine. Knows what callers do; does not judge the answers, which the checker does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from random import Random

from google.protobuf.duration_pb2 import Duration

from quotasvc.v1 import common_pb2
from quotasvc.v1 import decision_pb2 as pb
from tests.chaos.gateway import Fault, Gateway
from tests.chaos.policy import ALLOWANCES, DESKS, TEAMS, Desk, cost_nanos
from tests.chaos.shape import Facts

CALLERS = 48
HOLD_MS_DEFAULT = 600_000
BRIEF_HOLD_MS = 1_000
REGRET_S_MAX = 3.0

Usage = dict[str, int]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as a caller means it."""

    team: str
    desk: Desk
    request_id: str
    resource: str
    usage: Usage
    hold_ms: int = HOLD_MS_DEFAULT

    @property
    def key_id(self) -> str:
        """Whose request it is."""
        return self.desk.key_id(self.team)


class Load:
    """Tells stories until so many operations have been made."""

    def __init__(self, gateway: Gateway, *, seed: int, operations: int) -> None:
        self.requests: dict[tuple[str, str], None] = {}  # team and request id, in order
        self._gateway = gateway
        self._seed = seed
        self._operations = operations
        self._numbers = 0

    async def run(self) -> None:
        """All of it; raises if a call was never answered."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(self._caller(group))

    async def until(self, operations: int) -> None:
        """Returns when so many operations have begun."""
        while self._gateway.counts.operations < operations:
            await asyncio.sleep(0.005)

    async def _caller(self, group: asyncio.TaskGroup) -> None:
        kinds, weights = zip(*_STORIES, strict=True)
        while self._gateway.counts.operations < self._operations:
            self._numbers += 1
            chance = Random(f"{self._seed}/{self._numbers}")
            story = Story(self, self._gateway, chance, group, self._numbers)
            tell: Tell = chance.choices(kinds, weights)[0]
            await tell(story)


class Story:
    """One request and what becomes of it."""

    def __init__(
        self, load: Load, gateway: Gateway, chance: Random, group: asyncio.TaskGroup, number: int
    ) -> None:
        self._load = load
        self._gateway = gateway
        self._chance = chance
        self._group = group
        self._number = number

    # The stories.

    async def settle(self) -> None:
        """Held, then committed at less, as much or more than was held."""
        ask, held = await self._held()
        if held:
            await self._commit(ask, held, self._actual(ask))

    async def release(self) -> None:
        """Held, then given back."""
        ask, held = await self._held()
        if held:
            await self._refund(ask, held, "")

    async def refund(self) -> None:
        """Committed, then given back, at once or after a while; now and then once more."""
        ask, held = await self._held()
        if held:
            await self._commit(ask, held, self._actual(ask))
            self._group.create_task(self._regret(ask, held))

    async def keep(self) -> None:
        """Held to the end of the run."""
        await self._held(hold_ms=3_600_000)

    async def expire(self) -> None:
        """Left to expire; then, mostly, committed late or given up."""
        ask, held = await self._held(hold_ms=BRIEF_HOLD_MS)
        if held:
            self._group.create_task(self._after_expiry(ask, held))

    async def twins(self) -> None:
        """The same request several times at once: one reservation."""
        ask = self._ask()
        answers = await asyncio.gather(*(self._reserve(ask) for _ in range(3)))
        held = next((answer for answer in answers if answer), "")
        if held:
            await self._commit(ask, held, self._actual(ask))

    async def conflict(self) -> None:
        """A known id with other content, before and after the settlement."""
        ask, held = await self._held()
        if held:
            await self._reserve(replace(ask, usage=self._usage(ask.resource)))
            await self._commit(ask, held, self._actual(ask))
            await self._reserve(replace(ask, hold_ms=ask.hold_ms - 1_000))
            await self._reserve(ask)

    async def rival_commits(self) -> None:
        """Different settlements at once, each of them twice: one wins."""
        ask, held = await self._held()
        if held:
            settlements = [self._actual(ask), self._actual(ask), None] * 2
            await asyncio.gather(*(self._commit(ask, held, one) for one in settlements))

    async def rival_ends(self) -> None:
        """A commit and refunds at once, of a hold that may also be about to expire."""
        hold_ms = self._chance.choice((HOLD_MS_DEFAULT, BRIEF_HOLD_MS))
        ask, held = await self._held(hold_ms=hold_ms)
        if not held:
            return
        if hold_ms == BRIEF_HOLD_MS:
            self._group.create_task(self._rivals_at_expiry(ask, held))
        else:
            await self._rivals(ask, held)

    async def big(self) -> None:
        """More than most lots hold."""
        ask = self._ask()
        ask = replace(ask, usage={unit: 60 * amount + 60 for unit, amount in ask.usage.items()})
        held = await self._reserve(ask)
        if held:
            await self._refund(ask, held, "")

    async def check(self) -> None:
        """Asked only; the answer holds nothing."""
        ask = replace(self._ask(), request_id="")
        await self._gateway.reserve(
            _request(ask, pb.CHECK_ONLY), ask.team, self._chance, _facts(ask), kind="check"
        )

    async def read(self) -> None:
        """Bars and balances, while everything moves."""
        ask = self._ask()
        await self._gateway.remains(ask.team, ask.key_id, self._chance)
        await self._gateway.balance(ask.team, ask.desk.user, self._chance)

    # Their parts.

    async def _regret(self, ask: Ask, held: str) -> None:
        if self._chance.random() < 0.5:
            # By then a lot that it drew on may have expired.
            await asyncio.sleep(self._chance.random() * REGRET_S_MAX)
        await self._refund(ask, held, "f1")
        if self._chance.random() < 0.3:
            await self._refund(ask, held, self._chance.choice(("f1", "f2", "")))

    async def _after_expiry(self, ask: Ask, held: str) -> None:
        # Callers come back in their own time, not all at the moment of expiry.
        await asyncio.sleep(BRIEF_HOLD_MS / 1_000 + self._chance.random())
        await self._gateway.find(ask.team, ask.request_id, self._chance)
        end = self._chance.random()
        if end < 0.5:
            await self._commit(ask, held, self._actual(ask))
        elif end < 0.7:
            await self._refund(ask, held, "")
        if end < 0.2:
            await self._refund(ask, held, "f1")

    async def _rivals_at_expiry(self, ask: Ask, held: str) -> None:
        await asyncio.sleep(BRIEF_HOLD_MS / 1_000 - 0.02 + self._chance.random() * 0.04)
        await self._rivals(ask, held)

    async def _rivals(self, ask: Ask, held: str) -> None:
        calls: list[Awaitable[None]] = [
            self._commit(ask, held, self._actual(ask)),
            self._refund(ask, held, "f1"),
            self._refund(ask, held, "f2"),
            self._refund(ask, held, ""),
        ]
        self._chance.shuffle(calls)
        await asyncio.gather(*calls)
        await self._gateway.find(ask.team, ask.request_id, self._chance)

    async def _held(self, hold_ms: int = HOLD_MS_DEFAULT) -> tuple[Ask, str]:
        ask = replace(self._ask(), hold_ms=hold_ms)
        return ask, await self._reserve(ask)

    def _ask(self) -> Ask:
        team, desk = self._chance.choice(TEAMS), self._chance.choice(DESKS)
        resource = self._chance.choices(("text/a", "image/a"), (6, 1))[0]
        return Ask(team, desk, f"r{self._number}", resource, self._usage(resource))

    def _usage(self, resource: str) -> Usage:
        if resource == "image/a":
            return {"images": self._chance.randint(1, 3)}
        return {
            "input_tokens": self._chance.randint(0, 700),
            "output_tokens": self._chance.randint(1, 2_000),
        }

    def _actual(self, ask: Ask) -> Usage | None:
        """What it turned out to be; None: exactly as reserved."""
        factor = self._chance.choice((None, 0, 30, 60, 100, 130, 400))
        if factor is None:
            return None
        return {unit: amount * factor // 100 for unit, amount in ask.usage.items()}

    async def _reserve(self, ask: Ask) -> str:
        """The reservation's id, or nothing."""
        self._load.requests[ask.team, ask.request_id] = None
        reply = await self._gateway.reserve(
            _request(ask, pb.NORMAL), ask.team, self._chance, _facts(ask)
        )
        return "" if isinstance(reply, Fault) else reply.reservation_id

    async def _commit(self, ask: Ask, held: str, usage: Usage | None) -> None:
        request = pb.CommitRequest(reservation_id=held, outcome=pb.SUCCEEDED)
        if usage is None:
            request.as_reserved = True
        else:
            request.usage.CopyFrom(_pb(usage))
        facts: Facts = {} if usage is None else {"usage": usage, "cost": cost_nanos(usage)}
        await self._gateway.commit(request, ask.team, self._chance, facts)

    async def _refund(self, ask: Ask, held: str, refund_id: str) -> None:
        request = pb.RefundRequest(reservation_id=held, refund_id=refund_id)
        if refund_id:
            request.all = True
        await self._gateway.refund(request, ask.team, self._chance)


def _request(ask: Ask, mode: pb.Mode.ValueType) -> pb.CheckAndReserveRequest:
    request = pb.CheckAndReserveRequest(
        request_id=ask.request_id,
        key_id=ask.key_id,
        resource=ask.resource,
        usage=_pb(ask.usage),
        mode=mode,
    )
    if ask.hold_ms != HOLD_MS_DEFAULT:
        request.hold_duration.CopyFrom(Duration(seconds=ask.hold_ms // 1_000))
    return request


def _pb(usage: Usage) -> common_pb2.Usage:
    """As a message: a unit that is sent as zero is not an absent one."""
    message = common_pb2.Usage()
    for unit, amount in usage.items():
        setattr(message, unit, amount)
    return message


def _facts(ask: Ask) -> Facts:
    """What the checker needs to know of a request beside its answer."""
    return {
        "key": ask.key_id,
        "allowance": ALLOWANCES[ask.resource],
        "usage": ask.usage,
        "cost": cost_nanos(ask.usage),
        "hold_ms": ask.hold_ms,
    }


Tell = Callable[[Story], Awaitable[None]]

_STORIES: tuple[tuple[Tell, int], ...] = (
    (Story.settle, 38),
    (Story.release, 8),
    (Story.refund, 14),
    (Story.keep, 2),
    (Story.expire, 9),
    (Story.twins, 6),
    (Story.conflict, 4),
    (Story.rival_commits, 4),
    (Story.rival_ends, 6),
    (Story.big, 4),
    (Story.check, 5),
    (Story.read, 5),
)

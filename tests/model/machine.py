"""The Hypothesis state machine: any history of calls, clocks, changes and crashes.

Each rule draws plain arguments and plays one step on the service and the oracle (player.py). After
every step what both hold must add up (SEM-40); where they differ, Hypothesis shrinks the history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quotasvc.domain.catalog import PeakMode
from tests.model.book import Handle
from tests.model.draws import (
    KEYS,
    STATES,
    asks,
    attributes,
    documents,
    holds,
    steps_back,
    usages,
    waits,
)
from tests.model.player import Player
from tests.model.service import LOST_REPLY, LOST_REQUEST, Service
from tests.model.tally import Tally
from tests.model.world import CATALOGS, START_MS
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, SECOND
from tests.support.quota import TEAM


class Machine(RuleBasedStateMachine):
    """Any history. `service`, `tally` and `loop` are set by whoever runs it."""

    service: Service
    tally: Tally
    loop: asyncio.AbstractEventLoop
    checks_every = 1
    kills = False

    def __init__(self) -> None:
        super().__init__()
        self.player = Player(self.service, self.tally)
        self.number = 0
        self.lot_number = 0
        self.step = 0
        self.cycle_ms = START_MS - DAY

    def play(self, work: Coroutine[Any, Any, None]) -> None:
        """One step, on the loop that the service lives on."""
        self.loop.run_until_complete(work)

    def new_id(self) -> str:
        """A request id that was not used before."""
        self.number += 1
        return f"r{self.number}"

    def recent(self, index: int) -> Handle | None:
        """One of the latest reservations."""
        known = self.player.reservations
        return known[-1 - index % min(len(known), 8)] if known else None

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """A team, a little money, any version of the policy."""
        self.play(self.player.begin())
        self.player.set_policy(data.draw(st.sampled_from(CATALOGS)))
        self.play(self.player.put_team(data.draw(documents(START_MS, self.cycle_ms))))
        self.play(
            self.player.grant("lot0", data.draw(st.integers(1, 120)) * CREDIT, 24, is_paid=True)
        )
        self.play(self.player.fill_wallet(80 * CREDIT))

    # Calls.

    @rule(asked=asks(), replica=st.sampled_from((None, 1)))
    def ask(self, asked: dict[str, Any], replica: int | None) -> None:
        """A new request."""
        self.play(self.player.ask({**asked, "request_id": self.new_id()}, replica))

    @rule(asked=asks())
    def ask_also(self, asked: dict[str, Any]) -> None:
        """The same once more: most of what happens are new requests."""
        self.play(self.player.ask({**asked, "request_id": self.new_id()}))

    @rule(asked=asks(), has_id=st.booleans())
    def look(self, asked: dict[str, Any], has_id: bool) -> None:
        """CHECK_ONLY, with an id or without one."""
        request_id = f"r{self.number}" if has_id and self.number else ""
        look = {**asked, "request_id": request_id, "mode": "CHECK_ONLY"}
        self.play(self.player.ask(look))

    @precondition(lambda self: self.player.requests)
    @rule(index=st.integers(0, 7), changed=st.integers(0, 5))
    def ask_again(self, index: int, changed: int) -> None:
        """A retry on the other replica; seldom with other content."""
        known = list(self.player.requests.values())
        asked = known[-1 - index % min(len(known), 8)]
        if changed == 0:
            asked = {**asked, "usage": {**asked["usage"], "output_tokens": 77}}
        elif changed == 1:
            asked = {**asked, "hold_ms": 7 * SECOND}
        self.play(self.player.ask(asked, 1))

    @rule(asked=asks(), many=st.integers(2, 6))
    def ask_at_once(self, asked: dict[str, Any], many: int) -> None:
        """A batch of equal requests, concurrently."""
        self.play(self.player.ask_many(asked, [self.new_id() for _ in range(many)]))

    @rule(asked=asks(), index=st.integers(0, 7), old=st.sampled_from(("", "", "", "old", "no id")))
    def report(self, asked: dict[str, Any], index: int, old: str) -> None:
        """RecordUsage, seldom in place of an old reservation."""
        handle: Handle | str | None = self.recent(index) if old == "old" else old or None
        self.play(self.player.report({**asked, "request_id": self.new_id()}, handle))

    @precondition(lambda self: self.player.reservations)
    @rule(index=st.integers(0, 7), data=st.data(), is_as_reserved=st.booleans())
    def commit(self, index: int, data: st.DataObject, is_as_reserved: bool) -> None:
        """At any usage."""
        handle = self.recent(index)
        assert handle is not None
        resource = self.player.requests[handle[1]]["resource"]
        usage = None if is_as_reserved else data.draw(usages(resource))
        sent = data.draw(attributes) if data.draw(st.integers(0, 5)) == 0 else {}
        self.play(self.player.commit(handle, usage, sent))

    @precondition(lambda self: self.player.reservations)
    @rule(
        index=st.integers(0, 7),
        refund_id=st.sampled_from(("", "f1", "f2", "f3", "f4")),
        data=st.data(),
    )
    def refund(self, index: int, refund_id: str, data: st.DataObject) -> None:
        """By any scope."""
        handle = self.recent(index)
        assert handle is not None
        resource = self.player.requests[handle[1]]["resource"]
        scope: dict[str, Any] = {}
        kind = data.draw(st.sampled_from(("all", "usage", "amount_nanos"))) if refund_id else ""
        if kind == "all":
            scope = {"all": True}
        elif kind == "usage":
            scope = {"usage": data.draw(usages(resource))}
        elif kind == "amount_nanos":
            scope = {"amount_nanos": data.draw(st.integers(1, 40)) * CREDIT // 2}
        self.play(self.player.refund(handle, refund_id, scope))

    @precondition(lambda self: self.player.committed)
    @rule(index=st.integers(0, 7))
    def refund_often(self, index: int) -> None:
        """A nano at a time, until no more refunds are taken."""
        known = self.player.committed
        handle = known[-1 - index % len(known)]
        for number in range(17):
            self.play(self.player.refund(handle, f"many{number}", {"amount_nanos": 1}))

    @precondition(lambda self: self.player.reservations)
    @rule(index=st.integers(0, 7), hold_ms=holds)
    def extend(self, index: int, hold_ms: int | None) -> None:
        """A hold shall live longer."""
        handle = self.recent(index)
        assert handle is not None
        self.play(self.player.extend(handle, hold_ms))

    @rule(index=st.integers(0, 7), number=st.sampled_from(KEYS))
    def read(self, index: int, number: int) -> None:
        """What people see."""
        self.play(self.player.read(self.recent(index), f"{TEAM}_k{number}"))

    @rule(what=st.sampled_from((LOST_REQUEST, LOST_REPLY)), after=st.sampled_from((0, 0, 0, 1, 2)))
    def lose(self, what: str, after: int) -> None:
        """The store's side of the next call is lost, and the gateway asks again."""
        self.player.lose(what, after)

    @rule(state=st.sampled_from(STATES))
    def list(self, state: str) -> None:
        """What operators see."""
        self.play(self.player.list(state))

    # The world.

    @rule(ms=waits)
    def wait(self, ms: int) -> None:
        """Time passes."""
        self.player.wait(ms)

    @rule(ms=steps_back)
    def step_back(self, ms: int) -> None:
        """A clock is set back."""
        self.player.wait(ms)

    @rule(
        replica=st.integers(0, 1),
        skew_ms=st.sampled_from((0, -29 * SECOND, -SECOND, SECOND, 29 * SECOND)),
    )
    def go_to(self, replica: int, skew_ms: int) -> None:
        """Another replica, with a clock of its own."""
        self.player.go_to(replica, skew_ms)

    @rule()
    def sweep(self) -> None:
        """The sweeper comes by."""
        self.play(self.player.sweep())

    @rule(data=st.data(), is_renewed=st.booleans())
    def change_team(self, data: st.DataObject, is_renewed: bool) -> None:
        """Seats, plans, keys, switches; the next cycle may begin, none begins again."""
        if is_renewed:
            self.cycle_ms = max(self.cycle_ms, self.player.now_ms)
        made = data.draw(documents(self.player.now_ms, self.cycle_ms))
        self.play(self.player.put_team(made))

    @rule(made=st.sampled_from(CATALOGS))
    def change_policy(self, made: Any) -> None:
        """Another catalog."""
        self.player.set_policy(made)

    @rule(mode=st.sampled_from((None, None, PeakMode.AUTO, PeakMode.ON, PeakMode.OFF)))
    def switch_peak(self, mode: PeakMode | None) -> None:
        """An operator switches."""
        self.player.set_peak_mode(mode)

    @rule(
        credits=st.integers(1, 60),
        hours=st.sampled_from((None, 1, 6, 24, 24)),
        is_paid=st.booleans(),
        many=st.sampled_from((1, 1, 1, 4)),
    )
    def grant(self, credits: int, hours: int | None, is_paid: bool, many: int) -> None:
        """Lots of any size and life."""
        for _ in range(many):
            self.lot_number += 1
            lot_id = f"lot{self.lot_number}"
            self.play(self.player.grant(lot_id, credits * CREDIT, hours, is_paid=is_paid))

    @precondition(lambda self: self.player.lots)
    @rule(index=st.integers(0, 7))
    def revoke(self, index: int) -> None:
        """A lot is taken back."""
        known = list(self.player.lots)
        self.play(self.player.revoke(known[-1 - index % len(known)]))

    @precondition(lambda self: self.kills)
    @rule(chance=st.integers(0, 12))
    def kill(self, chance: int) -> None:
        """Seldom the store dies."""
        if chance == 0:
            self.play(self.player.kill_the_store())

    @invariant()
    def adds_up(self) -> None:
        """What both hold, after every step."""
        self.step += 1
        if self.step > 1 and self.step % self.checks_every == 0:
            self.play(self.player.check())

"""Short plots that chance alone would seldom write: several steps that lead to one rule.

Each sets the stage and makes its steps with what it draws; what comes of them the oracle says.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from quotasvc.domain.catalog import PeakMode
from tests.model.book import Handle
from tests.model.draws import PLANS, UNITS, attributes, changed, team_on, usages
from tests.model.machine import Machine
from tests.model.policy import instance
from tests.model.service import LOST_REPLY, LOST_REQUEST
from tests.model.world import CATALOGS, LOTS_MAX
from tests.support.catalogs import CREDIT
from tests.support.clock import DAY, HOUR, MINUTE, SECOND
from tests.support.quota import TEAM

Step = Coroutine[Any, Any, None]
LOSSES = (("", 0), (LOST_REQUEST, 0), (LOST_REPLY, 0), (LOST_REPLY, 1))

plans = st.sampled_from(PLANS)
amounts = st.sampled_from((1, 5, 30, 60, 90, 400))


class Scenes(Machine):
    """Any history, with plots in it."""

    def stage(self, plan_id: str, *, has_seat: bool = True) -> None:
        """Everybody on one plan, and no rate limit in the way."""
        self.player.wait(MINUTE + 1)
        team = team_on(plan_id, self.player.now_ms, self.cycle_ms, has_seat=has_seat)
        self.play(self.player.put_team(team))

    def asked(self, resource: str = "text/a", /, number: int = 1, **more: Any) -> dict[str, Any]:
        """A request, with an id of its own."""
        plain = {"usage": {}, "attributes": {}, "hold_ms": 5 * MINUTE, "mode": "NORMAL"}
        words = {"key_id": f"{TEAM}_k{number}", "resource": resource, "request_id": self.new_id()}
        return {**plain, **words, **more}

    def ask_for(self, resource: str = "text/a", /, **more: Any) -> Handle | None:
        """Asks; the reservation, if one was made."""
        known = len(self.player.reservations)
        self.play(self.player.ask(self.asked(resource, **more)))
        return self.player.reservations[-1] if len(self.player.reservations) > known else None

    def lot(self, credits: int, hours: int | None = None, *, is_paid: bool = True) -> str:
        """A lot, paid unless said otherwise."""
        self.lot_number += 1
        lot_id = f"lot{self.lot_number}"
        self.play(self.player.grant(lot_id, credits * CREDIT, hours, is_paid=is_paid))
        return lot_id

    @rule(
        plan_id=plans,
        tokens=amounts,
        after_ms=st.sampled_from((SECOND, MINUTE, HOUR, 5 * HOUR, DAY - MINUTE)),
        is_swept=st.booleans(),
        how=st.sampled_from(("commit", "as reserved", "refund", "extend")),
        actual=amounts,
    )
    def come_late(
        self, plan_id: str, tokens: int, after_ms: int, is_swept: bool, how: str, actual: int
    ) -> None:
        """A hold ends, and its gateway comes after all (SEM-30, SEM-31)."""
        self.stage(plan_id)
        handle = self.ask_for(usage={"output_tokens": tokens}, hold_ms=SECOND)
        if handle is None:
            return
        self.player.wait(after_ms)
        if is_swept:
            self.play(self.player.sweep())
        if how == "extend":
            self.play(self.player.extend(handle, MINUTE))
        elif how == "refund":
            self.play(self.player.refund(handle, "", {}))
            self.play(self.player.commit(handle, None, {}))
        else:
            usage = {"output_tokens": actual} if how == "commit" else None
            self.play(self.player.commit(handle, usage, {}))

    @rule(plan_id=st.sampled_from(("old", "charge")), many=st.integers(2, 3), is_on=st.booleans())
    def crowd(self, plan_id: str, many: int, is_on: bool) -> None:
        """More at once than a seat may have at peak (SEM-20)."""
        self.stage(plan_id)
        self.player.set_peak_mode(PeakMode.ON if is_on else PeakMode.AUTO)
        self.lot(20)
        for _ in range(many):
            self.ask_for("vlm/a", hold_ms=MINUTE)

    @rule(
        plan_id=plans,
        number=st.sampled_from((1, 4)),
        held=amounts,
        actual=st.sampled_from((1, 30, 90, 400, 400)),
        made=st.sampled_from(CATALOGS),
        is_rich=st.booleans(),
    )
    def run_over(
        self, plan_id: str, number: int, held: int, actual: int, made: Any, is_rich: bool
    ) -> None:
        """One request almost fills what there is, the next one costs another amount than it held;
        the catalog changes in between (SEM-2, SEM-11, SEM-27)."""
        self.stage(plan_id)
        if is_rich:
            self.lot(90)
        self.ask_for(number=number, usage={"output_tokens": 55})
        handle = self.ask_for(number=number, usage={"output_tokens": held})
        self.player.set_policy(made)
        if handle is not None:
            self.play(self.player.commit(handle, {"output_tokens": actual}, {}))

    @rule(
        how=st.sampled_from(("commit", "release", "refund")),
        end=st.sampled_from(("expires", "revoked", "both")),
    )
    def end_of_a_lot(self, how: str, end: str) -> None:
        """A lot ends while a part of it is held or spent, and that comes back (SEM-23)."""
        self.stage("split", has_seat=False)
        lot_id = self.lot(50, hours=1)
        self.player.wait(MINUTE)
        handle = self.ask_for(usage={"output_tokens": 30}, hold_ms=HOUR)
        if handle is None:
            return
        if how == "refund":
            self.play(self.player.commit(handle, None, {}))
        if end != "revoked":
            self.player.wait(59 * MINUTE)
        if end != "expires" and lot_id in self.player.lots:
            self.play(self.player.revoke(lot_id))
        if how == "commit":
            self.play(self.player.commit(handle, {"output_tokens": 10}, {}))
        else:
            scope = {"all": True} if how == "refund" else {}
            self.play(self.player.refund(handle, "f1" if scope else "", scope))

    @rule(resource=st.sampled_from(("video/b", "draft/a", "text/tiered")), data=st.data())
    def other_attributes(self, resource: str, data: st.DataObject) -> None:
        """What was made is not what was asked for (SEM-49)."""
        self.stage("max")
        self.lot(40)
        sent = {"size": data.draw(st.sampled_from(("small", "large")))}
        estimate = data.draw(st.one_of(st.just({}), usages(resource)))
        handle = self.ask_for(resource, usage=estimate, attributes=sent)
        if handle is not None:
            usage = data.draw(usages(resource))
            self.play(self.player.commit(handle, usage, data.draw(attributes)))

    @rule(
        many=st.integers(1, LOTS_MAX + 2),
        hours=st.sampled_from((1, 24, None)),
        how=st.sampled_from(("revoke", "wait", "draw", "sweep")),
    )
    def queue_of_lots(self, many: int, hours: int | None, how: str) -> None:
        """More lots than a pool may have open; then some leave (SEM-24, SEM-53)."""
        self.stage("split", has_seat=False)
        ids = [self.lot(3, hours) for _ in range(many)]
        self.lot(1, hours, is_paid=False)
        if how == "revoke":
            for lot_id in sorted({ids[0], ids[-1]}):
                self.play(self.player.revoke(lot_id))
        elif how == "draw":
            self.ask_for(usage={"output_tokens": 2 * many})
        else:
            self.player.wait(HOUR)
        if how == "sweep":
            self.play(self.player.sweep())
        self.ask_for(usage={"output_tokens": 5})

    @rule(is_committed=st.booleans(), is_reported=st.booleans(), data=st.data(), tokens=amounts)
    def after_the_record(
        self, is_committed: bool, is_reported: bool, data: st.DataObject, tokens: int
    ) -> None:
        """A record leaves; its id is new again, or its usage is reported, once (SEM-31, S7)."""
        self.stage("max")
        asked = self.asked(usage={"output_tokens": 3}, hold_ms=SECOND)
        known = len(self.player.reservations)
        self.play(self.player.ask(asked))
        if len(self.player.reservations) == known:
            return
        handle = self.player.reservations[-1]
        if is_committed:
            self.play(self.player.commit(handle, None, {}))
        self.play(self.player.report(self.asked(), handle))
        self.player.wait(DAY + MINUTE)
        self.play(self.player.sweep())
        if data.draw(st.booleans()):
            self.play(self.player.sweep())
        if not is_reported:
            self.play(self.player.ask(asked))
        for _ in range(2 if is_reported else 0):
            report = self.asked(usage={"output_tokens": tokens})
            self.play(self.player.report(report, handle))

    @rule(
        lost=st.lists(st.sampled_from(LOSSES), min_size=4, max_size=4),
        resource=st.sampled_from(("text/a", "vlm/a", "song/a")),
        number=st.sampled_from((1, 4)),
    )
    def repeat(self, lost: list[tuple[str, int]], resource: str, number: int) -> None:
        """Calls whose answers may be lost, the same again, and the same ids with other content
        (SEM-28, SEM-29, SEM-35, SEM-38)."""
        self.stage("absorb")
        handle = self.ask_for(resource, number=number)
        asked, reported = (self.asked(resource, number=number) for _ in range(2))
        of_ask, of_report, of_commit, of_refund = lost
        self.thrice(of_ask, lambda usage: self.player.ask({**asked, "usage": usage}))
        self.thrice(of_report, lambda usage: self.player.report({**reported, "usage": usage}))
        if handle is not None:
            self.thrice(of_commit, lambda usage: self.player.commit(handle, usage, {}))
            self.thrice(
                of_refund,
                lambda usage: self.player.refund(handle, "f1", {"amount_nanos": usage["requests"]}),
            )

    def thrice(self, lost: tuple[str, int], call: Callable[[dict[str, int]], Step]) -> None:
        """A call that may be lost on the way, again, and with other content."""
        if lost[0]:
            self.player.lose(*lost)
        for requests in (1, 1, 2):
            self.play(call({"requests": requests}))

    @rule(
        plan_id=plans,
        changes=st.sampled_from(("key deleted", "key disabled", "access off", "plan", "holder")),
        after_ms=st.sampled_from((0, DAY - MINUTE, DAY + MINUTE)),
        is_refunded=st.booleans(),
        resource=st.sampled_from(("text/a", "vlm/a", "video/a", "voice/clone")),
    )
    def while_away(
        self, plan_id: str, changes: str, after_ms: int, is_refunded: bool, resource: str
    ) -> None:
        """The team changes between a reserve and its settlement, or a report (SEM-32, SEM-34)."""
        self.stage(plan_id)
        self.lot(60, hours=1)
        handle = self.ask_for(resource, hold_ms=HOUR)
        team = team_on("max" if changes == "plan" else plan_id, self.player.now_ms, self.cycle_ms)
        self.play(self.player.put_team(changed(team, changes, self.player.now_ms)))
        self.ask_for(resource)
        self.player.wait(after_ms)
        self.play(self.player.report(self.asked(resource)))
        if handle is not None and is_refunded:
            self.play(self.player.refund(handle, "", {}))
        elif handle is not None:
            self.play(self.player.commit(handle, {}, {}))

    @rule(has_access=st.booleans())
    def nobody_pays(self, has_access: bool) -> None:
        """No seat, and Credits that are gone, or not for this member (SEM-7)."""
        self.player.wait(MINUTE + 1)
        team = team_on("split", self.player.now_ms, self.cycle_ms, has_seat=False)
        what = "" if has_access else "access off"
        self.play(self.player.put_team(changed(team, what, self.player.now_ms)))
        for lot_id in tuple(self.player.lots):
            self.play(self.player.revoke(lot_id))
        self.ask_for()

    @rule(
        plan_id=st.sampled_from(("split", "charge")),
        before_ms=st.sampled_from((20 * SECOND, 1, 0, -20 * SECOND)),
        skew_ms=st.sampled_from((-29 * SECOND, 29 * SECOND)),
        after_ms=st.sampled_from((0, 20 * SECOND, HOUR)),
    )
    def around_an_edge(self, plan_id: str, before_ms: int, skew_ms: int, after_ms: int) -> None:
        """By one clock the old instance of a window is still on, by the other it is over."""
        self.stage(plan_id)
        self.player.set_policy(CATALOGS[0])
        general, images, *_ = self.player.oracle.policy.plans[plan_id].allowances
        window = general.windows[0] if plan_id == "charge" else images.windows[0]
        now_ms = self.player.now_ms
        self.player.wait(instance(window, now_ms)[1] - before_ms - now_ms)
        self.player.go_to(1, skew_ms)
        resource = "text/a" if plan_id == "charge" else "image/a"
        handles = [self.ask_for(resource) for _ in range(2)]
        self.player.wait(after_ms)
        for handle in handles:
            if handle is not None:
                self.play(self.player.commit(handle, {}, {}))
        self.player.go_to(0, 0)

    @rule(
        skew_ms=st.sampled_from((-31 * SECOND, 31 * SECOND)),
        resource=st.sampled_from(("text/a", "vlm/a", "image/a")),
    )
    def wrong_clock(self, skew_ms: int, resource: str) -> None:
        """A replica whose clock is too far off decides nothing (SEM-37)."""
        self.stage("max")
        self.player.go_to(1, skew_ms)
        self.ask_for(resource)
        self.player.go_to(0, 0)

    @rule(
        plan_id=plans,
        resource=st.sampled_from(tuple(UNITS)),
        number=st.sampled_from((1, 4)),
        after_ms=st.sampled_from((0, DAY - MINUTE)),
        data=st.data(),
    )
    def give_back(
        self, plan_id: str, resource: str, number: int, after_ms: int, data: st.DataObject
    ) -> None:
        """By usage and by amount; and when the time of a window is over (SEM-15, SEM-29)."""
        self.stage(plan_id)
        handle = self.ask_for(resource, number=number)
        if handle is None:
            return
        self.play(self.player.commit(handle, None, {}))
        self.player.wait(after_ms)
        usage = {unit: 1 for unit in data.draw(usages(resource))} or {"requests": 1}
        scopes = ({"usage": usage}, {"amount_nanos": CREDIT}, {"all": True})
        for place in data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=3)):
            self.play(self.player.refund(handle, f"f{place}", scopes[place]))

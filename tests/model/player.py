"""Plays one history on the service and on the oracle at once, and compares every answer.

A step is a call of one method here with plain arguments, so that a history can be told, shrunk and
played again. Field by field the two must say the same; what the service alone can know (its ids)
is translated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from quotasvc.domain.catalog import Catalog, PeakMode
from quotasvc.domain.faults import FailedPrecondition
from quotasvc.domain.team import Team
from quotasvc.v1 import common_pb2, decision_pb2, usage_pb2
from tests.model.book import Handle, Reservation
from tests.model.console import invariants
from tests.model.messages import ask_pb, by_id, by_lot, translated, usage_pb
from tests.model.oracle import Oracle
from tests.model.service import Answer, Service
from tests.model.settlement import due_holds, reap_due
from tests.model.tally import Tally
from tests.model.translation import to_oracle, to_oracle_team
from tests.model.world import CATALOGS, START_MS
from tests.support import conservation
from tests.support.clock import HOUR
from tests.support.quota import TEAM

UNKNOWN = "UNAVAILABLE/STORE_UNAVAILABLE"


class Player:
    """One history. `teams` are documents in the domain's words, and the oracle's copy is made."""

    def __init__(self, service: Service, tally: Tally) -> None:
        self.service = service
        self.tally = tally
        self.steps: list[str] = []

    async def begin(self) -> None:
        """An empty store and an oracle that knows nothing."""
        self.oracle = Oracle(to_oracle(CATALOGS[0]))
        self.policy = CATALOGS[0]
        self.ids: dict[Handle, str] = {}
        self.requests: dict[str, dict[str, Any]] = {}  # what was sent under each request id
        self.reservations: list[Handle] = []
        self.lots: dict[str, int] = {}
        self.extensions = 0
        self.latest_ms = START_MS
        self.is_clock_wrong = False
        self.is_purged = False
        self.tally.begin()
        self.losing = ("", 0)
        await self.service.begin(START_MS, CATALOGS[0])

    @property
    def now_ms(self) -> int:
        """The clock of both."""
        return self.service.clock.now_ms

    def _record(self, handle: Handle) -> Reservation | None:
        """What the oracle keeps of it, if it still does."""
        found = self.oracle.teams[TEAM].records.get(handle[1])
        return found if found is not None and found.handle == handle else None

    @property
    def committed(self) -> list[Handle]:
        """Of the latest reservations those that are committed."""
        found = ((handle, self._record(handle)) for handle in self.reservations[-20:])
        return [handle for handle, r in found if r is not None and r.state == "COMMITTED"]

    # Comparing.

    def compare(self, what: str, real: Answer, said: Answer) -> None:
        """The same, field by field; else the history so far."""
        self.tally.answer(what, said)
        mine = translated(said, self.ids)
        if real == mine:
            return
        told = "\n".join(self.steps)
        shown = "\n".join(
            f"  {name}:\n    service {real.get(name)}\n    oracle  {mine.get(name)}"
            for name in real.keys() | mine.keys()
            if real.get(name) != mine.get(name)
        )
        raise AssertionError(f"{what} differs:\n{shown}\nafter\n{told}")

    def tell(self, step: str) -> None:
        """Adds a step to the history."""
        self.steps.append(f"[{self.now_ms - START_MS}] {step}")

    async def check(self) -> None:
        """Every promise about the whole state, on both sides (SEM-40)."""
        self.tally.lots(self.oracle.teams[TEAM])
        assert invariants(self.oracle) == []
        await conservation.check(
            self.service.executor,
            *CATALOGS,
            is_purged=self.is_purged,
            extensions=self.extensions,
            latest_ms=self.latest_ms,
            is_clock_wrong=self.is_clock_wrong,
        )

    async def _told(
        self, what: str, message: Message, oracle: Callable[[], Answer], replica: int | None = None
    ) -> tuple[Answer, Answer]:
        """What both say. Where the outcome is unknown the caller asks again, and gets the one true
        answer: it was applied at the first time, or it is now (SEM-38).
        """
        lost, self.losing = self.losing, ("", 0)
        self.service.lose(*lost)
        real = await self.service.call(what, message, replica)
        if real.get("fault") == UNKNOWN:
            self.tally.count(lost[0], what)
            self.tally.count("fault", UNKNOWN.partition("/")[2])
            await self._finish_round()
            real = await self.service.call(what, message, 1 - (replica or 0))
            if real.get("replayed"):
                oracle()
        return real, oracle()

    async def _finish_round(self) -> None:
        """The sweeper ends the round of reaping that what was lost cut short, if there was one.

        How far it came shows nowhere but in `seq`, and the oracle reaps all at once.
        """
        state = self.oracle.teams[TEAM]
        at_ms = state.now(self.now_ms)
        if await self.service.due(at_ms) < len(due_holds(state, at_ms)):
            await self.service.reap(at_ms)
            reap_due(state, at_ms)

    def lose(self, what: str, after: int) -> None:
        """The next call that may be repeated loses a request to the store, or the reply to it."""
        self.tell(f"{what} after {after}")
        self.losing = (what, after)

    # Calls of gateways.

    async def ask(self, asked: Mapping[str, Any], replica: int | None = None) -> None:
        """CheckAndReserve."""
        self.tell(f"ask {dict(asked)} {'' if replica is None else replica}")
        is_skewed = self.service.replica if replica is None else replica
        skew_ms = self.service.skew_ms if is_skewed else 0
        self.tally.asks(
            asked, self.oracle, self.now_ms, is_known=asked["request_id"] in self.requests
        )
        real, said = await self._told(
            "CheckAndReserve",
            ask_pb(asked),
            lambda: self.oracle.check_and_reserve(self.now_ms, **asked, skew_ms=skew_ms),
            replica,
        )
        self._learn(asked, real, said)
        if "decision" in said:
            self.tally.count("mode", f"{asked['mode']} {said['decision']}")
        self.compare("CheckAndReserve", real, said)

    async def ask_many(self, asked: Mapping[str, Any], request_ids: list[str]) -> None:
        """The same request under several ids, at once, over both replicas.

        Whatever the interleaving, the answers are those of some order; the admitted ones tell it
        by their `seq`.
        """
        self.tell(f"ask_many {dict(asked)} {request_ids}")
        self.tally.count("call", "many at once")
        asks = [{**asked, "request_id": name} for name in request_ids]
        reals = await asyncio.gather(
            *(
                self.service.call("CheckAndReserve", ask_pb(one), number % 2)
                for number, one in enumerate(asks)
            )
        )
        pairs = sorted(
            zip(asks, reals, strict=True),
            key=lambda pair: (pair[1].get("decision") != "ALLOW", pair[1].get("seq", 0)),
        )
        for one, real in pairs:
            said = self.oracle.check_and_reserve(self.now_ms, **one)
            self._learn(one, real, said)
            self.compare("CheckAndReserve", real, said)

    def _learn(self, asked: Mapping[str, Any], real: Answer, said: Answer) -> None:
        handle = said.get("reservation_id")
        if handle is None:
            return
        self.requests.setdefault(asked["request_id"], dict(asked))
        if handle not in self.ids:
            self.ids[handle] = real.get("reservation_id", "")
            self.reservations.append(handle)
            record = self._record(handle)
            if record is not None and record.plan_leg is not None and record.allowance is not None:
                self.tally.count("straddle", record.allowance.straddle)

    async def report(self, asked: Mapping[str, Any], old: Handle | str | None = None) -> None:
        """RecordUsage; `old` may be a reservation, or text that is none."""
        self.tell(f"report {dict(asked)} old={old}")
        message = decision_pb2.RecordUsageRequest(
            request_id=asked["request_id"],
            key_id=asked["key_id"],
            resource=asked["resource"],
            usage=usage_pb(asked["usage"]),
            attributes=asked["attributes"],
            reservation_id=old if isinstance(old, str) else self.ids.get(old, "") if old else "",
        )
        words = {k: v for k, v in asked.items() if k not in ("hold_ms", "mode")}
        reservation_id = (TEAM, "forged", 0) if isinstance(old, str) else old
        real, said = await self._told(
            "RecordUsage",
            message,
            lambda: self.oracle.record_usage(self.now_ms, **words, reservation_id=reservation_id),
        )
        real.pop("catalog_version", None)  # the oracle does not say which version recorded
        said = {name: value for name, value in said.items() if name != "catalog_version"}
        self._learn(asked, real, said)
        is_recorded = said.get("decision") == "ALLOW" and not said.get("replayed")
        self.tally.count("move", "recorded", is_recorded)
        self.compare("RecordUsage", real, said)

    async def commit(
        self, handle: Handle, usage: Mapping[str, int] | None, attributes: Mapping[str, str]
    ) -> None:
        """Commit; no usage is as reserved."""
        self.tell(f"commit {handle} {usage} {dict(attributes)}")
        settle: dict[str, Any] = {"as_reserved": True}
        if usage is not None:
            settle = {"usage": usage_pb(usage)}
        message = decision_pb2.CommitRequest(
            reservation_id=self.ids[handle], attributes=attributes, **settle
        )
        words: dict[str, Any] = {"usage": usage} if usage is not None else {"as_reserved": True}
        record = self._record(handle)
        before = self.tally.before(record, self.oracle, self.now_ms)
        real, said = await self._told(
            "Commit",
            message,
            lambda: self.oracle.commit(self.now_ms, handle, attributes=attributes, **words),
        )
        self.tally.count("settle", next(iter(words)))
        self.tally.commit(before, self._record(handle), said)
        self.tally.meanwhile(self.oracle, self._record(handle), said)
        self.compare("Commit", real, said)

    async def refund(self, handle: Handle, refund_id: str, scope: Mapping[str, Any]) -> None:
        """Refund; an empty scope gives back a hold."""
        self.tell(f"refund {handle} {refund_id!r} {dict(scope)}")
        words = dict(scope)
        if "usage" in words:
            words["usage"] = usage_pb(words["usage"])
        message = decision_pb2.RefundRequest(
            reservation_id=self.ids[handle], refund_id=refund_id, **words
        )
        record = self._record(handle)
        before = self.tally.before(record, self.oracle, self.now_ms)
        real, said = await self._told(
            "Refund",
            message,
            lambda: self.oracle.refund(self.now_ms, handle, refund_id=refund_id, **scope),
        )
        self.tally.count("scope", next(iter(scope), "none"))
        self.tally.refund(before, said)
        self.tally.meanwhile(self.oracle, self._record(handle), said)
        self.compare("Refund", real, said)

    async def extend(self, handle: Handle, hold_ms: int | None) -> None:
        """Extend."""
        self.tell(f"extend {handle} {hold_ms}")
        message = decision_pb2.ExtendRequest(reservation_id=self.ids[handle])
        if hold_ms is not None:
            message.hold_duration.FromMilliseconds(hold_ms)
        real = await self.service.call("Extend", message)
        said = self.oracle.extend(self.now_ms, handle, hold_ms=hold_ms)
        self.extensions += "expire_time" in said
        self.tally.count("move", "extended", "expire_time" in said)
        self.compare("Extend", real, said)

    # Reading.

    async def list(self, state: str) -> None:
        """ListReservations: in any order."""
        self.tell(f"list {state}")
        message = decision_pb2.ListReservationsRequest(
            team_id=TEAM, state=common_pb2.ReservationState.Value(state), page_size=1_000
        )
        real = await self.service.call("ListReservations", message)
        said = self.oracle.list_reservations(self.now_ms, TEAM, state)
        self.compare("ListReservations", by_id(real), by_id(translated(said, self.ids)))

    async def read(self, handle: Handle | None, key_id: str) -> None:
        """What people see of it all."""
        self.tell(f"read {handle} {key_id}")
        if handle is not None:
            message = decision_pb2.GetReservationRequest(reservation_id=self.ids[handle])
            real = await self.service.call("GetReservation", message)
            self.compare("GetReservation", real, self.oracle.get_reservation(self.now_ms, handle))
        bars = usage_pb2.GetRemainsRequest(key_id=key_id)
        real = await self.service.call("GetRemains", bars)
        self.compare("GetRemains", real, self.oracle.remains(self.now_ms, key_id=key_id))
        subject = {"team_id": TEAM, "actor_user_id": "ann"}
        real = await self.service.call("GetBalance", usage_pb2.GetBalanceRequest(**subject))
        self.compare("GetBalance", real, self.oracle.balance(self.now_ms, TEAM))
        real = await self.service.call(
            "ListLots", usage_pb2.ListLotsRequest(**subject, page_size=1_000)
        )
        said = self.oracle.lots(self.now_ms, TEAM)
        self.compare("ListLots", by_lot(real), by_lot(said))

    # What happens around them.

    async def put_team(self, team: Team) -> None:
        """Another version of the document."""
        self.tell(f"put_team {team}")
        self.tally.count("call", "put_team")
        await self.service.put_team(team)
        self.oracle.put_team(self.now_ms, to_oracle_team(team))

    async def grant(self, lot_id: str, nanos: int, hours: int | None, *, is_paid: bool) -> None:
        """A lot, bought now."""
        now_ms = self.oracle.teams[TEAM].now(self.now_ms)
        expire_ms = None if hours is None else now_ms + hours * HOUR
        self.tell(f"grant {lot_id} {nanos} {expire_ms} {is_paid}")
        real = {}
        try:
            await self.service.grant(lot_id, nanos, now_ms, expire_ms, is_paid=is_paid)
        except FailedPrecondition as fault:
            real = {"fault": f"FAILED_PRECONDITION/{fault.reason}"}
        words = (self.now_ms, TEAM, "CREDITS", lot_id, nanos)
        said = self.oracle.grant(
            *words, paid=is_paid, expires_ms=expire_ms, never_expires=hours is None
        )
        self.compare("grant", real, {k: v for k, v in said.items() if k == "fault"})
        if not real:
            self.lots[lot_id] = now_ms

    async def fill_wallet(self, nanos: int) -> None:
        """The wallet's one top-up."""
        self.tell(f"fill_wallet {nanos}")
        await self.service.fill_wallet(nanos)
        self.oracle.grant(self.now_ms, TEAM, "WALLET", "wallet", nanos)

    async def revoke(self, lot_id: str) -> None:
        """A lot is taken back, once."""
        del self.lots[lot_id]
        self.tell(f"revoke {lot_id}")
        self.tally.count("call", "revoke")
        await self.service.revoke(lot_id)
        self.oracle.revoke(self.now_ms, TEAM, lot_id)

    async def sweep(self) -> None:
        """The sweeper comes by."""
        self.tell("sweep")
        self.tally.count("call", "sweep")
        self.is_purged = True
        await self.service.sweep()
        self.oracle.sweep(self.now_ms)

    def wait(self, ms: int) -> None:
        """Time passes, or a clock steps back."""
        self.service.clock.advance(ms)
        self.latest_ms = max(self.latest_ms, self.now_ms)
        self.is_clock_wrong |= self.now_ms < self.latest_ms - 30_000
        self.tell(f"wait {ms}")
        self.tally.wait(ms)

    def go_to(self, replica: int, skew_ms: int) -> None:
        """Calls go to this replica; the clock of the second is off by so much (SEM-37)."""
        self.tell(f"go_to {replica} {skew_ms}")
        self.service.replica, self.service.skew_ms = replica, skew_ms
        if replica and skew_ms:
            self.tally.count("clock", "a replica's is off")

    def set_policy(self, made: Catalog) -> None:
        """Another catalog version is in force."""
        self.tell(f"set_policy {made.version}")
        self.tally.count("call", "set_policy")
        self.policy = made
        self.service.set_policy(made)
        self.oracle.set_policy(to_oracle(made))

    def set_peak_mode(self, mode: PeakMode | None) -> None:
        """An operator's switch."""
        self.tell(f"set_peak_mode {mode}")
        self.tally.count("call", "set_peak_mode")
        self.service.set_peak_mode(mode)
        self.oracle.set_peak_mode(mode.value if mode else None)

    async def kill_the_store(self) -> None:
        """kill -9; what was answered is still so."""
        self.tell("kill the store")
        self.tally.count("store", "killed")
        await self.service.kill_the_store()

"""Reads the record of a reservation: the fields that the Lua scripts write (lib/record_store.lua).

The record knows slots, lots and numbers; the names of its sources come from the reservation id
and the catalog version that it pins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from quotasvc.domain.catalog import Allowance, Catalog, OnExpiry
from quotasvc.domain.faults import Corrupt
from quotasvc.domain.lot import LOTS_MAX, WALLET_LOT
from quotasvc.domain.reservation import (
    Leg,
    Payer,
    Reservation,
    ReservationId,
    State,
    lengthen,
)
from quotasvc.domain.unit import AMOUNT_MAX, COST, Usage
from quotasvc.store.field import Field
from quotasvc.store.resp import Reply

LEGS_MAX = 2 * LOTS_MAX
"""Lots of one record: a late commit may be charged to others than those that its hold had."""

MEMBER_PREFIX_CHARS = 14
"""A lot's member of the order is "<purchased_at, 13 digits>:<lot id>"."""


STATES = {state.value: state for state in State}
PAYERS = {payer.value: payer for payer in Payer}


def lot_id(member: str) -> str:
    """The lot that a member of the order names."""
    return member[MEMBER_PREFIX_CHARS:]


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one record, by name, as the script left them at `now_ms`."""

    fields: Mapping[bytes, bytes | int]
    now_ms: int
    team_id: str  # with `request` the place of the record, which its id leaves out
    request: str

    @staticmethod
    def from_reply(now_ms: int, team_id: str, request: str, *parts: Reply) -> Record:
        """From flat lists of names and values; later ones overrule."""
        fields: dict[bytes, bytes | int] = {}
        for part in parts:
            # What a script returns of a HASH: names as bytes, values as bytes or numbers.
            words = cast("list[bytes]", part)
            fields.update(zip(words[::2], words[1::2], strict=True))
        return Record(fields, now_ms, team_id, request)

    def number(self, field: Field, i: int | None = None, *, absent: int = 0) -> int:
        """A field, or the i-th of its name; `absent` where it is."""
        name = field.encode() if i is None else b"%b%d" % (field.encode(), i)
        value = self.fields.get(name, absent)
        if isinstance(value, int):
            return value  # a script has checked it
        if value.removeprefix(b"-").isdigit() and abs(number := int(value)) <= AMOUNT_MAX:
            return number
        text = f"field {name!r} of record {self.reservation_id} is {value!r}, which is no number"
        raise Corrupt(text)

    def text(self, field: Field, i: int | None = None) -> str:
        """A text field; empty if it is absent."""
        name = field.encode() if i is None else b"%b%d" % (field.encode(), i)
        value = self.fields.get(name, b"")
        # Scripts hand on whole numbers as they are, also where a text looks like one.
        return str(value) if isinstance(value, int) else value.decode()

    @property
    def reservation_id(self) -> str:
        """The id, as first issued."""
        return lengthen(self.short_id, self.team_id, self.request)

    @property
    def short_id(self) -> str:
        """What the record keeps of its id."""
        return self.text(Field.ID) + self.text(Field.ID_END)

    @property
    def state(self) -> State:
        """EXPIRED from the expiry on, reaped or not (SEM-30)."""
        state = self._stored_state
        if state is State.HELD and self.expire_ms <= self.now_ms:
            return State.EXPIRED
        return state

    @property
    def expire_ms(self) -> int:
        """When the hold ends, or ended; 0 where there never was one."""
        return self.number(Field.EXTENDED) or self.first_expire_ms

    @property
    def first_expire_ms(self) -> int:
        """When the hold was to end, by the first answer; 0 where there never was one."""
        return self.number(Field.ADMIT) + self.number(Field.HOLD) if self._was_held else 0

    @property
    def _stored_state(self) -> State:
        number = self.number(Field.STATE)
        if number not in STATES:
            raise Corrupt(f"record {self.reservation_id} has state {number}, which is none")
        return STATES[number]

    @property
    def _was_held(self) -> bool:
        """Usage that was reported never was a hold."""
        return Field.HOLD.encode() in self.fields

    @property
    def is_released_hold(self) -> bool:
        """A refund gave back a live hold; an expired one had gone back before."""
        return self.number(Field.RELEASED) == 1

    @property
    def is_provisional(self) -> bool:
        """Charged at its expiry, until somebody settles it."""
        return self.number(Field.PROVISIONAL) == 1

    @property
    def _is_charged(self) -> bool:
        """A commit, a report or an expiry has charged its legs: as held, unless they say else."""
        return self.is_provisional or self._stored_state is State.COMMITTED

    @property
    def settle_seq(self) -> int:
        """The team's `seq` after what settled it last, refunds aside."""
        return self.number(Field.COMMIT_SEQ) or self.number(Field.RELEASE_SEQ)

    def usage(self, measures: tuple[str, ...]) -> Usage:
        """The estimate, or the actual usage once there is one."""
        return Usage.unpack(self.text(Field.USAGE), measures)

    def usage_refunded(self, measures: tuple[str, ...]) -> Usage:
        """All that was refunded by usage."""
        return Usage.unpack(self.text(Field.USAGE_BACK), measures)

    def reservation(self, rid: ReservationId, catalog: Catalog) -> Reservation:
        """The reservation, with its sources named by the catalog that it pins."""
        charged, actual = self.charged_legs(rid, catalog), self.number(Field.ACTUAL)
        plan, is_over = rid.plan(catalog), self.state is not self._stored_state
        if is_over and plan is not None and plan.on_expiry is OnExpiry.CHARGE:
            # Its expiry counts as what it will be booked as (SEM-30).
            charged, actual = self.held_legs(rid, catalog), self.number(Field.COST)
        return Reservation(
            reservation_id=self.reservation_id,
            state=self.state,
            resource=rid.resource(catalog).resource_id,
            admit_ms=self.number(Field.ADMIT),
            expire_ms=self.expire_ms or None,
            settle_ms=self.number(Field.SETTLE) or None,
            held_legs=self.released_legs(rid, catalog),
            charged_legs=charged,
            cost_nanos=self.number(Field.COST) if self._was_held else 0,
            actual_nanos=actual,
            written_off_nanos=self.number(Field.WRITTEN_OFF),
            refunded_nanos=self.number(Field.REFUNDED),
            late=self.number(Field.LATE) == 1,
            catalog_version=rid.catalog_version,
            reserve_seq=self.number(Field.SEQ),
            settle_seq=self.settle_seq,
        )

    def held_legs(self, rid: ReservationId, catalog: Catalog) -> tuple[Leg, ...]:
        """What was held, as the first answer said."""
        if not self._was_held:
            return ()
        amount = self.number(Field.PLAN)
        nanos = self.number(Field.PLAN_NANOS, absent=amount)
        plan = _plan_leg(rid, rid.allowance(catalog), amount, nanos, is_gone=False)
        return (*plan, *self._lot_legs(Field.LOT_HELD))

    def released_legs(self, rid: ReservationId, catalog: Catalog) -> tuple[Leg, ...]:
        """The same; `window_gone` where a release found its window over."""
        legs, is_gone = self.held_legs(rid, catalog), self.number(Field.RELEASE_GONE) == 1
        return tuple(replace(leg, window_gone=is_gone and leg.payer is Payer.PLAN) for leg in legs)

    def charged_legs(self, rid: ReservationId, catalog: Catalog) -> tuple[Leg, ...]:
        """What each source paid, before refunds; free units of a plan count as paid."""
        kept = self.number(Field.KEEP, absent=self.number(Field.PLAN) if self._is_charged else 0)
        amount = kept + self.number(Field.OVER)
        is_gone = self.number(Field.COMMIT_GONE) == 1
        paid = self.number(Field.PLAN_PAID, absent=amount)
        plan = _plan_leg(rid, rid.allowance(catalog), amount, paid, is_gone=is_gone)
        return (*plan, *self._lot_legs(Field.LOT_CHARGED))

    def refunded_legs(self, rid: ReservationId, catalog: Catalog, i: int) -> tuple[Leg, ...]:
        """What the i-th refund gave back: the last leg first, so of each what was left over."""
        before, after = self._gone_back(i - 1), self._gone_back(i)
        units_before = self.number(Field.REFUND_UNITS, i - 1) if i > 1 else 0
        units = self.number(Field.REFUND_UNITS, i) - units_before
        is_gone = self.number(Field.REFUND_GONE, i) == 1
        lots = []
        for leg in reversed(self._lot_legs(Field.LOT_CHARGED)):
            was, now = min(before, leg.nanos), min(after, leg.nanos)
            before, after = before - was, after - now
            if now > was:
                lots.append(replace(leg, amount=now - was, nanos=now - was))
        plan = _plan_leg(rid, rid.allowance(catalog), units, after - before, is_gone=is_gone)
        return (*plan, *reversed(lots))

    def _gone_back(self, i: int) -> int:
        return self.number(Field.REFUND_NANOS, i) if i > 0 else 0

    def _lot_legs(self, kind: Field) -> tuple[Leg, ...]:
        """The legs of what was held, or charged, that are not empty."""
        pool = self.number(Field.POOL)
        payer = PAYERS.get(pool)
        if pool and payer is None:
            raise Corrupt(f"record {self.reservation_id} has payer {pool}, which is none")
        legs, count = [], self.number(Field.LOTS)
        if count > LEGS_MAX:
            raise Corrupt(f"record {self.reservation_id} has {count} lots, which is too many")
        for i in range(1, count + 1):
            held = self.number(Field.LOT_HELD, i)
            nanos = held
            if kind is Field.LOT_CHARGED:
                nanos = self.number(kind, i, absent=held if self._is_charged else 0)
            if nanos == 0 or payer is None:
                continue
            source = WALLET_LOT if payer is Payer.WALLET else lot_id(self.text(Field.LOT, i))
            legs.append(
                Leg(
                    payer=payer,
                    source=source,
                    unit=COST,
                    amount=nanos,
                    nanos=nanos,
                    expire_ms=self.number(Field.LOT_EXPIRE, i) or None,
                )
            )
        return tuple(legs)


def _plan_leg(
    rid: ReservationId, allowance: Allowance | None, amount: int, nanos: int, *, is_gone: bool
) -> tuple[Leg, ...]:
    if amount == 0 and nanos == 0:
        return ()
    if allowance is None:
        raise Corrupt("a record has a plan leg whose allowance its catalog does not have")
    leg = Leg(
        payer=Payer.PLAN,
        source=f"{rid.seat_id}/{allowance.allowance_id}",
        unit=allowance.unit,
        amount=amount,
        nanos=nanos,
        window_gone=is_gone,
    )
    return (leg,)

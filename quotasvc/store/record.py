"""Reads the record of a reservation: the fields that the Lua scripts write (lib/record_store.lua).

The record knows slots, lots and numbers; the names of its sources come from the reservation id
and the catalog version that it pins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from quotasvc.domain.catalog import Allowance, Catalog
from quotasvc.domain.faults import Corrupt
from quotasvc.domain.lot import WALLET_LOT
from quotasvc.domain.reservation import Leg, Payer, Reservation, ReservationId, State
from quotasvc.domain.unit import COST
from quotasvc.store.resp import Reply

MEMBER_PREFIX_CHARS = 14
"""A lot's member of the order is "<purchased_at, 13 digits>:<lot id>"."""


STATES = {state.value: state for state in State}


def lot_id(member: str) -> str:
    """The lot that a member of the order names."""
    return member[MEMBER_PREFIX_CHARS:]


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one record, by name, as the script left them at `now_ms`."""

    fields: Mapping[bytes, bytes | int]
    now_ms: int

    @staticmethod
    def from_reply(now_ms: int, *parts: Reply) -> Record:
        """From flat lists of names and values; later ones overrule."""
        fields: dict[bytes, bytes | int] = {}
        for part in parts:
            # What a script returns of a HASH: names as bytes, values as bytes or numbers.
            words = cast("list[bytes]", part)
            fields.update(zip(words[::2], words[1::2], strict=True))
        return Record(fields, now_ms)

    def number(self, name: bytes) -> int:
        """A field that is always there once its script has run; 0 before."""
        value = self.fields.get(name, 0)
        try:
            return int(value)
        except ValueError:
            text = f"field {name!r} of record {self.text(b'id')} is {value!r}, which is no number"
            raise Corrupt(text) from None

    def text(self, name: bytes) -> str:
        """A text field; empty if it is absent."""
        value = self.fields.get(name, b"")
        assert isinstance(value, bytes)
        return value.decode()

    @property
    def state(self) -> State:
        """EXPIRED from the expiry on, reaped or not (SEM-30)."""
        state = self._stored_state
        if state is State.HELD and self.number(b"expire") <= self.now_ms:
            return State.EXPIRED
        return state

    @property
    def _stored_state(self) -> State:
        number = self.number(b"state")
        if number not in STATES:
            raise Corrupt(f"record {self.text(b'id')} has state {number}, which is none")
        return STATES[number]

    @property
    def is_released_hold(self) -> bool:
        """A refund gave back a live hold; an expired one had gone back before."""
        return self.number(b"released") == 1

    def reservation(self, rid: ReservationId, catalog: Catalog) -> Reservation:
        """The reservation, with its sources named by the catalog that it pins."""
        allowance = rid.allowance(catalog)
        charged = self._charged_legs(rid, allowance)
        return Reservation(
            reservation_id=self.text(b"id"),
            state=self.state,
            resource=rid.resource(catalog).resource_id,
            admit_ms=self.number(b"admit"),
            expire_ms=self.number(b"expire"),
            settle_ms=self.number(b"settle") or None,
            held_legs=self._held_legs(rid, allowance),
            charged_legs=charged,
            refunded_legs=self._refunded(charged),
            cost_nanos=self.number(b"cost"),
            actual_nanos=self.number(b"actual"),
            written_off_nanos=self.number(b"written_off"),
            refunded_nanos=self.number(b"refunded"),
            late=self.number(b"late") == 1,
            catalog_version=rid.catalog_version,
            reserve_seq=self.number(b"seq"),
            settle_seq=self.number(b"commit_seq"),
        )

    def _held_legs(self, rid: ReservationId, allowance: Allowance | None) -> tuple[Leg, ...]:
        plan = self._plan_leg(rid, allowance, self.number(b"plan"), self.number(b"plan_nanos"))
        gone = self._stored_state is State.RELEASED and self.number(b"refund_gone") == 1
        return (*_gone(plan, gone), *self._lot_legs(b"n"))

    def _charged_legs(self, rid: ReservationId, allowance: Allowance | None) -> tuple[Leg, ...]:
        if b"actual" not in self.fields:
            return ()
        amount = self.number(b"keep") + self.number(b"over")
        plan = self._plan_leg(rid, allowance, amount, self.number(b"plan_paid"))
        return (*_gone(plan, self.number(b"commit_gone") == 1), *self._lot_legs(b"c"))

    def _refunded(self, charged: tuple[Leg, ...]) -> tuple[Leg, ...]:
        if b"refund" not in self.fields:
            return ()
        is_gone = self.number(b"refund_gone") == 1
        return tuple(
            leg for one in charged for leg in (_gone((one,), is_gone) if _is_plan(one) else (one,))
        )

    def _plan_leg(
        self, rid: ReservationId, allowance: Allowance | None, amount: int, nanos: int
    ) -> tuple[Leg, ...]:
        if amount == 0 and nanos == 0:
            return ()
        if allowance is None:
            raise Corrupt("a record has a plan leg whose allowance its catalog does not have")
        source = f"{rid.seat_id}/{allowance.allowance_id}"
        return (
            Leg(payer=Payer.PLAN, source=source, unit=allowance.unit, amount=amount, nanos=nanos),
        )

    def _lot_legs(self, kind: bytes) -> tuple[Leg, ...]:
        """The legs of kind `n` (held) or `c` (charged) that are not empty."""
        payer = Payer(self.number(b"pool")) if self.number(b"pool") else None
        legs = []
        for i in range(1, self.number(b"lots") + 1):
            nanos = self.number(b"l%d%b" % (i, kind))
            if nanos == 0 or payer is None:
                continue
            source = WALLET_LOT if payer is Payer.WALLET else lot_id(self.text(b"l%d" % i))
            legs.append(
                Leg(
                    payer=payer,
                    source=source,
                    unit=COST,
                    amount=nanos,
                    nanos=nanos,
                    expire_ms=self.number(b"l%de" % i) or None,
                )
            )
        return tuple(legs)


def _is_plan(leg: Leg) -> bool:
    return leg.payer is Payer.PLAN


def _gone(legs: tuple[Leg, ...], is_gone: bool) -> tuple[Leg, ...]:
    """Marks a plan leg whose window was over when it returned (SEM-15)."""
    if not is_gone:
        return legs
    return tuple(
        Leg(
            payer=leg.payer,
            source=leg.source,
            unit=leg.unit,
            amount=leg.amount,
            nanos=leg.nanos,
            window_gone=True,
        )
        for leg in legs
    )

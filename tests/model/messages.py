"""A step's plain arguments as the messages of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quotasvc.v1 import common_pb2, decision_pb2
from tests.model.book import Handle
from tests.model.service import Answer


def translated(said: Answer, ids: Mapping[Handle, str]) -> Answer:
    """The oracle's answer with the service's ids, and without figures of who won a race."""
    mine = {name: value for name, value in said.items() if name != "winner"}
    handle = mine.get("reservation_id")
    if handle is not None:
        mine["reservation_id"] = ids.get(handle, handle)
    if "reservation" in mine:
        mine["reservation"] = translated(mine["reservation"], ids)
    if "reservations" in mine:
        mine["reservations"] = [translated(one, ids) for one in mine["reservations"]]
    return mine


def by_lot(answer: Answer) -> Answer:
    """The order of lots that nothing is left of is not promised."""
    return {**answer, "lots": sorted(answer.get("lots", ()), key=lambda lot: lot["lot_id"])}


def by_id(answer: Answer) -> Answer:
    """The order of reservations is not promised."""
    found = sorted(answer.get("reservations", ()), key=lambda one: str(one["reservation_id"]))
    return {**answer, "reservations": found}


def usage_pb(usage: Mapping[str, int]) -> common_pb2.Usage:
    """What is measured."""
    made = common_pb2.Usage()
    for unit, amount in usage.items():
        setattr(made, unit, amount)
    return made


def ask_pb(asked: Mapping[str, Any]) -> decision_pb2.CheckAndReserveRequest:
    """A request for a decision."""
    message = decision_pb2.CheckAndReserveRequest(
        request_id=asked["request_id"],
        key_id=asked["key_id"],
        resource=asked["resource"],
        usage=usage_pb(asked["usage"]),
        attributes=asked["attributes"],
        mode=asked["mode"],
    )
    if asked["hold_ms"] is not None:
        message.hold_duration.FromMilliseconds(asked["hold_ms"])
    return message

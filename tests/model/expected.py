"""What a long run has to reach, derived from the enums of the contract where there is one.

A reason, payer or method that is added to the contract shows up here by itself, reached 0 times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quotasvc.domain.catalog import PeakMode, Straddle, WindowKind
from quotasvc.store.code import Code
from quotasvc.v1 import common_pb2, decision_pb2, errors_pb2, usage_pb2

ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("denial", "CREDITS_ACCESS_OFF"): "an obstacle only (SEM-7)",
    **{
        ("obstacle", name): "a headline that needs no balance has no obstacles of its own (D1)"
        for name in ("KEY_INVALID", "KEY_DISABLED", "UNKNOWN_RESOURCE", "NOT_COVERED")
    },
    ("obstacle", "NO_RESOURCES"): "a headline; its obstacles are those of the payers",
    ("fault", "UNDECODABLE"): "of bytes, before there is a request: tests/grpc/test_door.py",
    ("fault", "MESSAGE_TOO_LARGE"): "of bytes, before there is a request: tests/grpc/test_door.py",
    ("fault", "UNKNOWN_METHOD"): "of the door: tests/grpc/test_door.py",
    ("fault", "OVERLOADED"): "of thousands of calls at once: tests/grpc/test_door.py",
    ("fault", "DEADLINE_EXCEEDED"): "no call here is short of time: tests/unit/test_table.py",
    ("fault", "CHANGING"): "of four changes within one call: tests/store/test_clock.py",
    ("fault", "CATALOG_UNAVAILABLE"): "both replicas know all versions: tests/store/test_expiry.py",
    ("fault", "INTERNAL"): "of corrupt stores alone: tests/store/test_corruption.py",
}
"""What no history can reach, and where it is proved instead."""

RPCS: Mapping[str, Any] = {
    method.name: method
    for file, service in ((decision_pb2, "DecisionService"), (usage_pb2, "UsageService"))
    for method in file.DESCRIPTOR.services_by_name[service].methods
}
REPEATABLE = tuple(n for n, m in RPCS.items() if "replayed" in m.output_type.fields_by_name)
"""Calls that may be sent again with the same content."""


def _values(enum: Any) -> tuple[str, ...]:
    """The names of an enum of the contract, without the one that is never sent."""
    return tuple(name for name in list(enum.keys()) if not name.endswith("UNSPECIFIED"))


def _choices(message: Any, oneof: str) -> tuple[str, ...]:
    return tuple(f.name for f in message.DESCRIPTOR.oneofs_by_name[oneof].fields)


def _without(kind: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if (kind, name) not in ELSEWHERE)


ALL: Mapping[str, tuple[str, ...]] = {
    "call": (
        *RPCS,
        *("put_team", "set_policy", "set_peak_mode", "grant", "revoke", "sweep", "many at once"),
    ),
    "mode": tuple(
        f"{mode} {decision}"
        for mode in _values(decision_pb2.Mode)
        for decision in _values(decision_pb2.Decision)
    ),
    "denial": _values(common_pb2.DenialReason),
    "obstacle": _values(common_pb2.DenialReason),
    "remedy": _values(common_pb2.Remedy.Kind),
    "advice": ("retry_after", "only_in_flight", "time cures nothing"),
    "payer": (*_values(common_pb2.Payer), "nobody"),
    "straddle": (*(s.value for s in Straddle), "plan and pool", "several lots"),
    "window": (*(kind.value for kind in WindowKind), "rate", "slots"),
    "peak": (*(mode.name for mode in PeakMode), "AUTO, in peak hours"),
    "state": _values(common_pb2.ReservationState),
    "move": (
        *("admitted", "committed", "committed late", "charge replaced", "released"),
        *("expiry released", "refunded", "expiry refunded", "extended", "recorded"),
    ),
    "settle": _choices(decision_pb2.CommitRequest, "settle"),
    "scope": (*_choices(decision_pb2.RefundRequest, "scope"), "none"),
    "amount": (
        *("as held", "less", "more", "written off", "absorbed", "expired", "revoked"),
        *("window gone", "unmatched"),
    ),
    "meanwhile": ("another catalog", "another plan", "another holder", "key ended", "access off"),
    "lot": ("waits", "enters", "expired", "revoked"),
    "replayed": REPEATABLE,
    "other content": REPEATABLE,
    "reply lost": REPEATABLE,
    "request lost": REPEATABLE,
    "again": ("after the record left",),
    "fault": _values(errors_pb2.Fault.Reason),
    "store": ("killed",),
    "clock": ("forward", "back", "far back", "a replica's is off"),
    "outcome": tuple(code.name for code in Code),
}
"""Everything that can be counted, by kind."""

EXPECTED = {kind: _without(kind, names) for kind, names in ALL.items()}

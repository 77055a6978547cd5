"""Limits as scripts take them: a key and eight numbers each, gates first (lib/limit_list.lua)."""

from __future__ import annotations

from collections.abc import Iterable

from quotasvc.domain.catalog import Allowance, WindowKind
from quotasvc.domain.gate import RATE_MS, RATE_SLICE_MS, Gate, GateKind
from quotasvc.domain.order import WindowTerm
from quotasvc.store.code import KindCode
from quotasvc.store.keys import TeamKeys

_KIND = {
    WindowKind.SLIDING: KindCode.SLIDING.value,
    WindowKind.ALIGNED: KindCode.ALIGNED.value,
    WindowKind.FIRST_USE: KindCode.FIRST_USE.value,
    WindowKind.CYCLE: KindCode.CYCLE.value,
}
_COUNTED = {GateKind.REQUESTS: "rpm", GateKind.TOKENS: "tpm", GateKind.CONNECTIONS: "connections"}


def limit_keys(
    team: TeamKeys,
    seat_id: str,
    gates: Iterable[Gate],
    allowance: Allowance | None,
    windows: tuple[WindowTerm, ...],
) -> list[str]:
    """The keys of the gates, then of the windows."""
    names = [_gate_key(team, seat_id, gate) for gate in gates]
    if allowance is not None:
        names += [team.window(seat_id, allowance, term.window) for term in windows]
    return names


def limit_numbers(gates: Iterable[Gate], windows: tuple[WindowTerm, ...]) -> list[int]:
    """Their numbers, in the order of the keys; a limit of -1 is none."""
    words: list[int] = []
    for gate in gates:
        kind = KindCode.SLOTS.value if gate.is_leased else KindCode.SLIDING.value
        limit = -1 if gate.limit is None else gate.limit
        words += (gate.place, kind, limit, gate.need, RATE_SLICE_MS, RATE_MS, 0, 0)
    for term in windows:
        window = term.window
        words += (
            term.place,
            _KIND[window.kind],
            -1 if window.limit is None else window.limit,
            0,
            window.slice_ms,
            window.length_ms,
            term.start_ms,
            term.end_ms,
        )
    return words


def _gate_key(team: TeamKeys, seat_id: str, gate: Gate) -> str:
    if gate.kind is GateKind.CONCURRENCY:
        return team.slots(seat_id)
    return team.rate(gate.rate_limit_id, _COUNTED[gate.kind])

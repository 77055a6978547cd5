"""What was acknowledged: the journal, folded into reservations, and what contradicts itself in it.

Reads the journal alone and shares no code with the service.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]

PLAN, CREDITS, WALLET = 1, 2, 3
NEVER = ("INTERNAL", "UNKNOWN", "INVALID_ARGUMENT", "UNIMPLEMENTED", "UNAUTHENTICATED")
"""Statuses that no call of the load may get."""

REPEATED = {
    "reserve": ("id", "expire_ms", "legs", "cost", "seq"),
    "commit": ("legs", "actual", "charged", "written_off", "late", "seq"),
    "refund": (
        *("state", "released", "refunded", "released_nanos", "refunded_nanos"),
        *("expired_nanos", "revoked_nanos", "seq"),
    ),
}
"""What a replay has to repeat to the letter."""


@dataclass(slots=True)
class Reservation:
    """One reservation, as the answers tell it: each line is the first of its kind."""

    team: str
    request: str
    admitted: Line
    committed: Line | None = None
    released: Line | None = None
    refunded: Line | None = None  # after a commit

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.team}/{self.request}"

    def state(self, now_ms: int) -> str:
        """What it has to be by the store's clock."""
        if self.committed:
            return "COMMITTED"
        return "RELEASED" if self.released else self.state_unsettled(now_ms)

    def state_unsettled(self, now_ms: int) -> str:
        """What it is as long as nobody has settled it."""
        return "EXPIRED" if self.admitted["expire_ms"] <= now_ms else "HELD"


@dataclass(slots=True)
class Acknowledged:
    """Everything that callers were told."""

    grants: list[Line] = field(default_factory=list)
    limits: list[Line] = field(default_factory=list)
    keys: dict[str, Line] = field(default_factory=dict)
    teams: list[str] = field(default_factory=list)
    reservations: dict[str, Reservation] = field(default_factory=dict)  # by reservation id
    requests: dict[tuple[str, str], Reservation] = field(default_factory=dict)  # by team and id
    denials: list[Line] = field(default_factory=list)  # and CHECK_ONLY, which moves nothing either
    looks: list[Line] = field(default_factory=list)  # reservations as read while all moved
    finals: list[Line] = field(default_factory=list)  # what was read when all was quiet
    problems: list[str] = field(default_factory=list)


def read(path: Path) -> Acknowledged:
    """Folds a journal."""
    known = Acknowledged()
    answers: dict[tuple[str, ...], list[Line]] = defaultdict(list)
    faults: list[Line] = []
    for text in path.read_text().splitlines():
        line: Line = json.loads(text)
        match line["kind"]:
            case "team":
                known.teams.append(line["team"])
            case "grant":
                known.grants.append(line)
            case "limit":
                known.limits.append(line)
            case "key":
                known.keys[line["key"]] = line
            case kind if "fault" in line and not kind.startswith("final"):
                faults.append(line)
            case "look":
                known.looks.append(line)
            case "reserve" if line["allow"]:
                answers["reserve", line["team"], line["request"]].append(line)
            case "reserve" | "check":
                known.denials.append(line)
            case "commit":
                answers["commit", line["id"]].append(line)
            case "refund":
                # A release needs no id: whatever ids its callers gave, it is one answer.
                what = "" if line["state"] == "RELEASED" else line["refund_id"]
                answers["refund", line["id"], what].append(line)
            case kind if kind.startswith("final"):
                known.finals.append(line)
    _fold(known, answers)
    _late_arrivals(known)
    known.problems += [problem for line in faults for problem in _judge_fault(known, line)]
    known.problems += [problem for line in known.looks for problem in _judge_look(known, line)]
    return known


def _fold(known: Acknowledged, answers: Mapping[tuple[str, ...], list[Line]]) -> None:
    for (kind, *who), lines in answers.items():
        name = f"{kind} {'/'.join(who)}"
        known.problems += _repeated(name, lines)
        if kind == "reserve":
            first = _first(lines)
            if first["id"] in known.reservations:
                known.problems.append(f"{name}: two requests have reservation {first['id']}")
            it = Reservation(first["team"], first["request"], first)
            known.reservations[it.admitted["id"]] = known.requests[it.team, it.request] = it
    for (kind, *who), lines in answers.items():
        if kind != "reserve":
            _settle(known, kind, who[0], _first(lines))


def _first(lines: list[Line]) -> Line:
    """The answer that came first; it may be to any of the calls, so the first call began it."""
    first = min(lines, key=lambda line: line["got_us"])
    return {**first, "sent_us": min(line["sent_us"] for line in lines)}


def _settle(known: Acknowledged, kind: str, reservation_id: str, line: Line) -> None:
    it = known.reservations.get(reservation_id)
    if it is None:
        known.problems.append(f"{kind} {reservation_id}: settled, but nobody was told of its hold")
    elif kind == "commit":
        it.committed = line
    elif line["state"] == "RELEASED":
        it.released = line
    elif it.refunded is not None:
        known.problems.append(f"{it.name}: all of its charge was given back twice")
    else:
        it.refunded = line
    if it is not None and it.committed is not None and it.released is not None:
        known.problems.append(f"{it.name}: committed and released")


def _late_arrivals(known: Acknowledged) -> None:
    """An attempt without an answer may take effect after the next one was denied (SEM-38).

    Its caller learns of it by looking, as it does here.
    """
    unsure = {
        (line["team"], line["request"]): line["ask"]
        for line in known.denials
        if line["kind"] == "reserve" and line["unknown"]
    }
    for line in known.finals:
        ask = unsure.get((line["team"], line.get("request")))
        if ask is None or "fault" in line or line["id"] in known.reservations:
            continue
        told = {**line, "legs": line["held"], "ask": ask, "seq": None}
        known.reservations[line["id"]] = Reservation(line["team"], line["request"], told)


def _repeated(name: str, lines: list[Line]) -> Iterator[str]:
    """All answers to one operation are the first one again, and only one is not a replay."""
    kind = lines[0]["kind"]
    for line in lines[1:]:
        for fact in REPEATED[kind]:
            if line[fact] != lines[0][fact]:
                yield f"{name}: a replay says {fact} {line[fact]}, not {lines[0][fact]}"
    fresh = sum(not line["replayed"] for line in lines)
    if fresh > 1:
        yield f"{name}: {fresh} answers say that they were the first"
    if fresh == 0 and not any(line["unknown"] for line in lines):
        yield f"{name}: only replays, and no attempt was without an answer"
    if kind == "reserve":
        yield from _same_content(name, lines)


def _same_content(name: str, lines: list[Line]) -> Iterator[str]:
    for line in lines[1:]:
        if line["ask"] != lines[0]["ask"]:
            yield f"{name}: two contents were admitted under one id"


def _judge_look(known: Acknowledged, line: Line) -> Iterator[str]:
    """What was read was so at some moment of the reading."""
    it, state = known.reservations.get(line["id"]), line["state"]
    name = f"look {line['team']}/{line['request']}"
    if it is None:
        yield f"{name}: a reservation that nobody was told of"
        return
    settled = it.committed or it.released
    if settled is not None and settled["got_us"] < line["sent_us"]:
        may_be = {it.state(0)}
    else:
        may_be = {it.state_unsettled(line["sent_ms"]), it.state_unsettled(line["got_ms"])}
        may_be |= {it.state(0)} if settled is not None else set()
    if state not in may_be:
        yield f"{name}: {state}, which it cannot have been: {may_be}"


def _judge_fault(known: Acknowledged, line: Line) -> Iterator[str]:
    """A refusal that says something definite must be true."""
    kind, fault = line["kind"], line["fault"]
    name = f"{kind} {line['team']}/{line.get('request') or line.get('id')}"
    if fault["code"] in NEVER:
        yield f"{name}: {fault['code']}/{fault['reason']}"
    elif fault["code"] == "NOT_FOUND":
        yield f"{name}: NOT_FOUND"
    elif fault["reason"] == "REQUEST_ID_CONFLICT":
        yield from _judge_conflict(known, line, name)
    elif kind in ("commit", "refund"):
        yield from _judge_lost_race(known, line, name)
    else:
        yield f"{name}: {fault['code']}/{fault['reason']}"


def _judge_conflict(known: Acknowledged, line: Line, name: str) -> Iterator[str]:
    first = known.requests.get((line["team"], line["request"]))
    if first is None:
        yield f"{name}: conflicts with a request that nobody was told of"
    elif first.admitted["ask"] == line["ask"]:
        yield f"{name}: the same content is called a conflict"


def _judge_lost_race(known: Acknowledged, line: Line, name: str) -> Iterator[str]:
    """Somebody else settled first: then that one was told so, and the figures are the same."""
    it, fault = known.reservations.get(line["id"]), line["fault"]
    if it is None:
        yield f"{name}: {fault['reason']} for a reservation that nobody was told of"
        return
    reason, winner = fault["reason"], fault["winner"]
    won = {
        "ALREADY_COMMITTED": it.committed,
        "ALREADY_RELEASED": it.released,
        "REFUND_EXCEEDS_CHARGE": it.refunded,
    }.get(reason)
    if won is None:
        yield f"{name}: {fault['code']}/{reason}, and nobody was told that they won"
    elif reason == "ALREADY_COMMITTED" and winner is None:
        yield f"{name}: ALREADY_COMMITTED without the figures of the one that won"
    elif reason == "ALREADY_COMMITTED":
        for fact in ("actual", "charged", "written_off", "late"):
            if winner[fact] != won[fact]:
                yield f"{name}: the winner's {fact} is {winner[fact]} here, {won[fact]} there"

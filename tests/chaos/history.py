"""Replays a team's acknowledged answers in the order of their `seq`, against a model of its own.

The service says in which order things happened. That order must have no gap and nothing twice,
must fit the times at which callers sent and got (linearizable), and in it each answer must be the
one that a plain reading of the rules gives: who pays how much, and that a denial was needed.
Windows either outlast the run or are so short (`is_brief`) that only their limit is checked.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from tests.chaos.acknowledged import CREDITS, PLAN, Acknowledged, Line, Reservation
from tests.chaos.stored import Team

NEVER_MS = 2**53

Share = tuple[int, str, int]
"""Payer, source, and amount in the source's unit."""

LotName = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Event:
    """One change of state: an answer, or an expiry, which nobody is told of."""

    kind: str
    it: Reservation | None  # None: a change of the team itself
    line: Line

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.kind} of {self.it.name}" if self.it else self.kind


def replay(known: Acknowledged, name: str, team: Team) -> Iterator[str]:
    """What in the order of one team's changes cannot be."""
    events: dict[int, Event] = {}
    for seq, event in (*_events(known, name, team), *_team_events(team)):
        if seq in events:
            yield f"seq {seq}: {events[seq].name}, and {event.name}"
        events[seq] = event
    gaps = [seq for seq in range(1, team.seq + 1) if seq not in events]
    if gaps:
        yield f"{len(gaps)} changes that nobody was told of, the first with seq {gaps[0]}"
    if events and max(events) > team.seq:
        yield f"seq {max(events)} was acknowledged, and the store is at {team.seq}"
    yield from _out_of_order(events)
    if not gaps:
        yield from Model(known, name, team).run(events, team.seq)


def _events(known: Acknowledged, name: str, team: Team) -> Iterator[tuple[int, Event]]:
    for key, it in known.reservations.items():
        if it.team != name:
            continue
        record = team.records.get(key, {})
        for kind, line in (
            ("reserve", it.admitted),
            ("commit", it.committed),
            ("release", it.released),
            ("refund", it.refunded),
        ):
            if line is not None:
                # Of one that arrived late only the record knows.
                seq = line["seq"] if line["seq"] is not None else record.get("seq", 0)
                yield int(seq), Event(kind, it, line)
        if "expire_seq" in record:
            yield int(record["expire_seq"]), Event("expire", it, it.admitted)


def _team_events(team: Team) -> Iterator[tuple[int, Event]]:
    """Documents, grants and the ends of lots: nobody was told a number, the ledger knows it."""
    for one in team.ledger:
        if one.kind == "team":
            yield one.seq, Event("team", None, json.loads(one.first("document")))
        elif one.kind == "grant":
            yield one.seq, Event("grant", None, {})
        elif one.kind == "expiry":
            ended = [{"lot": lot, "nanos": nanos} for lot, _, nanos in one.lots()]
            yield one.seq, Event("expiry", None, {"ended": ended})


def _out_of_order(events: dict[int, Event]) -> Iterator[str]:
    """What was answered before another call was sent has the lower number."""
    latest: tuple[int, int] = (0, 0)
    for seq in sorted(events):
        event = events[seq]
        # Nobody was told of these when they happened.
        if event.it is None or event.kind == "expire" or event.line["seq"] is None:
            continue
        if event.line["got_us"] < latest[0]:
            yield f"seq {seq} was answered before seq {latest[1]} was asked for"
        latest = max(latest, (event.line["sent_us"], seq))


class Model:
    """The lots and windows of a team, moved by the rules."""

    def __init__(self, known: Acknowledged, name: str, team: Team) -> None:
        self._team = team
        self._times = {one.seq: int(one.first("ms")) for one in team.ledger}
        # A release has no entry where nothing was lost; its reservation says when it was.
        self._settled = {line["id"]: line["settle_ms"] for line in known.finals if "id" in line}
        self._keys = {key: line for key, line in known.keys.items() if line["team"] == name}
        self._no_access: set[str] = set()  # users
        self._pools: dict[str, int] = {}  # who paid what the plan did not, by reservation id
        self._limits: dict[str, list[Line]] = defaultdict(list)
        for line in known.limits:
            if line["team"] == name:
                self._limits[line["source"]].append(line)
        grants = [line for line in known.grants if line["team"] == name]
        # First to expire first; then the older purchase; then by name.
        grants.sort(key=lambda g: (g["expire_ms"] or NEVER_MS, g["purchase_ms"], g["lot"]))
        self._ends = {(g["payer"], g["lot"]): g["expire_ms"] or NEVER_MS for g in grants}
        last_ms = max(self._times.values())
        self._moments = (0, *(end for end in self._ends.values() if end <= last_ms))
        self._available = {(g["payer"], g["lot"]): g["nanos"] for g in grants}
        self._expired: Counter[LotName] = Counter()
        self._totals: Counter[str] = Counter()
        self._expiries: list[tuple[int, str]] = []  # a heap of (expiry, reservation id) of holds
        self._holds: dict[str, list[Line]] = {}  # live ones, by reservation id
        # By allowance: what lies in a window that ends, by reservation id, with its time.
        self._brief: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
        self._denials: dict[int, list[Line]] = defaultdict(list)
        for line in known.denials:
            if line["team"] == name:
                self._denials[line["seq"]].append(line)

    def run(self, events: dict[int, Event], last: int) -> Iterator[str]:
        """All changes in their order, and between them what moved nothing."""
        for seq in range(1, last + 1):
            event = events[seq]
            if event.kind == "team":
                members = event.line["members"]
                self._no_access = {m["user_id"] for m in members if not m["credits_access"]}
            elif event.kind == "expiry":
                yield from self._end_lots(event.line, seq)
            elif event.it is not None:
                for problem in self._apply(event, event.it, self._times.get(seq, 0)):
                    yield f"seq {seq}, {event.name}: {problem}"
            for line in self._denials[seq]:
                yield from self._judge(line, seq)
            for lot, left in self._available.items():
                if left < 0:
                    yield f"seq {seq}: lot {lot} is overdrawn by {-left}"
                    return
        for lot, found in self._team.lots.items():
            for part, value in (
                ("available", self._available[lot]),
                ("expired", self._expired[lot]),
            ):
                if found.parts[part] != value:
                    yield f"lot {lot}: {part} is {found.parts[part]}, by the rules {value}"

    def _apply(self, event: Event, it: Reservation, at_ms: int) -> Iterator[str]:
        """One change, made at `at_ms` as the ledger says; 0 where it has no entry."""
        key, line = it.admitted["id"], event.line
        if event.kind == "reserve":
            yield from self._reserve(it, line)
            return
        held = self._holds.pop(key, [])
        match event.kind:
            case "commit":
                yield from self._commit(it, line, held, at_ms)
            case "expire":
                ends = [self._ends.get((leg["payer"], leg["source"]), NEVER_MS) for leg in held]
                if not at_ms and min(ends, default=NEVER_MS) <= line["expire_ms"]:
                    yield "gave back to a lot that had expired"
                self._move(held, [], at_ms)
            case "release":
                at_ms = self._settled.get(key, 0)
                if _shares(line["released"]) != _shares(held):
                    yield f"released {line['released']} of {held}"
                self._move(held, [], at_ms)
            case "refund":
                charged = it.committed["legs"] if it.committed else []
                if _shares(line["refunded"]) != _shares(charged):
                    yield f"refunded {line['refunded']} of {charged}"
                self._move(charged, [], at_ms)
        self._stays(it, line if event.kind == "commit" else {}, at_ms)

    def _reserve(self, it: Reservation, line: Line) -> Iterator[str]:
        ask, legs = line["ask"], line["legs"]
        limits = self._limits[self._source(ask)]
        hold_ms = min([ask["hold_ms"], *(limit["hold_ms_max"] for limit in limits)])
        at_ms = line["expire_ms"] - hold_ms
        if line["cost"] != ask["cost"]:
            yield f"costs {line['cost']}, by the price list {ask['cost']}"
        yield from self._all_reaped(at_ms)
        expected = self._hold(ask, at_ms)
        if expected != _shares(legs):
            yield f"admitted with {_shares(legs)}, by the rules {expected}"
        self._holds[it.admitted["id"]] = legs
        self._pools[it.admitted["id"]] = self._pool(ask)
        heappush(self._expiries, (line["expire_ms"], it.admitted["id"]))
        self._move([], legs, at_ms)
        if any(limit["is_brief"] for limit in limits):
            yield from self._admit_briefly(it, at_ms, limits[0])

    def _all_reaped(self, at_ms: int) -> Iterator[str]:
        """No decision is taken while an expired hold of the team is still counted (SEM-30)."""
        while self._expiries and self._expiries[0][0] <= at_ms:
            expire_ms, key = heappop(self._expiries)
            if key in self._holds:
                yield f"decided at {at_ms} with a hold that had expired at {expire_ms}"

    def _admit_briefly(self, it: Reservation, at_ms: int, limit: Line) -> Iterator[str]:
        """With what is admitted now, no more lies in the window than it may hold (SEM-14, SEM-40).

        Usage leaves when all of its slice is older than the window is long, and not before.
        """
        inside, slice_ms = self._brief[limit["source"]], limit["slice_ms"]
        first_slice = (at_ms - limit["length_ms"]) // slice_ms
        for key in [key for key, (then, _) in inside.items() if then // slice_ms < first_slice]:
            del inside[key]
        inside[it.admitted["id"]] = (at_ms, it.admitted["cost"])
        used = sum(amount for _, amount in inside.values())
        if used > limit["limit"]:
            yield f"{used} in {limit['length_ms']} ms, the limit is {limit['limit']}"

    def _end_lots(self, line: Line, seq: int) -> Iterator[str]:
        """What lots whose time is over had left is booked as expired, all of it (SEM-22)."""
        for ended in line["ended"]:
            lot = (CREDITS, ended["lot"])
            if ended["nanos"] != self._available[lot] or self._ends[lot] > self._times[seq]:
                yield f"seq {seq}: {ended} ended, {self._available[lot]} until {self._ends[lot]}"
            self._available[lot] -= ended["nanos"]
            self._expired[lot] += ended["nanos"]

    def _stays(self, it: Reservation, line: Line, at_ms: int) -> None:
        """What is left in a window that ends, after a settlement or an expiry."""
        key = it.admitted["id"]
        inside = self._brief[self._source(it.admitted["ask"])]
        amount = sum(leg["amount"] for leg in line.get("legs", ()) if leg["payer"] == PLAN)
        if line.get("late"):
            inside[key] = (at_ms, amount)
        elif key in inside:
            inside[key] = (inside[key][0], amount)

    def _judge(self, line: Line, seq: int) -> Iterator[str]:
        """A denial, or an answer to CHECK_ONLY: true before or after some lot expired."""
        answers = [self._hold(line["ask"], at_ms) for at_ms in self._moments]
        if any(limit["is_brief"] for limit in self._limits[self._source(line["ask"])]):
            answers.append(None)
        told = _shares(line["legs"]) if line["allow"] else None
        if told not in answers:
            what = told if line["allow"] else line["reason"]
            yield f"after seq {seq}, {line['request'] or 'a check'}: {what}, by the rules {answers}"

    def _hold(self, ask: Any, at_ms: int) -> list[Share] | None:
        """Who pays, or None where nobody can. A window that ends is taken to have room."""
        source, cost = self._source(ask), ask["cost"]
        limits = self._limits[source]
        rest, shares = cost, []
        if limits:
            limit = limits[0]
            amount = cost if limit["unit"] == "cost" else ask["usage"][limit["unit"]]
            room = amount if limit["is_brief"] else self._room(source)
            share = _plan_share(limit, amount, room)
            rest = 0 if share == amount else cost - share
            shares = [(PLAN, source, share)] if share else []
        drawn, short = self._draw(self._pool(ask), rest, at_ms)
        return None if short else shares + drawn

    def _source(self, ask: Any) -> str:
        """The allowance that would pay, if the seat's plan has one for it."""
        return f"{self._keys[ask['key']]['seat']}/{ask['allowance']}"

    def _pool(self, ask: Any) -> int:
        """Who pays what the plan does not, as things are now; 0 is nobody."""
        key = self._keys[ask["key"]]
        is_off = key["pool"] == CREDITS and key["user"] in self._no_access
        pool: int = key["pool"]
        return 0 if is_off else pool

    def _room(self, source: str) -> int:
        limits: list[int] = [limit["limit"] for limit in self._limits[source]]
        return min(limits) - self._totals[source]

    def _draw(self, pool: int, need: int, at_ms: int) -> tuple[list[Share], int]:
        """First to expire first, each lot to its end; and what no lot can give."""
        drawn: list[Share] = []
        for (payer, lot), left in self._available.items():
            if payer == pool and self._ends[payer, lot] > at_ms and need and left:
                drawn.append((payer, lot, min(left, need)))
                need -= drawn[-1][2]
        return drawn, need

    def _commit(self, it: Reservation, line: Line, held: list[Line], at_ms: int) -> Iterator[str]:
        if line["late"] == bool(held):
            yield f"late is {line['late']}, live holds are {held}"
        settle = line["settle"]
        cost = settle["cost"] if settle else it.admitted["cost"]
        if line["actual"] != cost or line["charged"] + line["written_off"] != cost:
            yield f"charged {line['charged']}, wrote off {line['written_off']} of {cost}"
        expected = self._charge(it, line, held, at_ms)
        told = (_shares(line["legs"]), line["written_off"])
        if told != expected:
            yield f"charged {told}, by the rules {expected}"
        self._move(held, line["legs"], at_ms)

    def _charge(
        self, it: Reservation, line: Line, held: list[Line], at_ms: int
    ) -> tuple[list[Share], int]:
        """What each source pays of the actual usage, and what is written off (SEM-27)."""
        kept: dict[tuple[int, str], int] = {}
        promised = {(leg["payer"], leg["source"]): leg for leg in it.admitted["legs"]}
        plan = next((leg for leg in promised.values() if leg["payer"] == PLAN), None)
        if plan is not None and plan["unit"] != "cost":
            usage = line["settle"].get("usage")
            amount = usage[plan["unit"]] if usage else plan["amount"]
            return ([(PLAN, plan["source"], amount)] if amount else []), 0
        live, rest = {(leg["payer"], leg["source"]): leg["amount"] for leg in held}, line["actual"]
        for source in promised:
            kept[source] = min(rest, live.get(source, 0))
            rest -= kept[source]
        if plan is not None:
            # Drawn before the pool is asked; the hold itself still counts in the window.
            over = min(rest, max(0, self._room(plan["source"])))
            kept[PLAN, plan["source"]] += over
            rest -= over
        absorbs = plan is not None and len(promised) == 1
        straddle = self._limits[plan["source"]][0]["straddle"] if plan is not None else ""
        if rest and not (absorbs and straddle == "absorb"):
            drawn, rest = self._draw(self._pools[it.admitted["id"]], rest, at_ms)
            for payer, lot, nanos in drawn:
                kept[payer, lot] = kept.get((payer, lot), 0) + nanos
        if absorbs and plan is not None:
            kept[PLAN, plan["source"]] += rest
            rest = 0
        return [(*source, amount) for source, amount in kept.items() if amount], rest

    def _move(self, before: list[Line], after: list[Line], at_ms: int) -> None:
        """Takes what is more from each source; what is less goes back, or expires (SEM-23)."""
        less: Counter[tuple[int, str]] = Counter()
        for legs, sign in ((before, 1), (after, -1)):
            for payer, source, amount in _shares(legs):
                less[payer, source] += sign * amount
        for (payer, source), amount in less.items():
            if payer == PLAN:
                self._totals[source] -= amount
            elif amount > 0 and self._ends[payer, source] <= at_ms:
                self._expired[payer, source] += amount
            else:
                self._available[payer, source] += amount


def _plan_share(limit: Line, amount: int, room: int) -> int:
    if room >= amount or (limit["straddle"] == "absorb" and room > 0):
        return amount
    if limit["straddle"] == "split" and room >= limit["split_min"]:
        return room
    return 0


def _shares(legs: list[Line]) -> list[Share]:
    return [(leg["payer"], leg["source"], leg["amount"]) for leg in legs if leg["amount"]]

"""Compares what callers were told with what the store holds. Every difference is a broken promise.

Shares no code with the service: it reads a journal of answers, and the store with plain commands.
By hand: `python -m tests.chaos.checker JOURNAL SOCKET`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.chaos import acknowledged, stored
from tests.chaos.acknowledged import Acknowledged, Reservation
from tests.chaos.history import replay
from tests.chaos.tally import Tally, tally

REAPED_MS_MAX = 5_000
"""How long after its expiry a hold may still be counted, if nobody asks (R4)."""


def check(journal: Path, socket: Path) -> list[str]:
    """Every broken promise, in words; none if all is well."""
    known = acknowledged.read(journal)
    problems = list(known.problems)
    with stored.Store(socket) as store:
        now_ms = store.now_ms
        for name in dict.fromkeys(known.teams):
            problems += _check_team(known, name, store.team(name), now_ms)
    return problems


def _check_team(known: Acknowledged, name: str, team: stored.Team, now_ms: int) -> Iterator[str]:
    sums = tally(known, name, now_ms)
    mine = {key: it for key, it in known.reservations.items() if it.team == name}
    for problem in (
        *_lots(known, name, team, sums),
        *_windows(known, name, team, sums),
        *_records(mine, team, now_ms),
        *_lists(mine, team, now_ms),
        *_ledger(known, name, mine, team),
        *_finals(known, name, mine, team, sums),
        *replay(known, name, team),
    ):
        yield f"team {name}: {problem}"


def _lots(known: Acknowledged, name: str, team: stored.Team, sums: Tally) -> Iterator[str]:
    grants = {(line["payer"], line["lot"]): line for line in known.grants if line["team"] == name}
    if set(team.lots) != set(grants):
        yield f"the store has lots {sorted(team.lots)}, not {sorted(grants)}"
        return
    for key, lot in team.lots.items():
        label = f"{stored.POOLS[key[0]]} lot {key[1]}"
        if lot.granted != grants[key]["nanos"]:
            yield f"{label}: granted {lot.granted}, acknowledged {grants[key]['nanos']}"
        if lot.expire_ms != grants[key]["expire_ms"]:
            yield f"{label}: ends at {lot.expire_ms}, granted until {grants[key]['expire_ms']}"
        if min(lot.parts.values()) < 0 or sum(lot.parts.values()) != lot.granted:
            yield f"{label}: {lot.parts} is not a way to split {lot.granted}"
        for part, sum_ in (("held", sums.held[key]), ("consumed", sums.consumed[key])):
            if lot.parts[part] != sum_:
                yield f"{label}: {part} is {lot.parts[part]}, acknowledged were {sum_}"
        if lot.parts["revoked"]:
            yield f"{label}: revoked is {lot.parts['revoked']}, and nobody revoked"
        if lot.is_in_order != (lot.parts["available"] > 0):
            yield f"{label}: available is {lot.parts['available']}, in order: {lot.is_in_order}"
        if not lot.is_listed:
            yield f"{label}: it is not on the list of all lots"


def _windows(known: Acknowledged, name: str, team: stored.Team, sums: Tally) -> Iterator[str]:
    limits = [line for line in known.limits if line["team"] == name]
    names = {(line["source"], line["window"]) for line in limits}
    # Usage has left these again.
    brief = {(line["source"], line["window"]) for line in limits if line["is_brief"]}
    if stray := set(team.windows) - names:
        yield f"the store has windows that no plan has: {sorted(stray)}"
    for source, window in sorted(names):
        label = f"window {source} {window}"
        found = team.windows.get((source, window), stored.Window(0, 0, {}))
        used, held = found.total - found.held, found.held
        if (source, window) in brief:
            used = sums.window_used[source]
        if (used, held) != (sums.window_used[source], sums.window_held[source]):
            yield (
                f"{label}: used {used}, held {held}; acknowledged were "
                f"{sums.window_used[source]} and {sums.window_held[source]}"
            )
        if window.startswith("sliding") and sum(found.slices.values()) != found.total:
            yield f"{label}: total {found.total}, slices {sum(found.slices.values())}"


def _records(mine: dict[str, Reservation], team: stored.Team, now_ms: int) -> Iterator[str]:
    for key in set(team.records) - set(mine):
        yield f"reservation {key}: in the store, and nobody was told of it"
    for key, it in mine.items():
        record = team.records.get(key)
        if record is None:
            yield f"{it.name}: acknowledged, and not in the store"
            continue
        state = stored.STATES[int(record["state"])]
        if state == "HELD" and int(record["admit"]) + int(record["hold"]) <= now_ms:
            state = "EXPIRED"
        if int(record["admit"]) + int(record["hold"]) != it.admitted["expire_ms"]:
            yield f"{it.name}: the store has another end than what was acknowledged"
        if state != it.state(now_ms):
            yield f"{it.name}: {state} in the store, {it.state(now_ms)} by what was acknowledged"
        yield from _figures(it, record)


def _figures(it: Reservation, record: dict[str, str]) -> Iterator[str]:
    told = {"cost": it.admitted["cost"]}
    if it.admitted["seq"] is not None:
        told["seq"] = it.admitted["seq"]
    if it.committed is not None:
        told |= {
            "commit_seq": it.committed["seq"],
            "actual": it.committed["actual"],
            "written_off": it.committed["written_off"],
            "late": int(it.committed["late"]),
        }
    if it.refunded is not None:
        told |= {"refund_seq": it.refunded["seq"], "refunded": it.refunded["refunded_nanos"]}
    if it.released is not None:
        told["release_seq"] = it.released["seq"]
    for fact, value in told.items():
        if int(record.get(fact, 0)) != value:
            yield f"{it.name}: {fact} is {record.get(fact)}, acknowledged was {value}"


def _lists(mine: dict[str, Reservation], team: stored.Team, now_ms: int) -> Iterator[str]:
    """A record is listed once: as a live hold, or for the purge."""
    for key, it in mine.items():
        is_held = key in team.holds
        if is_held == (key in team.purge):
            yield f"{it.name}: in both lists or in none (holds: {is_held})"
        if is_held and it.admitted["expire_ms"] + REAPED_MS_MAX < now_ms:
            yield f"{it.name}: expired {now_ms - it.admitted['expire_ms']} ms ago, still held"
        if is_held and it.state(now_ms) in ("COMMITTED", "RELEASED"):
            yield f"{it.name}: {it.state(now_ms)}, and listed as a live hold"
    for key in (set(team.holds) | set(team.purge)) - set(mine):
        yield f"reservation {key}: listed, and nobody was told of it"


def _ledger(
    known: Acknowledged, name: str, mine: dict[str, Reservation], team: stored.Team
) -> Iterator[str]:
    if [one.entry for one in team.ledger] != list(range(1, team.entry + 1)):
        yield f"the ledger has {len(team.ledger)} entries of {team.entry}, or not in their order"
    told = Counter(
        (kind, line["seq"])
        for it in mine.values()
        for kind, line in (("commit", it.committed), ("refund", it.refunded))
        if line is not None
    )
    entries = Counter(
        (one.kind, one.seq) for one in team.ledger if one.kind in ("commit", "refund")
    )
    for kind, seq in told - entries:
        yield f"the {kind} of seq {seq} was acknowledged and is not in the ledger"
    for kind, seq in entries - told:
        yield f"the ledger has a {kind} of seq {seq}, and nobody was told of it"
    teams = sum(one.kind == "team" for one in team.ledger)
    if teams != known.teams.count(name):
        yield f"{teams} team documents in the ledger, {known.teams.count(name)} were acknowledged"
    yield from _ledger_lots(team)
    yield from _ledger_windows(known, mine, team)


def _ledger_lots(team: stored.Team) -> Iterator[str]:
    """The sum of the ledger is the state of the lots, holds aside."""
    consumed: Counter[str] = Counter()
    expired: Counter[str] = Counter()
    for one in team.ledger:
        for lot, what, nanos in one.lots():
            if one.kind == "commit" and what == "nanos":
                consumed[lot] += nanos
            elif one.kind == "refund":
                consumed[lot] -= nanos
            if what == "expired":
                expired[lot] += nanos
    for (_, lot), found in team.lots.items():
        for part, sum_ in (("consumed", consumed[lot]), ("expired", expired[lot])):
            if found.parts[part] != sum_:
                yield f"lot {lot}: {part} is {found.parts[part]}, the ledger says {sum_}"


def _ledger_windows(
    known: Acknowledged, mine: dict[str, Reservation], team: stored.Team
) -> Iterator[str]:
    """The sum of the ledger is what is used of the windows that have not ended."""
    brief = {line["source"] for line in known.limits if line["is_brief"]}
    used: Counter[str] = Counter()
    for one in team.ledger:
        if one.kind in ("commit", "refund"):
            it = mine.get(one.first("id"))
            source = next((leg["source"] for leg in _plan_legs(it)), "")
            amount = int(one.first("plan")) + int(one.first("over") or 0)
            used[source] += amount if one.kind == "commit" else -amount
    for (source, window), found in team.windows.items():
        if source not in brief and found.total - found.held != used[source]:
            yield (
                f"window {source} {window}: used {found.total - found.held}, "
                f"the ledger says {used[source]}"
            )


def _plan_legs(it: Reservation | None) -> list[acknowledged.Line]:
    if it is None:
        return []
    legs = [*it.admitted["legs"], *(it.committed["legs"] if it.committed else ())]
    return [leg for leg in legs if leg["payer"] == acknowledged.PLAN]


def _finals(
    known: Acknowledged,
    name: str,
    mine: dict[str, Reservation],
    team: stored.Team,
    sums: Tally,
) -> Iterator[str]:
    """What the service itself answered when all was quiet."""
    told = {it.request: it for it in mine.values()}
    for line in known.finals:
        if line["team"] != name:
            continue
        match line["kind"]:
            case "final_look":
                yield from _final_look(line, told.get(line["request"]))
            case _ if "fault" in line:
                yield f"{line['kind']}: {line['fault']}"
            case "final_remains":
                yield from _final_remains(known, line, sums)
            case "final_balance":
                yield from _final_balance(line, team)


def _final_look(line: acknowledged.Line, it: Reservation | None) -> Iterator[str]:
    if "fault" in line:
        if it is not None or line["fault"]["code"] != "NOT_FOUND":
            yield f"{line['request']}: {line['fault']} at the end"
        return
    if it is None:
        yield f"{line['request']}: there is a reservation, and nobody was told of it"
        return
    told = {"id": it.admitted["id"], "cost": it.admitted["cost"]}
    if _shares(line["held"]) != _shares(it.admitted["legs"]):
        yield f"{it.name}: held {line['held']} at the end, acknowledged was {it.admitted['legs']}"
    if it.committed is not None:
        committed = it.committed
        told |= {fact: committed[fact] for fact in ("actual", "charged", "written_off", "late")}
        told |= {"charged_legs": committed["legs"], "state": "COMMITTED"}
        told["refunded_nanos"] = it.refunded["refunded_nanos"] if it.refunded else 0
    elif it.released is not None:
        told["state"] = "RELEASED"
    elif line["state"] not in _states_between(line["sent_ms"], line["got_ms"], it):
        yield f"{it.name}: {line['state']} at the end, expires at {it.admitted['expire_ms']}"
    yield from _final_times(line, it)
    for fact, value in told.items():
        if line[fact] != value:
            yield f"{it.name}: {fact} is {line[fact]} at the end, acknowledged was {value}"


def _states_between(from_ms: int, until_ms: int, it: Reservation) -> set[str]:
    return {it.state(from_ms), it.state(until_ms)}


def _final_times(line: acknowledged.Line, it: Reservation) -> Iterator[str]:
    """Expiry is authoritative: a commit after it is late, a refund gives back nothing (SEM-30)."""
    is_late = line["settle_ms"] >= it.admitted["expire_ms"]
    if it.committed is not None and it.committed["late"] != is_late:
        yield f"{it.name}: late is {it.committed['late']}, and settled at {line['settle_ms']}"
    if it.released is not None and it.admitted["legs"] and is_late == bool(it.released["released"]):
        yield f"{it.name}: released {it.released['released']}, and settled at {line['settle_ms']}"


def _shares(legs: list[acknowledged.Line]) -> list[tuple[str, int, int]]:
    """Legs without a word on windows that have ended since."""
    return [(leg["source"], leg["amount"], leg["nanos"]) for leg in legs]


def _final_remains(known: Acknowledged, line: acknowledged.Line, sums: Tally) -> Iterator[str]:
    brief = {one["limit_id"] for one in known.limits if one["is_brief"]}
    for limit in line.get("limits", ()):
        source = f"{line['seat']}/{limit['limit_id'].partition('/')[0]}"
        if limit["limit_id"] in brief:
            continue
        found = (limit["used"], limit["held"])
        if found != (sums.window_used[source], sums.window_held[source]):
            yield f"bar {source} {limit['limit_id']}: {found} at the end"


def _final_balance(line: acknowledged.Line, team: stored.Team) -> Iterator[str]:
    for payer, pool in stored.POOLS.items():
        lots = [lot for (of, _), lot in team.lots.items() if of == payer]
        held, consumed = (sum(lot.parts[part] for lot in lots) for part in ("held", "consumed"))
        if (line[pool]["held"], line[pool]["settled"]) != (held, consumed):
            yield f"balance of {pool}: {line[pool]} at the end, held {held}, consumed {consumed}"


if __name__ == "__main__":
    found = check(Path(sys.argv[1]), Path(sys.argv[2]))
    print("\n".join(found) or "every acknowledged answer is accounted for")
    sys.exit(bool(found))

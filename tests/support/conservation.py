"""What must be true of the store at any moment, whatever happened (SEM-40).

Reads the store with plain commands and rebuilds from the ledger stream what lots and windows
must hold; the scripts' own arithmetic has no part in it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from quotasvc.domain.catalog import TIME_UNITS_MS, Catalog
from quotasvc.domain.reservation import ReservationId, State
from quotasvc.store.decision import MARK_PREFIX
from quotasvc.store.executor import Executor
from quotasvc.store.keys import PoolKeys
from quotasvc.store.table import RING
from tests.support.books import Books, TeamBooks
from tests.support.quota import SECRETS

NO_TTL = -1

SEQS = ("seq", "commit_seq", "expire_seq", "release_seq", "refund_seq")

SUMS = ("granted", "expired", "revoked")

GENUINE = ("available", "held", "consumed", "expired", "revoked")


async def check(
    executor: Executor,
    *catalogs: Catalog,
    is_purged: bool = False,
    extensions: int = 0,
    latest_ms: int = 0,
    is_clock_wrong: bool = False,
) -> None:
    """Asserts every invariant; once records were purged, their numbers are not asked for.

    `extensions` is how often holds were extended: that leaves no trace but in `seq`. `latest_ms` is
    the latest time that any clock has shown, where clocks step back; once one was wrong by more
    than 30 s (SEM-37), windows may have let go of what the ledger still knows.
    """
    books = await Books.read(executor)
    # No balance, lot, reservation or id relies on a key's TTL (SEM-37).
    assert set(books.ttls.values()) <= {NO_TTL}
    known = {catalog.version: catalog for catalog in catalogs}
    for team_id in books.teams:
        team = books.team(team_id)
        _check_numbers(team, extensions, is_purged=is_purged)
        _check_due(team)
        for pool in (team.keys.credits, team.keys.wallet):
            _check_pool(team, pool)
        for record in team.records:
            _check_record(record)
        _check_windows(team, known, latest_ms, is_clock_wrong=is_clock_wrong)


def _check_numbers(team: TeamBooks, extensions: int, *, is_purged: bool) -> None:
    """`entry` and `seq` have no gaps (SEM-39)."""
    entries = team.entries
    assert [entry.entry for entry in entries] == list(range(1, len(entries) + 1))
    assert team.counters["entry"] == len(entries)
    of_entries = [entry.seq for entry in entries]
    assert of_entries == sorted(set(of_entries))
    of_records = [
        int(value)
        for record in team.records
        for name, value in record.items()
        if name.startswith(SEQS) and not (name == "commit_seq" and value == record["seq"])
    ]
    assert len(of_records) == len(set(of_records))
    # A commit, a refund of one and a loss have a record and an entry; an extension has neither.
    counted = set(of_entries) | set(of_records)
    missing = set(range(1, team.counters["seq"] + 1)) - counted
    assert len(missing) == extensions or is_purged, missing
    assert max(counted) <= team.counters["seq"]


def _check_due(team: TeamBooks) -> None:
    """The lists name exactly what time will end, and nobody looks too late."""
    states = {record["id"]: State(int(record["state"])) for record in team.records}
    assert set(team.holds) == {name for name, state in states.items() if state is State.HELD}
    purged = {name for name in team.purge if not name.startswith(MARK_PREFIX)}
    assert purged == {name for name, state in states.items() if state is not State.HELD}
    expiries = {
        r["id"]: int(r["extended"]) or int(r["expire"])
        for r in team.records
        if r["id"] in team.holds
    }
    assert dict(team.holds) == expiries
    first_hold = min(team.holds.values(), default=math.inf)
    first = min((first_hold, *team.purge.values()))
    assert (math.inf if team.due_ms is None else team.due_ms) <= first
    due_ms = team.counters.get("due_ms", 0)
    assert first_hold == math.inf or 0 < due_ms <= first_hold


def _check_pool(team: TeamBooks, pool: PoolKeys) -> None:
    """Every lot adds up, and is what the ledger and the live holds say that it is."""
    states = {state: team.lots(pool, state) for state in GENUINE}
    rebuilt = _lots_of_the_ledger(team, pool)
    held = _held_by_lot(team, pool)
    all_parked, ends = team.lots(pool, "parked"), team.lots(pool, "ends")
    every, order = {}, {}
    for lot_id, text in team.info(pool).items():
        info = json.loads(text)
        amounts = {state: states[state].get(lot_id, 0) for state in GENUINE}
        parked = all_parked.get(lot_id, 0)
        assert min(amounts.values()) >= 0
        assert sum(amounts.values()) + parked == info["granted"], (lot_id, amounts)
        assert not (parked and amounts["available"])
        assert amounts["held"] == held[lot_id], (lot_id, amounts, held)
        for state in ("consumed", "expired", "revoked"):
            assert amounts[state] == rebuilt[lot_id, state], (lot_id, state)
        assert ends[lot_id] == (info["expire_ms"] or 0)
        member = f"{info['purchase_ms']:013d}:{lot_id}"
        every[member] = info["expire_ms"] or math.inf
        if amounts["available"]:
            order[member] = every[member]
    assert all(set(lots) <= set(team.info(pool)) for lots in states.values())
    # A lot is in the order exactly while something in it is available (SEM-24).
    assert dict(team.order(pool)) == order
    assert dict(team.every(pool)) == every
    waiting = {member[14:] for member in team.waiting(pool)}
    assert waiting == set(team.lots(pool, "parked"))
    _check_sums(team, pool)


def _check_sums(team: TeamBooks, pool: PoolKeys) -> None:
    """The sums of a pool are those of its lots."""
    sums = team.lots(pool, "sums")
    kept = {n: sums.get(n, 0) + 10**15 * sums.get(f"{n}_high", 0) for n in SUMS}
    granted = sum(json.loads(text)["granted"] for text in team.info(pool).values())
    lost = {n: sum(team.lots(pool, n).values()) for n in ("expired", "revoked")}
    assert kept == {"granted": granted, **lost}


def _held_by_lot(team: TeamBooks, pool: PoolKeys) -> Counter[str]:
    payer = "3" if pool is team.keys.wallet else "2"
    held: Counter[str] = Counter()
    for record in team.records:
        if int(record["state"]) != State.HELD or record["pool"] != payer:
            continue
        for i in range(1, int(record["lots"]) + 1):
            held[record[f"l{i}"][14:]] += int(record[f"l{i}n"])
    return held


def _lots_of_the_ledger(team: TeamBooks, pool: PoolKeys) -> Counter[tuple[str, str]]:
    """What each lot has in each state but available and held, from the entries alone."""
    is_wallet = pool is team.keys.wallet
    amounts: Counter[tuple[str, str]] = Counter()
    for entry in team.entries:
        for member, state, nanos in entry.lots():
            lot_id = member[14:]
            if (lot_id == "wallet") != is_wallet or state in ("granted", "entered"):
                continue
            if state in ("nanos", "was"):
                amounts[lot_id, "consumed"] += nanos if state == "nanos" else -nanos
                continue
            amounts[lot_id, state] += nanos
            if entry.kind == "refund":
                amounts[lot_id, "consumed"] -= nanos
    return amounts


def _check_record(record: Mapping[str, str]) -> None:
    """Every nano of a price is charged to somebody or written off, and refunded once at most."""
    lots = range(1, int(record["lots"]) + 1)
    held = int(record["plan_nanos"]) + sum(int(record[f"l{i}n"]) for i in lots)
    assert held == int(record["cost"]) or "expire" not in record
    is_charged = int(record["state"]) == State.COMMITTED or record["provisional"] == "1"
    if not is_charged:
        return
    charged = int(record["plan_paid"]) + sum(int(record[f"l{i}c"]) for i in lots)
    assert charged + int(record["written_off"]) == int(record["actual"])
    assert 0 <= int(record["refunded"]) <= charged


def _check_windows(
    team: TeamBooks,
    catalogs: Mapping[str, Catalog],
    latest_ms: int,
    *,
    is_clock_wrong: bool,
) -> None:
    """Each window holds what the ledger and the live holds have put into it (SEM-40)."""
    used, held = _windows_of_the_ledger(team, catalogs)
    for name, fields in team.windows.items():
        counts = {field: int(value) for field, value in fields.items()}
        total, kept, oldest = (counts.pop(field) for field in ("t", "h", "o"))
        recorded = {slot: n for (key, slot), n in used.items() if key == name and n}
        if ":s:" not in name:
            assert counts == {}
            is_replaced = ":c:" in name and oldest < team.cycle_start_ms(name)
            if is_replaced or _is_over(
                max(latest_ms, team.counters["clock_ms"]), name, oldest, total
            ):
                continue  # an instance that is over is not adjusted any more (SEM-15)
            if is_clock_wrong:
                continue
            assert total == recorded.get(oldest, 0), name
            assert kept == held[name, oldest]
            continue
        slices = {oldest + (int(field) - oldest) % RING: n for field, n in counts.items()}
        assert sum(slices.values()) == total, name
        assert min(slices, default=oldest) >= oldest
        assert min(slices.values(), default=1) > 0
        if not is_clock_wrong:
            assert slices == {slot: n for slot, n in recorded.items() if slot >= oldest}, name
        assert kept == sum(n for (key, _), n in held.items() if key == name)


def _is_over(at_ms: int, name: str, start_ms: int, total: int) -> bool:
    """Whether an instance has ended; a cycle has no end of its own, another one replaces it."""
    length, anchor = name.split(":")[-2:]
    end_ms = start_ms + _length_ms(length)
    if anchor.startswith("block-"):  # the last one of a day ends with it
        zone = ZoneInfo(anchor.removeprefix("block-").replace("-", "/", 1))
        day = datetime.fromtimestamp(start_ms / 1000, zone).date() + timedelta(days=1)
        end_ms = min(end_ms, int(datetime.combine(day, time(), zone).timestamp() * 1000))
    is_open = total > 0 or ":f:" not in name
    return not is_open or start_ms < end_ms <= at_ms


def _length_ms(text: str) -> int:
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * TIME_UNITS_MS[unit]


def _windows_of_the_ledger(
    team: TeamBooks, catalogs: Mapping[str, Catalog]
) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, int]]]:
    """What lies in each slot of each window, and what of it is held."""
    used: Counter[tuple[str, int]] = Counter()
    held: Counter[tuple[str, int]] = Counter()
    for record in team.records:
        if int(record["state"]) == State.HELD:
            for place, name in _window_names(team, record["id"], catalogs).items():
                if f"w{place}" in record:
                    held[name, int(record[f"w{place}"])] += int(record["plan"])
    used.update(held)
    for entry in team.entries:
        if entry.kind not in ("commit", "refund", "expire", "record"):
            continue
        fields = entry.first
        for place, name in _window_names(team, fields["id"], catalogs).items():
            if f"w{place}" not in fields:
                continue
            slot = int(fields[f"w{place}"])
            if entry.kind == "refund":
                used[name, slot] -= int(fields[f"a{place}"])
                continue
            used[name, slot] += int(fields["plan"]) - int(fields.get("was", 0))
            used[name, int(fields.get(f"o{place}", slot))] += int(fields.get("over", 0))
    return used, held


def _window_names(
    team: TeamBooks, reservation_id: str, catalogs: Mapping[str, Catalog]
) -> dict[int, str]:
    """The keys of the windows that a reservation concerns, by their place in the allowance."""
    rid = ReservationId.verify(reservation_id, SECRETS.mac_key)
    assert rid is not None
    allowance = rid.allowance(catalogs[rid.catalog_version])
    if allowance is None:
        return {}
    return {
        place: team.keys.window(rid.seat_id, allowance, window)
        for place, window in enumerate(allowance.windows)
    }

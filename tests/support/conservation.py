"""What must be true of the store at any moment, whatever happened (SEM-40).

Reads the store with plain commands and rebuilds from the ledger stream what lots and windows
must hold; the scripts' own arithmetic has no part in it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping

from quotasvc.domain.catalog import Catalog
from quotasvc.domain.reservation import ReservationId, State
from quotasvc.store.executor import Executor
from quotasvc.store.keys import PoolKeys
from tests.support.books import Books, TeamBooks
from tests.support.quota import SECRETS

NO_TTL = -1

GENUINE = ("available", "held", "consumed", "expired", "revoked")


async def check(executor: Executor, *catalogs: Catalog, is_purged: bool = False) -> None:
    """Asserts every invariant; once records were purged, their numbers are not asked for."""
    books = await Books.read(executor)
    # No balance, lot, reservation or id relies on a key's TTL (SEM-37).
    assert set(books.ttls.values()) <= {NO_TTL}
    known = {catalog.version: catalog for catalog in catalogs}
    for team_id in books.teams:
        team = books.team(team_id)
        _check_numbers(team, is_purged=is_purged)
        _check_due(team)
        for pool in (team.keys.credits, team.keys.wallet):
            _check_pool(team, pool)
        for record in team.records:
            _check_record(record)
        _check_windows(team, known)


def _check_numbers(team: TeamBooks, *, is_purged: bool) -> None:
    """`entry` and `seq` have no gaps (SEM-39)."""
    entries = team.entries
    assert [entry.entry for entry in entries] == list(range(1, len(entries) + 1))
    assert team.counters["entry"] == len(entries)
    of_entries = [entry.seq for entry in entries]
    assert of_entries == sorted(set(of_entries))
    names = ("seq", "commit_seq", "refund_seq", "expire_seq")
    of_records = [int(record[name]) for record in team.records for name in names if name in record]
    assert len(of_records) == len(set(of_records))
    # A commit, a refund of one and a loss have a record and an entry.
    counted = set(of_entries) | set(of_records)
    missing = set(range(1, team.counters["seq"] + 1)) - counted
    assert not missing or is_purged, missing
    assert max(counted) <= team.counters["seq"]


def _check_due(team: TeamBooks) -> None:
    """The lists name exactly what time will end, and nobody looks too late."""
    states = {record["id"]: State(int(record["state"])) for record in team.records}
    assert set(team.holds) == {name for name, state in states.items() if state is State.HELD}
    assert set(team.purge) == {name for name, state in states.items() if state is not State.HELD}
    expiries = {r["id"]: int(r["expire"]) for r in team.records if r["id"] in team.holds}
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
    order = {}
    for lot_id, text in team.info(pool).items():
        info = json.loads(text)
        amounts = {state: states[state].get(lot_id, 0) for state in GENUINE}
        assert min(amounts.values()) >= 0
        assert sum(amounts.values()) == info["granted"], (lot_id, amounts)
        assert amounts["held"] == held[lot_id], (lot_id, amounts, held)
        for state in ("consumed", "expired", "revoked"):
            assert amounts[state] == rebuilt[lot_id, state], (lot_id, state)
        assert team.lots(pool, "ends")[lot_id] == (info["expire_ms"] or 0)
        if amounts["available"]:
            member = f"{info['purchase_ms']:013d}:{lot_id}"
            order[member] = info["expire_ms"] or math.inf
    assert all(set(lots) <= set(team.info(pool)) for lots in states.values())
    # A lot is in the order exactly while something in it is available (SEM-24).
    assert dict(team.order(pool)) == order


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
            if (lot_id == "wallet") != is_wallet or entry.kind == "grant":
                continue
            if state == "nanos":
                amounts[lot_id, "consumed"] += nanos
                continue
            amounts[lot_id, state] += nanos
            if entry.kind == "refund":
                amounts[lot_id, "consumed"] -= nanos
    return amounts


def _check_record(record: Mapping[str, str]) -> None:
    """Every nano of a price is charged to somebody or written off, and refunded once at most."""
    lots = range(1, int(record["lots"]) + 1)
    held = int(record["plan_nanos"]) + sum(int(record[f"l{i}n"]) for i in lots)
    assert held == int(record["cost"])
    if int(record["state"]) != State.COMMITTED:
        assert "actual" not in record
        return
    charged = int(record["plan_paid"]) + sum(int(record[f"l{i}c"]) for i in lots)
    assert charged + int(record["written_off"]) == int(record["actual"])
    assert int(record.get("refunded", 0)) in (0, charged)


def _check_windows(team: TeamBooks, catalogs: Mapping[str, Catalog]) -> None:
    """Each window holds what the ledger and the live holds have put into it (SEM-40)."""
    used, held = _windows_of_the_ledger(team, catalogs)
    for name, fields in team.windows.items():
        counts = {field: int(value) for field, value in fields.items()}
        total, kept, oldest = (counts.pop(field) for field in ("total", "held", "oldest"))
        recorded = {slot: n for (key, slot), n in used.items() if key == name and n}
        if ":aligned:" in name:
            length_ms = int(name.split(":")[-2])
            if team.counters["clock_ms"] >= oldest + length_ms:
                continue  # an instance that is over is not adjusted any more (SEM-15)
            assert counts == {}
            assert total == recorded.get(oldest, 0), name
            assert kept == held[name, oldest]
            continue
        slices = {int(slot): n for slot, n in counts.items()}
        assert sum(slices.values()) == total, name
        assert min(slices, default=oldest) >= oldest
        assert min(slices.values(), default=1) > 0
        assert slices == {slot: n for slot, n in recorded.items() if slot >= oldest}, name
        assert kept == sum(n for (key, _), n in held.items() if key == name)


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
        if entry.kind not in ("commit", "refund"):
            continue
        fields = entry.first
        for place, name in _window_names(team, fields["id"], catalogs).items():
            if f"w{place}" not in fields:
                continue
            slot = int(fields[f"w{place}"])
            if entry.kind == "refund":
                used[name, slot] -= int(fields[f"a{place}"])
                continue
            used[name, slot] += int(fields["plan"])
            used[name, int(fields.get(f"o{place}", slot))] += int(fields["over"])
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

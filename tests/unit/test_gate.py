"""Gates: rate limits and the cap on concurrency, as values (SEM-19, SEM-20, SEM-52)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quotasvc.catalog.checks import RATE_ROWS_MAX
from quotasvc.domain.catalog import RateLimit
from quotasvc.domain.gate import (
    CONCURRENCY_PLACE,
    PLACE_FIRST,
    RATE_MS,
    RATE_SLICE_MS,
    ROWS_MAX,
    GateKind,
    gates,
    is_tighter_at_peak,
    rows_for,
    rows_of,
    scopes,
    settled_gates,
    tokens,
)
from quotasvc.domain.unit import AMOUNT_MAX, Usage
from quotasvc.store.limits import limit_numbers
from quotasvc.store.table import CONSTANTS
from tests.support.catalogs import catalog, plan

ALL = RateLimit(
    rate_limit_id="all",
    resources=frozenset(("text/a", "image/a")),
    rpm=201,
    tpm=1_000,
    connections=3,
    peak_permille=500,
)
ONE = replace(ALL, rate_limit_id="one", resources=frozenset(("text/a",)), tpm=None)
POLICY = replace(catalog(), rate_limits=(ALL, ONE))
CAPPED = replace(plan("plus"), peak_concurrency=4)


def test_every_row_that_names_the_resource_applies() -> None:
    # J3, R1
    assert rows_for(POLICY, "text/a") == ((0, ALL), (1, ONE))
    assert rows_for(POLICY, "image/a") == ((0, ALL),)
    assert rows_for(POLICY, "video/a") == ()


def test_rows_travel_as_a_mask() -> None:
    rows = rows_for(POLICY, "text/a")
    assert (scopes(()), scopes(rows), scopes(rows[1:])) == (0, 0b11, 0b10)
    for kept in ((), rows, rows[1:]):
        assert rows_of(POLICY, scopes(kept)) == kept


def test_gates_stand_in_the_order_in_which_answers_list_them() -> None:
    # R6
    found = gates(rows_for(POLICY, "text/a"), CAPPED, 7, at_peak=True)
    assert [(gate.limit_id, gate.unit, gate.need) for gate in found] == [
        ("rate/all/rpm", "requests", 1),
        ("rate/all/tpm", "tokens", 7),
        ("rate/all/connections", "connections", 1),
        ("rate/one/rpm", "requests", 1),
        ("rate/one/connections", "connections", 1),
        ("concurrency", "requests", 1),
    ]
    assert [gate.is_leased for gate in found] == [False, False, True, False, True, True]


@pytest.mark.parametrize(("at_peak", "limits"), [(False, [201, 1_000, 3]), (True, [101, 500, 2])])
def test_peak_tightens_each_limit_of_a_row_and_rounds_up(
    limits: list[int], *, at_peak: bool
) -> None:
    # J1, R2
    found = gates(rows_for(POLICY, "image/a"), None, 0, at_peak=at_peak)
    assert [gate.limit for gate in found] == limits


@pytest.mark.parametrize(("at_peak", "limit"), [(False, None), (True, 4)])
def test_a_cap_takes_slots_always_and_is_in_force_at_peak_only(
    limit: int | None, *, at_peak: bool
) -> None:
    # R3
    [cap] = gates((), CAPPED, 0, at_peak=at_peak)
    assert (cap.kind, cap.limit) == (GateKind.CONCURRENCY, limit)
    assert gates((), plan("plus"), 0, at_peak=at_peak) == ()
    assert gates((), None, 0, at_peak=at_peak) == ()


def test_a_settlement_touches_no_count_of_requests() -> None:
    # R4
    found = settled_gates(rows_for(POLICY, "text/a"), CAPPED)
    assert [gate.limit_id for gate in found] == [
        "rate/all/tpm",
        "rate/all/connections",
        "rate/one/connections",
        "concurrency",
    ]


def test_a_settlement_asks_nothing_of_a_gate() -> None:
    # R4: a settlement is refused by no limit, at peak or not
    found = settled_gates(rows_for(POLICY, "image/a"), CAPPED)
    assert [(gate.limit, gate.need) for gate in found] == [(1_000, 0), (3, 1), (None, 1)]


def test_rates_are_counted_over_a_minute_in_120_slices() -> None:
    # R1
    assert (RATE_MS, RATE_SLICE_MS) == (60_000, 500)
    assert RATE_MS // RATE_SLICE_MS == 120


def test_only_what_peak_changes_is_tighter_at_peak() -> None:
    level = replace(ALL, peak_permille=1_000)
    assert not is_tighter_at_peak(((0, level),), plan("plus"))
    assert not is_tighter_at_peak((), None)
    assert is_tighter_at_peak(((0, level), (1, ALL)), None)
    assert is_tighter_at_peak(((0, replace(ALL, peak_permille=999)),), None)
    assert is_tighter_at_peak((), CAPPED)


def test_prompt_and_output_count_as_tokens() -> None:
    # SEM-2b, R1
    usage = Usage.of(
        input_tokens=1, output_tokens=20, cache_read_tokens=300, cache_write_tokens=4_000, images=9
    )
    assert tokens(usage) == 4_321
    assert tokens(Usage.of()) == 0
    assert tokens(Usage.of(input_tokens=AMOUNT_MAX, output_tokens=1)) == AMOUNT_MAX


def test_no_two_gates_share_a_place_and_none_is_a_windows() -> None:
    # given the most rows that the loader takes, and the number by which scripts tell gates
    assert ROWS_MAX == RATE_ROWS_MAX
    rows = tuple((index, ALL) for index in range(ROWS_MAX))
    places = [gate.place for gate in gates(rows, CAPPED, 0, at_peak=True)]
    assert len(set(places)) == len(places)
    assert min(places) == PLACE_FIRST == CONSTANTS["BOUND"]["gate"]
    assert max(places) == CONCURRENCY_PLACE
    assert [(place - PLACE_FIRST) % 3 for place in places[:3]] == [0, 1, 2]


def test_a_cap_that_is_not_in_force_reaches_the_scripts_as_no_limit() -> None:
    [cap] = gates((), CAPPED, 0, at_peak=False)
    assert limit_numbers((cap,), ())[2] == -1

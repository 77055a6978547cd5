"""Windows: what is in them, what fits, and when more will (SEM-8, SEM-14, SEM-47, SEM-51)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.code import KindCode
from quotasvc.store.table import RING
from tests.support.lua import LuaFailed, LuaModules

SLICE_MS, LENGTH_MS = 10, 95  # a length that is no multiple of its slice
NOW_MS = 10_000
NEVER, NOT_BY_TIME = -1, -2

# Hypothesis calls a test often; a session-scoped fixture is the same for all its examples.
_LUA = LuaModules()
_WINDOW = _LUA.require("lib/window")


def sliding(**changes: int) -> dict[str, Any]:
    """A sliding window as it was read, empty unless told otherwise."""
    window = {
        "key": "win",
        "kind": KindCode.SLIDING,
        "limit": 100,
        "slice_ms": SLICE_MS,
        "length_ms": LENGTH_MS,
        "start_ms": 0,
        "end_ms": 0,
        "total": 0,
        "held": 0,
        "oldest": 0,
        "slot": 0,
        "value": 0,
    }
    return window | changes


def instance(kind: KindCode, **changes: int) -> dict[str, Any]:
    """The instance [9,000, 11,000) of a window of that kind as it was read."""
    window = sliding(oldest=9_000, slot=9_000, length_ms=2_000) | {"kind": kind}
    if kind is not KindCode.FIRST_USE:
        window |= {"start_ms": 9_000, "end_ms": 11_000}
    return window | changes


INSTANCES = (KindCode.ALIGNED, KindCode.FIRST_USE, KindCode.CYCLE)


def call(name: str, *args: object) -> Any:
    """One function of the module."""
    return _LUA.call(_WINDOW[name], *args)


def changed(name: str, window: Mapping[str, Any], *args: object) -> dict[str, Any]:
    """The window after a function that changes it."""
    table = _LUA.table(window)
    _LUA.call(_WINDOW[name], table, *args)
    return dict(table)


# Which slices count.


@given(
    slice_ms=st.integers(1, 50),
    length_ms=st.integers(1, 500),
    slot=st.integers(100, 400),
    age=st.integers(-5, 600),
)
def test_usage_never_leaves_early_and_at_most_one_slice_late(
    slice_ms: int, length_ms: int, slot: int, age: int
) -> None:
    # given usage in a slice (C1, SEM-14), as long after its end as may be
    window = sliding(slice_ms=slice_ms, length_ms=length_ms)
    first, last = slot * slice_ms, (slot + 1) * slice_ms - 1
    now = last + age
    # then it counts while any of it is within the length, and leaves with its last millisecond
    counts = slot >= call("first_live", window, now)
    assert counts == (now < last + 1 + length_ms)
    if now - last <= length_ms:
        assert counts
    if now - first >= length_ms + slice_ms:
        assert not counts


@given(now=st.integers(NOW_MS, NOW_MS + 500))
def test_a_ring_has_at_most_one_slice_more_than_the_window_is_long(now: int) -> None:
    first = call("first_live", sliding(), now)
    assert now // SLICE_MS - first <= -(-LENGTH_MS // SLICE_MS)


# What may still be moved.


@given(
    slot=st.integers(900, 1_200),
    oldest=st.integers(900, 1_200),
    value=st.integers(0, 9),
    amount=st.integers(0, 9),
)
@example(slot=900, oldest=900, value=9, amount=9)
@example(slot=899, oldest=900, value=9, amount=0)
@example(slot=900 + RING - 1, oldest=900, value=9, amount=9)
@example(slot=900 + RING, oldest=900, value=9, amount=9)
@example(slot=900, oldest=900, value=8, amount=9)
def test_a_slice_is_live_from_the_oldest_on_for_one_turn_of_the_ring(
    slot: int, oldest: int, value: int, amount: int
) -> None:
    # W2: what leaves a slot must be there; a field is another slice's after a turn
    window = sliding(slot=slot, oldest=oldest, value=value, total=99)
    expected = oldest <= slot <= oldest + RING - 1 and value >= amount
    assert call("is_live", window, amount) == expected


@pytest.mark.parametrize("kind", INSTANCES)
@given(
    slot=st.sampled_from([7_000, 9_000, 11_000]), total=st.integers(0, 9), amount=st.integers(0, 9)
)
def test_an_instance_is_live_exactly_while_it_is_in_force(
    kind: KindCode, slot: int, total: int, amount: int
) -> None:
    window = instance(kind, slot=slot, total=total)
    assert call("is_live", window, amount) == (slot == 9_000 and total >= amount)


# Room, and when there will be more.


@pytest.mark.parametrize(
    ("limit", "total", "room"),
    [(100, 40, 60), (100, 100, 0), (100, 130, -30), (0, 0, 0), (-1, 40, AMOUNT_MAX - 40)],
)
@pytest.mark.parametrize("kind", list(KindCode))
def test_room_is_what_the_limit_leaves(kind: KindCode, limit: int, total: int, room: int) -> None:
    assert call("room", instance(kind, limit=limit, total=total)) == room


SLICES = st.lists(
    st.tuples(st.integers(990, 999), st.integers(1, 40)), min_size=1, unique_by=lambda s: s[0]
).map(sorted)


@given(slices=SLICES, limit=st.integers(0, 120), need=st.integers(1, 130))
def test_a_request_fits_at_the_moment_that_is_named_and_not_before(
    slices: list[tuple[int, int]], limit: int, need: int
) -> None:
    # given a sliding window, and what leaves it with each of its slices
    total = sum(value for _, value in slices)
    window = sliding(limit=limit, total=total, oldest=slices[0][0])

    def fits(at: int) -> bool:
        live = sum(v for s, v in slices if s >= call("first_live", window, at))
        return need + live <= limit

    leaving = [{"at_ms": (s + 1) * SLICE_MS + LENGTH_MS, "amount": v} for s, v in slices]
    # when Lua says when it will fit
    found = call("fits_ms", window, need, leaving)
    # then it does, to the millisecond (SEM-8)
    if found == 0:
        assert fits(9_999)
    elif found == NEVER:
        assert need > limit
    else:
        assert fits(found)
        assert not fits(found - 1)
        assert found > 9_999


@given(total=st.integers(0, 150), need=st.integers(1, 150), limit=st.integers(0, 120))
@pytest.mark.parametrize("kind", INSTANCES)
def test_an_instance_has_room_when_it_ends_but_for_a_cycle(
    kind: KindCode, total: int, need: int, limit: int
) -> None:
    # a cycle ends with a renewal, which is not time alone (SEM-47, W5)
    found = call("fits_ms", instance(kind, total=total, limit=limit), need, [])
    if total + need <= limit:
        assert found == 0
    elif need > limit:
        assert found == NEVER
    elif kind is KindCode.CYCLE:
        assert found == NOT_BY_TIME
    else:
        assert found == 11_000


@given(
    ends=st.lists(st.integers(NOW_MS + 1, NOW_MS + 50), max_size=8).map(sorted),
    limit=st.integers(0, 8),
)
def test_a_cap_has_room_when_enough_leases_have_ended(ends: list[int], limit: int) -> None:
    # given live leases by their end (R3); the one that matters is told with all before it
    window = sliding(limit=limit, total=len(ends)) | {"kind": KindCode.SLOTS}
    over = len(ends) - limit
    leaving = [{"at_ms": ends[over], "amount": over + 1}] if 0 <= over < len(ends) else []
    found = call("fits_ms", window, 1, leaving)
    # then one more fits when fewer than the cap are left, and never under a cap of 0
    if len(ends) < limit:
        assert found == 0
    elif limit == 0:
        assert found == NEVER
    else:
        assert sum(end > found for end in ends) < limit
        assert sum(end > found - 1 for end in ends) >= limit


def test_a_total_above_its_slices_is_corrupt() -> None:
    with pytest.raises(LuaFailed, match="CORRUPT win total is above its slices"):
        call("fits_ms", sliding(total=100, oldest=995), 1, [{"at_ms": 1, "amount": 0}])


def test_nothing_fits_into_what_is_unlimited_only_above_two_to_the_53() -> None:
    assert call("fits_ms", sliding(limit=-1, total=40), AMOUNT_MAX - 40, []) == 0
    assert call("fits_ms", sliding(limit=-1, total=40), AMOUNT_MAX - 39, []) == NEVER


@pytest.mark.parametrize(
    ("window", "reset_ms"),
    [
        (sliding(total=1, oldest=1_000), 10_010 + LENGTH_MS),
        (sliding(total=0, oldest=1_000), 0),
        (instance(KindCode.ALIGNED), 11_000),
        (instance(KindCode.ALIGNED, total=5), 11_000),
        (instance(KindCode.FIRST_USE, total=5), 11_000),
        (instance(KindCode.FIRST_USE, total=0), 0),  # not open
        (instance(KindCode.CYCLE), 11_000),
        (instance(KindCode.CYCLE, end_ms=0), 0),  # without end (W5)
        (instance(KindCode.SLOTS, first_end_ms=10_500), 10_500),
        (instance(KindCode.SLOTS, first_end_ms=0), 0),
    ],
)
def test_reset_is_when_what_lies_there_longest_is_gone(
    window: dict[str, Any], reset_ms: int
) -> None:
    assert call("reset_ms", window) == reset_ms


# Moving.


@given(
    total=st.integers(0, 50),
    value=st.integers(0, 50),
    held=st.integers(0, 50),
    amount=st.integers(-60, 60),
    more=st.integers(-60, 60),
)
@pytest.mark.parametrize("kind", [KindCode.SLIDING, *INSTANCES])
def test_what_is_added_is_in_total_slice_and_held_or_refused(
    kind: KindCode, total: int, value: int, held: int, amount: int, more: int
) -> None:
    # given any window that was read
    window = instance(kind, total=total, value=value, held=held)
    is_possible = total + amount >= 0 and (kind is not KindCode.SLIDING or value + amount >= 0)
    # when something comes or goes
    if not is_possible:
        with pytest.raises(LuaFailed, match=r"CORRUPT win (total|slice) is out of range"):
            changed("add", window, amount, more)
        return
    after = changed("add", window, amount, more)
    # then it is in all of them, and `held` is never below nothing (W2)
    slice_after = value + amount if kind is KindCode.SLIDING else value
    assert (after["total"], after["value"]) == (total + amount, slice_after)
    assert after["held"] == max(0, held + more)
    assert after["is_moved"]
    assert after["is_slot_moved"]


@pytest.mark.parametrize(
    ("window", "amount"),
    [
        (sliding(limit=-1, total=AMOUNT_MAX), 1),
        (sliding(limit=-1, total=AMOUNT_MAX - 5, value=AMOUNT_MAX - 5), 6),
        (sliding(total=0, value=AMOUNT_MAX), 1),
        (instance(KindCode.ALIGNED, limit=-1, total=AMOUNT_MAX), 1),
    ],
)
def test_what_no_counter_can_hold_is_refused(window: dict[str, Any], amount: int) -> None:
    with pytest.raises(LuaFailed, match=r"CORRUPT win (total|slice) is out of range"):
        changed("add", window, amount, 0)


def test_a_hold_that_outlived_its_slice_ends_all_the_same() -> None:
    # given a hold whose slice has left (SEM-15, SEM-51)
    after = changed("let_go_of", sliding(total=50, held=20, value=7), -15)
    # then only `held` moves
    assert (after["total"], after["value"], after["held"]) == (50, 7, 5)
    assert after["is_moved"]
    assert "is_slot_moved" not in after
    assert changed("let_go_of", sliding(held=20), -21)["held"] == 0


@pytest.mark.parametrize("kind", INSTANCES)
def test_a_hold_of_an_instance_that_is_over_went_with_it(kind: KindCode) -> None:
    after = changed("let_go_of", instance(kind, total=50, held=20), -20)
    assert after == instance(kind, total=50, held=20)

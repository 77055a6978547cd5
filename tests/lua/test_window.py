"""Windows: which slice counts when, what fits, and when more will (SEM-8, SEM-14, SEM-51)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.table import KindCode
from tests.support.lua import LuaFailed, LuaModules

SLICE_MS, LENGTH_MS = 10, 95  # a length that is no multiple of its slice
NOW_MS = 10_000

# Hypothesis calls a test often; a session-scoped fixture is the same for all its examples.
_LUA = LuaModules()
_WINDOW = _LUA.require("lib/window")


def sliding(*, limit: int = 100, total: int = 0, oldest: int = 0, held: int = 0) -> dict[str, int]:
    """A sliding window as it was read."""
    return {
        "kind": KindCode.SLIDING,
        "limit": limit,
        "slice_ms": SLICE_MS,
        "length_ms": LENGTH_MS,
        "start_ms": 0,
        "end_ms": 0,
        "total": total,
        "held": held,
        "oldest": oldest,
    }


def aligned(*, limit: int = 100, total: int = 0, held: int = 0) -> dict[str, int]:
    """The instance [9,000, 11,000) of an aligned window as it was read."""
    changes = {"kind": KindCode.ALIGNED, "start_ms": 9_000, "end_ms": 11_000, "oldest": 9_000}
    return sliding(limit=limit, total=total, held=held) | changes


def call(name: str, *args: object) -> Any:
    """One function of the module."""
    return _LUA.call(_WINDOW[name], *args)


@given(admitted=st.integers(NOW_MS, NOW_MS + 500), age=st.integers(0, 300))
def test_usage_never_leaves_early_and_at_most_one_slice_late(admitted: int, age: int) -> None:
    # given usage of some moment (C1, SEM-14)
    slot = call("current_slot", sliding(), admitted)
    # when it has some age
    is_live = call("is_live", sliding(), slot, admitted + age)
    # then it counts as long as it is no older than the window, and a slice longer at most
    if age <= LENGTH_MS:
        assert is_live
    if age > LENGTH_MS + SLICE_MS:
        assert not is_live


@given(now=st.integers(NOW_MS, NOW_MS + 500))
def test_a_ring_has_at_most_one_slice_more_than_the_window_is_long(now: int) -> None:
    first = call("first_live", sliding(), now)
    assert call("current_slot", sliding(), now) - first <= -(-LENGTH_MS // SLICE_MS)


def test_an_instance_counts_exactly_while_it_is_the_present_one() -> None:
    window = aligned()
    assert call("current_slot", window, NOW_MS) == 9_000
    assert call("first_live", window, NOW_MS) == 9_000
    assert call("is_live", window, 9_000, NOW_MS)
    assert not call("is_live", window, 7_000, NOW_MS)


@pytest.mark.parametrize(
    ("limit", "total", "room"),
    [(100, 40, 60), (100, 100, 0), (100, 130, -30), (-1, 40, AMOUNT_MAX - 40)],
)
def test_room_is_what_the_limit_leaves(limit: int, total: int, room: int) -> None:
    assert call("room", sliding(limit=limit, total=total)) == room


SLICES = st.lists(
    st.tuples(st.integers(990, 999), st.integers(1, 40)), min_size=1, unique_by=lambda s: s[0]
).map(sorted)


@given(slices=SLICES, limit=st.integers(0, 120), need=st.integers(1, 130))
def test_a_request_fits_at_the_moment_that_is_named_and_not_before(
    slices: list[tuple[int, int]], limit: int, need: int
) -> None:
    # given a sliding window whose slices are listed, and what is left of them at some moment
    total = sum(value for _, value in slices)
    window = sliding(limit=limit, total=total, oldest=slices[0][0])

    def fits(at: int) -> bool:
        return need + sum(v for s, v in slices if call("is_live", window, s, at)) <= limit

    # when Lua says when it will fit
    listed = [{"slot": slot, "value": value} for slot, value in slices]
    found = call("fits_ms", window, need, listed)
    # then it does, to the millisecond (SEM-8)
    if found == 0:
        assert fits(9_999)
    elif found == -1:
        assert need > limit
    else:
        assert fits(found)
        assert not fits(found - 1)
        assert found > 9_999


def test_an_aligned_window_has_room_when_its_instance_ends() -> None:
    assert call("fits_ms", aligned(total=90), 10, []) == 0
    assert call("fits_ms", aligned(total=90), 11, []) == 11_000
    assert call("fits_ms", aligned(total=90), 101, []) == -1


def test_a_total_above_its_slices_is_corrupt() -> None:
    with pytest.raises(LuaFailed, match="CORRUPT window total is above its slices"):
        call("fits_ms", sliding(total=100, oldest=995), 1, [{"slot": 995, "value": 0}])


def test_nothing_fits_into_what_is_unlimited_only_above_two_to_the_53() -> None:
    assert call("fits_ms", sliding(limit=-1, total=40), AMOUNT_MAX - 40, []) == 0
    assert call("fits_ms", sliding(limit=-1, total=40), AMOUNT_MAX - 39, []) == -1


def test_reset_is_when_the_oldest_slice_leaves_or_the_instance_ends() -> None:
    assert call("reset_ms", sliding(total=1, oldest=1_000)) == 10_010 + LENGTH_MS
    assert call("reset_ms", sliding(total=0, oldest=1_000)) == 0
    assert call("reset_ms", aligned()) == 11_000


def moved(window: dict[str, int], amount: int, held: int) -> dict[str, Any]:
    """The window after a move."""
    table = _LUA.table(window)
    _LUA.call(_WINDOW.move, table, NOW_MS, amount, held)
    return dict(table)


def test_a_move_changes_total_slice_and_held() -> None:
    window = sliding(total=50, held=20, oldest=995) | {"slot": 1_000, "value": 30}
    after = moved(window, -10, -20)
    assert (after["total"], after["value"], after["held"], after["oldest"]) == (40, 20, 0, 995)
    assert after["is_moved"]


def test_a_move_into_an_empty_window_makes_its_slot_the_oldest() -> None:
    assert moved(sliding(oldest=900) | {"slot": 1_000, "value": 0}, 5, 0)["oldest"] == 1_000


def test_a_move_into_an_earlier_slot_makes_that_the_oldest() -> None:
    after = moved(sliding(total=9, oldest=1_000) | {"slot": 995, "value": 0}, 5, 0)
    assert (after["oldest"], after["total"], after["value"]) == (995, 14, 5)


def test_a_slice_that_has_left_is_not_adjusted_but_its_hold_ends() -> None:
    # given a hold that outlived its slice (SEM-15, SEM-51)
    window = sliding(total=50, held=20, oldest=995) | {"slot": 980, "value": 0}
    # when it returns
    after = moved(window, -20, -20)
    # then only `held` moves
    assert (after["total"], after["value"], after["held"]) == (50, 0, 0)


def test_an_instance_that_is_over_is_not_adjusted_at_all() -> None:
    after = moved(aligned(total=50, held=20) | {"slot": 7_000, "value": 0}, -20, -20)
    assert (after["total"], after["held"]) == (50, 20)
    assert "is_moved" not in after


@pytest.mark.parametrize(
    ("window", "amount"),
    [
        (sliding(total=10, oldest=1_000) | {"slot": 1_000, "value": 10}, -11),
        (sliding(total=20, oldest=1_000) | {"slot": 1_000, "value": 10}, -11),
        (sliding(limit=-1, total=AMOUNT_MAX) | {"slot": 1_000, "value": 0}, 1),
        (aligned(total=10) | {"slot": 9_000, "value": 0}, -11),
    ],
    ids=["below 0", "slice below 0", "above 2^53", "instance below 0"],
)
def test_an_impossible_move_is_refused(window: dict[str, int], amount: int) -> None:
    with pytest.raises(LuaFailed, match="CORRUPT window"):
        moved(window, amount, 0)

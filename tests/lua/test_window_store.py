"""Windows as they are stored, against naive ones that remember every single charge (SEM-14, W2).

The scripts' modules run on a dict in place of a server; time goes on, steps back and jumps ahead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from typing import Any

import pytest

from quotasvc.domain.unit import AMOUNT_MAX
from quotasvc.store.code import KindCode
from quotasvc.store.table import RING
from tests.support.lua import LuaFailed, LuaModules

KEY = "win"
SLICE_MS, LENGTH_MS = 10, 1_200  # as many slices as windows have
START_MS = 1_000_000


_LUA = LuaModules()
_LIMIT_LIST, _STORE, _RING = (
    _LUA.require(f"lib/{name}") for name in ("limit_list", "window_store", "ring_store")
)


@dataclass
class Stored:
    """The one window of an empty store, as a script reads, moves and writes it."""

    kind: KindCode
    limit: int = 1_000
    slice_ms: int = SLICE_MS
    length_ms: int = LENGTH_MS

    def __post_init__(self) -> None:
        _LUA.store.hashes.clear()

    def read(self, now: int, slot: int | None = None, **terms: int) -> Any:
        """What is there at `now`; for instances, with the terms that Python sends."""
        numbers = [0, self.kind, self.limit, 0, self.slice_ms, self.length_ms]
        numbers += [terms.get("start_ms", 0), terms.get("end_ms", 0)]
        window = _LUA.call(_LIMIT_LIST.of, numbers, 1, [KEY], 1)[1]
        _LUA.call(_STORE.read, window, now, slot)
        return window

    def charge(self, now: int, amount: int, held: int, **terms: int) -> int:
        """An admission; returns the slot."""
        window = self.read(now, **terms)
        _LUA.call(_STORE.charge, window, amount, held)
        _LUA.call(_STORE.write, window)
        return int(window.slot)

    def move(self, now: int, slot: int, amount: int, held: int, **terms: int) -> bool:
        """A settlement; returns whether the slot was there."""
        window = self.read(now, slot, **terms)
        is_there = _LUA.call(_STORE.plan, window, amount, held)
        _LUA.call(_STORE.write, window)
        return bool(is_there)

    def leaving(self, window: Any) -> list[tuple[int, int]]:
        """(time, amount) of what leaves a sliding window."""
        found = _LUA.call(_RING.leaving, window)
        return [(one.at_ms, one.amount) for one in found.values()]

    @property
    def fields(self) -> dict[str, str]:
        """As stored."""
        return _LUA.store.hashes.get(KEY, {})

    def spoil(self, name: str, value: str) -> None:
        """Overwrites a field."""
        _LUA.store.hashes.setdefault(KEY, {})[name] = value


@dataclass
class Naive:
    """The same sliding window by the words of W2: every charge in its slot, nothing rounded."""

    slots: Counter[int] = field(default_factory=Counter)
    held: int = 0

    def live(self, now: int) -> dict[int, int]:
        """The slots that count at `now` and have something in them."""
        first = (now - LENGTH_MS) // SLICE_MS
        return {slot: n for slot, n in self.slots.items() if n > 0 and slot >= first}

    def current(self, now: int) -> int:
        """The slot of `now`; while all that counts is newer, the oldest of it (SEM-37)."""
        return max(now // SLICE_MS, min(self.live(now), default=0))

    def move(self, now: int, slot: int, amount: int, held: int) -> bool:
        """Moves what is there; what has left has left for good at any write."""
        self.slots = Counter(self.live(now))
        self.held = max(0, self.held + held)
        oldest = min(self.slots, default=slot)
        is_there = oldest <= slot < oldest + RING and self.slots[slot] >= -amount
        if is_there:
            self.slots[slot] += amount
        return is_there


@pytest.mark.parametrize("seed", range(6))
def test_a_sliding_window_is_what_its_charges_make_it(seed: int) -> None:
    chance = Random(seed)
    stored, naive, now = Stored(KindCode.SLIDING), Naive(), START_MS
    holds: list[tuple[int, int]] = []
    for _ in range(250):
        # given time that goes on, and now and then is wrong
        now += chance.choice([0, 1, SLICE_MS, 3 * SLICE_MS, 40, 400, chance.randrange(1_500)])
        if chance.random() < 0.05:
            now += chance.choice([-25, -5 * SLICE_MS, -600, 2 * LENGTH_MS, 50 * LENGTH_MS])
        # when something is charged, or a hold is settled at less or more, however late
        if holds and chance.random() < 0.5:
            slot, amount = holds.pop(chance.randrange(len(holds)))
            moved = chance.choice([-amount, -amount // 2, 0])
            if naive.live(now).get(slot) and chance.random() < 0.2:
                moved = chance.randrange(20)  # an overrun is added where its hold was
            there = stored.move(now, slot, moved, -amount)
            expected = naive.move(now, slot, moved, -amount)
            assert there == expected or (moved == 0 and not naive.slots[slot])
        else:
            amount = chance.randrange(1, 30)
            slot = naive.current(now)
            assert stored.charge(now, amount, amount) == slot
            assert naive.move(now, slot, amount, amount)
            holds.append((slot, amount))
        # then at any time from now on both have the same in them
        for at in (now, now + 1, now + chance.randrange(2 * LENGTH_MS), now - chance.randrange(90)):
            window, live = stored.read(at), naive.live(at)
            assert window.total == sum(live.values())
            assert window.held == naive.held
            assert not live or window.oldest == min(live)
            assert window.value == naive.slots[window.slot] * (window.slot in live)
        live = naive.live(now)
        leaves = [((slot + 1) * SLICE_MS + LENGTH_MS, live[slot]) for slot in sorted(live)]
        assert stored.leaving(stored.read(now)) == leaves
        # and no more is stored than one turn of the ring, with no empty slice
        slices = {n: v for n, v in stored.fields.items() if n.isdigit()}
        assert len(slices) <= -(-LENGTH_MS // SLICE_MS) + 1 <= RING
        assert all(0 <= int(n) < RING and int(v) > 0 for n, v in slices.items())


DAY_MS = 1_000


@pytest.mark.parametrize("seed", range(6))
def test_an_aligned_window_forgets_yesterday_and_no_other_day(seed: int) -> None:
    chance = Random(seed)
    stored, now = Stored(KindCode.ALIGNED), START_MS
    used: Counter[int] = Counter()
    held: Counter[int] = Counter()
    holds: list[tuple[int, int]] = []
    in_force = 0
    for _ in range(300):
        # given days that pass, and a clock that is now and then wrong
        now += chance.choice([0, 100, 700, 1_500])
        if chance.random() < 0.05:
            now += chance.choice([-900, -2_500, 5_000])
        today = now // DAY_MS * DAY_MS
        terms = {"start_ms": today, "end_ms": today + DAY_MS}
        # when something is charged or settled
        if holds and chance.random() < 0.5:
            day, amount = holds.pop(chance.randrange(len(holds)))
            moved = chance.choice([-amount, -amount // 2, 0, 7])
            # then only the instance in force is adjusted (SEM-15): the later one, while the clock
            # is behind it (W3)
            is_there = day == max(today, in_force)
            assert stored.move(now, day, moved, -amount, **terms) == is_there
            if is_there:
                used[day] += moved
                held[day] -= amount
                in_force = day
        else:
            in_force = max(today, in_force)
            amount = chance.randrange(1, 30)
            assert stored.charge(now, amount, amount, **terms) == in_force
            used[in_force] += amount
            held[in_force] += amount
            holds.append((in_force, amount))
        shown = max(today, in_force)
        window = stored.read(now, **terms)
        assert (window.total, window.held, window.oldest) == (used[shown], held[shown], shown)
        assert bool(window.is_ahead) == (in_force > today)
        assert set(stored.fields) <= {"t", "h", "o"}


@pytest.mark.parametrize("seed", range(6))
def test_a_first_use_window_opens_at_a_charge_and_closes_empty_or_over(seed: int) -> None:
    chance = Random(seed)
    stored, now = Stored(KindCode.FIRST_USE, length_ms=DAY_MS), START_MS
    start, used, held = 0, 0, 0
    holds: list[tuple[int, int]] = []
    for _ in range(300):
        now += chance.choice([0, 50, 300, 1_200])
        if used == 0 or now >= start + DAY_MS:
            start, used, held = now, 0, 0
        if holds and chance.random() < 0.5:
            opened, amount = holds.pop(chance.randrange(len(holds)))
            moved = chance.choice([-amount, -amount // 2, 0, 7])
            # then what was charged to an instance that is over, or was closed, is gone (W4)
            is_there = opened == start and used > 0 and used >= -moved
            there = stored.move(now, opened, moved, -amount)
            assert there == is_there or (opened == start and used + moved >= 0)
            if there:
                used, held = used + moved, max(0, held - amount)
        else:
            amount = chance.randrange(1, 30)
            assert stored.charge(now, amount, amount) == start
            used, held = used + amount, held + amount
            holds.append((start, amount))
        window = stored.read(now)
        assert window.total == used
        assert used == 0 or (window.held, window.oldest) == (held, start)


def test_a_cycle_window_starts_anew_with_the_next_cycle() -> None:
    # given usage of one cycle (W5)
    stored = Stored(KindCode.CYCLE)
    first = {"start_ms": START_MS, "end_ms": START_MS + DAY_MS}
    slot = stored.charge(START_MS + 5, 30, 30, **first)
    # then it counts as long as the seat's cycle is that one, also in the grace after its end
    assert stored.read(START_MS + DAY_MS + 7, **first).total == 30
    assert stored.move(START_MS + DAY_MS + 7, slot, -10, -30, **first)
    # and not in the next
    second = {"start_ms": START_MS + DAY_MS, "end_ms": 0}
    assert stored.read(START_MS + DAY_MS + 8, **second).total == 0
    assert not stored.move(START_MS + DAY_MS + 8, slot, -10, 0, **second)
    # and one without end goes on
    stored.charge(START_MS + DAY_MS + 9, 5, 0, **second)
    assert stored.read(START_MS + 500 * DAY_MS, **second).total == 5


# What cannot be.


@pytest.mark.parametrize("kind", [KindCode.SLIDING, KindCode.ALIGNED, KindCode.FIRST_USE])
@pytest.mark.parametrize("name", ["t", "h", "o"])
@pytest.mark.parametrize("value", ["", "x", "1.5", "nan", "inf", "9007199254740992"])
def test_a_counter_that_is_no_number_is_named_with_its_key(
    kind: KindCode, name: str, value: str
) -> None:
    stored = Stored(kind)
    terms = {"start_ms": START_MS, "end_ms": START_MS + DAY_MS}
    stored.charge(START_MS, 30, 30, **terms)
    stored.spoil(name, value)
    with pytest.raises(LuaFailed, match=rf"^CORRUPT {KEY} {name} is not a whole number"):
        stored.read(START_MS, **terms)


@pytest.mark.parametrize("kind", [KindCode.SLIDING, KindCode.ALIGNED, KindCode.FIRST_USE])
@pytest.mark.parametrize("name", ["t", "h", "o"])
def test_a_counter_that_is_missing_is_named_with_its_key(kind: KindCode, name: str) -> None:
    # all three are written together, so one without the others is nobody's zero
    stored = Stored(kind)
    stored.charge(START_MS, 30, 30)
    del stored.fields[name]
    with pytest.raises(LuaFailed, match=rf"^CORRUPT {KEY} {name} is missing"):
        stored.read(START_MS)


@pytest.mark.parametrize("name", ["t", "h"])
def test_a_counter_below_nothing_is_named_with_its_key(name: str) -> None:
    stored = Stored(KindCode.SLIDING)
    stored.charge(START_MS, 30, 30)
    stored.spoil(name, "-1")
    with pytest.raises(LuaFailed, match=rf"^CORRUPT {KEY} {name} is out of range"):
        stored.read(START_MS)


@pytest.mark.parametrize("value", ["x", "-1", "0.5", str(AMOUNT_MAX + 1)])
@pytest.mark.parametrize("way", ["current", "leaving", "later"])
def test_a_slice_that_cannot_be_is_named_with_its_key(value: str, way: str) -> None:
    # given two slices of which one is spoiled
    stored = Stored(KindCode.SLIDING)
    slot = stored.charge(START_MS, 30, 30)
    stored.charge(START_MS + 20, 5, 5)
    stored.spoil(str(slot % RING), value)
    # then whoever looks at it is stopped: a decision in that slice, a denial, and the first write
    # after it has left
    ways: dict[str, Callable[[], object]] = {
        "current": lambda: stored.read(START_MS),
        "leaving": lambda: stored.leaving(stored.read(START_MS + 20)),
        "later": lambda: stored.read(START_MS + 2 * LENGTH_MS),
    }
    with pytest.raises(LuaFailed, match=rf"^CORRUPT {KEY} slice is"):
        ways[way]()


@pytest.mark.parametrize("name", [str(RING), str(START_MS // SLICE_MS), "-1", "0.5", "nan", "inf"])
@pytest.mark.parametrize("way", ["leaving", "later", "emptied"])
def test_a_slice_outside_the_ring_is_named_with_its_key(name: str, way: str) -> None:
    """SEM-14: a window of another layout is not misread."""
    # given a window with a slice under a number that no turn has
    stored = Stored(KindCode.SLIDING)
    slot = stored.charge(START_MS, 30, 30)
    stored.charge(START_MS + 20, 5, 5)
    stored.spoil(name, "7")
    before = dict(stored.fields)
    # then whoever looks at its slices is stopped, and it stays as it is
    ways: dict[str, Callable[[], object]] = {
        "leaving": lambda: stored.leaving(stored.read(START_MS + 20)),
        "later": lambda: stored.read(START_MS + 2 * LENGTH_MS),
        "emptied": lambda: stored.move(START_MS + 20, slot, -30, -30),
    }
    with pytest.raises(LuaFailed, match=rf"^CORRUPT {KEY} a slice is outside the ring"):
        ways[way]()
    assert stored.fields == before


def test_slices_that_are_more_than_their_total_are_refused() -> None:
    stored = Stored(KindCode.SLIDING)
    stored.charge(START_MS, 30, 30)
    stored.spoil("t", "29")
    with pytest.raises(LuaFailed, match=rf"^CORRUPT {KEY} total is below its slices"):
        stored.read(START_MS + 2 * LENGTH_MS)


def test_a_total_without_slices_is_refused_where_the_next_oldest_is_needed() -> None:
    # given a total that is more than the only slice
    stored = Stored(KindCode.SLIDING)
    slot = stored.charge(START_MS, 30, 30)
    stored.spoil("t", "31")
    with pytest.raises(LuaFailed, match=rf"^CORRUPT {KEY} total is above its slices"):
        stored.move(START_MS, slot, -30, -30)


def test_an_empty_window_is_not_written_by_reading_it() -> None:
    stored = Stored(KindCode.SLIDING)
    assert stored.read(START_MS).total == 0
    window = stored.read(START_MS)
    _LUA.call(_STORE.write, window)
    assert stored.fields == {}


NAMES = ("t", "h", "o", "slice")


@pytest.mark.parametrize("pair", tuple(combinations(range(4), 2)))
def test_parts_of_two_counters_do_not_make_a_whole_one(pair: tuple[int, int]) -> None:
    found = ["1.5" if i in pair else "2" for i in range(4)]
    with pytest.raises(LuaFailed, match=f"^CORRUPT {KEY} {NAMES[pair[0]]} is not a whole number"):
        _LUA.call(_LUA.require("lib/whole").counters, found, KEY)


@pytest.mark.parametrize("place", range(4))
def test_a_counter_may_be_as_large_as_an_amount(place: int) -> None:
    numbers = [AMOUNT_MAX if i == place else 2 for i in range(4)]
    found = [str(number) for number in numbers]
    assert _LUA.call(_LUA.require("lib/whole").counters, found, KEY) == tuple(numbers)


def test_an_empty_window_forgets_a_clock_that_was_ahead() -> None:
    # given a charge by a clock that was ahead, which has gone back whole
    stored, ahead = Stored(KindCode.SLIDING), START_MS + 50 * SLICE_MS
    slot = stored.charge(ahead, 30, 30)
    assert stored.move(ahead, slot, -30, -30)
    # when something is charged by a clock that is right
    # then it lies in its own slice (SEM-37), and leaves when that does
    assert stored.charge(START_MS, 5, 5) == START_MS // SLICE_MS
    assert stored.read(START_MS + LENGTH_MS + SLICE_MS).total == 0

"""The windows of a call arrive in Lua as Python sent them."""

from __future__ import annotations

from quotasvc.domain.order import window_term
from quotasvc.store.decision import window_args
from quotasvc.store.table import KindCode
from tests.support.catalogs import FIVE_HOURS, WEEK
from tests.support.clock import DAY, HOUR, START_MS
from tests.support.lua import LuaModules

MONDAY_MS = START_MS - 7 * HOUR


def test_python_and_lua_agree_on_the_numbers_of_a_window(lua: LuaModules) -> None:
    # given a sliding and an aligned window, with places that are not their positions
    terms = (window_term(2, FIVE_HOURS, START_MS), window_term(5, WEEK, START_MS))
    # when Lua reads what Python sends
    windows = lua.call(lua.require("lib/order_window").list, window_args(terms))
    # then every number has its name
    assert [dict(windows[i]) for i in (1, 2)] == [
        {
            "place": 2,
            "kind": KindCode.SLIDING,
            "limit": FIVE_HOURS.limit,
            "slice_ms": 150_000,
            "length_ms": 5 * HOUR,
            "start_ms": 0,
            "end_ms": 0,
        },
        {
            "place": 5,
            "kind": KindCode.ALIGNED,
            "limit": WEEK.limit,
            "slice_ms": WEEK.slice_ms,
            "length_ms": 7 * DAY,
            "start_ms": MONDAY_MS,
            "end_ms": MONDAY_MS + 7 * DAY,
        },
    ]
    assert len(windows) == 2


def test_no_windows_are_an_empty_list(lua: LuaModules) -> None:
    assert len(lua.call(lua.require("lib/order_window").list, window_args(()))) == 0

"""Mutants of Lua modules that no answer tells from the original, each with the reason why."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mutants.mutant import Key
from tests.mutants.plant import LUA

_LIB = f"{LUA}/lib"

_LOOK = "a first look, which only saves the second: that one decides"
_SAME = "where the two are equal, both answers are the same"
_FIRST = "nothing ends in the first millisecond of all"
_BATCH = "how many enter at once: the rest does with the next call"
_NONE = "a difference of nothing is not looked at"
_SLICE = "where the first three are sound it is the slice that is not, and so it is there"
_LEASE = "reads one lease more than it looks at"
_END = "each lot has its end among them, be it none"

EQUIVALENT_LUA: Mapping[Key, str] = {
    Key(
        f"{_LIB}/closed_lot_store.lua", "local STEP = 100", 13, "number"
    ): "how many are read at a time",
    Key(
        f"{_LIB}/revoke_store.lua", "for number = 2, BOUND.lots + 1 do", 29, "number"
    ): "no grant has more lots: the next one is not there",
    Key(f"{_LIB}/lot_store.lua", "local PAGE = 16", 13, "number"): "how many are read at a time",
    Key(
        f"{_LIB}/lot_page_store.lua",
        'for _, member in ipairs(redis.call("ZRANGE", KEY.pool_waiting, from, '
        "from + size - #page)) do",
        81,
        "minus",
    ): "reads more of them than it looks at",
    Key(
        f"{_LIB}/open_lot_store.lua",
        'local at = after == "" and -1 or redis.call("ZRANK", KEY.pool_order, after)',
        28,
        "number",
    ): "no place is before the first",
    Key(
        f"{_LIB}/open_lot_store.lua",
        "if place > last then members[place] = member end",
        9,
        "greater",
        1,
    ): "the last one itself is not among them",
    Key(
        f"{_LIB}/open_lot_store.lua",
        'local last = after == "" and -1 or rank(after)',
        30,
        "number",
    ): "any number below 0 is before the first",
    Key(
        f"{_LIB}/entry_store.lua",
        'local found, lots = redis.call("ZRANGE", KEY.pool_waiting, 0, BOUND.batch - 1), {}',
        74,
        "minus",
    ): _BATCH,
    Key(
        f"{_LIB}/entry_store.lua",
        'local found, lots = redis.call("ZRANGE", KEY.pool_waiting, 0, BOUND.batch - 1), {}',
        76,
        "number",
    ): _BATCH,
    Key(
        f"{_LIB}/entry_store.lua",
        "one.is_over = one.expire_ms > 0 and one.expire_ms <= now",
        30,
        "number",
    ): _FIRST,
    Key(
        f"{_LIB}/revoke_store.lua",
        "local is_over = expire_ms > 0 and expire_ms <= now",
        28,
        "number",
    ): _FIRST,
    Key(
        f"{_LIB}/due_store.lua", "if team.due_ms == 0 or expire_ms < team.due_ms then", 33, "less"
    ): _SAME,
    Key(f"{_LIB}/limit_store.lua", "if free < room then room = free end", 8, "less"): _SAME,
    Key(
        f"{_LIB}/lot.lua", "if need == 0 then break end", 0, "drop"
    ): "what needs nothing more takes nothing from any lot",
    Key(
        f"{_LIB}/lot_move_store.lua",
        'if #legs > 0 then redis.call("ZCARD", KEY.pool_order) end',
        9,
        "greater",
    ): "asks the order once more than needed",
    Key(
        f"{_LIB}/lot_move_store.lua", "if back > 0 then", 8, "greater"
    ): "what comes back is not nothing here",
    Key(
        f"{_LIB}/lot_move_store.lua",
        "if leg.back > 0 and lost[leg.goes_to] then lost[leg.goes_to]"
        " = lost[leg.goes_to] + leg.back end",
        12,
        "greater",
    ): "adds nothing",
    Key(
        f"{_LIB}/payer.lua",
        "if plan.straddle == STRADDLE.SPLIT and room > 0 and room >= "
        "plan.split_min then return room end",
        44,
        "greater",
    ): "a share of no room is no share",
    Key(
        f"{_LIB}/record_store.lua", "names[kind] = of_kind", 0, "drop"
    ): "a name is made anew each time: time only",
    Key(
        f"{_LIB}/returnable_store.lua",
        "for i = 1, math.min(#held, 2 * BOUND.lots), 2 do",
        27,
        "number",
    ): "a bound on what is read: no pool has so many lots open",
    Key(
        f"{_LIB}/settlement.lua",
        "if not plan.is_leg or excess <= 0 then return 0 end",
        29,
        "less-equal",
    ): "cuts off nothing",
    Key(
        f"{_LIB}/sum_store.lua",
        'for _, text in ipairs(found) do whole.amount_of(text, 0, key, "sum") end',
        54,
        "number",
    ): "an absent sum is sound, whatever it is taken for",
    Key(
        f"{_LIB}/team_store.lua",
        "and version % 1 + seq % 1 + entry % 1 + clock_ms % 1 + due_ms % 1 == 0",
        14,
        "number",
    ): _LOOK,
    Key(
        f"{_LIB}/team_store.lua",
        "and version % 1 + seq % 1 + entry % 1 + clock_ms % 1 + due_ms % 1 == 0",
        24,
        "number",
    ): _LOOK,
    Key(
        f"{_LIB}/team_store.lua",
        "and version % 1 + seq % 1 + entry % 1 + clock_ms % 1 + due_ms % 1 == 0",
        36,
        "number",
    ): _LOOK,
    Key(
        f"{_LIB}/team_store.lua",
        "and version % 1 + seq % 1 + entry % 1 + clock_ms % 1 + due_ms % 1 == 0",
        51,
        "number",
    ): _LOOK,
    Key(
        f"{_LIB}/team_store.lua",
        "and version % 1 + seq % 1 + entry % 1 + clock_ms % 1 + due_ms % 1 == 0",
        64,
        "number",
    ): _LOOK,
    Key(
        f"{_LIB}/team_store.lua",
        "and math.max(version, seq, entry, clock_ms, due_ms) <= BOUND.amount",
        52,
        "less-equal",
    ): _LOOK,
    Key(
        f"{_LIB}/team_store.lua",
        "and math.min(version, seq, entry, clock_ms, due_ms) >= 0",
        52,
        "greater-equal",
    ): _LOOK,
    Key(
        f"{_LIB}/team_store.lua",
        "and math.min(version, seq, entry, clock_ms, due_ms) >= 0",
        55,
        "number",
    ): _LOOK,
    Key(
        f"{_LIB}/team_store.lua", "whole.amount_of(found[i], 0, key, what)", 26, "number"
    ): "an absent counter is sound, whatever it is taken for",
    Key(
        f"{_LIB}/team_store.lua",
        "if team.clock_ms > time_ms and team.clock_ms - time_ms <= BOUND.skew_ms then",
        17,
        "greater",
    ): _SAME,
    Key(
        f"{_LIB}/token_store.lua",
        "window_store.read(w, now, difference < 0 and slot or nil)",
        37,
        "less",
    ): _NONE,
    Key(
        f"{_LIB}/token_store.lua",
        "window_store.read(w, now, difference < 0 and slot or nil)",
        39,
        "number",
    ): _NONE,
    Key(
        f"{_LIB}/whole.lua",
        "whole.amount_of(found[i], i == 4 and 0 or nil, key, what)",
        31,
        "number",
    ): _SLICE,
    Key(
        f"{_LIB}/whole.lua",
        "whole.amount_of(found[i], i == 4 and 0 or nil, key, what)",
        37,
        "number",
    ): _SLICE,
    Key(
        f"{_LIB}/whole.lua", 'error({err = "CORRUPT " .. key .. " counters"})', 0, "drop"
    ): "never reached: what the first look refuses, one of the four is refused for",
    Key(
        f"{_LIB}/window.lua",
        'if total < 0 or total > BOUND.amount then whole.amount(total, w.key, "total") end',
        9,
        "less",
    ): _LOOK,
    Key(
        f"{_LIB}/window.lua",
        'if total < 0 or total > BOUND.amount then whole.amount(total, w.key, "total") end',
        11,
        "number",
    ): _LOOK,
    Key(
        f"{_LIB}/window.lua",
        'if total < 0 or total > BOUND.amount then whole.amount(total, w.key, "total") end',
        22,
        "greater",
    ): _LOOK,
    Key(
        f"{_LIB}/window.lua",
        'if value < 0 or value > BOUND.amount then whole.amount(value, w.key, "slice") end',
        9,
        "less",
    ): _LOOK,
    Key(
        f"{_LIB}/window.lua",
        'if value < 0 or value > BOUND.amount then whole.amount(value, w.key, "slice") end',
        11,
        "number",
    ): _LOOK,
    Key(
        f"{_LIB}/window.lua",
        'if value < 0 or value > BOUND.amount then whole.amount(value, w.key, "slice") end',
        22,
        "greater",
    ): _LOOK,
    Key(
        f"{_LIB}/window_store.lua",
        "if total == 0 and oldest > current then oldest = current end",
        25,
        "greater",
    ): _SAME,
    Key(f"{_LIB}/window_store.lua", "if not slot and oldest > current then", 23, "greater"): _SAME,
    Key(
        f"{_LIB}/window_store.lua",
        'value = whole.of(redis.call("HGET", w.key, current % BOUND.ring), 0, w.key, "slice")',
        66,
        "number",
    ): "the oldest slice is there while anything is",
    Key(
        f"{_LIB}/window_store.lua",
        "if oldest < first_live then ring_store.let_go(w, first_live, current) end",
        10,
        "less",
    ): "looks for what has left, and finds nothing",
    Key(
        f"{_LIB}/window_store.lua",
        "if not window.is_live(w, amount < 0 and -amount or 0) then",
        32,
        "less",
    ): "nothing is taken out in either case",
    Key(
        f"{_LIB}/window_store.lua",
        "if not window.is_live(w, amount < 0 and -amount or 0) then",
        34,
        "number",
    ): "nothing is taken out in either case",
    Key(
        f"{_LIB}/returnable_store.lua",
        'local ends_ms = whole.of(redis.call("HGET", KEY.pool_ends, id), 0, KEY.pool_ends, id)',
        64,
        "number",
    ): _END,
    Key(
        f"{_LIB}/record_store.lua",
        'redis.call("HSET", key, unpack(flat, first, math.min(#flat, first + PUT_MAX - 1)))',
        76,
        "minus",
    ): "writes two of its words twice",
    Key(
        f"{_LIB}/lease_store.lua",
        '"ZRANGEBYSCORE", w.key, string.format("(%.0f", now), "+inf", "WITHSCORES", "LIMIT", 0, 1',
        87,
        "number",
    ): _LEASE,
    Key(f"{_LIB}/lease_store.lua", '"LIMIT", w.total - w.limit, 1', 28, "number"): _LEASE,
    Key(
        f"{_LIB}/waiting_store.lua",
        'local ends_ms = whole.of(redis.call("HGET", KEY.pool_ends, id), 0, KEY.pool_ends, id)',
        64,
        "number",
    ): _END,
    Key(
        f"{_LIB}/waiting_store.lua",
        'local oldest = redis.call("ZRANGE", KEY.pool_waiting, 0, 0)[1]',
        57,
        "number",
    ): "reads one more of them than it looks at",
    Key(f"{_LIB}/waiting_store.lua", "return ends_ms > 0 and ends_ms or nil", 17, "number"): _FIRST,
}

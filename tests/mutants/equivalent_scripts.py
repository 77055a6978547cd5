"""Equivalent mutants of the scripts, as equivalent.py has those of the domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.mutants.mutant import Key
from tests.mutants.plant import LUA

_COMMIT = f"{LUA}/decision/commit.lua"
_EXPIRE = f"{LUA}/decision/expire.lua"
_RECORD = f"{LUA}/decision/record_usage.lua"
_REFUND = f"{LUA}/decision/refund.lua"
_RELEASE = f"{LUA}/decision/release.lua"
_RESERVE = f"{LUA}/decision/reserve.lua"

_UNTIMED = "no time is read from an answer that knows nothing"
_TIMELESS: Mapping[tuple[str, int], tuple[str, ...]] = {
    ("return reply.plain(OUTCOME.UNKNOWN, 0, team)", 36): tuple(
        f"decision/{name}" for name in ("commit", "expire", "extend", "refund", "release")
    ),
    ("if team == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end", 56): (
        *(f"decision/{name}" for name in ("book", "due", "enter", "find")),
        *("control/grant_lot", "control/revoke_lot"),
    ),
    ("if team == nil then return reply.plain(OUTCOME.STALE, 0) end", 54): (
        *("decision/confirm", "decision/reserve", "decision/record_usage"),
        *(f"usage/{name}" for name in ("balance", "lots", "remains")),
    ),
    ("if purge_ms == nil then return reply.plain(OUTCOME.UNKNOWN, 0) end", 60): ("decision/purge",),
}

_NO_TOKENS = "any number below 0 says that nobody counted"
_NO_POOL = "the payer 1 is the plan, which is no pool"
_UNASKED = "where no pool is asked nothing of it is told"
_TOKENS = "token_store.plan(record, limits, now, -1)"


def _timeless() -> Iterator[Key]:
    for (line, column), names in _TIMELESS.items():
        for name in names:
            yield Key(f"{LUA}/{name}.lua", line, column, "number")


EQUIVALENT_SCRIPTS: Mapping[Key, str] = {
    **dict.fromkeys(_timeless(), _UNTIMED),
    Key(
        _COMMIT,
        "if team_store.is_due(team, now) or "
        "(state == STATE.HELD and record_store.expire_ms(record) <= now) then",
        91,
        "less-equal",
    ): "a team is due no later than its first hold ends",
    Key(
        _COMMIT,
        "token_store.plan(record, limits, now, ARG.as_reserved == 1 and -1 or ARG.tokens)",
        64,
        "number",
    ): _NO_TOKENS,
    Key(
        f"{LUA}/control/put_team.lua",
        "{version = 0, seq = 0, entry = 0, clock_ms = 0, due_ms = 0}",
        45,
        "number",
    ): "any time before now",
    Key(
        _COMMIT,
        "if record_store.amount(record, FIELD.pool) > 0 and short > 0 "
        "and settlement.may_draw(plan, legs) then",
        45,
        "number",
    ): _NO_POOL,
    Key(
        f"{LUA}/decision/due.lua", "agenda_store.probe()", 0, "drop"
    ): "the list is what is written first: it says itself that it is none, and nothing has changed",
    Key(_EXPIRE, _TOKENS, 39, "number"): _NO_TOKENS,
    Key(
        f"{LUA}/decision/extend.lua",
        "local is_charged = w.place < BOUND.gate and "
        "record_store.slot(record, FIELD.slot, w.place)",
        27,
        "less",
    ): "the first gate counts requests, of which no record says where",
    Key(_RELEASE, _TOKENS, 39, "number"): _NO_TOKENS,
    Key(
        _RECORD, "if ARG.pool > 0 and rest > 0 and waiting_store.is_due(now) then", 14, "number"
    ): _NO_POOL,
    Key(
        _RECORD, "share = math.min(math.max(room, 0), ARG.cost)", 32, "number"
    ): "the plan has what the pool has not: without room that is a nano at least",
    Key(_RESERVE, "if ARG.pool > 0 and rest > 0 then", 14, "number"): _NO_POOL,
    Key(
        _RESERVE,
        "if ARG.pool > 0 then available, held = rest - short, returnable_store.sum(now) end",
        14,
        "number",
    ): _NO_POOL,
    Key(_RESERVE, "local available, held, plan_need = 0, 0, 0", 38, "number"): _UNASKED,
    Key(
        _REFUND,
        "units = is_counted and math.min(ARG.units, sums.units - sums.units_back) or nil",
        54,
        "minus",
    ): "more units than are left are refused before, by the refunds that were seen",
}

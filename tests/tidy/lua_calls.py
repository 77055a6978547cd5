"""Which functions of the Lua modules write to the store, directly or through others.

Reads our own style only: top-level functions that end with an `end` in the first column, modules
bound by `local x = require("lib.x")`. What it cannot place it counts as run by the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from quotasvc.store.lua_sources import LuaSource

READS = frozenset(
    (
        *("EXISTS", "GET", "MGET", "PTTL", "STRLEN", "TIME", "TTL", "TYPE"),
        *("HEXISTS", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "HSTRLEN", "HVALS"),
        *("ZCARD", "ZCOUNT", "ZLEXCOUNT", "ZMSCORE", "ZRANGE", "ZRANK", "ZSCORE"),
        *("ZRANGEBYLEX", "ZRANGEBYSCORE", "ZREVRANGE", "ZREVRANGEBYSCORE", "ZREVRANK"),
        *("LINDEX", "LLEN", "LRANGE", "SCARD", "SISMEMBER", "SMEMBERS", "SMISMEMBER"),
        *("XLEN", "XRANGE", "XREVRANGE"),
    )
)
"""Every other command counts as a write."""

_FUNCTION = re.compile(
    r"^(?:local )?function (?:\w+[.:])?(?P<name>\w+)\((?:[^\n]*\bend$|.*?^end\b)",
    re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"""\bredis\.p?call\(\s*(?:["'](?P<command>\w+)["'])?""")
_REQUIRED = re.compile(r'\blocal (?P<alias>\w+) = require\("(?P<module>[\w.]+)"\)')
_OWN_TABLE = re.compile(r"^return (\w+)\s*\Z", re.MULTILINE)
_NAME = re.compile(r"(?<![\w.:])(?P<name>\w+)(?:[.:](?P<member>\w+))?")


@dataclass(frozen=True, slots=True)
class Part:
    """One function of a file, or (unnamed) what the file itself runs: same places, rest blank."""

    name: str
    code: str

    def commands(self) -> Iterator[str]:
        """The commands that are sent; one whose name is computed is an empty word."""
        for match in _COMMAND.finditer(self.code):
            yield (match["command"] or "").upper()


def parts(source: LuaSource) -> tuple[Part, ...]:
    """The functions of the file, then what it runs by itself."""
    spans = [(match["name"], *match.span()) for match in _FUNCTION.finditer(source.names)]
    own = source.code
    for _, start, end in spans:
        own = own[:start] + re.sub(r"[^\n]", " ", own[start:end]) + own[end:]
    return (*(Part(name, source.code[start:end]) for name, start, end in spans), Part("", own))


def mentions(source: LuaSource, code: str) -> Iterator[tuple[int, str]]:
    """Functions that `code`, a piece of the file, names: where, and as "lib.module.function"."""
    tables = {match["alias"]: match["module"] for match in _REQUIRED.finditer(source.code)}
    tables |= {match[1]: source.module for match in _OWN_TABLE.finditer(source.code)}
    for match in _NAME.finditer(code):
        name, member = match["name"], match["member"]
        if member is None:
            yield match.start(), f"{source.module}.{name}"
        elif name in tables:
            yield match.start(), f"{tables[name]}.{member}"


def writers(sources: Iterable[LuaSource]) -> frozenset[str]:
    """All functions that write, as "lib.module.function"; "lib.module." if requiring it does."""
    calls: dict[str, set[str]] = {}
    found: set[str] = set()
    for source in sources:
        for part in parts(source):
            name = f"{source.module}.{part.name}"
            calls[name] = {mentioned for _, mentioned in mentions(source, part.code)} - {name}
            if not READS.issuperset(part.commands()):
                found.add(name)
    grown = True
    while grown:
        more = {name for name, named in calls.items() if named & found} - found
        grown = bool(more)
        found |= more
    return frozenset(found)

"""The rules that make mutants of a Lua file: by token, and by leaving out a statement.

Which Lua decides is a rule, too. Of a script it is what stands above its write line; of the modules
it is all that is no store, and of the stores (`*_store.lua`) those that compare by size, for that
is what a decision is. The other stores say where things lie: what they read wrongly, the tests of
corrupt keys find, and what they write wrongly, the mutants planted by hand.

Strings and comments stay as they are, and so does what does not parse. Knows Lua 5.1's tokens;
leaves its grammar to Lua itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lupa.lua51 import LuaRuntime, LuaSyntaxError

from quotasvc.store.lua_sources import LuaSource
from tests.mutants.mutant import Mutant

MARK = "-- From here on nothing may fail."
"""Below it a script only writes."""

STATEMENT_LINES_MAX = 8

SWAPS: Mapping[str, tuple[str, str]] = {
    "<": ("less", "<="),
    "<=": ("less-equal", "<"),
    ">": ("greater", ">="),
    ">=": ("greater-equal", ">"),
    "==": ("equal", "~="),
    "~=": ("unequal", "=="),
    "+": ("plus", "-"),
    "-": ("minus", "+"),
    "and": ("and", "or"),
    "or": ("or", "and"),
    "true": ("true", "false"),
    "false": ("false", "true"),
    "math.min": ("min", "math.max"),
    "math.max": ("max", "math.min"),
    "math.floor": ("floor", "math.ceil"),
}
"""A token, the operator's name, and what stands there instead."""

_TOKEN = re.compile(
    r"(?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<number>\d[\w.]*)"
    r"|(?P<sign>[<>=~]=|\.\.\.?|\S)"
)
_KEYWORDS = {
    *("and", "break", "do", "else", "elseif", "end", "for", "function", "if", "in", "local"),
    *("not", "or", "repeat", "return", "then", "until", "while"),
}
_BY_SIZE = re.compile(r"[<>]|\bmath\.(?:min|max)\b")
_REQUIRE = re.compile(r"\s*local \w+ = require\(")
_NOT_DROPPED = re.compile(r"\s*(?:local|function|return|end|else|elseif|until)\b|\s*$")


class LuaOperators:
    """All rules for Lua, with the Lua that says what parses."""

    def __init__(self) -> None:
        self._lua = LuaRuntime()

    def mutants(self, path: str, text: str) -> Iterator[Mutant]:
        """All that the rules make of the part of `text` that decides; each of them parses."""
        names = LuaSource.of(path, path, text).names
        stop = text.find(MARK)
        names = names if stop < 0 else names[:stop]
        if path.endswith("_store.lua") and not _BY_SIZE.search(names):
            return
        for mutant in (*_by_token(path, text, names), *self._by_statement(path, text, names)):
            if self.parses(mutant.mutated):
                yield mutant

    def parses(self, text: str) -> bool:
        """Whether `text` is a chunk of Lua 5.1."""
        try:
            self._lua.compile(text)
        except LuaSyntaxError:
            return False
        return True

    def _by_statement(self, path: str, text: str, names: str) -> Iterator[Mutant]:
        """Leaves out whole statements that have their lines to themselves."""
        starts = [0, *(match.end() for match in re.finditer("\n", names)), len(names) + 1]
        for i, start in enumerate(starts[:-1]):
            if _NOT_DROPPED.match(names[start : starts[i + 1] - 1]):
                continue
            for stop in starts[i + 1 : i + 1 + STATEMENT_LINES_MAX]:
                statement = names[start : stop - 1]
                # What is blank in `names` may be a string; the text is what has to parse.
                if self.parses(f"while 0 do\n{text[start : stop - 1]}\nend"):
                    begin = start + len(statement) - len(statement.lstrip())
                    end = start + len(text[start : stop - 1].rstrip())
                    yield Mutant(path, text, begin, end, "", "drop")
                    break


def _by_token(path: str, text: str, names: str) -> Iterator[Mutant]:
    requires = {i for i, line in enumerate(names.split("\n")) if _REQUIRE.match(line)}
    before: re.Match[str] | None = None
    for token in _TOKEN.finditer(names):
        is_operand, before = _is_operand(before), token
        if names.count("\n", 0, token.start()) in requires:
            continue
        if token[0] in "+-" and not is_operand:
            continue
        if token["number"] is not None and token[0].isdigit():
            new = str(int(token[0]) + 1)
            yield Mutant(path, text, token.start(), token.end(), new, "number")
        elif token[0] == "not":
            end = token.end() + len(names[token.end() :]) - len(names[token.end() :].lstrip())
            yield Mutant(path, text, token.start(), end, "", "not")
        elif token[0] in SWAPS:
            operator, new = SWAPS[token[0]]
            yield Mutant(path, text, token.start(), token.end(), new, operator)


def _is_operand(token: re.Match[str] | None) -> bool:
    """Whether a `-` after this token is between two operands."""
    if token is None:
        return False
    if token["sign"] is not None:
        return token[0] in ")]}"
    return token[0] not in _KEYWORDS

"""Each Lua file: who may talk to the store, and how numbers and texts are treated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from quotasvc.store.lua_sources import LuaSource
from tests.tidy.sources import ROOT, files, matches, name_of, python_files, text_of

LUA = ROOT / "quotasvc/store/lua"
STITCHER = "quotasvc/store/stitcher.py"
TEXT_NAMES = {"id", "ids", "key", "member", "name", "state", "what"}
"""What holds text by convention, so that it may be joined: `..` prints 1e14 as "1e+14"."""

_STORE_FILE = re.compile(r"(?:.*_store|clock)\.lua")
_JOIN = re.compile(r"(?<!\.)\.\.(?!\.)")
_LEFT = re.compile(r"""(?:["']|\b(?P<name>\w+)(?:\[\w+\])?)\s*\Z""")
_RIGHT = re.compile(r"""\s*(?:["']|(?:\w+\.)*(?P<name>\w+))""")
_FRACTION = re.compile(r"(?<![\w.])(?:\d+\.\d|\.\d|\d+(?:\.\d*)?[eE][+-]?\d)")
_ROUNDING = re.compile(r"\bmath\.(?:floor|ceil)\(")

Rule = Callable[[LuaSource], Iterator[int]]


def _hits(pattern: str) -> Rule:
    def rule(source: LuaSource) -> Iterator[int]:
        return (match.start() for match in re.finditer(pattern, source.names))

    return rule


def _no_first_line(source: LuaSource) -> Iterator[int]:
    if not source.text.startswith(f"-- {source.path.rpartition('/')[2].removesuffix('.lua')}: "):
        yield 0


def _talks_to_the_store(source: LuaSource) -> Iterator[int]:
    if not _STORE_FILE.fullmatch(source.path.rpartition("/")[2]):
        yield from _hits(r"\bredis\b")(source)


def _joins_what_may_be_a_number(source: LuaSource) -> Iterator[int]:
    for join in _JOIN.finditer(source.names):
        sides = _LEFT.search(source.code[: join.start()]), _RIGHT.match(source.code, join.end())
        if not all(side and side["name"] in {None, *TEXT_NAMES} for side in sides):
            yield join.start()


def _divides_without_rounding(source: LuaSource) -> Iterator[int]:
    rounded = [
        range(m.end(), _closing(source.names, m.end())) for m in _ROUNDING.finditer(source.names)
    ]
    for slash in re.finditer("/", source.names):
        if not any(slash.start() in span for span in rounded):
            yield slash.start()


def _closing(text: str, start: int) -> int:
    """Where the bracket that was opened just before `start` closes."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return len(text)


def _keeps_between_calls(source: LuaSource) -> Iterator[int]:
    """A module is run once, so that what lies in its own tables stays from call to call: only what
    it returns, and what says beside it why it stays small."""
    own = re.search(r"^return (\w+)\s*\Z", source.text, re.MULTILINE)
    for match in re.finditer(r"^local (\w+) = \{\}(?P<why> -- .+)?$", source.text, re.MULTILINE):
        if source.path.startswith("lib/") and not match["why"] and not (own and own[1] == match[1]):
            yield match.start()


def _has_a_fraction(source: LuaSource) -> Iterator[int]:
    return (match.start() for match in _FRACTION.finditer(source.names))


RULES: dict[str, Rule] = {
    "the first line says what the file is for": _no_first_line,
    "only *_store.lua and clock.lua talk to the store": _talks_to_the_store,
    "positions belong to the stitcher": _hits(r"\b(?:KEYS|ARGV|P|K|N|W)\b"),
    "keys and arguments are named one by one": _hits(r"\b(?:KEY|ARG)\b(?!\.\w)"),
    "functions are registered by the stitcher": _hits(r"\bregister_function\b"),
    "what is kept between calls says why it stays small": _keeps_between_calls,
    "no number becomes text by tostring or cjson": _hits(r"\b(?:tostring|cjson|cmsgpack)\b"),
    "only texts are joined": _joins_what_may_be_a_number,
    "a division is rounded on the spot": _divides_without_rounding,
    "no fractions": _has_a_fraction,
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_lua(rule: Rule) -> None:
    found = []
    for path in files(".lua", below="quotasvc"):
        source = LuaSource.of(path.stem, path.relative_to(LUA).as_posix(), text_of(path))
        found += [source.at(place) for place in rule(source)]
    assert found == []


def test_positions_are_known_to_the_stitcher_only() -> None:
    pattern = re.compile(r"\b(?:KEYS|ARGV|K|N|W)\[|\bP\.")
    found = {
        name_of(path): lines
        for path in python_files("quotasvc")
        if name_of(path) != STITCHER and (lines := matches(pattern, text_of(path)))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (_no_first_line, "local lot = {}"),
        (_talks_to_the_store, 'redis.call("HGET", KEY.lots, id)'),
        (_talks_to_the_store, "local r = redis"),
        (RULES["positions belong to the stitcher"], "local key = KEYS[1]"),
        (RULES["positions belong to the stitcher"], "local key = K[1]"),
        (RULES["keys and arguments are named one by one"], "local key = KEY[name]"),
        (RULES["keys and arguments are named one by one"], "local all = ARG"),
        (
            RULES["functions are registered by the stitcher"],
            'redis.register_function("f", function() end)',
        ),
        (_keeps_between_calls, "local seen = {}\nreturn lot"),
        (RULES["no number becomes text by tostring or cjson"], "return tostring(n)"),
        (RULES["no number becomes text by tostring or cjson"], "return cjson.encode(x)"),
        (_joins_what_may_be_a_number, 'error("CORRUPT " .. amount)'),
        (_joins_what_may_be_a_number, 'local field = w.slot .. ":held"'),
        (_joins_what_may_be_a_number, 'error("of " .. lot.amount .. " nanos")'),
        (_joins_what_may_be_a_number, 'error("is " .. (a + b))'),
        (_divides_without_rounding, "local slice = now / w.slice_ms"),
        (_divides_without_rounding, "local x = math.floor(a) / b"),
        (_has_a_fraction, "local share = amount * 0.5"),
        (_has_a_fraction, "local most = 1e15"),
    ],
)
def test_a_bad_line_is_found(rule: Rule, line: str) -> None:
    assert list(rule(LuaSource.of("lib.lot", "lib/lot.lua", line))) != []


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (_no_first_line, "-- lot: how an amount is drawn."),
        (_talks_to_the_store, "-- redis.call is for others"),
        (_joins_what_may_be_a_number, 'error({err = "CORRUPT " .. what .. " is missing"})'),
        (_joins_what_may_be_a_number, "local function f(...) return {...} end"),
        (_divides_without_rounding, "local s = math.floor((now - w.length_ms) / w.slice_ms)"),
        (_keeps_between_calls, "local lot = {}\nreturn lot"),
        (_keeps_between_calls, "local names = {} -- of ten kinds\nreturn lot"),
        (_keeps_between_calls, "function lot.of()\n  local found = {}\nend\nreturn lot"),
        (RULES["keys and arguments are named one by one"], "f(KEY.limits, ARG.amount)"),
        (_has_a_fraction, 'local w1 = string.format("%.0f", x.y2)'),
    ],
)
def test_a_good_line_is_not(rule: Rule, line: str) -> None:
    assert list(rule(LuaSource.of("lib.lot", "lib/lot.lua", line))) == []

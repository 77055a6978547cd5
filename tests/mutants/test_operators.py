"""The rules make what they say and touch nothing else; the data of this folder fit the tree."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from lupa.lua51 import LuaRuntime

from tests.mutants import equivalent
from tests.mutants.lua_operators import MARK, LuaOperators
from tests.mutants.mutant import Key, Mutant, by_id
from tests.mutants.operators import generate
from tests.mutants.plant import Planted, mutant_of
from tests.mutants.planted import PLANTED
from tests.mutants.python_operators import PythonOperators
from tests.mutants.selection import NOT_ASKED, TABLE, stages

ROOT = Path(__file__).resolve().parents[2]


@cache
def _all() -> tuple[Mutant, ...]:
    return generate(ROOT)


def _lua(text: str) -> tuple[Mutant, ...]:
    return tuple(LuaOperators().mutants("x.lua", text))


def _python(text: str) -> tuple[Mutant, ...]:
    return tuple(PythonOperators("x.py", text).mutants())


def _written(mutants: Iterable[Mutant], operator: str) -> list[str]:
    return [mutant.mutated for mutant in mutants if mutant.operator == operator]


@pytest.mark.parametrize(
    ("operator", "text", "mutated"),
    [
        ("less", "return a < b", "return a <= b"),
        ("less-equal", "return a <= b", "return a < b"),
        ("greater", "return a > b", "return a >= b"),
        ("greater-equal", "return a >= b", "return a > b"),
        ("equal", "return a == b", "return a ~= b"),
        ("unequal", "return a ~= b", "return a == b"),
        ("plus", "return a + b", "return a - b"),
        ("minus", "return (a) - b", "return (a) + b"),
        ("min", "return math.min(a, b)", "return math.max(a, b)"),
        ("max", "return math.max(a, b)", "return math.min(a, b)"),
        ("floor", "return math.floor(a)", "return math.ceil(a)"),
        ("and", "return a and b", "return a or b"),
        ("or", "return a or b", "return a and b"),
        ("not", "return not  (a)", "return (a)"),
        ("true", "return true", "return false"),
        ("false", "return false", "return true"),
        ("number", "return -0", "return -1"),
        ("drop", "  f(a)\nreturn a", "  \nreturn a"),
        ("drop", "f(\n  a\n)\nreturn a", "\nreturn a"),
        ("drop", "if a then return b end\nreturn a", "\nreturn a"),
        ("drop", "a.b = c -- so\nreturn a", "\nreturn a"),
    ],
)
def test_a_rule_for_lua_makes(operator: str, text: str, mutated: str) -> None:
    assert _written(_lua(text), operator) == [mutated]


@pytest.mark.parametrize(
    "text",
    [
        'return "a < 1 and not b + 2"',
        "-- a < 1 and f(b)\nreturn a",
        "return -a",
        'local lot = require("lib.lot1")\nreturn lot',
        f"{MARK}\nf(1)\nreturn a < b",
        "local function f(a)\n  return a\nend\nreturn f",
        "return a1.b2",
    ],
)
def test_what_is_no_decision_in_lua_is_left_alone(text: str) -> None:
    assert _lua(text) == ()


@pytest.mark.parametrize(
    ("path", "text", "is_mutated"),
    [
        ("x_store.lua", "f(a)\nreturn a + b", False),
        ("x_store.lua", "return a <= b", True),
        ("x_store.lua", "return math.max(a, b + c)", True),
        ("x_store.lua", f"f(a)\n{MARK}\nreturn a < b", False),
        ("x_store.lua", "-- a < b\nreturn a + '>'", False),
        ("x.lua", "return a + b", True),
    ],
)
def test_of_stores_those_decide_that_compare_by_size(
    path: str, text: str, *, is_mutated: bool
) -> None:
    assert bool(tuple(LuaOperators().mutants(path, text))) == is_mutated


def test_a_loop_may_lose_its_break() -> None:
    assert _written(_lua("while a do\n  break\nend"), "drop")[-1] == "while a do\n  \nend"


@pytest.mark.parametrize(
    ("operator", "text", "mutated"),
    [
        ("less", "x = a < b", "x = a <= b"),
        ("less", "x = a <= (b) < c", "x = a <= (b) <= c"),
        ("unequal", "x = a != b", "x = a == b"),
        ("is", "x = a is None", "x = a is not None"),
        ("is-not", "x = a is  not None", "x = a is None"),
        ("in", "x = (a) in b", "x = (a) not in b"),
        ("not-in", "x = a not in b", "x = a in b"),
        ("plus", "x = a + (\n    b)", "x = a - (\n    b)"),
        ("minus", "x -= a", "x += a"),
        ("min", "x = min(a, b)", "x = max(a, b)"),
        ("or", "x = (a) or b and c", "x = (a) and b and c"),
        ("not", "x = not (a)", "x = (a)"),
        ("flip", "x = True", "x = False"),
        ("number+1", "x = 1_000", "x = 1001"),
        ("number-1", 'x = "é", 0', 'x = "é", -1'),
        ("if", "x = a if b else c", "x = a if (not (b)) else c"),
        ("if", "x = [a for a in b if a]", "x = [a for a in b if (not (a))]"),
        ("return", "def f() -> bool:\n    return a", "def f() -> bool:\n    return (not (a))"),
    ],
)
def test_a_rule_for_python_makes(operator: str, text: str, mutated: str) -> None:
    assert _written(_python(text), operator) == [mutated]


@pytest.mark.parametrize(
    "text",
    [
        '"""Says a < 1 or not."""',
        "x = f'{a + 1}'",
        "from a import b",
        "x: tuple[Literal[1], ...]",
        "def f(a: Literal[1]) -> Literal[2]: ...",
        "@cache(maxsize=1)\ndef f() -> None: ...",
        "assert a < 1",
        "if TYPE_CHECKING:\n    x = 1",
        "x = zip(a, b, strict=True)",
        "x = 1.5, 'and'  # 1 < 2",
    ],
)
def test_what_is_no_decision_in_python_is_left_alone(text: str) -> None:
    assert _python(text) == ()


def test_a_mutant_is_named_and_shown() -> None:
    (mutant,) = _lua("local a = b\n  return a < b")
    assert mutant.id == "x.lua:2:12:less"
    assert mutant.diff == "return a < b  =>  return a <= b"
    assert mutant.key == Key("x.lua", "return a < b", 9, "less")


def test_a_key_outlives_edits_elsewhere_and_tells_equal_lines_apart() -> None:
    (before,) = _lua("return a < b")
    (after,) = _lua("-- Why.\n\nlocal a = b\n  return a < b")
    assert before.key == after.key
    first, second = _lua("local c = a < b\nlocal c = a < b")
    assert (first.key.occurrence, second.key.occurrence) == (1, 2)


def test_all_mutants_of_the_tree_have_names_of_their_own() -> None:
    mutants = _all()
    assert len(by_id(mutants)) == len({mutant.key for mutant in mutants}) == len(mutants) > 400


def test_all_mutants_of_the_tree_parse_and_differ() -> None:
    lua = LuaRuntime()
    for mutant in _all():
        assert mutant.mutated != mutant.text
        if mutant.path.endswith(".lua"):
            lua.compile(mutant.mutated)
        else:
            ast.parse(mutant.mutated)


def test_no_equivalent_mutant_is_stale() -> None:
    assert equivalent.stale(_all()) == ()


def test_an_equivalent_mutant_is_not_tried_and_a_stale_one_is_found() -> None:
    mutants = _lua("return a < b + c")
    excused = {mutants[0].key: "so", Key("x.lua", "gone", 0, "less"): "so"}
    assert equivalent.split(mutants, excused) == (mutants[1:], mutants[:1])
    assert equivalent.stale(mutants, excused) == (Key("x.lua", "gone", 0, "less"),)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.breaks)
def test_what_is_planted_has_one_place_in_the_tree(planted: Planted) -> None:
    mutant = mutant_of(ROOT, planted)
    assert mutant.mutated != mutant.text
    assert (ROOT / planted.caught_by.partition("::")[0]).exists()
    if planted.path.endswith(".lua"):
        LuaRuntime().compile(mutant.mutated)
    else:
        ast.parse(mutant.mutated)


def test_what_is_planted_differs_from_each_other() -> None:
    assert len({mutant_of(ROOT, planted) for planted in PLANTED}) == len(PLANTED)


def test_every_file_has_its_judges() -> None:
    for path in {mutant.path for mutant in _all()}:
        assert stages(ROOT, path)[1] != ()
    assert [path for path in NOT_ASKED if not (ROOT / path).exists()] == []
    assert TABLE[-1].path == "quotasvc/"

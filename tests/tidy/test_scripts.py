"""Each script: declared once, names all used, and nothing written before the last refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest

from quotasvc.store.declaration import Arg, Script
from quotasvc.store.lua_sources import LuaLibrary, LuaSource
from quotasvc.store.table import SCRIPTS
from tests.tidy.lua_calls import mentions, parts, writers
from tests.tidy.sources import ROOT, files

LUA = ROOT / "quotasvc/store/lua"
PLANES = ("decision", "control", "usage")
LINE = "-- From here on nothing may fail."


def _sources(script: Script) -> tuple[LuaSource, ...]:
    return LuaLibrary(LUA, {}).closure(script.name)


def _early_writes(sources: tuple[LuaSource, ...], *, read_only: bool) -> Iterator[str]:
    """What is wrong with where the last of `sources`, the body of a script, writes."""
    body = sources[-1]
    line = len(body.text) if read_only else body.text.find(f"\n{LINE}\n")
    if line < 0:
        yield f"{body.path}: has neither the line {LINE!r} nor the flag no-writes"
        return
    writing = writers(sources)
    for source in sources:
        if f"{source.module}." in writing and source is not body:
            yield f"{source.path}: writes as soon as it is required"
    own = parts(body)[-1].code
    for place, name in mentions(body, own):
        if name in writing and place < line:
            yield f"{body.at(place)}: {name} writes above the line"
    for refusal in re.finditer(r"\berror\(", own):
        if refusal.start() > line:
            yield f"{body.at(refusal.start())}: may fail below the line"


def _unused(script: Script, sources: Iterable[LuaSource]) -> set[str]:
    """Declared keys and arguments that no source names."""
    names = "\n".join(source.names for source in sources)
    declared = {f"KEY.{name}" for name in (*script.keys, script.rest_keys) if name}
    declared |= {f"ARG.{arg.name}" for arg in (*script.args, script.rest_args) if arg}
    return {name for name in declared if not re.search(rf"(?<![\w.]){re.escape(name)}\b", names)}


def _not_handed_on(script: Script, sources: Iterable[LuaSource]) -> Iterator[str]:
    """Where a list is more than handed on: to Lua it is two values, not a table."""
    lists = [f"KEY.{script.rest_keys}"] if script.rest_keys else []
    lists += [f"ARG.{script.rest_args.name}"] if script.rest_args else []
    for source in sources:
        for name in lists:
            for match in re.finditer(rf"(?<![\w.]){re.escape(name)}\b", source.names):
                before, after = source.names[: match.start()], source.names[match.end() :]
                if before.rstrip()[-1:] not in {"(", ","} or after.lstrip()[:1] not in {")", ","}:
                    yield f"{source.at(match.start())}: {name} is more than an argument"


def test_every_script_is_declared_once_and_every_declaration_has_its_file() -> None:
    bodies = [
        path.relative_to(LUA).with_suffix("").as_posix()
        for plane in PLANES
        for path in files(".lua", below=f"quotasvc/store/lua/{plane}")
    ]
    assert sorted(script.name for script in SCRIPTS) == sorted(bodies)


def test_nothing_is_written_before_the_last_refusal() -> None:
    problems = [
        problem
        for script in SCRIPTS
        for problem in _early_writes(_sources(script), read_only="no-writes" in script.flags)
    ]
    assert problems == []


def test_every_declared_name_is_used() -> None:
    found = {script.name: _unused(script, _sources(script)) for script in SCRIPTS}
    assert {name: unused for name, unused in found.items() if unused} == {}


def test_lists_are_handed_on_as_they_are() -> None:
    found = [where for script in SCRIPTS for where in _not_handed_on(script, _sources(script))]
    assert found == []


def test_every_outcome_is_used() -> None:
    tables = [script.constants["OUTCOME"] for script in SCRIPTS if "OUTCOME" in script.constants]
    members = {member for table in tables for member in getattr(table, "__members__", table)}
    names = "\n".join(source.names for script in SCRIPTS for source in _sources(script))
    assert {name for name in members if not re.search(rf"\bOUTCOME\.{name}\b", names)} == set()


STORE = """\
-- lot_store: reads and moves lots.
local lot_store = {}
local function put(key, n) redis.call("HSET", key, "free", n) end
function lot_store.read(key)
  return redis.call("HGETALL", key)
end
function lot_store.take(key, n)
  put(key, n)
end
return lot_store
"""
HEAD = (
    '-- x: x.\nlocal lot_store = require("lib.lot_store")\nlocal lots = lot_store.read(KEY.lots)\n'
)
TAKE = "lot_store.take(KEY.lots, ARG.amount)\n"


def _problems_of(body: str, *, read_only: bool = False) -> list[str]:
    store = LuaSource.of("lib.lot_store", "lib/lot_store.lua", STORE)
    script = LuaSource.of("decision.x", "decision/x.lua", HEAD + body)
    return list(_early_writes((store, script), read_only=read_only))


def test_a_write_below_the_line_is_right() -> None:
    assert _problems_of(f"{LINE}\n{TAKE}") == []
    assert _problems_of("return lots\n", read_only=True) == []


@pytest.mark.parametrize(
    ("body", "read_only"),
    [
        (TAKE, False),
        (f"{TAKE}{LINE}\n", False),
        (f"local take = lot_store.take\n{LINE}\n", False),
        (f"local function f()\n  {TAKE}end\nf()\n{LINE}\n", False),
        (f'{LINE}\nerror("too late")\n', False),
        (TAKE, True),
    ],
)
def test_a_write_above_the_line_is_found(*, body: str, read_only: bool) -> None:
    assert len(_problems_of(body, read_only=read_only)) == 1


def test_a_function_that_writes_only_when_called_below_the_line_is_right() -> None:
    assert _problems_of(f"local function f()\n  {TAKE}end\n{LINE}\nf()\n") == []


@pytest.mark.parametrize(
    ("line", "is_right"),
    [
        ("local list = limit_list.of(ARG.limits, KEY.limits)", True),
        ("local first = KEY.limits[1]", False),
        ("for i = 1, #KEY.limits do end", False),
        ("local list = KEY.limits", False),
    ],
)
def test_a_list_that_is_taken_for_a_table_is_found(line: str, *, is_right: bool) -> None:
    script = Script(name="decision/x", rest_keys="limits", rest_args=Arg("limits"))
    body = LuaSource.of("decision.x", "decision/x.lua", f"{line}\n")
    assert (list(_not_handed_on(script, [body])) == []) is is_right


def test_an_unused_name_is_found() -> None:
    script = Script(name="decision/x", keys=("lots", "due"), args=(Arg("amount"),))
    body = LuaSource.of("decision.x", "decision/x.lua", "return KEY.lots -- not KEY.due\n")
    assert _unused(script, [body]) == {"KEY.due", "ARG.amount"}

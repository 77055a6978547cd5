"""Stitching: names instead of positions, modules by require, typos found before any call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, IntEnum
from importlib.resources import files
from pathlib import Path

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.store.declaration import Constants
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Reply
from quotasvc.store.faults import ScriptBroken
from quotasvc.store.scripts import Arg, Build, Script, load_scripts
from tests.support.embedded import connected, soon
from tests.support.scripts import run, write_lua

CLOCK = (files("quotasvc.store") / "lua/lib/clock.lua").read_text()
CLOCK_FIXED = (files("quotasvc.store") / "lua/lib/clock_fixed.lua").read_text()


class Outcome(IntEnum):
    GRANTED = 0
    SHORT = 7


class Mood(Enum):
    CALM = "calm"


class Odd(Enum):
    x = (1, 2)


def stitched(root: Path, script: Script, sources: Mapping[str, str]) -> str:
    """The text that the server would get."""
    scripts = load_scripts([script], root=write_lua(root, sources))
    return scripts[script].library.text


async def test_what_a_script_is_made_of_is_run_once_and_not_at_every_call(
    store: Endpoint, tmp_path: Path
) -> None:
    # given a module that counts how often it is run, and one that is required twice
    sources = {
        "lib/count": "local count = {runs = 0}\ncount.runs = count.runs + 1\nreturn count",
        "lib/twice": 'local count = require("lib.count")\nreturn count',
        "probe": 'local count = require("lib.count")\nlocal twice = require("lib.twice")\n'
        "twice.calls = (twice.calls or 0) + 1\nreturn {count.runs, count.calls}",
    }
    script = Script(name="probe")
    scripts = load_scripts([script], root=write_lua(tmp_path, sources))
    # then it was run when the server loaded it, and by none of three calls
    async with connected(store, scripts) as executor:
        found = [await executor.run(script, (), (), soon()) for _ in range(3)]
    assert found == [[1, 1], [1, 2], [1, 3]]


def test_scripts_share_a_library_and_all_names_end_with_its_hash(tmp_path: Path) -> None:
    first = Script(name="probe/first", flags=("no-writes", "allow-stale"))
    second = Script(name="probe/second")
    sources = {"probe/first": "return {1}", "probe/second": "return {1}"}
    root = write_lua(tmp_path, sources)
    scripts = load_scripts([first, second], root=root)
    [library] = scripts.libraries
    # then its first line names the library, and each function is registered
    assert re.fullmatch("quotasvc_[0-9a-f]{16}", library.name)
    assert library.text.startswith(f"#!lua name={library.name}\n-- Stitched for build serve")
    for script, name, flags in (
        (first, "probe_first", r'"no-writes", "allow-stale"'),
        (second, "probe_second", ""),
    ):
        assert scripts[script].function == f"{name}_{library.digest}"
        registered = rf'function_name = "{name}_{library.digest}", callback = entry, flags = '
        assert len(re.findall(f"{registered}{{{flags}}}", library.text)) == 1
    # and is of use to the server beside all others: any change of one is another name for all
    write_lua(tmp_path, {"probe/second": "return {2}"})
    assert load_scripts([first, second], root=root)[first].function != scripts[first].function


async def test_a_module_finds_what_the_script_of_the_call_declares(
    store: Endpoint, tmp_path: Path
) -> None:
    # given a module of two scripts that declare what it names in different places
    sources = {
        "lib/seen": "local seen = {}\nfunction seen.all(keys, first, numbers, from)\n"
        "  return {KEY.team, ARG.n, ARG.text, keys[first], numbers[from]}\nend\nreturn seen",
        "left": 'return require("lib.seen").all(KEY.more, ARG.rest)',
        "right": 'return require("lib.seen").all(KEY.more, ARG.rest)',
    }
    n, text = Arg("n"), Arg("text", str)
    left = Script(
        name="left", keys=("team",), rest_keys="more", args=(n, text), rest_args=Arg("rest")
    )
    args = (Arg("other"), Arg("id", str), n, text)
    right = replace(left, name="right", keys=("k", "team"), args=args)
    scripts = load_scripts([left, right], root=write_lua(tmp_path, sources))
    async with connected(store, scripts) as executor:
        # then by turns each finds its own, wherever the other has it
        for _ in range(2):
            found = await executor.run(left, ("t", "m"), (1, "x", 2), soon())
            assert found == [b"t", 1, b"x", b"m", 2]
            found = await executor.run(right, ("k", "u", "l"), (9, "id", 3, "y", 4), soon())
            assert found == [b"u", 3, b"y", b"l", 4]


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (Script(name="probe", args=(Arg("n", str),)), "ARG.n"),
        (Script(name="probe", rest_keys="team"), "KEY.team"),
        (Script(name="probe", constants={"BOUND": {"lots": 17}}), "BOUND.lots"),
    ],
)
def test_scripts_that_mean_different_things_by_one_name_are_refused(
    tmp_path: Path, other: Script, name: str
) -> None:
    one = Script(name="one", keys=("team",), args=(Arg("n"),), constants={"BOUND": {"lots": 16}})
    root = write_lua(tmp_path, {"one": "return {}", "probe": "return {}"})
    with pytest.raises(ScriptBroken, match=f"^probe declares another {name} than"):
        load_scripts([one, other], root=root)


async def test_old_and_new_versions_of_a_script_live_side_by_side(
    store: Endpoint, tmp_path: Path
) -> None:
    # given a service, and another of a newer release on the same store (rolling deploy)
    script = Script(name="probe")
    old = load_scripts([script], root=write_lua(tmp_path / "old", {"probe": "return {1}"}))
    new = load_scripts([script], root=write_lua(tmp_path / "new", {"probe": "return {2}"}))
    async with connected(store, old) as older, connected(store, new) as newer:
        # then each runs its own, whoever loaded last
        assert await older.run(script, (), (), soon()) == [1]
        assert await newer.run(script, (), (), soon()) == [2]
        assert await older.run(script, (), (), soon()) == [1]


async def test_modules_are_shared_and_keep_their_locals(store: Endpoint, tmp_path: Path) -> None:
    # given a diamond of modules, each with a local of one name, and a count of loads
    sources = {
        "lib/base": "local own = 1\nreturn {loads = own}",
        "lib/left": 'local base = require("lib.base")\nlocal own = 10\n'
        "base.loads = base.loads + own\nreturn base",
        "lib/right": 'local base = require("lib.base")\nlocal own = 100\n'
        "base.loads = base.loads + own\nreturn base",
        "probe": 'local right = require("lib.right")\nlocal left = require("lib.left")\n'
        "return {left.loads, right == left and 1 or 0}",
    }
    script = Script(name="probe")
    scripts = load_scripts([script], root=write_lua(tmp_path, sources))
    # then the shared one was loaded once, and the locals did not mix
    assert await run(store, scripts, script) == [111, 1]
    assert scripts[script].library.text.count("local own = 1\n") == 1


async def test_flags_reach_the_server(store: Endpoint, tmp_path: Path) -> None:
    # given a script that promises not to write, and writes
    script = Script(name="probe", keys=("k",), flags=("no-writes",))
    root = write_lua(tmp_path, {"probe": 'redis.call("SET", KEY.k, 1)\nreturn {}'})
    # then the server holds it to its word
    with pytest.raises(Corrupt, match="read-only"):
        await run(store, load_scripts([script], root=root), script, ("k",))


async def test_a_script_that_can_look_is_not_let_write_then(
    store: Endpoint, tmp_path: Path
) -> None:
    # given a script that writes, and can also be run as one that only looks
    script = Script(name="probe", keys=("k",), can_look=True)
    sources = {"probe": 'redis.call("SET", KEY.k, 1)\nreturn {redis.call("GET", KEY.k)}'}
    scripts = load_scripts([script], root=write_lua(tmp_path, sources))
    async with connected(store, scripts) as executor:
        # then the server lets it write only where it is meant to
        with pytest.raises(Corrupt, match="read-only"):
            await executor.run(script.look, ("k",), (), soon())
        assert await executor.call("EXISTS", "k", deadline=soon()) == 0
        assert await executor.run(script, ("k",), (), soon()) == [b"1"]


async def test_constants_flow_from_python(store: Endpoint, tmp_path: Path) -> None:
    # given an enum of numbers, one of texts, and a mapping
    constants: dict[str, Constants] = {
        "OUTCOME": Outcome,
        "MOOD": Mood,
        "BOUND": {"lots": 16, "unit": "nanos"},
    }
    script = Script(name="probe", constants=constants)
    source = """
        local moods = 0
        for name, value in pairs(MOOD) do moods = moods + 1 end
        return {OUTCOME.SHORT, MOOD.CALM, BOUND.lots, BOUND.unit, moods}
    """
    scripts = load_scripts([script], root=write_lua(tmp_path, {"probe": source}))
    assert await run(store, scripts, script) == [7, b"calm", 16, b"nanos", 1]


def test_a_script_keeps_its_hash_when_a_constant_it_does_not_name_is_added(tmp_path: Path) -> None:
    root = write_lua(tmp_path, {"probe": "return {BOUND.lots}"})
    old, new = (
        Script(name="probe", constants={"BOUND": bound})
        for bound in ({"lots": 16}, {"lots": 16, "legs": 4})
    )
    assert load_scripts([old], root=root)[old].function == (
        load_scripts([new], root=root)[new].function
    )


async def test_serve_reads_the_servers_time_and_tests_read_their_own(
    store: Endpoint, tmp_path: Path
) -> None:
    # given one script in both builds
    script = Script(name="probe", args=(Arg("n"),))
    source = 'local clock = require("lib.clock")\nreturn {clock.read(), ARG.n}'
    root = write_lua(
        tmp_path, {"probe": source, "lib/clock": CLOCK, "lib/clock_fixed": CLOCK_FIXED}
    )
    serve = load_scripts([script], root=root)
    test = load_scripts([script], root=root, build=Build.TEST, clock_ms=lambda: 1234)
    # when both run
    async with connected(store, serve) as executor:
        before, (now_ms, n), after = (
            await executor.call("TIME", deadline=soon()),
            await executor.run(script, (), (5,), soon()),
            await executor.call("TIME", deadline=soon()),
        )
    # then one tells the server's time to the millisecond, the other what the test says
    assert isinstance(now_ms, int)
    assert _ms(before) <= now_ms <= _ms(after)
    assert n == 5
    assert await run(store, test, script, (), 5) == [1234, 5]
    # and no build can be taken for the other
    assert test[script].function != serve[script].function


def _ms(time: Reply) -> int:
    """The answer of TIME in milliseconds."""
    assert isinstance(time, list)
    seconds, us = (int(part) for part in time if isinstance(part, bytes))
    return seconds * 1000 + us // 1000


def test_only_the_test_build_takes_a_clock_and_it_must() -> None:
    with pytest.raises(ScriptBroken, match="clock"):
        load_scripts([], build=Build.SERVE, clock_ms=lambda: 0)
    with pytest.raises(ScriptBroken, match="clock"):
        load_scripts([], build=Build.TEST)


def test_names_in_comments_and_strings_are_left_alone(tmp_path: Path) -> None:
    source = """
        -- KEY.nowhere and require("lib.nowhere")
        --[==[ ARG.nowhere
        BOUND.nowhere ]==]
        local NAMES = {HELD = 1, FREE = "a KEY.nowhere -- in a string", TAKEN = 'ARG.no'}
        local text = "quoted \\" KEY.nowhere"
        return {NAMES.HELD, NAMES[text], x == NAMES.FREE}
    """
    text = stitched(tmp_path, Script(name="probe"), {"probe": source})
    assert source.rstrip() in text


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("return {KEY.tam}", "probe.lua:2: KEY.tam is not declared by probe"),
        ("return {ARG.amont}", "probe.lua:2: ARG.amont is not declared by probe"),
        ("return {OUTCOME.SHRT}", "probe.lua:2: OUTCOME.SHRT is not declared by probe"),
        ("return {REASON.SHORT}", "probe.lua:2: REASON.SHORT is not declared by probe"),
        ("return MOVES", "probe.lua:2: MOVES is not declared by probe"),
        ("return {KEYS[1]}", "probe.lua:2: KEYS is not declared by probe"),
        ('local lot = require("lib.lot")', "probe.lua:2: there is no lib/lot.lua"),
        ("local lot = require(name)", "probe.lua:2: write require"),
        ("local lot = require 'lib.lot'", "probe.lua:2: write require"),
        ('local a = require("lib.a")', "lib/b.lua:3: modules require each other: lib.a -> lib.b"),
    ],
)
def test_a_broken_source_is_refused_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    sources = {
        "probe": f"-- probe: x.\n{line}\n",
        "lib/a": 'return require("lib.b")',
        "lib/b": '\n\nreturn require("lib.a")',
    }
    script = Script(
        name="probe", keys=("team",), args=(Arg("amount"),), constants={"OUTCOME": Outcome}
    )
    with pytest.raises(ScriptBroken) as caught:
        stitched(tmp_path, script, sources)
    assert caught.value.text.startswith(problem)


def test_a_missing_body_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScriptBroken, match=r"^script probe: there is no probe\.lua$"):
        stitched(tmp_path, Script(name="probe"), {})


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (Script(name="probe", keys=("a", "a")), "declares a twice"),
        (Script(name="probe", keys=("a",), rest_keys="a"), "declares a twice"),
        (Script(name="probe", args=(Arg("nonce", str),)), "declares nonce twice"),
        (Script(name="probe", rest_args=Arg("two words")), "no name in Lua"),
        (Script(name="probe", constants={"BOUND": {"x": 'a"b'}}), "plain ASCII"),
        (Script(name="probe", constants={"BOUND": Odd}), "neither"),
    ],
)
def test_a_declaration_that_lua_cannot_read_is_refused(
    tmp_path: Path, script: Script, problem: str
) -> None:
    source = "return {BOUND.x}" if script.constants else "return {}"
    with pytest.raises(ScriptBroken, match=problem):
        stitched(tmp_path, script, {"probe": source})

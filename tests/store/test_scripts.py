"""Stitching: names instead of positions, modules by require, typos found before any call."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from importlib.resources import files
from pathlib import Path

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.store.declaration import Constants
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Reply
from quotasvc.store.faults import ScriptBroken
from quotasvc.store.resp import Word
from quotasvc.store.scripts import Arg, Build, Script, ScriptSet, load_scripts
from tests.support.embedded import connected, soon
from tests.support.scripts import write_lua

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
    return scripts[script].text


async def run(
    endpoint: Endpoint, scripts: ScriptSet, script: Script, keys: tuple[str, ...] = (), *args: Word
) -> list[Reply]:
    """One call on a connection of its own."""
    async with connected(endpoint, scripts) as executor:
        return await executor.run(script, keys, args, soon())


async def test_keys_and_arguments_arrive_under_their_names(store: Endpoint, tmp_path: Path) -> None:
    # given a script of every kind of parameter
    script = Script(
        name="probe",
        keys=("team", "record"),
        rest_keys="windows",
        args=(Arg("amount"), Arg("who", str)),
        rest_args=Arg("limits"),
    )
    source = """
        return {KEY.record, KEY.team, KEY.windows, ARG.who, ARG.amount + 1, ARG.limits}
    """
    scripts = load_scripts([script], root=write_lua(tmp_path, {"probe": source}))
    # when it runs
    reply = await run(store, scripts, script, ("t", "r", "w1", "w2"), 41, "me", 5, 6, 7)
    # then every name holds what was sent in its place, and the nonce is gone
    assert reply == [b"r", b"t", [b"w1", b"w2"], b"me", 42, [5, 6, 7]]


async def test_further_texts_arrive_as_a_list(store: Endpoint, tmp_path: Path) -> None:
    script = Script(name="probe", rest_args=Arg("ids", str))
    scripts = load_scripts([script], root=write_lua(tmp_path, {"probe": "return ARG.ids"}))
    assert await run(store, scripts, script, (), "a", 1) == [b"a", b"1"]
    assert await run(store, scripts, script) == []


@pytest.mark.parametrize("number", [0, 2**53 - 1, -(2**53 - 1)])
async def test_whole_numbers_arrive_exactly(store: Endpoint, tmp_path: Path, number: int) -> None:
    script = Script(name="probe", args=(Arg("n"),), rest_args=Arg("more"))
    root = write_lua(tmp_path, {"probe": "return {ARG.n, ARG.more[1]}"})
    scripts = load_scripts([script], root=root)
    assert await run(store, scripts, script, (), number, number) == [number, number]


@pytest.mark.parametrize("text", ["1.5", "x", "", "inf", "nan", str(2**53), str(-(2**53))])
@pytest.mark.parametrize("place", ["n", "more"])
async def test_anything_but_a_whole_number_is_refused_before_a_write(
    store: Endpoint, tmp_path: Path, text: str, place: str
) -> None:
    # given a script that writes
    script = Script(name="probe", keys=("k",), args=(Arg("n"),), rest_args=Arg("more"))
    root = write_lua(tmp_path, {"probe": 'redis.call("SET", KEY.k, 1)\nreturn {ARG.n, ARG.more}'})
    args = (text, 1) if place == "n" else (1, text)
    async with connected(store, load_scripts([script], root=root)) as executor:
        # when one number is none
        with pytest.raises(Corrupt, match=f"^BAD_ARG {place} is not a whole number"):
            await executor.run(script, ("k",), args, soon())
        # then nothing was written
        assert await executor.call("EXISTS", "k", deadline=soon()) == 0


@pytest.mark.parametrize(
    ("keys", "args"),
    [(("a",), (1,)), (("a", "b", "c"), (1,)), (("a", "b"), ()), (("a", "b"), (1, 2))],
)
async def test_a_wrong_number_of_keys_or_arguments_is_not_sent(
    store: Endpoint, tmp_path: Path, keys: tuple[str, ...], args: tuple[int, ...]
) -> None:
    script = Script(name="probe", keys=("a", "b"), args=(Arg("n"),))
    root = write_lua(tmp_path, {"probe": "return {KEY.a, KEY.b, ARG.n}"})
    with pytest.raises(TypeError, match="probe takes"):
        await run(store, load_scripts([script], root=root), script, keys, *args)


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
    assert scripts[script].text.count("local own = 1\n") == 1


async def test_flags_reach_the_server(store: Endpoint, tmp_path: Path) -> None:
    # given a script that promises not to write, and writes
    script = Script(name="probe", keys=("k",), flags=("no-writes",))
    root = write_lua(tmp_path, {"probe": 'redis.call("SET", KEY.k, 1)\nreturn {}'})
    # then the server holds it to its word
    with pytest.raises(Corrupt, match="read-only"):
        await run(store, load_scripts([script], root=root), script, ("k",))


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
    assert load_scripts([old], root=root)[old].sha == load_scripts([new], root=root)[new].sha


async def test_serve_reads_the_servers_time_and_tests_read_their_own(
    store: Endpoint, tmp_path: Path
) -> None:
    # given one script in both builds
    script = Script(name="probe", args=(Arg("n"),))
    source = 'local clock = require("lib.clock")\nreturn {clock.now_ms, ARG.n}'
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
    assert test[script].sha != serve[script].sha


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

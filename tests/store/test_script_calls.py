"""Calls of scripts: what Python sends arrives under its name, once, and whole (SEM-3)."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from quotasvc.domain.faults import Corrupt
from quotasvc.store.endpoint import Endpoint
from quotasvc.store.executor import Reply
from quotasvc.store.resp import Word
from quotasvc.store.scripts import WORDS_MAX, Arg, Script, load_scripts
from tests.support.embedded import connected, soon
from tests.support.scripts import run, write_lua

REST = """
local function rest(list, first)
  local found = {}
  for i = first, #list do found[#found + 1] = list[i] end
  return found
end
"""
"""A list of further ones stands for what it is in and the place of its first: nothing is copied."""


async def test_keys_and_arguments_arrive_under_their_names(store: Endpoint, tmp_path: Path) -> None:
    # given a script of every kind of parameter
    script = Script(
        name="probe",
        keys=("team", "record"),
        rest_keys="windows",
        args=(Arg("amount"), Arg("who", str)),
        rest_args=Arg("limits"),
    )
    source = f"""{REST}
        local windows, limits = rest(KEY.windows), rest(ARG.limits)
        return {{KEY.record, KEY.team, windows, ARG.who, ARG.amount + 1, limits}}
    """
    scripts = load_scripts([script], root=write_lua(tmp_path, {"probe": source}))
    # when it runs
    reply = await run(store, scripts, script, ("t", "r", "w1", "w2"), 41, "me", 5, 6, 7)
    # then every name holds what was sent in its place, and the nonce is gone
    assert reply == [b"r", b"t", [b"w1", b"w2"], b"me", 42, [5, 6, 7]]


async def test_further_texts_arrive_as_a_list(store: Endpoint, tmp_path: Path) -> None:
    script = Script(name="probe", rest_args=Arg("ids", str))
    scripts = load_scripts(
        [script], root=write_lua(tmp_path, {"probe": f"{REST}return rest(ARG.ids)"})
    )
    assert await run(store, scripts, script, (), "a", 1) == [b"a", b"1"]
    assert await run(store, scripts, script) == []


@pytest.mark.parametrize("number", [0, 2**53 - 1, -(2**53 - 1)])
async def test_whole_numbers_arrive_exactly(store: Endpoint, tmp_path: Path, number: int) -> None:
    script = Script(name="probe", args=(Arg("n"),), rest_args=Arg("more"))
    root = write_lua(tmp_path, {"probe": f"{REST}return {{ARG.n, rest(ARG.more)[1]}}"})
    scripts = load_scripts([script], root=root)
    assert await run(store, scripts, script, (), number, number) == [number, number]


TOO_LARGE = (2**53, 2**53 + 1, 2**63 - 1, -(2**53), -(2**53) - 1, -(2**63))


@pytest.mark.parametrize("number", TOO_LARGE)
@pytest.mark.parametrize("place", ["n", "more"])
async def test_a_number_that_lua_cannot_hold_is_refused_before_a_write(
    store: Endpoint, tmp_path: Path, number: int, place: str
) -> None:
    # given a script that writes
    script = Script(name="probe", keys=("k",), args=(Arg("n"),), rest_args=Arg("more"))
    root = write_lua(tmp_path, {"probe": 'redis.call("SET", KEY.k, 1)\nreturn {ARG.more}'})
    args = (number, 1) if place == "n" else (1, 2, number, 3)
    async with connected(store, load_scripts([script], root=root)) as executor:
        # when one number is 2^53 or more, or would have been rounded to that
        with pytest.raises(Corrupt, match=rf"^BAD_ARG {place} is not below 2\^53"):
            await executor.run(script, ("k",), args, soon())
        # then nothing was written
        assert await executor.call("EXISTS", "k", deadline=soon()) == 0


NO_WHOLE_NUMBERS: dict[str, object] = {
    "x": "x",
    "empty": "",
    "text": "1",
    "bytes": b"1",
    "none": None,
    "half": 1.5,
    "float": 1.0,
    "nan": float("nan"),
    "inf": float("inf"),
    "above 64 bits": 2**63,
    "below 64 bits": -(2**63) - 1,
    "huge": 10**400,
}


@pytest.mark.parametrize("value", NO_WHOLE_NUMBERS.values(), ids=NO_WHOLE_NUMBERS.keys())
@pytest.mark.parametrize("place", ["n", "more"])
async def test_what_cannot_be_packed_as_a_number_is_not_sent(
    store: Endpoint, tmp_path: Path, value: object, place: str
) -> None:
    script = Script(name="probe", args=(Arg("n"),), rest_args=Arg("more"))
    scripts = load_scripts([script], root=write_lua(tmp_path, {"probe": "return {ARG.n}"}))
    # A caller's mistake, of which no type warns.
    word = cast("Word", value)
    args: tuple[Word, ...] = (word, 1) if place == "n" else (1, word)
    with pytest.raises(TypeError, match=r"^probe: "):
        await run(store, scripts, script, (), *args)


async def test_numbers_and_texts_may_stand_in_any_order(store: Endpoint, tmp_path: Path) -> None:
    # given arguments of both kinds by turns; on the wire all numbers are one word
    script = Script(
        name="probe",
        args=(Arg("a"), Arg("b", str), Arg("c"), Arg("d", str), Arg("e")),
        rest_args=Arg("more"),
    )
    source = f"{REST}return {{ARG.a, ARG.b, ARG.c, ARG.d, ARG.e, rest(ARG.more)}}"
    scripts = load_scripts([script], root=write_lua(tmp_path, {"probe": source}))
    # then each arrives under its name
    sent: tuple[Word, ...] = (1, "one", -2, b"\x00\xff", 3, 4, 5)
    assert await run(store, scripts, script, (), *sent) == [1, b"one", -2, b"\x00\xff", 3, [4, 5]]


async def test_nothing_of_a_call_is_left_for_the_next(store: Endpoint, tmp_path: Path) -> None:
    # given one function on the server, and a module that hands on what it sees of the call
    script = Script(
        name="probe",
        keys=("k",),
        rest_keys="keys",
        args=(Arg("n"), Arg("text", str)),
        rest_args=Arg("more"),
    )
    sources = {
        "lib/seen": f"{REST}local seen = {{}}\nfunction seen.all()\n"
        "  return {KEY.k, rest(KEY.keys), ARG.n, ARG.text, rest(ARG.more)}\nend\nreturn seen",
        "probe": 'local seen = require("lib.seen")\n'
        'if ARG.text == "fail" then error({err = "CORRUPT on purpose"}) end\n'
        "return seen.all()",
    }
    scripts = load_scripts([script], root=write_lua(tmp_path, sources))
    async with connected(store, scripts) as executor:
        # when a call with long lists, and one that fails, go before one with short lists
        long = await executor.run(script, ("a", "b", "c"), (1, "x", 2, 3), soon())
        with pytest.raises(Corrupt, match="on purpose"):
            await executor.run(script, ("f", "g"), (8, "fail", 9), soon())
        short = await executor.run(script, ("d",), (4, "y"), soon())
    # then each saw its own keys and arguments only, in modules too
    assert long == [b"a", [b"b", b"c"], 1, b"x", [2, 3]]
    assert short == [b"d", [], 4, b"y", []]


@pytest.mark.parametrize("kind", [int, str])
async def test_as_many_arguments_arrive_as_lua_can_take(
    store: Endpoint, tmp_path: Path, kind: type[int] | type[str]
) -> None:
    script = Script(name="probe", rest_keys="keys", rest_args=Arg("more", kind))
    source = f"""{REST}
        local keys, more = rest(KEY.keys), rest(ARG.more)
        return {{#keys, #more, more[1], more[#more]}}
    """
    scripts = load_scripts([script], root=write_lua(tmp_path, {"probe": source}))
    keys = tuple(f"k{number}" for number in range(WORDS_MAX))
    reply = await run(store, scripts, script, keys, *range(WORDS_MAX))
    most = WORDS_MAX - 1
    ends: list[Reply] = [0, most] if kind is int else [b"0", b"%d" % most]
    assert reply == [WORDS_MAX, WORDS_MAX, *ends]
    # and more are not sent
    with pytest.raises(TypeError, match="takes 0 arguments"):
        await run(store, scripts, script, (), *range(WORDS_MAX + 1))
    with pytest.raises(TypeError, match="takes 0 keys"):
        await run(store, scripts, script, (*keys, "more"))


async def test_a_mistake_in_lua_is_told_with_its_line(store: Endpoint, tmp_path: Path) -> None:
    script = Script(name="probe")
    scripts = load_scripts([script], root=write_lua(tmp_path, {"probe": "return {nil + 1}"}))
    with pytest.raises(Corrupt, match=r"user_function:\d+: attempt to perform arithmetic"):
        await run(store, scripts, script)


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

"""Stitches all scripts into one library: constants, modules, and a function for each script.

The result needs nothing but the server: Lua modules become functions, `require` a local look-up,
and every name the sources use is checked here, so that a typo fails at start and costs no call.
Where a module is run nothing of the server is there, not even `math`; functions find it when they
are called. Knows declarations and Lua sources; does not know how scripts are sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from importlib.resources.abc import Traversable

from quotasvc.store.declaration import NONCE, Arg, Build, Constants, Script, implicit_args
from quotasvc.store.faults import ScriptBroken
from quotasvc.store.lua_sources import LuaLibrary, LuaSource

_STAND_INS: Mapping[Build, Mapping[str, str]] = {
    Build.SERVE: {},
    Build.TEST: {"lib.clock": "lib.clock_fixed"},
}

DIGEST = "<digest>"
"""Stands in a stitched text for the hash of its content, which its names end with."""

TEXTS_FIRST = 3
"""A call's words: the nonce, all numbers, then each text."""

_LIST: Mapping[type[int] | type[str], str] = {int: "N", str: "W"}
"""Where arguments lie, by their kind."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_TEXT = re.compile(r"[ !#-\[\]-~]*")
# Names in capitals come from the preamble; `KEY.team` has a member, `MOVES[state]` has none.
# What stands before a single `=` is a field or a local of the file's own.
_TABLE_USE = re.compile(r"(?<![\w.])(?P<table>[A-Z][A-Z0-9_]*)\b(?:\.(?P<member>\w+)|(?!\s*=[^=]))")

# Numbers arrive in one text of 64-bit integers: reading 40 of them costs 2 us, as 40 texts 14. What
# is not below 2^53 is refused: such a number may have been rounded.
_CHECKS = """\
local P, K, N, W
local formats = {}
local function numbers(text, names)
  local count = math.floor(#text / 8)
  local format = formats[count]
  if not format then
    format = "<" .. string.rep("i8", count)
    formats[count] = format
  end
  local list = {struct.unpack(format, text)}
  list[count + 1] = nil
  if count == 0 then return list end
  local most = math.max(math.max(unpack(list)), -math.min(unpack(list)))
  if most < 9007199254740992 then return list end
  for i, n in ipairs(list) do
    if math.max(n, -n) >= 9007199254740992 then
      error({err = "BAD_ARG " .. (names[i] or names[#names]) .. " is not below 2^53"})
    end
  end
end"""

_REQUIRE = """\
local modules = {}
local function require(name) return modules[name] end"""

# The echoed nonce proves to the caller that this reply is its own.
_ENTRY = """\
local function entry(keys, words)
  P, K, W, N = places, keys, words, numbers(words[2], names)
  local reply = body()
  table.insert(reply, 1, words[1])
  return reply
end"""

_REGISTER = 'redis.register_function{function_name = "{name}", callback = entry, flags = {flags}}'

LOOK = "_look"
"""What the name of a function that never writes ends with, beside one that may."""


def library(root: Traversable, build: Build) -> LuaLibrary:
    """The Lua files below `root` as scripts of a build see them."""
    return LuaLibrary(root, _STAND_INS[build])


def stitch(scripts: Iterable[Script], build: Build, sources: LuaLibrary) -> str:
    """The library that the server gets for `scripts`, or ScriptBroken with `file:line`.

    `DIGEST` stands for the end of its names. Each module is in it once, and run once, when the
    server loads it: a call costs no more than its own work, and all of it stays in the
    processor's cache.
    """
    declared = [(script, _declared(script, build)) for script in scripts]
    spelled = _spelled((script for script, _ in declared), build)
    modules: dict[str, LuaSource] = {}
    used: dict[str, Mapping[str, int | str]] = {}
    functions: list[str] = []
    for script, names in declared:
        closure = sources.closure(script.name)
        for name in _names_used(script, names, closure):
            used[name] = {**used.get(name, {}), **_values(script.constants[name])}
        *required, body = closure
        modules |= {source.module: source for source in required}
        functions.append(_function(script, build, body, spelled))
    parts = (
        f"-- Stitched for build {build.value} from lua/, do not edit.",
        *(_table(name, _members(used[name])) for name in sorted(used)),
        _CHECKS,
        _REQUIRE,
        *(_called(f'modules["{m.module}"]', m, spelled, "()") for m in modules.values()),
        *functions,
    )
    return "\n".join(parts) + "\n"


def function_name(script: Script, digest: str) -> str:
    """What FCALL calls it by, in the library of this digest."""
    return f"{script.name.replace('/', '_')}_{digest}"


def _function(script: Script, build: Build, body: LuaSource, spelled: Mapping[str, str]) -> str:
    """One script, with the places of its own keys and arguments."""
    parts = (
        "\ndo",
        _table("places", _members(_places(script, build))),
        _table("names", (f'"{arg.name}"' for arg in _number_args(script, build))),
        _called("local body", body, spelled, ""),
        _ENTRY,
        _registered(script, "", script.flags),
        *((_registered(script, LOOK, ("no-writes",)),) if script.can_look else ()),
        "end",
    )
    return "\n".join(parts)


def _registered(script: Script, ending: str, flags: tuple[str, ...]) -> str:
    listed = ", ".join(f'"{flag}"' for flag in flags)
    name = function_name(script, DIGEST) + ending
    return _REGISTER.replace("{name}", name).replace("{flags}", "{" + listed + "}")


def _called(result: str, source: LuaSource, spelled: Mapping[str, str], call: str) -> str:
    """The file as a function, so that its locals stay its own; its names become positions."""
    text, end = "", 0
    for match in _TABLE_USE.finditer(source.names):
        if match["member"] is not None and match["table"] not in source.own:
            text += source.text[end : match.start()] + spelled[match[0]]
            end = match.end()
    text += source.text[end:]
    return f"\n{result} = (function() -- {source.path}\n{text.rstrip()}\nend){call}"


def _spelled(scripts: Iterable[Script], build: Build) -> dict[str, str]:
    """What stands for each name, in all scripts the same: a number of ours, or what lies among the
    keys, numbers or texts of the call, at the place that its script says."""
    spelled: dict[str, str] = {}
    for script in scripts:
        for name, text in (*_spelled_constants(script), *_spelled_words(script, build)):
            if spelled.setdefault(name, text) != text:
                raise ScriptBroken(f"{script.name} declares another {name} than other scripts")
    return spelled


def _spelled_constants(script: Script) -> Iterator[tuple[str, str]]:
    for table, constants in script.constants.items():
        for member, value in _values(constants).items():
            yield f"{table}.{member}", _literal(value)


def _spelled_words(script: Script, build: Build) -> Iterator[tuple[str, str]]:
    """A list of further ones stands for two values: what it is in, and the place of its first. So
    nothing is built at a call."""
    for name in script.keys:
        yield f"KEY.{name}", f"K[P.KEY_{name}]"
    if script.rest_keys is not None:
        yield f"KEY.{script.rest_keys}", f"K, P.KEY_{script.rest_keys}"
    for arg in (*implicit_args(build), *script.args):
        yield f"ARG.{arg.name}", f"{_LIST[arg.kind]}[P.ARG_{arg.name}]"
    if script.rest_args is not None:
        name = script.rest_args.name
        yield f"ARG.{name}", f"{_LIST[script.rest_args.kind]}, P.ARG_{name}"


def _places(script: Script, build: Build) -> dict[str, int]:
    """Where each name is found in a call; of a list its first."""
    texts = (arg for arg in (*script.args, *filter(None, (script.rest_args,))) if arg.kind is str)
    return {
        **{f"KEY_{name}": i for i, name in enumerate(script.key_names, start=1)},
        **{f"ARG_{arg.name}": i for i, arg in enumerate(_number_args(script, build), start=1)},
        f"ARG_{NONCE.name}": 1,
        **{f"ARG_{arg.name}": i for i, arg in enumerate(texts, start=TEXTS_FIRST)},
    }


def _number_args(script: Script, build: Build) -> Iterator[Arg]:
    for arg in (*implicit_args(build), *script.args, *filter(None, (script.rest_args,))):
        if arg.kind is int:
            yield arg


def _members(values: Mapping[str, int | str]) -> Iterator[str]:
    return (f"{name} = {_literal(value)}" for name, value in values.items())


def _table(name: str, members: Iterable[str]) -> str:
    return "\n".join((f"local {name} = " + "{", *(f"  {member}," for member in members), "}"))


def _literal(value: int | str) -> str:
    if isinstance(value, int):
        return f"{value:d}"
    if _PLAIN_TEXT.fullmatch(value) is None:
        raise ScriptBroken(f"the constant {value!r} is not plain ASCII without quotes")
    return f'"{value}"'


def _values(constants: Constants) -> Mapping[str, int | str]:
    if isinstance(constants, Mapping):
        return constants
    return {member.name: _checked(member) for member in constants}


def _checked(member: Enum) -> int | str:
    if isinstance(member.value, int | str):
        return member.value
    raise ScriptBroken(f"{member} is neither a whole number nor text")


def _names_used(
    script: Script, declared: Mapping[str, frozenset[str]], sources: Iterable[LuaSource]
) -> frozenset[str]:
    """Checks every name; returns the constants that the sources use as whole tables."""
    whole: set[str] = set()
    for source in sources:
        for match in _TABLE_USE.finditer(source.names):
            table, member = match["table"], match["member"]
            if table in source.own:
                continue
            is_known = table in declared and (member is None or member in declared[table])
            if not is_known or (member is None and table not in script.constants):
                where = source.at(match.start())
                raise ScriptBroken(f"{where}: {match[0]} is not declared by {script.name}")
            if member is None:
                whole.add(table)
    return frozenset(whole)


def _declared(script: Script, build: Build) -> dict[str, frozenset[str]]:
    """Every table of the preamble with its members; refuses names that Lua could not read."""
    implicit = tuple(arg.name for arg in implicit_args(build))
    return {
        "KEY": _distinct(script, script.key_names),
        "ARG": _distinct(script, (*implicit, *script.arg_names)),
        **{name: frozenset(_values(constants)) for name, constants in script.constants.items()},
    }


def _distinct(script: Script, names: tuple[str, ...]) -> frozenset[str]:
    for i, name in enumerate(names):
        if _IDENTIFIER.fullmatch(name) is None:
            raise ScriptBroken(f"{script.name} declares {name!r}, which is no name in Lua")
        if name in names[:i]:
            raise ScriptBroken(f"{script.name} declares {name} twice")
    return frozenset(names)

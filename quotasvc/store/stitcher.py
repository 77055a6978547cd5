"""Stitches one script: a preamble from its declaration, then its modules, then its body.

The result needs nothing but the server: Lua modules become functions, `require` a local look-up,
and every name the sources use is checked here, so that a typo fails at start and costs no call.
Knows declarations and Lua sources; does not know how scripts are sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from importlib.resources.abc import Traversable

from quotasvc.store.declaration import Arg, Build, Constants, Script, implicit_args
from quotasvc.store.faults import ScriptBroken
from quotasvc.store.lua_sources import LuaLibrary, LuaSource

_STAND_INS: Mapping[Build, Mapping[str, str]] = {
    Build.SERVE: {},
    Build.TEST: {"lib.clock": "lib.clock_fixed"},
}

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_TEXT = re.compile(r"[ !#-\[\]-~]*")
# Names in capitals come from the preamble; `KEY.team` has a member, `MOVES[state]` has none.
# What stands before a single `=` is a field or a local of the file's own.
_TABLE_USE = re.compile(r"(?<![\w.])(?P<table>[A-Z][A-Z0-9_]*)\b(?:\.(?P<member>\w+)|(?!\s*=[^=]))")

# 2^53 itself is refused: the text of 2^53 + 1 reads as the same double. The good case comes first
# and `tonumber` is a local, which makes 14 checks cost 0.7 us of server time instead of 3.
_CHECKS = """\
local tonumber = tonumber
local function whole(name, text)
  local n = tonumber(text)
  if n and n % 1 == 0 and n < 9007199254740992 and n > -9007199254740992 then return n end
  error({err = "BAD_ARG " .. name .. " is not a whole number"})
end
local function whole_list(name, first)
  local list = {}
  for i = first, #ARGV do list[i - first + 1] = whole(name, ARGV[i]) end
  return list
end"""

_REQUIRE = """\
local modules = {}
local function require(name) return modules[name] end"""

# The echoed nonce proves to the caller that this reply is its own.
_REPLY = """\
table.insert(reply, 1, ARG.nonce)
return reply"""


def stitch(script: Script, build: Build, root: Traversable) -> str:
    """The text that the server gets for `script`, or ScriptBroken with `file:line`."""
    *modules, body = LuaLibrary(root, _STAND_INS[build]).closure(script.name)
    used = _names_used(script, _declared(script, build), (*modules, body))
    args = (*implicit_args(build), *script.args)
    parts = (
        " ".join(("#!lua", *_flags(script))),
        f"-- {script.name}: stitched for build {build.value} from lua/, do not edit.",
        *(_constants(name, script.constants[name], used[name]) for name in sorted(used)),
        _table("KEY", _keys(script)),
        _CHECKS,
        _table("ARG", _args(args, script.rest_args)),
        _REQUIRE,
        *(_called(f'modules["{source.module}"]', source) for source in modules),
        _called("local reply", body),
        _REPLY,
    )
    return "\n".join(parts) + "\n"


def _flags(script: Script) -> Iterator[str]:
    if script.flags:
        yield "flags=" + ",".join(script.flags)


def _called(result: str, source: LuaSource) -> str:
    """The file as a function, so that its locals stay its own."""
    return f"\n{result} = (function() -- {source.path}\n{source.text.rstrip()}\nend)()"


def _keys(script: Script) -> Iterator[str]:
    for i, name in enumerate(script.keys, start=1):
        yield f"{name} = KEYS[{i}]"
    if script.rest_keys is not None:
        yield f"{script.rest_keys} = " + _rest("KEYS", len(script.keys) + 1)


def _args(args: Sequence[Arg], rest: Arg | None) -> Iterator[str]:
    for i, arg in enumerate(args, start=1):
        value = f"ARGV[{i}]"
        yield f"{arg.name} = " + (f'whole("{arg.name}", {value})' if arg.kind is int else value)
    first = len(args) + 1
    if rest is not None and rest.kind is int:
        yield f'{rest.name} = whole_list("{rest.name}", {first})'
    elif rest is not None:
        yield f"{rest.name} = " + _rest("ARGV", first)


def _rest(name: str, first: int) -> str:
    return "{" + f"unpack({name}, {first})" + "}"


def _constants(name: str, constants: Constants, used: frozenset[str]) -> str:
    """Only what the sources name: a script keeps its hash when other names are added."""
    values = _values(constants)
    return _table(name, (f"{member} = {_literal(values[member])}" for member in sorted(used)))


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
) -> dict[str, frozenset[str]]:
    """Which members of which constants the sources name; all members of a table used whole."""
    used: dict[str, set[str]] = {}
    for source in sources:
        for match in _TABLE_USE.finditer(source.names):
            table, member = match["table"], match["member"]
            if _is_own(table, source):
                continue
            if table not in declared or (member is not None and member not in declared[table]):
                where = source.at(match.start())
                raise ScriptBroken(f"{where}: {match[0]} is not declared by {script.name}")
            used.setdefault(table, set()).update([member] if member else declared[table])
    return {table: frozenset(used[table]) for table in script.constants if table in used}


def _is_own(name: str, source: LuaSource) -> bool:
    """Whether the file itself defines `name`."""
    return re.search(rf"\blocal\s[\w\s,]*\b{name}\b", source.names) is not None


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

"""Our Lua modules in lupa's Lua 5.1: the files that the store runs, with the same constants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources import files
from math import inf
from typing import Any

from lupa.lua51 import LuaRuntime

from quotasvc.store.declaration import Constants
from quotasvc.store.lua_sources import LuaLibrary
from quotasvc.store.table import CONSTANTS

# A Lua error that is a table would lose its text on the way to Python.
_GUARD = """
return function(f, ...)
  local results = {pcall(f, ...)}
  if results[1] then return "", unpack(results, 2) end
  local wrong = results[2]
  return type(wrong) == "table" and wrong.err or wrong
end
"""


class LuaFailed(Exception):
    """The module refused, in its own words."""


class FakeStore:
    """The commands of a server for hashes, and those that write orders and streams, on dicts."""

    def __init__(self, sequence: Callable[[Iterable[object]], Any]) -> None:
        self.hashes: dict[str, dict[str, str]] = {}
        self.orders: dict[str, dict[str, str]] = {}
        self.streams: dict[str, list[str]] = {}
        self._sequence = sequence

    def call(self, command: str, key: str, *words: object) -> Any:
        """One command; absent fields are false, as the server's Lua has them."""
        fields = self.hashes.get(key, {})
        names = [_text(word) for word in words]
        if not names and command in {"HSET", "HDEL", "HMGET"}:
            raise ValueError(f"{command} without fields")
        match command:
            case "HGET":
                return fields.get(names[0], False)
            case "HMGET":
                return self._sequence(fields.get(name, False) for name in names)
            case "HGETALL":
                return self._sequence(word for field in fields.items() for word in field)
            case "HSET":
                self.hashes[key] = fields | dict(zip(names[::2], names[1::2], strict=True))
            case "HEXISTS":
                return int(names[0] in fields)
            case "HKEYS":
                return self._sequence(fields)
            case "HLEN":
                if key in self.orders:
                    raise ValueError(f"{key} is no hash")
            case "ZCARD":
                if fields:
                    raise ValueError(f"{key} is no order")
                return len(self.orders.get(key, {}))
            case "ZCOUNT":
                return len(self._above(key, names[0]))
            case "ZREMRANGEBYSCORE":
                live = self._above(key, f"({names[1]}")
                self.orders[key] = {name: f"{score:.0f}" for score, name in live}
            case "ZRANGEBYSCORE":
                return self._sequence(self._range(key, *names))
            case "ZADD":
                order, score, name = self.orders.setdefault(key, {}), names[-2], names[-1]
                if names[0] != "LT" or float(score) < float(order.get(name, inf)):
                    order[name] = score
            case "ZREM":
                self.orders.get(key, {}).pop(names[0], None)
            case "DEL":
                self.hashes.pop(key, None)
            case "HDEL":
                self.hashes[key] = {n: v for n, v in fields.items() if n not in names}
            case "XLEN":
                return len(self.streams.get(key, ()))
            case "XADD":
                self.streams.setdefault(key, []).extend(names)
            case _:
                raise ValueError(command)
        return None

    def _range(self, key: str, low: str, _: str, *options: str) -> Iterator[str]:
        """All above `low` with their scores; the options are WITHSCORES, LIMIT, offset, count."""
        offset, count = int(options[2]), int(options[3])
        for score, name in self._above(key, low)[offset : offset + count]:
            yield name
            yield "inf" if score == inf else f"{score:.0f}"

    def _above(self, key: str, low: str) -> list[tuple[float, str]]:
        order = sorted((float(score), name) for name, score in self.orders.get(key, {}).items())
        return [one for one in order if one[0] > float(low.removeprefix("("))]


def _text(word: object) -> str:
    return f"{word:.0f}" if isinstance(word, float) else str(word)


class LuaModules:
    """Loads pure modules of quotasvc/store/lua and calls their functions with plain values."""

    def __init__(self) -> None:
        self._lua = LuaRuntime(unpack_returned_tuples=True)
        self.store = FakeStore(self.sequence)
        self._library = LuaLibrary(files("quotasvc.store") / "lua", {})
        self._modules: dict[str, Any] = {}
        lua_globals = self._lua.globals()
        for name, constants in CONSTANTS.items():
            lua_globals[name] = self.table(_values(constants))
        lua_globals["require"] = self._modules.__getitem__
        lua_globals["redis"] = self.table({"call": self.store.call})
        self._guard = self._lua.execute(_GUARD)

    def require(self, path: str) -> Any:
        """The module at `path`, such as "lib/lot", with all that it requires."""
        for source in self._library.closure(path):
            if source.module not in self._modules:
                self._modules[source.module] = self._lua.execute(source.text)
        return self._modules[path.replace("/", ".")]

    def receive(self, **args: object) -> None:
        """What the scripts get as ARG from now on."""
        self._lua.globals()["ARG"] = self.table(args)

    def receive_keys(self, **keys: str) -> None:
        """What the scripts get as KEY from now on."""
        self._lua.globals()["KEY"] = self.table(keys)

    def call(self, function: Any, *args: object) -> Any:
        """What `function` returns, nils at the end left out; LuaFailed with its error's text."""
        result = self._guard(function, *(self.to_lua(arg) for arg in args))
        error, *values = result if isinstance(result, tuple) else (result,)
        if error:
            raise LuaFailed(error)
        if not values:
            return None
        return values[0] if len(values) == 1 else tuple(values)

    def to_lua(self, value: object) -> Any:
        """Mappings and sequences become tables, all the way down."""
        if isinstance(value, Mapping):
            return self.table(value)
        if isinstance(value, list | tuple):
            return self.sequence(value)
        return value

    def table(self, values: Mapping[str, object]) -> Any:
        """A table by name."""
        table = self._lua.table()
        for name, value in values.items():
            table[name] = self.to_lua(value)
        return table

    def sequence(self, values: Iterable[object]) -> Any:
        """A table from 1 on."""
        table = self._lua.table()
        for i, value in enumerate(values, start=1):
            table[i] = self.to_lua(value)
        return table


def _values(constants: Constants) -> Mapping[str, object]:
    if isinstance(constants, Mapping):
        return constants
    return {member.name: member.value for member in constants}

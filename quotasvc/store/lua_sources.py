"""Lua modules on disk: reads them, follows `require`, tells which names they use.

Knows Lua's comments, strings and `require("lib.x")`; knows nothing of scripts or the store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from quotasvc.store.faults import ScriptBroken

# A string is matched first, so that the "--" in it starts no comment.
_STRING_OR_COMMENT = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<comment>--\[(?P<level>=*)\[.*?\](?P=level)\]|--[^\n]*)""",
    re.DOTALL,
)
_REQUIRE = re.compile(r"""(?<![\w.])require\b(?:\("(?P<module>[a-z0-9_]+(?:\.[a-z0-9_]+)*)"\))?""")
_LOCALS = re.compile(r"\blocal\s([\w\s,]*)")
_WORD = re.compile(r"\w+")
_NOT_NEWLINE = re.compile(r"[^\n]")


@dataclass(frozen=True, slots=True)
class LuaSource:
    """One file: `text` as written, `code` without comments, `names` without strings either.

    What is left out is blanked, so that a place in one is the same place in all three. `own` are
    the names that the file itself defines.
    """

    module: str
    path: str
    text: str
    code: str
    names: str
    own: frozenset[str]

    @staticmethod
    def of(module: str, path: str, text: str) -> LuaSource:
        """Reads `text` as the file at `path`."""
        names = _STRING_OR_COMMENT.sub(lambda m: _blank(m[0]), text)
        return LuaSource(
            module=module,
            path=path,
            text=text,
            code=_STRING_OR_COMMENT.sub(lambda m: m["string"] or _blank(m[0]), text),
            names=names,
            own=frozenset(word for run in _LOCALS.findall(names) for word in _WORD.findall(run)),
        )

    def at(self, offset: int) -> str:
        """`file:line` of a place."""
        line = self.text.count("\n", 0, offset) + 1
        return ":".join((self.path, str(line)))

    def required(self) -> Iterator[tuple[str, str]]:
        """The module names of all requires, each with its `file:line`."""
        for match in _REQUIRE.finditer(self.code):
            where = self.at(match.start())
            if match["module"] is None:
                raise ScriptBroken(f'{where}: write require("lib.name"), nothing else is followed')
            yield match["module"], where


class LuaLibrary:
    """The Lua files below one folder; `stand_ins` maps a module name to the one read instead."""

    def __init__(self, root: Traversable, stand_ins: Mapping[str, str]) -> None:
        self._root = root
        self._stand_ins = stand_ins
        self._sources: dict[str, LuaSource] = {}

    def closure(self, path: str) -> tuple[LuaSource, ...]:
        """The file at `path` (no ending), after all that it requires: each once, depth first."""
        found: dict[str, LuaSource] = {}
        self._visit(path.replace("/", "."), required_at=f"script {path}", open_=(), found=found)
        return tuple(found.values())

    def _visit(
        self, module: str, *, required_at: str, open_: tuple[str, ...], found: dict[str, LuaSource]
    ) -> None:
        if module in found:
            return
        if module in open_:
            circle = " -> ".join((*open_[open_.index(module) :], module))
            raise ScriptBroken(f"{required_at}: modules require each other: {circle}")
        source = self._read(module, required_at)
        for name, where in source.required():
            self._visit(name, required_at=where, open_=(*open_, module), found=found)
        found[module] = source

    def _read(self, module: str, required_at: str) -> LuaSource:
        """Each file once, however many scripts require it."""
        if module in self._sources:
            return self._sources[module]
        path = self._stand_ins.get(module, module).replace(".", "/") + ".lua"
        try:
            text = self._root.joinpath(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ScriptBroken(f"{required_at}: there is no {path}") from None
        source = LuaSource.of(module, path, text)
        self._sources[module] = source
        return source


def _blank(text: str) -> str:
    return _NOT_NEWLINE.sub(" ", text)

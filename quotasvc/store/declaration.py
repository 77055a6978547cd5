"""What Python declares about a Lua script: its keys, arguments, flags and constants, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

Constants = type[Enum] | Mapping[str, int | str]
"""A table handed to Lua: an enum (its names and values), or names with values."""


class Build(Enum):
    """Whose time the scripts read: the server's, or one that tests send along."""

    SERVE = "serve"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument: `int` reaches Lua as a checked whole number, `str` as the bytes sent."""

    name: str
    kind: type[int] | type[str] = int


NONCE = Arg("nonce", str)
"""Implicit first argument of every script, echoed as the first element of its reply."""

CLOCK_MS = Arg("clock_ms", int)
"""Implicit first number of every script of `Build.TEST`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The contract of one script; Lua reads `KEY.name` and `ARG.name`, never a position.

    `name` is the path of the body below lua/, without its ending: "decision/reserve".
    `rest_keys` and `rest_args` name a list of all further ones: each stands for two values, what
    they are in and the place of the first, as in `f(KEY.windows)` for `function f(keys, first)`.
    `can_look`: it can also be run as one that never writes, which a full store answers.
    `constants` are tables by the name Lua knows them by: `{"OUTCOME": Outcome}`.
    """

    name: str
    keys: tuple[str, ...] = ()
    rest_keys: str | None = None
    args: tuple[Arg, ...] = ()
    rest_args: Arg | None = None
    flags: tuple[str, ...] = ()
    can_look: bool = False
    is_look: bool = False  # run as that
    constants: Mapping[str, Constants] = field(default_factory=dict)

    @property
    def look(self) -> Script:
        """The same script, not let write."""
        return replace(self, is_look=True)

    @property
    def key_names(self) -> tuple[str, ...]:
        """All names below KEY, the list's last."""
        return self.keys if self.rest_keys is None else (*self.keys, self.rest_keys)

    @property
    def arg_names(self) -> tuple[str, ...]:
        """All declared names below ARG, the list's last."""
        rest = () if self.rest_args is None else (self.rest_args,)
        return tuple(arg.name for arg in (*self.args, *rest))


def implicit_args(build: Build) -> tuple[Arg, ...]:
    """What precedes the declared arguments."""
    return (NONCE, CLOCK_MS) if build is Build.TEST else (NONCE,)

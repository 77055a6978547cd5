"""The options of commands: one per knob of `quotasvc.config`, in the knob's own words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated

import typer

from quotasvc import config
from quotasvc.config import Knob, Settings, read_settings


class Format(Enum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    SHELL = "shell"


def _text(knob: Knob[object], metavar: str) -> object:
    return typer.Option(knob.flag, help=_help(knob), metavar=metavar)


def _switch(knob: Knob[object]) -> object:
    names = f"{knob.flag}/--no-{knob.flag.removeprefix('--')}"
    return typer.Option(names, help=_help(knob))


def _help(knob: Knob[object]) -> str:
    """A default that depends on something is told in the knob's own words."""
    default = f", default {knob.default}" if knob.default else ""
    return f"{knob.about}  [{knob.variable}{default}]"


Listen = Annotated[str | None, _text(config.LISTEN, "HOST:PORT")]
Door = Annotated[str | None, _text(config.DOOR, "DOOR")]
Workers = Annotated[str | None, _text(config.WORKERS, "N")]
Admin = Annotated[str | None, _text(config.ADMIN, "HOST:PORT")]
Store = Annotated[str | None, _text(config.STORE, "STORE")]
Data = Annotated[str | None, _text(config.DATA, "DIR")]
Catalog = Annotated[str | None, _text(config.CATALOG, "FILE")]
Secrets = Annotated[str | None, _text(config.SECRETS, "FILE")]
Demo = Annotated[bool | None, _switch(config.DEMO)]
Insecure = Annotated[bool | None, _switch(config.INSECURE)]
Log = Annotated[str | None, _text(config.LOG, "FORMAT")]
DeadlineMs = Annotated[str | None, _text(config.DEADLINE_MS, "MS")]
DrainMs = Annotated[str | None, _text(config.DRAIN_MS, "MS")]
MemoryMb = Annotated[str | None, _text(config.MEMORY_MB, "MB")]
Traces = Annotated[str | None, _text(config.TRACES, "WHERE")]
Reflection = Annotated[bool | None, _switch(config.REFLECTION)]
AllowUnsafeDurability = Annotated[bool | None, _switch(config.ALLOW_UNSAFE_DURABILITY)]
AllowUnsafeVersion = Annotated[bool | None, _switch(config.ALLOW_UNSAFE_VERSION)]
AllowUnreadSettings = Annotated[bool | None, _switch(config.ALLOW_UNREAD_SETTINGS)]


def settings_of(options: Mapping[str, object]) -> Settings:
    """The settings that a command's options, and the environment, make."""
    return read_settings({name: _flag_text(value) for name, value in options.items()})


def _flag_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "on" if value else "off"
    return None if value is None else str(value)

"""Every setting of the service, read once from flags and `QUOTASVC_*` variables, then frozen.

A flag stands above its variable, a variable above the default. A variable that is empty is not
set; one that names no setting is an error, because a mistyped limit would silently be none. No
other module looks at the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import unquote, urlsplit

from quotasvc.domain.faults import Fault
from quotasvc.store.endpoint import Endpoint

PREFIX = "QUOTASVC_"
EMBEDDED = "embedded"
SECRETS_FILE_NAME = "secrets.json"
"""In the data directory, unless told otherwise."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class SettingsFault(Fault):
    """A setting that will not do; the text names it and says what would."""


class LogFormat(Enum):
    """How log lines look. AUTO: TEXT on a terminal, else JSON."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class Traces(Enum):
    """Where spans go."""

    NONE = "none"
    STDERR = "stderr"


class Door(Enum):
    """How bytes get in. AUTO: ENVOY where it can run, else GRPCIO."""

    AUTO = "auto"
    ENVOY = "envoy"
    GRPCIO = "grpcio"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than localhost may be anything."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Which store: `name` is free of credentials; no endpoint means the embedded one."""

    name: str
    endpoint: Endpoint | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that an operator can choose, one field per knob below."""

    listen: Address
    door: Door
    workers: int
    admin: Address
    store: StoreAddress
    data: Path
    catalog: Path | None
    secrets: Path
    demo: bool
    insecure: bool
    log: LogFormat
    deadline_ms: int
    drain_ms: int
    memory_mb: int
    traces: Traces
    reflection: bool
    allow_unsafe_durability: bool
    allow_unsafe_version: bool
    allow_unread_settings: bool


@dataclass(frozen=True, slots=True)
class Knob(Generic[T_co]):
    """One setting: its flag is `--name`, its variable `QUOTASVC_NAME`."""

    name: str
    about: str  # what it is, with unit and range
    default: str
    parse: Callable[[str], T_co]
    is_secret: bool = False  # its text may hold a password

    @property
    def flag(self) -> str:
        """As it stands on a command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """As it stands in the environment."""
        return PREFIX + self.name.upper()


def _address(text: str) -> Address:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("give HOST:PORT, such as 127.0.0.1:50051")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _store(text: str) -> StoreAddress:
    if text == EMBEDDED:
        return StoreAddress(EMBEDDED, None)
    try:
        return _external_store(text)
    except ValueError:
        # Without the cause, which may quote the password.
        raise ValueError(
            f"give {EMBEDDED}, redis://[USER:PASSWORD@]HOST[:PORT][/DB] or unix:///PATH"
        ) from None


def _external_store(text: str) -> StoreAddress:
    url = urlsplit(text)
    password = unquote(url.password or "")
    username = unquote(url.username or "default")
    if url.scheme == "unix" and url.path:
        endpoint = Endpoint(path=url.path, username=username, password=password)
        return StoreAddress(f"unix://{url.path}", endpoint)
    if url.scheme != "redis" or not url.hostname:
        raise ValueError(url.scheme)
    host, port = url.hostname, url.port or 6379
    database = int(url.path.removeprefix("/") or "0")
    endpoint = Endpoint(
        host=host, port=port, username=username, password=password, database=database
    )
    return StoreAddress(f"redis://{Address(host, port)}/{database}", endpoint)


def _file(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def _number(text: str, *, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ValueError(f"give a whole number from {least} to {most}")
    return int(text)


_SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def _switch(text: str) -> bool:
    if text.lower() not in _SWITCH:
        raise ValueError("give on or off")
    return _SWITCH[text.lower()]


C = TypeVar("C", bound=Enum)


def _one_of(choices: type[C], text: str) -> C:
    for choice in choices:
        if choice.value == text:
            return choice
    raise ValueError(f"give one of {', '.join(str(choice.value) for choice in choices)}")


LISTEN = Knob("listen", "Where gRPC is served. Port 0: any free one.", "127.0.0.1:50051", _address)
DOOR = Knob(
    "door",
    "What serves the calls: envoy (fast), grpcio (portable), or auto (envoy where it can run).",
    "auto",
    partial(_one_of, Door),
)
WORKERS = Knob(
    "workers",
    "Processes of the Envoy door, on one port, 1 … 64; each takes some 100 MB.",
    "1",
    partial(_number, least=1, most=64),
)
ADMIN = Knob(
    "admin",
    "Where metrics and readiness are served. Port 0: any free one.",
    "127.0.0.1:50052",
    _address,
)
STORE = Knob(
    "store",
    "embedded, redis://[USER:PASSWORD@]HOST[:PORT][/DB] or unix:///PATH.",
    EMBEDDED,
    _store,
    is_secret=True,
)
DATA = Knob(
    "data",
    "Directory of the embedded store and the secrets. Default: ~/.local/state/quotasvc.",
    "",
    _file,
)
CATALOG = Knob("catalog", "The catalog's file. Default: the one that is shipped.", "", _file)
SECRETS = Knob(
    "secrets",
    "File of MAC key and pepper, the same for all replicas. Default: secrets.json in --data.",
    "",
    _file,
)
DEMO = Knob(
    "demo", "Put the demo teams into the store, where they are not there yet.", "off", _switch
)
INSECURE = Knob(
    "insecure",
    "Listen on other addresses than loopback, without TLS and caller identity.",
    "off",
    _switch,
)
LOG = Knob(
    "log",
    "Log lines: text, json, or auto (text on a terminal).",
    "auto",
    partial(_one_of, LogFormat),
)
DEADLINE_MS = Knob(
    "deadline_ms",
    "Time for a call whose caller sets no deadline or a later one, in ms, 10 … 60000.",
    "2000",
    partial(_number, least=10, most=60_000),
)
DRAIN_MS = Knob(
    "drain_ms",
    "Time for calls under way when the service stops, in ms, 0 … 300000.",
    "5000",
    partial(_number, least=0, most=300_000),
)
MEMORY_MB = Knob(
    "memory_mb",
    "Memory limit of the embedded store in MB, 0 … 1000000. 0: none.",
    "0",
    partial(_number, least=0, most=1_000_000),
)
TRACES = Knob(
    "traces",
    "Where spans go: none, or stderr as JSON lines.",
    "none",
    partial(_one_of, Traces),
)
REFLECTION = Knob("reflection", "Serve gRPC reflection.", "on", _switch)
ALLOW_UNSAFE_DURABILITY = Knob(
    "allow_unsafe_durability", "Run on a store that may forget charges.", "off", _switch
)
ALLOW_UNSAFE_VERSION = Knob(
    "allow_unsafe_version", "Run on a store with known security holes.", "off", _switch
)
ALLOW_UNREAD_SETTINGS = Knob(
    "allow_unread_settings", "Run on a store that will not tell its settings.", "off", _switch
)

KNOBS: tuple[Knob[object], ...] = (
    *(LISTEN, DOOR, WORKERS),
    *(ADMIN, STORE, DATA, CATALOG, SECRETS, DEMO, INSECURE, LOG, DEADLINE_MS, DRAIN_MS),
    *(MEMORY_MB, TRACES, REFLECTION),
    *(ALLOW_UNSAFE_DURABILITY, ALLOW_UNSAFE_VERSION, ALLOW_UNREAD_SETTINGS),
)


def read_settings(
    flags: Mapping[str, str | None], environment: Mapping[str, str] = os.environ
) -> Settings:
    """The settings that flags (by knob name) and variables make, or a SettingsFault."""
    _refuse_unknown(environment)
    read = _Reader(flags, environment)
    data = read(DATA) or default_data(environment)
    settings = Settings(
        listen=read(LISTEN),
        door=read(DOOR),
        workers=read(WORKERS),
        admin=read(ADMIN),
        store=read(STORE),
        data=data,
        catalog=read(CATALOG),
        secrets=read(SECRETS) or data / SECRETS_FILE_NAME,
        demo=read(DEMO),
        insecure=read(INSECURE),
        log=read(LOG),
        deadline_ms=read(DEADLINE_MS),
        drain_ms=read(DRAIN_MS),
        memory_mb=read(MEMORY_MB),
        traces=read(TRACES),
        reflection=read(REFLECTION),
        allow_unsafe_durability=read(ALLOW_UNSAFE_DURABILITY),
        allow_unsafe_version=read(ALLOW_UNSAFE_VERSION),
        allow_unread_settings=read(ALLOW_UNREAD_SETTINGS),
    )
    _refuse_exposed(settings)
    return settings


def default_data(environment: Mapping[str, str] = os.environ) -> Path:
    """Where programs of this user keep their state, by the XDG base directory specification."""
    stated = Path(environment.get("XDG_STATE_HOME", ""))
    if stated.is_absolute():
        return stated / "quotasvc"
    try:
        home = Path(environment.get("HOME") or "~").expanduser()
    except RuntimeError:
        raise SettingsFault(f"this user has no home directory; give {DATA.flag}") from None
    return home / ".local" / "state" / "quotasvc"


@dataclass(frozen=True, slots=True)
class _Reader:
    """Finds the text of a knob and parses it."""

    flags: Mapping[str, str | None]
    environment: Mapping[str, str]

    def __call__(self, knob: Knob[T]) -> T:
        name, text = knob.flag, self.flags.get(knob.name)
        if text is None:
            name, text = knob.variable, self.environment.get(knob.variable) or knob.default
        try:
            return knob.parse(text)
        except ValueError as error:
            shown = "its value" if knob.is_secret else repr(text)
            raise SettingsFault(f"{name}: {shown} will not do; {error}") from None


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = [knob.variable for knob in KNOBS]
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise SettingsFault(f"{name}: there is no such setting; did you mean {nearest}?")


def _refuse_exposed(settings: Settings) -> None:
    """Callers are not told apart yet, so only this machine may be one unless told so."""
    for knob, address in ((LISTEN, settings.listen), (ADMIN, settings.admin)):
        if not address.is_loopback and not settings.insecure:
            raise SettingsFault(
                f"{knob.flag} {address} can be reached from other machines, without TLS and with "
                f"every caller trusted; use 127.0.0.1, or add {INSECURE.flag} if a network policy "
                "keeps strangers out"
            )

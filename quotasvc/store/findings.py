"""Judges what a store says about itself: pure, so that every judgement can be tested by a table.

Knows which servers and settings are safe for quota; does not know how to ask for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from quotasvc.store.table import SKEW_MS_MAX

Version = tuple[int, ...]

VERSION_FLOORS: Mapping[str, tuple[Version, ...]] = {
    "Redis": ((7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
    "Valkey": ((8, 0, 6), (8, 1, 4)),
}
"""The first release of each line without CVE-2025-49844, code execution through Lua; rising."""

MEMORY_PERCENT_MAX = 80
"""Above it new reservations are refused; what gives room back still runs."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; where it is not `ok`, `cure` says what to do."""

    name: str
    ok: bool
    detail: str
    cure: str = ""
    is_fatal: bool = True

    @property
    def refuses(self) -> bool:
        """Whether the service must not start because of this."""
        return self.is_fatal and not self.ok


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Dangers that the operator takes on; they are still reported."""

    allow_unsafe_durability: bool = False
    allow_unsafe_version: bool = False
    allow_unread_settings: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the store said; a setting that it would not tell is absent."""

    info: Mapping[str, str]
    settings: Mapping[str, str]
    store_ms: int


@dataclass(frozen=True, slots=True)
class _Setting:
    """A setting with its only safe value."""

    name: str
    wanted: str
    danger: str
    is_durability: bool


_SETTINGS = (
    _Setting("maxmemory-policy", "noeviction", "quota would vanish to make room", False),
    _Setting("appendonly", "yes", "a restart would forget what was charged", True),
    _Setting("appendfsync", "always", "a power cut would forget what was charged", True),
    _Setting("no-appendfsync-on-rewrite", "no", "so would one while the log is rewritten", True),
)
SETTING_NAMES = tuple(setting.name for setting in _SETTINGS)


def judge(facts: Facts, overrides: Overrides, witness_ms: int) -> Iterator[Finding]:
    """Everything that can be said without touching data."""
    yield _version(facts.info, overrides)
    yield _role(facts.info)
    for setting in _SETTINGS:
        yield _setting(setting, facts.settings.get(setting.name), overrides)
    yield _memory(facts.info)
    yield _clock(facts.store_ms, witness_ms)


def _version(info: Mapping[str, str], overrides: Overrides) -> Finding:
    # Valkey tells an old Redis version too, for clients that look at nothing else.
    product = "Valkey" if "valkey_version" in info else "Redis"
    text = info[f"{product.lower()}_version"]
    floors = VERSION_FLOORS[product]
    safe = " or ".join(".".join(map(str, floor)) for floor in floors)
    return Finding(
        "version",
        _is_patched(tuple(map(int, text.split("."))), floors),
        f"{product} {text}",
        f"scripts could take the server over (CVE-2025-49844): upgrade to {safe} or newer, "
        "or set allow_unsafe_version",
        is_fatal=not overrides.allow_unsafe_version,
    )


def _is_patched(version: Version, floors: tuple[Version, ...]) -> bool:
    """At or above the floor of its own line, or of a line newer than all that have one."""
    line = version[:2]
    for floor in floors:
        if line == floor[:2]:
            return version >= floor
    return line > floors[-1][:2]


def _role(info: Mapping[str, str]) -> Finding:
    role = info.get("role", "unknown")
    return Finding("role", role == "master", role, "a replica takes no writes: give the primary")


def _setting(setting: _Setting, found: str | None, overrides: Overrides) -> Finding:
    if found is None:
        return Finding(
            setting.name,
            False,
            f"could not be read; must be {setting.wanted}",
            "let this user run CONFIG GET, or make sure yourself and set allow_unread_settings",
            is_fatal=not overrides.allow_unread_settings,
        )
    way_out = ", or set allow_unsafe_durability" if setting.is_durability else ""
    return Finding(
        setting.name,
        found == setting.wanted,
        found,
        f"{setting.danger}: set {setting.name} to {setting.wanted}{way_out}",
        is_fatal=not (setting.is_durability and overrides.allow_unsafe_durability),
    )


def _memory(info: Mapping[str, str]) -> Finding:
    used, most = int(info["used_memory"]), int(info["maxmemory"])
    if most == 0:
        return Finding("memory", True, f"{used} bytes used, no limit of its own")
    percent = used * 100 // most
    return Finding(
        "memory",
        percent <= MEMORY_PERCENT_MAX,
        f"{percent} % of maxmemory used",
        f"above {MEMORY_PERCENT_MAX} % new reservations are refused: raise maxmemory",
        # Commits, refunds and purges bring it down again, so the service must run.
        is_fatal=False,
    )


def _clock(store_ms: int, witness_ms: int) -> Finding:
    apart_ms = abs(store_ms - witness_ms)
    return Finding(
        "clock",
        apart_ms <= SKEW_MS_MAX,
        f"{apart_ms} ms apart from ours",
        f"more than {SKEW_MS_MAX} ms would open and close windows wrongly: set both by NTP",
    )

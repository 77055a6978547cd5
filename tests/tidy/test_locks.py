"""The locks hold what pyproject.toml pins, each with its hashes, and agree with each other."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.tidy.sources import ROOT, text_of

_PIN = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,]+\])?==(?P<version>[^\s;]+)")


def _pins(lines: list[str]) -> dict[str, str]:
    """Versions by normal name; `grpcio_tools` and `grpcio-tools` are the same project."""
    found = [match for line in lines if (match := _PIN.match(line))]
    return {re.sub(r"[-_.]+", "-", pin["name"]).lower(): pin["version"] for pin in found}


def _entries(lock: str) -> list[str]:
    """One text for each locked project: its first line and its hashes."""
    return re.findall(r"^[^\s#].*(?:\n[ ]+--hash.*)*", text_of(ROOT / lock), re.MULTILINE)


def _pinned(*groups: str) -> dict[str, str]:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    pins: list[str] = project["project"]["dependencies"]
    for group in groups:
        pins = pins + project["dependency-groups"][group]
    return _pins(pins)


@pytest.mark.parametrize(
    ("lock", "groups"),
    [("requirements.lock", ("build",)), ("requirements-dev.lock", ("build", "dev"))],
)
def test_a_lock_holds_every_pin(lock: str, groups: tuple[str, ...]) -> None:
    assert _pinned(*groups).items() - _pins(_entries(lock)).items() == set()


def test_what_runs_is_what_is_tested() -> None:
    runtime, dev = (_pins(_entries(f"requirements{kind}.lock")) for kind in ("", "-dev"))
    assert runtime.items() - dev.items() == set()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_entry_has_hashes(lock: str) -> None:
    entries = _entries(lock)
    assert len(entries) > 20
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_another_version_is_another_pin() -> None:
    assert _pins(["redis[hiredis]==8.1.0 ; x", "Grpcio_Tools==1.0"]) == {
        "redis": "8.1.0",
        "grpcio-tools": "1.0",
    }

"""The version that is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """As pyproject.toml has it; "unknown" in a tree that was never installed."""
    try:
        return version("quotasvc")
    except PackageNotFoundError:
        return "unknown"

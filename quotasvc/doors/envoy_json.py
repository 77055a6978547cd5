"""Envoy's configuration is JSON; parts of it say of which type they are."""

from __future__ import annotations

from typing import Any, TypeAlias

# Envoy checks it; we only write it.
Json: TypeAlias = dict[str, Any]


def typed(kind: str, /, **fields: object) -> Json:
    """A part of this type."""
    return {"@type": f"type.googleapis.com/{kind}", **fields}

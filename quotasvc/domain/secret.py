"""The two secrets that all replicas share: they sign reservation ids and hash API keys."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """`mac_key` makes reservation ids unforgeable; `pepper` makes stored key hashes useless alone.

    32 random bytes each, at one version. Neither shows in a repr, hence not in a log.
    """

    version: int
    mac_key: bytes = field(repr=False)
    pepper: bytes = field(repr=False)

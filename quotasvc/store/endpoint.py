"""Where a store listens, and who we are there."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A Unix socket (`path`), or else `host` and `port`; the password stays out of repr."""

    path: str | None = None
    host: str = "127.0.0.1"
    port: int = 6379
    tls: ssl.SSLContext | None = None
    username: str = "default"
    password: str = field(default="", repr=False)
    database: int = 0

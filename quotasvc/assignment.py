"""What the service tells each process of the Envoy door: one variable of its environment, as JSON.

The store's password may be in it, as it may be in `QUOTASVC_STORE`: an environment can be read by
the same user alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from quotasvc.config import LogFormat, Traces
from quotasvc.store.endpoint import Endpoint

VARIABLE = "QUOTASVC_ASSIGNMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A store that has been opened, and how to serve it."""

    endpoint: Endpoint = field(repr=False)
    store_id: str
    secrets: Path
    catalog_version: str
    deadline_ms: int
    drain_ms: int
    reflection: bool
    traces: Traces
    log: LogFormat

    def environment(self) -> dict[str, str]:
        """Our own, with this in it."""
        assert self.endpoint.tls is None, "a TLS context cannot be told in words"
        words = asdict(self) | {
            "secrets": str(self.secrets),
            "traces": self.traces.value,
            "log": self.log.value,
        }
        return {**os.environ, VARIABLE: json.dumps(words)}


def read_assignment(environment: Mapping[str, str] = os.environ) -> Assignment:
    """What started this process."""
    words = json.loads(environment[VARIABLE])
    return Assignment(
        **words
        | {
            "endpoint": Endpoint(**words["endpoint"]),
            "secrets": Path(words["secrets"]),
            "traces": Traces(words["traces"]),
            "log": LogFormat(words["log"]),
        }
    )

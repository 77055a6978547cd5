"""What a process of the door is told is what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from quotasvc.assignment import Assignment, read_assignment
from quotasvc.config import LogFormat, Traces
from quotasvc.store.endpoint import Endpoint

ENDPOINTS = (
    Endpoint(path="/run/store"),
    Endpoint(host="store", port=1, username="u", password='p"$\\ä', database=3),
)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_assignment_arrives_as_it_was_made(endpoint: Endpoint) -> None:
    made = Assignment(
        endpoint=endpoint,
        store_id="id",
        secrets=Path("/secrets.json"),
        catalog_version="v1",
        deadline_ms=2_000,
        drain_ms=5_000,
        reflection=True,
        traces=Traces.STDERR,
        log=LogFormat.JSON,
    )
    assert read_assignment(made.environment()) == made


def test_an_assignment_shows_no_password() -> None:
    made = Assignment(
        endpoint=ENDPOINTS[1],
        store_id="id",
        secrets=Path("/secrets.json"),
        catalog_version="v1",
        deadline_ms=1,
        drain_ms=0,
        reflection=False,
        traces=Traces.NONE,
        log=LogFormat.AUTO,
    )
    assert "p\\" not in repr(made)

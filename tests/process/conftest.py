"""Services in processes of their own; whatever a test leaves is ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import Service, is_alive, wait_until


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Not started yet."""
    service = Service(tmp_path)
    yield service
    service.end()
    if (service.data / "valkey.pid").exists():
        pid = service.store_pid
        wait_until(lambda: not is_alive(pid), "the store ends with its service")

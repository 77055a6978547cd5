"""When a leftover server counts as ended."""

from __future__ import annotations

import os
import subprocess

from quotasvc.store.leftover import has_ended
from tests.support.service import wait_until


def test_a_process_has_ended_before_and_after_it_is_collected() -> None:
    # given a process that runs
    assert not has_ended(os.getpid())
    # when a child ends and nobody collects it, as in a container without an init
    child = subprocess.Popen(["true"])
    wait_until(lambda: has_ended(child.pid), "the zombie counts as ended")
    assert os.path.exists(f"/proc/{child.pid}")
    # then it has ended, and so it has when it is gone
    child.wait()
    assert has_ended(child.pid)

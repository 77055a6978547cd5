"""Becomes Envoy, bound to the life of the process that launched it.

Run by path in a fresh interpreter: `python -I -S envoy_launcher.py <parent pid> <command ...>`.
As `store/embedded_launcher.py` does for the store, but with SIGKILL: an Envoy whose Python hangs
ignores SIGTERM, and one that nobody watches over has no business on the port.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent_pid: int, command: list[str]) -> None:
    """Replaces this process by `command`; does nothing if the parent is gone already."""
    if sys.platform == "linux":
        # It stays set across exec.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Only after asking: a parent that died before would never be reported.
    if os.getppid() == parent_pid:
        os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

"""Becomes the server, bound to the life of the process that launched it.

Run by path in a fresh interpreter: `python -I -S embedded_launcher.py <parent pid> <command ...>`.
A step of its own because the kernel's parent-death signal must be asked for by the child, and
code between fork and exec is unsafe in a program with threads. Imports nothing of ours: it runs
before every start of the server, in about 20 ms.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent_pid: int, command: list[str]) -> None:  # pragma: no cover  # see tests: own process
    """Replaces this process by `command`; does nothing if the parent is gone already."""
    if sys.platform == "linux":
        # SIGTERM lets the server finish its log and leave. It stays set across exec.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # Only after asking: a parent that died before would never be reported.
    if os.getppid() != parent_pid:
        return
    # What the server writes is for its owner only.
    os.umask(0o077)
    os.execv(command[0], command)


if __name__ == "__main__":  # pragma: no cover  # see tests: own process
    main(int(sys.argv[1]), sys.argv[2:])

"""`quotasvc`, and `python -m quotasvc`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        # Here, so that Ctrl-C during the imports shows no traceback either.
        from quotasvc.cli import run

        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

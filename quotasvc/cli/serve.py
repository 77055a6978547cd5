"""`quotasvc serve`."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from dataclasses import asdict

from quotasvc.app import Ready, serve
from quotasvc.cli.banner import banner
from quotasvc.config import LogFormat, Settings
from quotasvc.logs import configure_logs

log = logging.getLogger(__name__)


def run_service(settings: Settings) -> None:
    """Serves until told to stop."""
    log_format = configure_logs(settings.log, sys.stderr)

    def say_ready(ready: Ready) -> None:
        log.info("serving", extra=asdict(ready.presence))
        if log_format is LogFormat.TEXT:
            # A file that collects output keeps it: only a person at a terminal gets the key.
            print(banner(settings, ready, shows_key=sys.stdout.isatty()), flush=True)

    asyncio.run(serve(settings, say_ready))
    # A second Ctrl-C, of a person in a hurry, would now only break into the interpreter's end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

"""How log lines look: readable on a terminal, JSON elsewhere, and free of API keys in both.

Modules log through the standard library; this one decides, once, what becomes of it.
"""

from __future__ import annotations

import logging
import re
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from quotasvc.config import LogFormat
from quotasvc.domain.api_key import KINDS

# Nobody logs a key on purpose; one in some library's message gets no further than its id. No word
# boundary is asked for: a colour may stand right before it.
_API_KEY = re.compile(rf"((?:{'|'.join(KINDS)})_[a-z0-9-]+_k[0-9]+)_[0-9A-Za-z]+")

_STAMP_TEXT = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
_STAMP_JSON = structlog.processors.TimeStamper(fmt="iso", utc=True)


def configure_logs(choice: LogFormat, stream: TextIO) -> LogFormat:
    """Sends all logs to `stream`. Returns what AUTO has become."""
    is_text = choice is LogFormat.TEXT or (choice is LogFormat.AUTO and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(),
                structlog.stdlib.add_log_level,
                _STAMP_TEXT if is_text else _STAMP_JSON,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_text(colors=stream.isatty()) if is_text else _json()),
                _without_api_keys,
            ],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    return LogFormat.TEXT if is_text else LogFormat.JSON


def _text(*, colors: bool) -> tuple[Processor, ...]:
    # The default traceback shows local variables, and so secrets.
    plain = structlog.dev.plain_traceback
    return (
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, pad_event_to=0),
    )


def _json() -> tuple[Processor, ...]:
    return (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())


def _without_api_keys(_: WrappedLogger, __: str, line: EventDict | str) -> str:
    """The last step: the line as it will be written."""
    return _API_KEY.sub(r"\1_…", str(line))

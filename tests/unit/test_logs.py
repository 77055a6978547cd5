"""Log lines: readable or JSON, and free of API keys in both."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from quotasvc.config import LogFormat
from quotasvc.domain.api_key import make_api_key
from quotasvc.domain.team import KeyKind
from quotasvc.logs import configure_logs

log = logging.getLogger("quotasvc.tests")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It says so."""
        return True


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """What a test configures is its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    assert configure_logs(LogFormat.AUTO, Terminal()) is LogFormat.TEXT
    assert configure_logs(LogFormat.AUTO, io.StringIO()) is LogFormat.JSON


def test_json_has_the_fields_that_were_given() -> None:
    stream = io.StringIO()
    configure_logs(LogFormat.JSON, stream)
    log.info("serving %s", "all", extra={"listen": "127.0.0.1:1"})
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["listen"]) == ("serving all", "info", "127.0.0.1:1")
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("choice", [LogFormat.TEXT, LogFormat.JSON])
@pytest.mark.parametrize("kind", KeyKind)
def test_an_api_key_is_cut_down_to_its_id(choice: LogFormat, kind: KeyKind) -> None:
    key = make_api_key(kind, "home-ada_k12", bytes(range(32)))
    stream = Terminal()
    configure_logs(choice, stream)
    # when it stands in a message, a field and a traceback
    try:
        raise ValueError(key.text)
    except ValueError:
        log.exception("bad key %s", key.text, extra={"key": key.text})
    # then its id is there and its secret is not
    assert "home-ada_k12_…" in stream.getvalue()
    assert key.secret[:8] not in stream.getvalue()


def test_a_traceback_shows_no_local_variables() -> None:
    stream = Terminal()
    configure_logs(LogFormat.TEXT, stream)
    pepper = "the-pepper-of-this-installation"
    try:
        raise ValueError(len(pepper))
    except ValueError:
        log.exception("failed")
    assert "Traceback" in stream.getvalue()
    assert pepper not in stream.getvalue()

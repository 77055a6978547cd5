"""The banner: what runs where, and a line that works when it is pasted."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from quotasvc.app import Ready
from quotasvc.catalog import DEFAULT_CATALOG, load_catalog
from quotasvc.cli.banner import banner
from quotasvc.config import Settings, default_data, read_settings
from quotasvc.demo import KEYS
from quotasvc.presence import Presence
from tests.support.quota import SECRETS

CATALOG = load_catalog(DEFAULT_CATALOG)
READY = Ready(
    presence=Presence(
        pid=7, listen="127.0.0.1:5", admin="127.0.0.1:6", store="embedded", catalog_version="v"
    ),
    catalog=CATALOG,
    secrets=SECRETS,
)
DEMO = read_settings({"demo": "on"}, {})


def _request(text: str) -> dict[str, object]:
    """What the pasted grpcurl line sends."""
    words = shlex.split(text[text.index("grpcurl") :])
    request: dict[str, object] = json.loads(words[words.index("-d") + 1])
    return request


def test_it_tells_what_runs_where() -> None:
    text = banner(DEMO, READY, shows_key=False)
    for told in ("127.0.0.1:5", "http://127.0.0.1:6", str(DEMO.data), CATALOG.version):
        assert told in text


def test_a_person_at_a_terminal_gets_a_real_key_and_a_file_does_not() -> None:
    key = KEYS[:1][0].api_key(SECRETS)
    assert _request(banner(DEMO, READY, shows_key=True))["api_key"] == key.text
    unseen = banner(DEMO, READY, shows_key=False)
    assert _request(unseen)["key_id"] == key.key_id
    assert key.secret not in unseen


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        (replace(DEMO, secrets=default_data() / "secrets.json"), ""),
        (read_settings({"demo": "on", "data": "/d d"}, {}), " --data '/d d'"),
        (replace(DEMO, secrets=Path("/s.json")), " --secrets /s.json"),
    ],
)
def test_the_next_command_finds_the_same_secrets(settings: Settings, option: str) -> None:
    assert f"demo keys{option}\n" in banner(settings, READY, shows_key=False)


def test_without_the_demo_it_says_how_to_get_it() -> None:
    text = banner(replace(DEMO, demo=False), READY, shows_key=True)
    assert "serve --demo" in text
    assert "qsk_" not in text

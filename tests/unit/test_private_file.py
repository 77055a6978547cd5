"""Secrets and what is known of stores: readable by their owner only, whole or not at all."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from quotasvc.known_stores import KnownStores
from quotasvc.presence import Presence, end_presence, find_presence, show_presence
from quotasvc.private_file import FileFault
from quotasvc.secrets_file import SECRET_BYTES, create_secrets, fingerprint, read_secrets


def _entropy(count: int) -> bytes:
    return bytes(range(count))


def test_secrets_are_made_once_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secrets.json"
    assert read_secrets(path) is None
    made = create_secrets(path, _entropy)
    assert read_secrets(path) == made
    assert len(made.mac_key) == len(made.pepper) == SECRET_BYTES
    # and nobody else can look, nor is a draft left
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["secrets.json"]


def test_the_first_of_two_services_that_make_secrets_is_right(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = create_secrets(path, _entropy)
    assert create_secrets(path, lambda count: b"x" * count) == first


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_secrets_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secrets.json"
    create_secrets(path, _entropy)
    path.chmod(mode)
    with pytest.raises(FileFault, match="chmod 600"):
        read_secrets(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "\xff",
        '{"version": 1, "mac_key": "zz", "pepper": "00"}',
        '{"version": 1, "mac_key": "5ec7e7", "pepper": "5ec7e7"}',
    ],
)
def test_a_damaged_file_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.json"
    path.touch(mode=0o600)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(FileFault) as refused:
        read_secrets(path)
    assert str(path) in refused.value.text
    assert "5ec7e7" not in refused.value.text


def test_secrets_that_cannot_be_written_are_a_clear_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileFault, match="cannot be written"):
        create_secrets(tmp_path / "file" / "secrets.json", _entropy)


def test_a_fingerprint_tells_secrets_apart_without_showing_them(tmp_path: Path) -> None:
    ours = create_secrets(tmp_path / "ours", _entropy)
    theirs = create_secrets(tmp_path / "theirs", lambda count: b"x" * count)
    assert fingerprint(ours) != fingerprint(theirs)
    assert ours.mac_key.hex() not in fingerprint(ours)


def test_stores_are_remembered_each_by_its_name(tmp_path: Path) -> None:
    known = KnownStores(tmp_path)
    assert known.find("embedded") is None
    known.remember("embedded", "s1")
    known.remember("redis://h:6379/0", "s2")
    known.remember("embedded", "s1")
    again = KnownStores(tmp_path)
    assert (again.find("embedded"), again.find("redis://h:6379/0")) == ("s1", "s2")


def test_a_damaged_list_of_stores_is_refused(tmp_path: Path) -> None:
    """Taking it for none would take a store that lost its data for a new one."""
    known = KnownStores(tmp_path)
    known.remember("embedded", "s1")
    known.path.write_text("[]")
    with pytest.raises(FileFault, match=r"store\.json is no list of stores"):
        known.find("embedded")


def test_presence_is_shown_found_and_ended(tmp_path: Path) -> None:
    here = Presence(pid=7, listen="a:1", admin="a:2", store="embedded", catalog_version="v")
    assert find_presence(tmp_path) is None
    show_presence(tmp_path, here)
    assert find_presence(tmp_path) == here
    end_presence(tmp_path)
    assert find_presence(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"pid": 7})])
def test_a_presence_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "serve.json").touch(mode=0o600)
    (tmp_path / "serve.json").write_text(text)
    assert find_presence(tmp_path) is None

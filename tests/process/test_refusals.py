"""What `serve` refuses at start: one clear message, an exit code, and nothing left behind."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from quotasvc.catalog import DEFAULT_CATALOG
from tests.support.service import Service, quotasvc

PORTS = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")


def _refused(service: Service, *arguments: str, code: int = 2) -> str:
    """The one message of a start that fails."""
    command = ("serve", "--data", str(service.data), *PORTS, *arguments)
    told = quotasvc(*command, home=service.home)
    assert told.returncode == code, told.stderr
    assert "Traceback" not in told.stderr
    return told.stderr[told.stderr.index("quotasvc: ") :]


def test_a_broken_catalog_is_refused_with_its_place(service: Service) -> None:
    broken = service.home / "broken.yaml"
    lines = DEFAULT_CATALOG.read_text().splitlines()
    line = lines.index("currency: USD")
    lines[line] = "currency: 7"
    broken.write_text("\n".join(lines))
    message = _refused(service, "--catalog", str(broken))
    assert f"{broken}:{line + 1}:1: currency: " in message
    # and nothing was begun for it
    assert not (service.data / "service.lock").exists()


def test_a_missing_catalog_is_refused(service: Service) -> None:
    assert "nowhere.yaml" in _refused(service, "--catalog", "nowhere.yaml")


def test_a_catalog_that_lacks_a_plan_of_its_predecessor_is_refused(service: Service) -> None:
    """SEM-18."""
    service.start()
    service.signal(signal.SIGTERM)
    text = DEFAULT_CATALOG.read_text().replace("id: ultra\n", "id: giga\n")
    changed = service.home / "changed.yaml"
    changed.write_text(text)
    message = _refused(service, "--catalog", str(changed))
    assert f"{changed}:" in message
    assert "ultra" in message


def test_a_store_that_lost_its_data_is_refused(service: Service) -> None:
    """Never "everybody has a fresh quota" (05)."""
    service.start()
    service.signal(signal.SIGTERM)
    for path in (service.data / "appendonlydir").iterdir():
        path.unlink()
    (service.data / "appendonlydir").rmdir()
    message = _refused(service)
    assert "lost its data" in message
    assert "store.json" in message


def test_missing_secrets_are_refused_where_there_is_a_store(service: Service) -> None:
    service.start()
    service.signal(signal.SIGTERM)
    (service.data / "secrets.json").unlink()
    message = _refused(service)
    assert "secrets.json" in message
    assert "copy" in message
    # and none were made up
    assert not (service.data / "secrets.json").exists()


def test_secrets_of_another_store_are_refused(service: Service) -> None:
    service.start()
    service.signal(signal.SIGTERM)
    other = {"version": 1, "mac_key": "00" * 32, "pepper": "11" * 32}
    (service.data / "secrets.json").write_text(json.dumps(other))
    assert "does not belong to this store" in _refused(service)


def test_secrets_that_others_can_read_are_refused(service: Service) -> None:
    service.start()
    service.signal(signal.SIGTERM)
    (service.data / "secrets.json").chmod(0o640)
    assert "chmod 600" in _refused(service)


def test_a_store_that_is_not_there_is_said(service: Service, tmp_path: Path) -> None:
    message = _refused(service, "--store", f"unix://{tmp_path}/nobody.sock", code=4)
    assert "no connection to the store" in message


def test_a_port_that_is_taken_is_said(service: Service, tmp_path: Path) -> None:
    service.start()
    arguments = ("serve", "--data", str(tmp_path / "other"), "--admin", "127.0.0.1:0")
    told = quotasvc(*arguments, "--listen", service.presence["listen"], home=service.home)
    assert told.returncode == 4
    assert service.presence["listen"] in told.stderr


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_listening_for_strangers_is_refused_unless_told_so(service: Service, option: str) -> None:
    assert "--insecure" in _refused(service, option, "0.0.0.0:0")

"""The command line: one clear message, the right exit code, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quotasvc.catalog import DEFAULT_CATALOG
from quotasvc.config import KNOBS
from tests.support.service import quotasvc


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "quotasvc", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"serve", "demo", "check", "doctor", "peak"} <= set(told.stdout.split())
    imported = {line.rpartition("|")[2].strip() for line in told.stderr.splitlines()}
    assert not {"grpc", "pydantic", "opentelemetry", "structlog", "rich"} & imported


def test_help_of_serve_names_every_flag_and_variable(tmp_path: Path) -> None:
    told = quotasvc("serve", "--help", home=tmp_path, variables={"COLUMNS": "200"})
    assert [
        name
        for knob in KNOBS
        for name in (knob.flag, knob.variable)
        if name not in told.stdout.replace("\n", " ")
    ] == []


def test_version(tmp_path: Path) -> None:
    told = quotasvc("--version", home=tmp_path)
    assert (told.returncode, told.stdout.split()[0]) == (0, "quotasvc")


@pytest.mark.parametrize(
    "arguments",
    [("sevre",), ("serve", "--lisen", "x"), ("check",), ("demo", "keys", "--format", "xml")],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    told = quotasvc(*arguments, home=tmp_path)
    assert told.returncode == 2
    assert "Error: " in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("command", ["serve", "doctor", "peak", "demo keys"])
def test_an_unknown_variable_is_refused_by_every_command(tmp_path: Path, command: str) -> None:
    told = quotasvc(*command.split(), home=tmp_path, variables={"QUOTASVC_DTA": "/x"})
    assert told.returncode == 2
    assert told.stderr == (
        "quotasvc: QUOTASVC_DTA: there is no such setting; did you mean QUOTASVC_DATA?\n"
    )


def test_an_unsafe_listen_address_is_refused(tmp_path: Path) -> None:
    told = quotasvc("serve", "--listen", "0.0.0.0:50051", home=tmp_path)
    assert told.returncode == 2
    assert told.stderr.startswith("quotasvc: --listen 0.0.0.0:50051 can be reached")
    assert list(tmp_path.iterdir()) == []


def test_check_is_content_with_the_catalog_that_is_shipped(tmp_path: Path) -> None:
    told = quotasvc("check", str(DEFAULT_CATALOG), home=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert f"{DEFAULT_CATALOG}: fine: " in told.stdout
    assert f"{DEFAULT_CATALOG}: note: " in told.stdout


def test_check_prints_every_problem_with_its_place(tmp_path: Path) -> None:
    text = DEFAULT_CATALOG.read_text()
    lines = text.replace("currency: USD", "currency: 7").replace("price: 50\n", "price: -50\n")
    broken = tmp_path / "broken.yaml"
    broken.write_text(lines)
    told = quotasvc("check", str(broken), home=tmp_path)
    assert told.returncode == 2
    *problems, count = told.stdout.splitlines()
    assert count == f"{len(problems)} problems"
    assert len(problems) >= 2
    for problem in problems:
        line, column = problem.removeprefix(f"{broken}:").split(":")[:2]
        assert line.isdecimal()
        assert column.isdecimal()


def test_check_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    told = quotasvc("check", "nowhere.yaml", home=tmp_path)
    assert told.returncode == 2
    assert told.stderr == "quotasvc: nowhere.yaml cannot be read: No such file or directory\n"


def test_demo_keys_say_what_to_do_where_there_are_no_secrets_yet(tmp_path: Path) -> None:
    told = quotasvc("demo", "keys", home=tmp_path)
    assert told.returncode == 2
    assert "serve --demo" in told.stderr
    # and none were made up
    assert list(tmp_path.iterdir()) == []


def test_demo_keys_need_the_secrets_only(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"version": 1, "mac_key": "00" * 32, "pepper": "11" * 32}))
    secrets.chmod(0o600)
    arguments = ("demo", "keys", "--secrets", str(secrets))
    told = quotasvc(*arguments, "--format", "json", home=tmp_path)
    keys = json.loads(told.stdout)
    names = ("team_id", "user_id", "role", "key_id", "api_key", "kind", "plan", "seat_id", "state")
    assert all(tuple(key) == names for key in keys)
    table = quotasvc(*arguments, home=tmp_path)
    assert all(key["api_key"] in table.stdout for key in keys)
    assert max(map(len, table.stdout.splitlines())) <= 100


def test_doctor_finds_what_is_wrong_and_says_the_cure(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    told = quotasvc(
        *("doctor", "--data", str(data), "--catalog", "nowhere.yaml"),
        *("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"),
        home=tmp_path,
    )
    assert told.returncode == 1
    assert f"-> chmod 700 {data}" in told.stdout
    assert "-> see `quotasvc check nowhere.yaml`" in told.stdout

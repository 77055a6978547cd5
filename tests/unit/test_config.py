"""Settings: flag over variable over default, and nothing mistyped goes unnoticed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from quotasvc.config import (
    KNOBS,
    Address,
    LogFormat,
    Settings,
    SettingsFault,
    read_settings,
)

HOME = {"HOME": "/home/ann"}


def _refusal(flags: dict[str, str | None], variables: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsFault) as refused:
        read_settings(flags, {**HOME, **(variables or {})})
    return refused.value.text


def test_the_defaults_serve_this_machine_only() -> None:
    settings = read_settings({}, HOME)
    assert (str(settings.listen), str(settings.admin)) == ("127.0.0.1:50051", "127.0.0.1:50052")
    assert settings.store.endpoint is None
    assert settings.data == Path("/home/ann/.local/state/quotasvc")
    assert settings.secrets == settings.data / "secrets.json"
    switches = (settings.insecure, settings.demo, settings.allow_unsafe_durability)
    assert switches == (False, False, False)


def test_state_goes_where_the_desktop_keeps_it() -> None:
    settings = read_settings({}, {**HOME, "XDG_STATE_HOME": "/state"})
    assert settings.data == Path("/state/quotasvc")


def test_a_relative_state_home_is_ignored_as_its_specification_asks() -> None:
    settings = read_settings({}, {**HOME, "XDG_STATE_HOME": "state"})
    assert settings.data == Path("/home/ann/.local/state/quotasvc")


def test_a_flag_stands_above_a_variable_and_a_variable_above_the_default() -> None:
    variables = {**HOME, "QUOTASVC_DRAIN_MS": "7", "QUOTASVC_DEADLINE_MS": "70"}
    settings = read_settings({"drain_ms": "9", "demo": None}, variables)
    assert (settings.drain_ms, settings.deadline_ms, settings.demo) == (9, 70, False)


def test_an_empty_variable_is_not_set() -> None:
    settings = read_settings({}, {**HOME, "QUOTASVC_DATA": "", "QUOTASVC_DEADLINE_MS": ""})
    assert settings == read_settings({}, HOME)


def test_a_switch_can_be_switched_off_again_by_a_flag() -> None:
    assert read_settings({}, {**HOME, "QUOTASVC_DEMO": "true"}).demo
    assert not read_settings({"demo": "off"}, {**HOME, "QUOTASVC_DEMO": "true"}).demo


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("QUOTASVC_LISTN", "QUOTASVC_LISTEN"),
        ("QUOTASVC_DEADLINE", "QUOTASVC_DEADLINE_MS"),
        ("QUOTASVC_", "QUOTASVC_LOG"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_known_name(
    name: str, nearest: str
) -> None:
    text = _refusal({}, {name: "x"})
    assert text.startswith(f"{name}: ")
    assert text.endswith(f"did you mean {nearest}?")


def test_other_programs_variables_are_none_of_our_business() -> None:
    read_settings({}, {**HOME, "QUOTA": "x", "MY_QUOTASVC_LISTEN": "x"})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("localhost:1", Address("localhost", 1)),
        ("[::1]:65535", Address("::1", 65_535)),
    ],
)
def test_an_address_is_read_and_written(text: str, address: Address) -> None:
    settings = read_settings({"listen": text}, HOME)
    assert settings.listen == address
    assert str(settings.listen) == text


@pytest.mark.parametrize("text", ["50051", ":50051", "127.0.0.1:", "127.0.0.1:65536", "a:b"])
def test_a_bad_address_is_refused(text: str) -> None:
    assert "HOST:PORT" in _refusal({"listen": text})


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "quota.example.com:1"])
@pytest.mark.parametrize("knob", ["listen", "admin"])
def test_only_this_machine_is_served_unless_told_so(knob: str, text: str) -> None:
    assert "--insecure" in _refusal({knob: text})
    assert read_settings({knob: text, "insecure": "on"}, HOME).insecure


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("embedded", "embedded"),
        ("redis://db.example.com", "redis://db.example.com:6379/0"),
        ("redis://ann:p%40ss@[::1]:7000/3", "redis://[::1]:7000/3"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
    ],
)
def test_the_name_of_a_store_is_free_of_credentials(text: str, name: str) -> None:
    settings = read_settings({"store": text}, HOME)
    assert settings.store.name == name
    assert "p@ss" not in repr(settings)


def test_credentials_of_a_store_are_decoded() -> None:
    endpoint = read_settings({"store": "redis://ann:p%40ss@h:7000/3"}, HOME).store.endpoint
    assert endpoint is not None
    assert (endpoint.username, endpoint.password, endpoint.database) == ("ann", "p@ss", 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "valkey",
        "http://h",
        "redis://",
        "redis://h:70000",
        "redis://h/x",
        "unix://",
        "redis://:pw",
    ],
)
def test_a_bad_store_is_refused_without_quoting_it(text: str) -> None:
    message = _refusal({"store": text})
    assert "redis://[USER:PASSWORD@]HOST" in message
    assert "pw" not in message.partition("give")[0]


@pytest.mark.parametrize(
    ("knob", "text", "right"),
    [
        ("deadline_ms", "9", "10 to 60000"),
        ("deadline_ms", "1.5", "10 to 60000"),
        ("drain_ms", "-1", "0 to 300000"),
        ("demo", "maybe", "on or off"),
        ("log", "yaml", "auto, text, json"),
        ("traces", "x", "none, stderr"),
    ],
)
def test_a_value_out_of_range_is_refused_with_what_would_be_right(
    knob: str, text: str, right: str
) -> None:
    message = _refusal({knob: text})
    assert message.startswith(f"--{knob.replace('_', '-')}: {text!r}")
    assert right in message


def test_a_bad_variable_is_named_as_such() -> None:
    assert _refusal({}, {"QUOTASVC_LOG": "yaml"}).startswith("QUOTASVC_LOG: 'yaml'")


def test_every_setting_has_its_knob_and_there_are_few() -> None:
    assert [knob.name for knob in KNOBS] == [field.name for field in dataclasses.fields(Settings)]
    assert len(KNOBS) <= 25
    assert read_settings({"log": "json"}, HOME).log is LogFormat.JSON

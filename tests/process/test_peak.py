"""`quotasvc peak`: an operator switches peak hours, and services follow (J4, SEM-20)."""

from __future__ import annotations

import signal
from functools import partial
from itertools import count
from pathlib import Path

from quotasvc.catalog import DEFAULT_CATALOG
from tests.support.service import Service, quotasvc, wait_until

ROW = "{id: m2, resources: [text/m2*], rpm: 500, "
DAY_LIMIT = 500
PEAK_LIMIT = 200
NUMBERS = count()


def peak(service: Service, *arguments: str) -> str:
    """What the command says about the service's store."""
    told = quotasvc("peak", *arguments, "--data", str(service.data), home=service.home)
    assert (told.returncode, told.stderr) == (0, "")
    return told.stdout.splitlines()[0]


def is_limited_to(service: Service, api_key: str, limit: int) -> bool:
    """Whether so many requests per minute are allowed now."""
    answer = service.decide(f"r{next(NUMBERS)}", api_key, 1)
    [found] = [status for status in answer.limits if status.limit_id == "rate/m2/rpm"]
    return found.limit == limit


def test_a_running_service_follows_the_switch_and_the_next_one_starts_with_it(
    service: Service, tmp_path: Path
) -> None:
    # given a catalog whose limits shrink at peak, and a store that was never switched
    text = DEFAULT_CATALOG.read_text()
    assert ROW in text
    policy = tmp_path / "policy.yaml"
    policy.write_text(text.replace(ROW, f"{ROW}peak_permille: 400, "))
    service.start("--catalog", str(policy))
    api_key = service.demo_keys()["acme_k1"]["api_key"]
    assert peak(service) == "peak hours: as the catalog says; never switched"
    # when peak hours are switched on and off
    for mode, limit in (("off", DAY_LIMIT), ("on", PEAK_LIMIT)):
        assert peak(service, mode).startswith(f"peak hours: {mode}: ")
        # then its limits follow, by themselves
        wait_until(partial(is_limited_to, service, api_key, limit), f"peak limits are {mode}")
    # and the switch outlives it; where no service runs it can be switched all the same
    service.signal(signal.SIGTERM)
    assert peak(service).startswith("peak hours: on: ")
    assert peak(service, "off").startswith("peak hours: off: ")
    service.start("--catalog", str(policy))
    assert is_limited_to(service, api_key, DAY_LIMIT)
    assert peak(service, "auto").startswith("peak hours: auto: ")


def test_nothing_is_begun_by_looking(tmp_path: Path) -> None:
    told = quotasvc("peak", "--data", str(tmp_path / "data"), home=tmp_path)
    assert told.returncode == 2
    assert "no service has begun this store yet" in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_mode_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    told = quotasvc("peak", "always", home=tmp_path)
    assert told.returncode == 2
    assert "Error: " in told.stderr

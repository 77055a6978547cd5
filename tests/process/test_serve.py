"""`quotasvc serve --demo` as its users meet it: it answers, and keeps its secrets."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from urllib.request import urlopen

from quotasvc.v1 import common_pb2, decision_pb2
from tests.support.service import Service, quotasvc

USD = 1_000_000_000
LARGE = 2_000_000
"""Output tokens of text/m2.7 that cost 2.40 USD; a plus seat has 2.83 per 5 hours."""


def test_a_fresh_start_answers_health_readiness_and_a_decision(service: Service) -> None:
    # when
    service.start()
    # then
    assert service.health() == service.health("") == "SERVING"
    with urlopen(f"http://{service.presence['admin']}/readyz", timeout=5) as answer:
        assert answer.status == 200
    decided = service.decide("r1", service.demo_keys()["acme_k1"]["api_key"], 1_000)
    assert decided.decision == decision_pb2.ALLOW
    assert decided.catalog_version == service.presence["catalog_version"]


def test_the_plan_pays_until_its_window_is_full_then_the_lots(service: Service) -> None:
    """B1, B2, SEM-11, SEM-21: the README's story."""
    service.start()
    api_key = service.demo_keys()["acme_k1"]["api_key"]
    # when one call fits and the next one does not
    first, second = (service.decide(name, api_key, LARGE) for name in ("r1", "r2"))
    # then the plan pays what it can, and the lot that expires first is drawn first
    assert [leg.payer for leg in first.legs] == [common_pb2.PLAN]
    assert [(leg.source, leg.amount_nanos) for leg in second.legs] == [
        ("acme_s1/general", 430_000_000),
        ("welcome", 1 * USD),
        ("spring", 970_000_000),
    ]


def test_each_demo_key_shows_what_it_says(service: Service) -> None:
    service.start()
    keys = service.demo_keys()
    reasons = {
        key_id: common_pb2.DenialReason.Name(answer.denial.reason)
        for key_id, key in keys.items()
        if (answer := service.decide(f"r-{key_id}", key["api_key"], LARGE)).denial.reason
    }
    # eve's window is full after the first large call
    again = service.decide("r-again", keys["acme_k5"]["api_key"], LARGE)
    reasons["acme_k5"] = common_pb2.DenialReason.Name(again.denial.reason)
    assert reasons == {
        "acme_k4": "NO_RESOURCES",
        "acme_k5": "WINDOW_EXHAUSTED",
        "acme_k6": "KEY_DISABLED",
        "globex_k1": "CREDITS_EXHAUSTED",
        "globex_k2": "WALLET_EXHAUSTED",
    }
    # and each of these words stands in what `demo keys` says of the key
    assert all(reason in keys[key_id]["state"] for key_id, reason in reasons.items())


def test_another_installation_has_other_keys(service: Service, tmp_path: Path) -> None:
    service.start()
    other = Service(tmp_path / "other")
    other.home.mkdir()
    try:
        other.start()
        ours, theirs = service.demo_keys(), other.demo_keys()
        assert ours.keys() == theirs.keys()
        assert not {key["api_key"] for key in ours.values()} & {
            key["api_key"] for key in theirs.values()
        }
        foreign = service.decide("r1", theirs["acme_k1"]["api_key"], 1)
        assert foreign.denial.reason == common_pb2.KEY_INVALID
    finally:
        other.end()


def test_no_secret_is_in_the_log_nor_in_the_data_directory(service: Service) -> None:
    """A17: keys are kept as keyed hashes; MAC key and pepper in their own file only."""
    service.start("--log", "text")
    keys = service.demo_keys()
    for key_id, key in keys.items():
        service.decide(f"r-{key_id}", key["api_key"], 1_000)
        # A key with one wrong character is near enough to be a secret, too.
        service.decide(f"w-{key_id}", key["api_key"][:-1] + "!", 1_000)
    service.signal(signal.SIGTERM)
    files = [path for path in service.data.rglob("*") if path.is_file()]
    kept = {path.name: path.read_bytes() for path in files if path.name != "secrets.json"}
    kept["the log"] = service.log.encode()
    written = json.loads((service.data / "secrets.json").read_text())
    secrets = [key["api_key"].rpartition("_")[2] for key in keys.values()]
    secrets += [written["mac_key"], written["pepper"]]
    found = [(name, s) for name, text in kept.items() for s in secrets if s[:20].encode() in text]
    assert found == []


def test_the_demo_is_left_as_its_user_left_it(service: Service) -> None:
    service.start()
    api_key = service.demo_keys()["acme_k3"]["api_key"]
    held = service.decide("r1", api_key, LARGE)
    service.commit(held.reservation_id)
    before = service.lots(api_key)
    # when the same demo is asked for again
    service.signal(signal.SIGTERM)
    service.start()
    # then nothing is filled up, and the keys are the same
    assert service.lots(api_key) == before
    assert service.demo_keys()["acme_k3"]["api_key"] == api_key


def test_json_logs_are_json_lines(service: Service) -> None:
    service.start("--log", "json")
    service.signal(signal.SIGTERM)
    lines = [json.loads(line) for line in service.log.splitlines()]
    assert lines[-1]["event"] == "stopped"
    assert any(line.get("listen", "").startswith("127.0.0.1:") for line in lines)


def test_a_call_and_its_script_are_spans_of_one_trace(service: Service) -> None:
    service.start("--traces", "stderr")
    service.decide("r1", service.demo_keys()["acme_k1"]["api_key"], 1_000)
    service.signal(signal.SIGTERM)
    lines = [json.loads(line) for line in service.log.splitlines() if '"context"' in line]
    call = next(span for span in lines if span["name"].endswith("/CheckAndReserve"))
    script = next(span for span in lines if span["name"] == "decision/reserve")
    assert script["context"]["trace_id"] == call["context"]["trace_id"]
    assert script["parent_id"] == call["context"]["span_id"]


def test_catalog_notes_are_said_at_the_start(service: Service) -> None:
    service.start("--log", "text")
    assert "enforced from a later version" in service.log


def test_doctor_is_content_while_the_service_runs_and_while_it_does_not(service: Service) -> None:
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    arguments = ("doctor", "--data", str(service.data), *ports)
    for moment in ("before", "while it runs", "after"):
        if moment == "while it runs":
            service.start()
        if moment == "after":
            service.signal(signal.SIGTERM)
        told = quotasvc(*arguments, home=service.home)
        assert (moment, told.returncode, told.stderr) == (moment, 0, ""), told.stdout
        assert "BAD" not in told.stdout

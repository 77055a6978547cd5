"""Several processes serve one port; one that dies is started again, and nobody stays behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from quotasvc.v1 import decision_pb2
from tests.doors.envoys import needs_envoy
from tests.support.service import Service, is_alive, wait_until

pytestmark = needs_envoy


def doors(service: Service) -> set[int]:
    """The processes of the door."""
    assert service.process is not None
    pid = service.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        int(child) for child in children if Path(f"/proc/{child}/comm").read_text() == "envoy\n"
    }


def test_all_workers_serve_one_port_and_are_counted_apart(service: Service) -> None:
    service.start("--workers", "2")
    assert len(doors(service)) == 2
    api_key = service.demo_keys()["acme_k1"]["api_key"]
    # when calls come by connections of their own
    for number in range(30):
        service.reconnect()
        assert service.decide(f"r{number}", api_key, 1_000).decision == decision_pb2.ALLOW
    # then each worker has served some, and together they have served all
    counts = service.metric("quotasvc_decisions_total")
    assert counts.keys() == {"1", "2"}
    assert sum(counts.values()) == 30


def test_a_worker_that_is_killed_is_replaced_on_the_same_port(service: Service) -> None:
    service.start("--workers", "2")
    api_key = service.demo_keys()["acme_k1"]["api_key"]
    listen, before = service.presence["listen"], doors(service)
    victim = min(before)
    # when one dies
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(doors(service) - {victim}) == 2, "there are two again")
    # then calls are served where they were before
    wait_until(lambda: service.readiness() == "ready\n", "the service is ready")
    assert service.presence["listen"] == listen
    for number in range(10):
        service.reconnect()
        assert service.decide(f"r{number}", api_key, 1_000).decision == decision_pb2.ALLOW
    # and what was said of it is one line each, without a traceback
    assert "worker" in service.log
    assert "Traceback" not in service.log


def test_kill_9_of_the_service_ends_all_workers(service: Service) -> None:
    service.start("--workers", "2")
    workers = doors(service)
    service.signal(signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in workers), "the workers end")
    # and the port is free for the next one
    service.start("--workers", "2")
    assert service.health() == "SERVING"


@pytest.mark.parametrize("door", ["envoy", "grpcio"])
def test_either_door_serves(service: Service, door: str) -> None:
    service.start("--door", door)
    assert len(doors(service)) == (door == "envoy")
    api_key = service.demo_keys()["acme_k1"]["api_key"]
    assert service.decide("r1", api_key, 1_000).decision == decision_pb2.ALLOW
    assert service.signal(signal.SIGTERM) == 0
    assert "Traceback" not in service.log


def test_a_service_whose_only_worker_is_away_is_not_ready(service: Service) -> None:
    # given a worker that answers nobody any longer
    service.start("--door", "envoy")
    [worker] = doors(service)
    # when it dies
    os.kill(worker, signal.SIGKILL)
    # then readiness says so until there is another one
    wait_until(lambda: "no worker serves" in service.readiness(), "readiness tells")
    wait_until(lambda: service.readiness() == "ready\n", "it serves again")
    service.reconnect()
    assert service.health() == "SERVING"

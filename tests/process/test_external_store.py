"""`serve --store`: on a server of somebody else's, one or several services."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from quotasvc.store.embedded import server_binary
from tests.support.service import Service, quotasvc, wait_until

SAFE = ("--appendonly", "yes", "--appendfsync", "always")


class Server:
    """A server that is not ours to supervise."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder}/s"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> str:
        """Starts it; its address, as --store takes it."""
        self._folder.mkdir(exist_ok=True)
        socket = self._folder / "s"
        socket.unlink(missing_ok=True)
        listen = ("--port", "0", "--unixsocket", str(socket), "--dir", str(self._folder))
        command = [str(server_binary()), *listen, "--save", "", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(socket.exists, "the server listens")
        return self.url

    def kill(self) -> None:
        """Ends it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Not started yet."""
    server = Server(tmp_path / "server")
    yield server
    server.kill()


def test_two_services_on_one_store_decide_as_one(
    service: Service, server: Server, tmp_path: Path
) -> None:
    store = server.start(*SAFE)
    service.start("--store", store)
    api_key = service.demo_keys()["acme_k3"]["api_key"]
    other = Service(tmp_path / "other")
    other.data.mkdir(parents=True)
    # when the other one is given the secrets of the first
    shutil.copy(service.data / "secrets.json", other.data)
    try:
        other.start("--store", store)
        held = service.decide("r1", api_key, 1_000_000)
        # then either can settle what the other one held, and both see the same
        assert other.commit(held.reservation_id).charged_nanos == 1_200_000_000
        assert other.decide("r1", api_key, 1_000_000).replayed
        assert service.lots(api_key) == other.lots(api_key)
    finally:
        other.end()


def test_a_second_service_without_the_secrets_is_refused(
    service: Service, server: Server, tmp_path: Path
) -> None:
    store = server.start(*SAFE)
    service.start("--store", store)
    arguments = ("serve", "--store", store, "--data", str(tmp_path / "other"))
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    told = quotasvc(*arguments, *ports, home=tmp_path)
    assert told.returncode == 2
    assert "--secrets" in told.stderr
    assert not (tmp_path / "other" / "secrets.json").exists()


def test_an_unsafe_store_is_refused_with_its_cures_unless_told_so(
    service: Service, server: Server
) -> None:
    store = server.start("--appendonly", "no")
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    arguments = ("--store", store, "--data", str(service.data))
    told = quotasvc("serve", *arguments, *ports, home=service.home)
    assert told.returncode == 2
    assert "set appendonly to yes" in told.stderr
    # when the operator takes the danger on, it is said and the service runs
    service.start("--store", store, "--allow-unsafe-durability")
    assert "set appendonly to yes" in service.log
    assert service.health() == "SERVING"


def test_health_turns_while_the_store_is_away_and_comes_back(
    service: Service, server: Server
) -> None:
    service.start("--store", server.start(*SAFE))
    api_key = service.demo_keys()["acme_k3"]["api_key"]
    service.commit(service.decide("r1", api_key, 1_000_000).reservation_id)
    before = service.lots(api_key)
    # when it dies
    server.kill()
    wait_until(lambda: service.health() == "NOT_SERVING", "health turns")
    assert service.health("") == "SERVING"
    # then the process lives on, and serves by itself when the store is back
    server.start(*SAFE)
    wait_until(lambda: service.health() == "SERVING", "health is well again")
    assert service.lots(api_key) == before


def test_health_does_not_trust_a_store_that_came_back_empty(
    service: Service, server: Server, tmp_path: Path
) -> None:
    service.start("--store", server.start(*SAFE))
    server.kill()
    shutil.rmtree(tmp_path / "server" / "appendonlydir")
    server.start(*SAFE)
    wait_until(lambda: "has lost its data" in service.log, "the loss is noticed")
    wait_until(lambda: service.health() == "NOT_SERVING", "health says so")
    # and nothing is decided by a store that knows nobody
    with pytest.raises(grpc.RpcError) as refused:
        service.decide("r1", service.demo_keys()["acme_k1"]["api_key"], 1_000)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

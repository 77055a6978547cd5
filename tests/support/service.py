"""A real `quotasvc serve` in a process of its own, as its users have it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import urlopen

import grpc
from google.protobuf.message import Message
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from prometheus_client.parser import text_string_to_metric_families

from quotasvc.v1 import common_pb2, decision_pb2, usage_pb2

WITHIN_S = 30.0
"""For anything that a test waits for; reached only by what never comes."""

ROOT = Path(__file__).resolve().parents[2]
DECISIONS, USAGE = "quotasvc.v1.DecisionService", "quotasvc.v1.UsageService"

R = TypeVar("R", bound=Message)


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Looks again and again; the test fails if it never becomes so."""
    until = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < until, f"{what}: not within {WITHIN_S:.0f} s"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Ours, without settings of the service, and with a home directory of its own."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("QUOTASVC_")}
    ours.pop("XDG_STATE_HOME", None)
    return {**ours, "HOME": str(home), **variables}


def quotasvc(
    *arguments: str, home: Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "quotasvc", *arguments],
        cwd=ROOT,
        env=environment(home, **(variables or {})),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


class Service:
    """One service on one data directory; `start` it as often as you like."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "data"
        self.log_file = home / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self._channel: grpc.Channel | None = None

    def start(self, *arguments: str) -> Service:
        """Starts it with the demo on free ports and waits until it is ready."""
        self.launch(*arguments)
        wait_until(self._is_ready, "the service is ready")
        self._channel = grpc.insecure_channel(self.presence["listen"])
        return self

    def launch(self, *arguments: str) -> int:
        """Starts it; its process."""
        command = [sys.executable, "-m", "quotasvc", "serve", "--demo", *arguments]
        command += ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", str(self.data)]
        with self.log_file.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(self.home),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return self.process.pid

    @property
    def presence(self) -> dict[str, Any]:
        """What the service says about where it is."""
        try:
            found: dict[str, Any] = json.loads((self.data / "serve.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    @property
    def log(self) -> str:
        """All that it has printed, of all starts."""
        return self.log_file.read_text()

    @property
    def store_pid(self) -> int:
        """The process of the embedded store."""
        path = self.data / "valkey.pid"
        # A server that has just started has made the file and not yet written it.
        wait_until(lambda: bool(path.read_text()), "the store has told its process")
        return int(path.read_text())

    def signal(self, number: signal.Signals) -> int:
        """Sends a signal and waits for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Waits for the end; the exit code."""
        assert self.process is not None
        if self._channel is not None:
            self._channel.close()
        return self.process.wait(WITHIN_S)

    def end(self) -> None:
        """Whatever the test has done, nothing stays."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGKILL)

    def demo_keys(self) -> dict[str, dict[str, str]]:
        """`quotasvc demo keys`, by key id."""
        told = quotasvc(
            "demo", "keys", "--format", "json", "--data", str(self.data), home=self.home
        )
        assert told.returncode == 0, told.stderr
        return {key["key_id"]: key for key in json.loads(told.stdout)}

    def health(self, service: str = DECISIONS) -> str:
        """What grpc.health.v1 says; empty if nobody answers."""
        request = HealthCheckRequest(service=service)
        try:
            answer = self.call("grpc.health.v1.Health/Check", request, HealthCheckResponse)
        except grpc.RpcError:
            return ""
        return HealthCheckResponse.ServingStatus.Name(answer.status)

    def decide(
        self, request_id: str, api_key: str, output_tokens: int
    ) -> decision_pb2.CheckAndReserveResponse:
        """Asks for text/m2.7."""
        request = decision_pb2.CheckAndReserveRequest(
            request_id=request_id,
            api_key=api_key,
            resource="text/m2.7",
            usage=common_pb2.Usage(input_tokens=0, output_tokens=output_tokens),
        )
        return self.call(
            f"{DECISIONS}/CheckAndReserve", request, decision_pb2.CheckAndReserveResponse
        )

    def commit(self, reservation_id: str) -> decision_pb2.CommitResponse:
        """Settles at what was held."""
        request = decision_pb2.CommitRequest(reservation_id=reservation_id, as_reserved=True)
        return self.call(f"{DECISIONS}/Commit", request, decision_pb2.CommitResponse)

    def reconnect(self) -> None:
        """Calls come by another connection from now on."""
        assert self._channel is not None
        self._channel.close()
        # Else channels to one address share their connections.
        options = (("grpc.use_local_subchannel_pool", 1),)
        self._channel = grpc.insecure_channel(self.presence["listen"], options=options)

    def readiness(self) -> str:
        """What /readyz says, whatever its status."""
        return self._admin("/readyz")

    def metric(self, name: str) -> dict[str, float]:
        """A metric's sum in each worker that counts it; the service's own under ""."""
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(self._admin("/metrics")):
            for sample in (one for one in family.samples if one.name == name):
                worker = sample.labels.get("worker", "")
                sums[worker] = sums.get(worker, 0.0) + sample.value
        return sums

    def _admin(self, path: str) -> str:
        try:
            with urlopen(f"http://{self.presence['admin']}{path}", timeout=5) as answer:
                return bytes(answer.read()).decode()
        except HTTPError as error:
            return bytes(error.read()).decode()

    def lots(self, api_key: str) -> dict[str, int]:
        """What is available in each lot, in nanos."""
        request = usage_pb2.ListLotsRequest(api_key=api_key)
        answer = self.call(f"{USAGE}/ListLots", request, usage_pb2.ListLotsResponse)
        return {lot.lot_id: lot.available_nanos for lot in answer.lots}

    def remains(self, api_key: str) -> usage_pb2.GetRemainsResponse:
        """The bars and balances of a key."""
        request = usage_pb2.GetRemainsRequest(api_key=api_key)
        return self.call(f"{USAGE}/GetRemains", request, usage_pb2.GetRemainsResponse)

    def call(self, method: str, request: Message, response: type[R]) -> R:
        """One call of one method."""
        assert self._channel is not None
        ask: grpc.UnaryUnaryMultiCallable[Message, R] = self._channel.unary_unary(
            f"/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        return ask(request, timeout=5)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        return self.presence.get("pid") == self.process.pid

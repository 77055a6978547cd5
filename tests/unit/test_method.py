"""Every rpc of the contract is served as declared, or nothing starts."""

from __future__ import annotations

import re

import pytest
from grpc_reflection.v1alpha import reflection_pb2

from quotasvc.api import method
from quotasvc.api.call import Call, call_deadline
from quotasvc.api.decision import DecisionApi
from quotasvc.api.method import methods
from quotasvc.api.usage import UsageApi
from quotasvc.v1 import decision_pb2
from tests.tidy.sources import files, text_of

# The table looks at classes and annotations only, so no object is needed.
SERVED: dict[str, object] = {"DecisionService": DecisionApi, "UsageService": UsageApi}


def test_every_rpc_of_every_proto_has_a_method() -> None:
    protos = [text_of(path) for path in files(".proto", below="proto/quotasvc")]
    declared = {
        f"/quotasvc.v1.{service}/{rpc}"
        for proto in protos
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", proto, re.M | re.S)
        for rpc in re.findall(r"^  rpc (\w+)\(", body, re.M)
    }
    assert {served.path for served in methods(SERVED)} == declared


def test_a_method_knows_its_messages() -> None:
    served = {m.path: m for m in methods(SERVED)}
    commit = served["/quotasvc.v1.DecisionService/Commit"]
    assert commit.request is decision_pb2.CommitRequest
    assert commit.response is decision_pb2.CommitResponse


class Silent:
    """Serves nothing."""


class Confused(UsageApi):
    async def get_balance(  # type: ignore[override]  # the mistake that is to be found
        self, request: decision_pb2.CommitRequest, call: Call
    ) -> decision_pb2.CommitResponse:
        raise AssertionError("never called")


@pytest.mark.parametrize(
    ("served", "wrong"),
    [
        ({"DecisionService": DecisionApi}, "the contract has"),
        ({**SERVED, "ControlService": Silent}, "the contract has"),
        ({**SERVED, "UsageService": Silent}, "nothing serves quotasvc.v1.UsageService.GetRemains"),
        ({**SERVED, "UsageService": Confused}, "GetBalance is served by a method with other"),
    ],
    ids=["service left out", "service made up", "rpc left out", "other messages"],
)
def test_a_mistake_is_found_at_start(served: dict[str, object], wrong: str) -> None:
    with pytest.raises(TypeError, match=wrong):
        methods(served)


def test_a_stream_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a contract with a stream, any stream
    service = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
    monkeypatch.setattr(method, "SERVICES", (service,))
    # when somebody would serve it, then it is said that nobody can yet
    with pytest.raises(TypeError, match="is a stream"):
        methods({"ServerReflection": Silent})


@pytest.mark.parametrize(
    ("remaining_s", "left_s"),
    [(None, 1.98), (3_600.0, 1.98), (1.0, 0.98), (0.01, 0.008), (0.0, 0.0)],
)
def test_a_call_ends_before_its_callers_deadline(remaining_s: float | None, left_s: float) -> None:
    deadline = call_deadline(now=100.0, remaining_s=remaining_s, longest_s=2.0)
    assert deadline == pytest.approx(100.0 + left_s)

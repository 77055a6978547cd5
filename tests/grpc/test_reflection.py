"""grpcurl, buf and their like can list and describe everything that is served."""

from __future__ import annotations

import asyncio
import shutil
import time

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.reflection_pb2 import (
    ExtensionRequest,
    ServerReflectionRequest,
    ServerReflectionResponse,
)

from quotasvc.doors.reflection import PATHS
from tests.support.door import Caller, NoDecisions, make_door, refusal, serving

SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "quotasvc.v1.DecisionService",
    "quotasvc.v1.UsageService",
]

both = pytest.mark.parametrize("path", PATHS, ids=["v1", "v1alpha"])


async def ask(
    caller: Caller, path: str, *requests: ServerReflectionRequest
) -> list[ServerReflectionResponse]:
    """All answers of one stream."""
    bodies = (request.SerializeToString() for request in requests)
    answers = stream(caller, path)(bodies, timeout=5)
    return [ServerReflectionResponse.FromString(body) async for body in answers]


def stream(caller: Caller, path: str) -> grpc.aio.StreamStreamMultiCallable[bytes, bytes]:
    return caller.channel.stream_stream(path)


def pool_of(response: ServerReflectionResponse) -> DescriptorPool:
    """A pool made of the answer alone, as a client would."""
    pool = DescriptorPool()
    for file in response.file_descriptor_response.file_descriptor_proto:
        pool.AddSerializedFile(file)
    return pool


def symbol(name: str) -> ServerReflectionRequest:
    return ServerReflectionRequest(file_containing_symbol=name)


@both
async def test_every_service_is_listed(path: str) -> None:
    async with serving(make_door(NoDecisions())) as caller:
        request = ServerReflectionRequest(host="h", list_services="*")
        [answer] = await ask(caller, path, request)
    assert [s.name for s in answer.list_services_response.service] == SERVICES
    assert (answer.valid_host, answer.original_request) == ("h", request)


@both
@pytest.mark.parametrize("service", SERVICES)
async def test_every_listed_service_can_be_described(path: str, service: str) -> None:
    """k6 resolves each listed name, and fails on one that has no descriptor."""
    async with serving(make_door(NoDecisions())) as caller:
        [answer] = await ask(caller, path, symbol(service))
    described = pool_of(answer).FindServiceByName(service)
    for method in described.methods:
        assert method.input_type.full_name.startswith(service.rpartition(".")[0])


@both
@pytest.mark.parametrize(
    "name", ["quotasvc.v1.DecisionService.Commit", "quotasvc.v1.Leg", "quotasvc.v1.Leg.payer"]
)
async def test_methods_and_messages_can_be_described(path: str, name: str) -> None:
    """The pool does not find methods: `grpcurl describe` of one would fail."""
    async with serving(make_door(NoDecisions())) as caller:
        [answer] = await ask(caller, path, symbol(name))
    assert pool_of(answer).FindMessageTypeByName("quotasvc.v1.Leg")


async def test_the_details_of_errors_can_be_read() -> None:
    async with serving(make_door(NoDecisions())) as caller:
        [answer] = await ask(caller, PATHS[0], symbol("google.rpc.ErrorInfo"))
    assert pool_of(answer).FindMessageTypeByName("google.rpc.BadRequest")


async def test_a_file_comes_with_what_it_imports_once_each() -> None:
    request = ServerReflectionRequest(file_by_filename="quotasvc/v1/decision.proto")
    async with serving(make_door(NoDecisions())) as caller:
        [answer] = await ask(caller, PATHS[0], request)
    files = answer.file_descriptor_response.file_descriptor_proto
    names = [FileDescriptorProto.FromString(file).name for file in files]
    assert sorted(names) == [
        "google/protobuf/duration.proto",
        "google/protobuf/timestamp.proto",
        "quotasvc/v1/common.proto",
        "quotasvc/v1/decision.proto",
    ]


UNKNOWN = {
    "symbol": symbol("quotasvc.v1.Nobody"),
    "word": symbol("nobody"),
    # Loaded in this process, but served by nobody.
    "what is not served": symbol("google.protobuf.FileDescriptorProto"),
    "file": ServerReflectionRequest(file_by_filename="nobody.proto"),
    "extension": ServerReflectionRequest(
        file_containing_extension=ExtensionRequest(
            containing_type="quotasvc.v1.Leg", extension_number=9
        )
    ),
    "type": ServerReflectionRequest(all_extension_numbers_of_type="nobody"),
    "nothing": ServerReflectionRequest(),
}


@pytest.mark.parametrize("case", UNKNOWN)
async def test_what_is_unknown_is_answered_and_the_stream_goes_on(case: str) -> None:
    known = ServerReflectionRequest(all_extension_numbers_of_type="quotasvc.v1.Leg")
    async with serving(make_door(NoDecisions())) as caller:
        unknown, answer = await ask(caller, PATHS[0], UNKNOWN[case], known)
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert answer.all_extension_numbers_response.base_type_name == "quotasvc.v1.Leg"
    assert list(answer.all_extension_numbers_response.extension_number) == []


async def test_undecodable_questions_are_invalid() -> None:
    async with serving(make_door(NoDecisions())) as caller:
        refused = await refusal(caller.start(PATHS[0], b"\xff"))
    assert refused.reason == "UNDECODABLE"


async def test_it_can_be_switched_off() -> None:
    door = make_door(NoDecisions(), has_reflection=False)
    async with serving(door) as caller:
        refused = await refusal(caller.start(PATHS[0], b""))
    assert refused.code is grpc.StatusCode.UNIMPLEMENTED


async def test_stop_does_not_wait_for_open_streams() -> None:
    door = make_door(NoDecisions())
    async with serving(door) as caller:
        # given a tool that keeps its stream
        call = stream(caller, PATHS[0])(timeout=30)
        await call.write(symbol("quotasvc.v1.Leg").SerializeToString())
        assert isinstance(await call.read(), bytes)
        # when the service stops, with much patience, then it is soon done
        began = time.monotonic()
        await door.stop(60)
        assert time.monotonic() - began < 10


@pytest.mark.skipif(shutil.which("grpcurl") is None, reason="a tool of Go; used where found")
@pytest.mark.parametrize("name", ["", *SERVICES, "quotasvc.v1.DecisionService.Commit"])
async def test_grpcurl_describes_it(name: str) -> None:
    door = make_door(NoDecisions())
    async with serving(door):
        process = await asyncio.create_subprocess_exec(
            *("grpcurl", "-plaintext", door.address, "describe"),
            *filter(None, [name]),
            stdout=asyncio.subprocess.PIPE,
        )
        shown, _ = await process.communicate()
    assert process.returncode == 0
    assert (name or "quotasvc.v1.DecisionService") in shown.decode()

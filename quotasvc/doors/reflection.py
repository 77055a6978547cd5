"""What grpcurl and its like ask before they call: the services and messages of this server.

Serves grpc.reflection.v1 and v1alpha, whose messages differ in their package's name only, so the
same bytes answer both. grpcio ships v1alpha alone; v1's own description is derived from it. The
files are in a pool of their own: what is not served is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
    ServiceResponse,
)

V1, V1_ALPHA = "grpc.reflection.v1", "grpc.reflection.v1alpha"

PATHS = tuple(f"/{package}.ServerReflection/ServerReflectionInfo" for package in (V1, V1_ALPHA))
"""The rpcs that `Reflection` answers: streams of questions and answers."""

ERROR_DETAIL = "google.rpc.ErrorInfo"
"""Its file is shown too: with it grpcurl prints the details of errors in clear."""

_NOT_FOUND = 5
"""gRPC's code, inside an answer: not to know a name is no failure of the call."""


class Reflection:
    """Describes services, with all that their messages need, and itself."""

    def __init__(self, services: Iterable[str]) -> None:
        self._pool = DescriptorPool()
        described = (*services, f"{V1_ALPHA}.ServerReflection")
        self._names = sorted((*described, f"{V1}.ServerReflection"))
        for symbol in (*described, ERROR_DETAIL):
            for file in _with_imports(Default().FindFileContainingSymbol(symbol)):
                # The same file twice is the same file.
                self._pool.AddSerializedFile(file.serialized_pb)
        self._pool.AddSerializedFile(_v1().SerializeToString())

    def answer(self, request: ServerReflectionRequest) -> ServerReflectionResponse:
        """The answer to one question."""
        response = ServerReflectionResponse(valid_host=request.host, original_request=request)
        try:
            match request.WhichOneof("message_request"):
                case "list_services":
                    services = [ServiceResponse(name=name) for name in self._names]
                    response.list_services_response.service.extend(services)
                case "all_extension_numbers_of_type":
                    # Proto3 has no extensions, but the type must be known.
                    name = request.all_extension_numbers_of_type
                    self._pool.FindMessageTypeByName(name)
                    response.all_extension_numbers_response.base_type_name = name
                case _:
                    files = _with_imports(self._file(request))
                    response.file_descriptor_response.file_descriptor_proto.extend(
                        # Once each: several files may import the same.
                        {file.name: file.serialized_pb for file in files}.values()
                    )
        except KeyError:
            response.error_response.error_code = _NOT_FOUND
            response.error_response.error_message = "not found"
        return response

    def _file(self, request: ServerReflectionRequest) -> FileDescriptor:
        """The file that the question is about; KeyError where there is none."""
        match request.WhichOneof("message_request"):
            case "file_by_filename":
                return self._pool.FindFileByName(request.file_by_filename)
            case "file_containing_symbol":
                return self._file_of(request.file_containing_symbol)
            case _:
                raise KeyError("no such question, or one about an extension")

    def _file_of(self, symbol: str) -> FileDescriptor:
        """The pool does not know the names of methods, but it does know their services'."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindFileContainingSymbol(symbol.rpartition(".")[0])


def _with_imports(file: FileDescriptor) -> Iterator[FileDescriptor]:
    """Imports first, as a pool wants them; those of several files more than once."""
    for imported in file.dependencies:
        yield from _with_imports(imported)
    yield file


def _v1() -> FileDescriptorProto:
    """The file of v1: that of v1alpha, with every name moved to the other package."""
    file = FileDescriptorProto.FromString(reflection_pb2.DESCRIPTOR.serialized_pb)
    file.name, file.package = "grpc/reflection/v1/reflection.proto", V1
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = _moved(field.type_name)
    for method in file.service[0].method:
        method.input_type = _moved(method.input_type)
        method.output_type = _moved(method.output_type)
    return file


def _moved(type_name: str) -> str:
    return type_name.replace(f".{V1_ALPHA}.", f".{V1}.")

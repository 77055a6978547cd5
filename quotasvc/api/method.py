"""The methods of the contract, derived from its descriptors.

Each unary rpc is served by the method of its service's object that has its name in snake case
and its messages in its annotations. Anything else is found at start: an rpc without a method, a
method that takes another message, a service without an object.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import get_type_hints

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from quotasvc.api.call import Call
from quotasvc.v1 import decision_pb2, usage_pb2

SERVICES: tuple[ServiceDescriptor, ...] = (
    *decision_pb2.DESCRIPTOR.services_by_name.values(),
    *usage_pb2.DESCRIPTOR.services_by_name.values(),
)
"""Every service of the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One rpc: its names on the wire, its messages, and what serves it."""

    service: str  # "quotasvc.v1.DecisionService"
    name: str  # "quotasvc.v1.DecisionService/Commit"
    request: type[Message]
    response: type[Message]
    run: Callable[[Message, Call], Awaitable[Message]]

    @property
    def path(self) -> str:
        """As HTTP/2 names it."""
        return f"/{self.name}"


def methods(services: Mapping[str, object]) -> tuple[Method, ...]:
    """Every rpc of the contract, served by the object of its service ("DecisionService").

    Raises TypeError where one is not served as declared: a mistake of ours, found at start.
    """
    declared = [service.name for service in SERVICES]
    if set(declared) != services.keys():
        raise TypeError(f"the contract has {declared}, served are {list(services)}")
    return tuple(
        _method(rpc, services[service.name]) for service in SERVICES for rpc in service.methods
    )


def _method(rpc: MethodDescriptor, service: object) -> Method:
    if rpc.client_streaming or rpc.server_streaming:
        raise TypeError(f"{rpc.full_name} is a stream; only unary methods are served so far")
    run = getattr(service, _snake_case(rpc.name), None)
    if run is None:
        raise TypeError(f"nothing serves {rpc.full_name}")
    request, response = GetMessageClass(rpc.input_type), GetMessageClass(rpc.output_type)
    hints = get_type_hints(run)
    if (hints.get("request"), hints.get("return")) != (request, response):
        raise TypeError(f"{rpc.full_name} is served by a method with other messages")
    service_name = rpc.containing_service.full_name
    return Method(
        service=service_name,
        name=f"{service_name}/{rpc.name}",
        request=request,
        response=response,
        run=run,
    )


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()

"""What `doctor` looks at, one function a subject: what was found, and what would cure it.

Looks at the parts that `serve` would build, without serving; writes nothing.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from quotasvc.catalog import DEFAULT_CATALOG, CatalogFault, load_catalog
from quotasvc.cli.version import installed_version
from quotasvc.config import Address, Knob, Settings
from quotasvc.domain.catalog import Catalog
from quotasvc.domain.faults import Fault
from quotasvc.domain.secret import Secrets
from quotasvc.doors.envoy import why_not
from quotasvc.presence import find_presence
from quotasvc.private_file import FileFault
from quotasvc.secrets_file import read_secrets
from quotasvc.store.checks import Finding
from quotasvc.store.embedded import server_binary

ANSWER_S_MAX = 2.0
HEALTH_CHECK = "/grpc.health.v1.Health/Check"


def versions() -> Finding:
    """Ours and those that matter."""
    python = ".".join(map(str, sys.version_info[:3]))
    detail = f"quotasvc {installed_version()}, Python {python}, grpcio {grpc.__version__}"
    return Finding("versions", True, detail)


def server() -> Finding:
    """Whether the embedded store can run on this machine."""
    try:
        return Finding("server", True, str(server_binary()))
    except Fault as fault:
        return Finding("server", False, fault.text, "give a store by --store")


def door() -> Finding:
    """Which door serves the calls here; both are right, one is faster."""
    reason = why_not()
    return Finding("door", True, "envoy" if reason is None else f"grpcio, as for envoy {reason}")


def data_directory(path: Path) -> Finding:
    """Whether we can keep things there, and nobody else can look."""
    if not path.exists():
        nearest = next(parent for parent in path.absolute().parents if parent.exists())
        is_writable = os.access(nearest, os.W_OK | os.X_OK)
        cure = f"this user cannot write {nearest}: give another directory by --data"
        return Finding("data", is_writable, f"{path} does not exist yet", cure)
    if not path.is_dir() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        detail = f"{path} is no directory that this user can write"
        return Finding("data", False, detail, "give another one by --data, or change its owner")
    mode = path.stat().st_mode & 0o777
    return Finding("data", not mode & 0o077, f"{path}, mode {mode:o}", f"chmod 700 {path}")


def secrets(path: Path) -> tuple[Finding, Secrets | None]:
    """Whether the secrets can be read; it is the store that tells whether they are missed."""
    try:
        found = read_secrets(path)
    except FileFault as fault:
        detail, _, cure = fault.text.rpartition(": ")
        return Finding("secrets", False, detail, cure), None
    return Finding("secrets", True, str(path) if found else f"{path} does not exist yet"), found


def catalog(path: Path | None) -> tuple[Finding, Catalog | None]:
    """Whether the catalog can be loaded."""
    path = path or DEFAULT_CATALOG
    try:
        found = load_catalog(path)
    except (OSError, CatalogFault) as error:
        first = str(error).splitlines()[0]
        return Finding("catalog", False, first, f"see `quotasvc check {path}`"), None
    return Finding("catalog", True, f"{found.label}, version {found.version}, {path}"), found


async def service(settings: Settings) -> Finding | None:
    """How the service that runs on this data directory is; None if there is none."""
    presence = find_presence(settings.data)
    if presence is None:
        return None
    where = f"process {presence.pid} on {presence.listen}"
    async with grpc.aio.insecure_channel(presence.listen) as channel:
        ask = channel.unary_unary(
            HEALTH_CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await ask(
                health_pb2.HealthCheckRequest(service="quotasvc.v1.DecisionService"),
                timeout=ANSWER_S_MAX,
            )
        except grpc.aio.AioRpcError:
            return None
    is_serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    cure = f"http://{presence.admin}/readyz says why, and so does its log"
    return Finding("service", is_serving, where, cure)


def port(knob: Knob[Address], address: Address) -> Finding:
    """Whether the address is free; ask only while no service of ours has it."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a port that was left a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            cure = f"end the program that has it, or give another address by {knob.flag}"
            return Finding(knob.name, False, f"{address}: {error.strerror}", cure)
    return Finding(knob.name, True, f"{address} is free")

"""Envoy's configuration: one listener for callers, with bounds for everything, and a private one.

Each has its application, which Envoy's Python runs in a loop of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quotasvc.doors.envoy_json import Json, typed
from quotasvc.doors.envoy_tls import FORWARDED, Tls, transport_socket

STATS = "ingress_http"
"""Prefix of the listener's counts."""

PRIVATE, ADMIN = "private", "admin"
"""Sockets of the door's supervisor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyLimits:
    """Bounds of the door; times in milliseconds."""

    streams_max: int = 1_000
    """Calls under way on one connection."""

    connections_max: int = 10_000
    """Of this process; each takes some 22 kB."""

    connection_ms_max: int = 300_000
    """Age of a connection, so that callers find new replicas."""

    connection_idle_ms_max: int = 3_600_000
    """Without a call."""

    stream_idle_ms_max: int = 900_000
    """Without a byte either way. Those who watch health are silent for longer than that, but their
    connections do not get so old."""

    request_headers_ms_max: int = 10_000
    """For the headers of a call to arrive."""

    headers_kb_max: int = 16
    """Of one request."""

    buffer_bytes_max: int = 1024 * 1024
    """Of one connection, each way; beyond it the sender waits."""

    heap_bytes_max: int = 512 * 1024 * 1024
    """Of Envoy itself; near it new calls are refused as UNAVAILABLE."""

    keepalive_ms: int = 60_000
    """How often a silent connection is asked whether it lives."""

    drain_s: int = 5
    """For callers to move, once told to; Envoy counts in seconds."""


DEFAULT_LIMITS = EnvoyLimits()


def envoy_config(
    http_filters: list[Json],
    private_filters: list[Json],
    *,
    listen: str,
    folder: Path,
    limits: EnvoyLimits = DEFAULT_LIMITS,
    tls: Tls | None = None,
) -> Json:
    """The whole of it; the filters are what loads each application.

    Sockets and what else Envoy needs beside it are in `folder`, which nobody else may enter.
    """
    host, _, port = listen.rpartition(":")
    address = {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
    chain: Json = {"filters": [_http(http_filters, limits, FORWARDED if tls else {})]}
    if tls is not None:
        chain["transport_socket"] = transport_socket(tls, folder)
    public = {
        "name": "public",
        "address": address,
        # Several processes share the port; the supervisor sees to it that all are its own.
        "enable_reuse_port": True,
        "per_connection_buffer_limit_bytes": limits.buffer_bytes_max,
        "filter_chains": [chain],
    }
    private = {
        "name": "private",
        "address": _pipe(folder / PRIVATE),
        # The supervisor finds room, and an ear, also where callers find none.
        "ignore_global_conn_limit": True,
        "bypass_overload_manager": True,
        "filter_chains": [{"filters": [_manager("private", private_filters)]}],
    }
    return {
        # Envoy does not read files without one.
        "node": {"id": "quotasvc", "cluster": "quotasvc"},
        "admin": {"address": _pipe(folder / ADMIN)},
        "static_resources": {"listeners": [public, private]},
        "overload_manager": _overload(limits),
    }


GRPC_WEB = {
    "name": "envoy.filters.http.grpc_web",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"
    },
}
"""Makes gRPC of the gRPC-Web of browsers, on any version of HTTP."""


def _http(http_filters: list[Json], limits: EnvoyLimits, forwarded: Json) -> Json:
    return _manager(
        STATS,
        [GRPC_WEB, *http_filters],
        max_request_headers_kb=limits.headers_kb_max,
        request_headers_timeout=_duration(limits.request_headers_ms_max),
        stream_idle_timeout=_duration(limits.stream_idle_ms_max),
        drain_timeout=f"{limits.drain_s}s",
        common_http_protocol_options={
            "idle_timeout": _duration(limits.connection_idle_ms_max),
            "max_connection_duration": _duration(limits.connection_ms_max),
        },
        http2_protocol_options={
            "max_concurrent_streams": limits.streams_max,
            "initial_stream_window_size": 256 * 1024,
            "initial_connection_window_size": limits.buffer_bytes_max,
            "connection_keepalive": {
                "interval": _duration(limits.keepalive_ms),
                "timeout": "20s",
            },
        },
        local_reply_config={"mappers": [_internal()]},
        **forwarded,
    )


def _manager(stats: str, http_filters: list[Json], **options: object) -> Json:
    """HTTP/1.1 and HTTP/2 on one port."""
    kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": typed(
            kind,
            stat_prefix=stats,
            codec_type="AUTO",
            route_config={"virtual_hosts": [{"name": "all", "domains": ["*"]}]},
            http_filters=http_filters,
            # What is not asked for is not sent: each header costs CPU.
            generate_request_id=False,
            server_header_transformation="PASS_THROUGH",
            **options,
        ),
    }


def _internal() -> Json:
    """An exception that leaves the application is HTTP 500, with a grpc-status of OK."""
    is_500 = {"op": "EQ", "value": {"default_value": 500, "runtime_key": "quotasvc.unused"}}
    return {
        "filter": {"status_code_filter": {"comparison": is_500}},
        "headers_to_add": [
            {
                "header": {"key": "grpc-status", "value": "13"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
    }


def _overload(limits: EnvoyLimits) -> Json:
    heap = "envoy.resource_monitors.fixed_heap"
    connections = "envoy.resource_monitors.global_downstream_max_connections"
    monitors = "envoy.extensions.resource_monitors"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": heap,
                "typed_config": typed(
                    f"{monitors}.fixed_heap.v3.FixedHeapConfig",
                    max_heap_size_bytes=limits.heap_bytes_max,
                ),
            },
            {
                "name": connections,
                "typed_config": typed(
                    f"{monitors}.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=limits.connections_max,
                ),
            },
        ],
        "actions": [
            {
                "name": f"envoy.overload_actions.{action}",
                "triggers": [{"name": heap, "threshold": {"value": share}}],
            }
            for action, share in (("shrink_heap", 0.9), ("stop_accepting_requests", 0.95))
        ],
    }


def _pipe(path: Path) -> Json:
    return {"pipe": {"path": str(path), "mode": 0o600}}


def _duration(ms: int) -> str:
    return f"{ms / 1_000:.3f}s"

"""Runs the public suites of gRPC and Connect against the Envoy door: `make conformance`.

    python -m tests.conformance.run [--trace]

connectconformance: gRPC and gRPC-Web with all kinds of streams, Connect unary, on HTTP/1.1 and
HTTP/2, in clear text, TLS and mTLS, with protobuf and JSON, plain and gzip, with and without a
bound on messages. gRPC's interop client of Go: its cases that need no credentials and no compressed
answers. Exits 0 where there is no Go, saying so.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from quotasvc.doors.envoy import why_not
from tests.conformance.tools import CONNECT, GRPC_GO, HOME, compile_protos, has_go
from tests.tidy.sources import ROOT

COMMON = {
    "codecs": ["CODEC_PROTO", "CODEC_JSON"],
    "compressions": ["COMPRESSION_IDENTITY", "COMPRESSION_GZIP"],
    "supports_h2c": True,
    "supports_tls": True,
    "supports_tls_client_certs": True,
    "supports_connect_get": False,
    "supports_message_receive_limit": True,
}
SUITES = {
    "gRPC": {
        **COMMON,
        "versions": ["HTTP_VERSION_2"],
        "protocols": ["PROTOCOL_GRPC"],
        "stream_types": [
            "STREAM_TYPE_UNARY",
            "STREAM_TYPE_CLIENT_STREAM",
            "STREAM_TYPE_SERVER_STREAM",
            "STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM",
            "STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM",
        ],
    },
    "gRPC-Web": {
        **COMMON,
        "versions": ["HTTP_VERSION_1", "HTTP_VERSION_2"],
        "protocols": ["PROTOCOL_GRPC_WEB"],
        # Envoy's translation knows no other.
        "codecs": ["CODEC_PROTO"],
    },
    "Connect": {
        **COMMON,
        "versions": ["HTTP_VERSION_1", "HTTP_VERSION_2"],
        "protocols": ["PROTOCOL_CONNECT"],
        "stream_types": ["STREAM_TYPE_UNARY"],
    },
}
INTEROP_CASES = (
    *("empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong"),
    *("empty_stream", "custom_metadata", "status_code_and_message", "special_status_message"),
    *("unimplemented_method", "unimplemented_service", "timeout_on_sleeping_server"),
    *("cancel_after_begin", "cancel_after_first_response"),
)


def main(arguments: list[str]) -> int:
    """0 if all passes, or nothing can be run here."""
    if reason := ("Go is not installed" if not has_go() else why_not()):
        print(f"conformance: NOT RUN: {reason}")
        return 0
    for tool in (CONNECT, GRPC_GO):
        tool.install()
    compile_protos()
    failed = [name for name, features in SUITES.items() if not _suite(name, features, arguments)]
    failed += asyncio.run(_interop())
    print(f"conformance: FAILED: {', '.join(failed)}" if failed else "conformance: all passed")
    return bool(failed)


def _suite(name: str, features: dict[str, object], arguments: list[str]) -> bool:
    # YAML, as JSON is.
    config = HOME / f"{name}.yaml"
    config.write_text(json.dumps({"features": features}))
    print(f"== connectconformance: {name}", flush=True)
    command = [str(CONNECT.path), "--conf", str(config), "--mode", "server", *arguments]
    server = [sys.executable, "-m", "tests.conformance.server"]
    return subprocess.run([*command, "--", *server], cwd=ROOT, check=False).returncode == 0


async def _interop() -> list[str]:
    """The cases that fail."""
    # Its stubs have been made by now.
    from tests.conformance.server import served

    print("== gRPC's interop client, of Go", flush=True)
    failed = []
    async with served({}) as address:
        host, _, port = address.rpartition(":")
        for case in INTEROP_CASES:
            process = await asyncio.create_subprocess_exec(
                *(str(GRPC_GO.path), f"--server_host={host}", f"--server_port={port}"),
                *("--use_tls=false", f"--test_case={case}"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await asyncio.wait_for(process.communicate(), 60)
            if process.returncode != 0:
                failed.append(case)
                print(said.decode())
    print(f"{len(INTEROP_CASES) - len(failed)} of {len(INTEROP_CASES)} cases passed")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

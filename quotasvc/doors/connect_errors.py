"""How Connect tells that a call failed: an HTTP status, and a JSON body that people can read."""

from __future__ import annotations

import json
from base64 import b64encode

from google.protobuf import json_format
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc import status_pb2  # type: ignore[import-untyped]  # no py.typed

from quotasvc.api.faults import Status

CODES: dict[int, tuple[str, int]] = {
    1: ("canceled", 499),
    2: ("unknown", 500),
    3: ("invalid_argument", 400),
    4: ("deadline_exceeded", 504),
    5: ("not_found", 404),
    6: ("already_exists", 409),
    7: ("permission_denied", 403),
    8: ("resource_exhausted", 429),
    9: ("failed_precondition", 400),
    10: ("aborted", 409),
    11: ("out_of_range", 400),
    12: ("unimplemented", 501),
    13: ("internal", 500),
    14: ("unavailable", 503),
    15: ("data_loss", 500),
    16: ("unauthenticated", 401),
}
"""By gRPC's code: Connect's name of it, and the HTTP status that goes with it."""


def http_status(status: Status) -> int:
    """The HTTP status of a refusal."""
    return CODES[status.code][1]


def error_body(status: Status) -> bytes:
    """The JSON of a refusal; each detail as bytes, and decoded for people where it is known."""
    body: dict[str, object] = {"code": CODES[status.code][0]}
    if status.message:
        body["message"] = status.message
    if details := status_pb2.Status.FromString(status.details).details:
        body["details"] = [_detail(detail) for detail in details]
    return json.dumps(body, ensure_ascii=False).encode()


def _detail(detail: Any) -> dict[str, object]:
    shown: dict[str, object] = {
        "type": detail.TypeName(),
        "value": b64encode(detail.value).rstrip(b"=").decode(),
    }
    try:
        debug = json_format.MessageToDict(detail, preserving_proto_field_name=True)
    # Of a type that is not known here; or not even of its type.
    except (TypeError, DecodeError):
        return shown
    debug.pop("@type", None)
    shown["debug"] = debug
    return shown

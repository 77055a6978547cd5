"""Messages as JSON, in the names of the contract.

A name that the contract does not have is refused: in JSON that people write it is a slip.
"""

from __future__ import annotations

from google.protobuf import json_format
from google.protobuf.message import Message

from quotasvc.api.faults import Undecodable


def from_json(message: type[Message], body: bytes) -> bytes:
    """The bytes of the message that the JSON says."""
    try:
        # An empty body is a message without fields.
        return json_format.Parse(body or b"{}", message()).SerializeToString()
    # Not all that is wrong is found by json_format itself: UTF-8, or depth.
    except (json_format.ParseError, ValueError, RecursionError) as error:
        # The first line says what and where; others list what there would be.
        text = str(error).partition("\n")[0].rstrip(".")
        raise Undecodable("", f"not a {message.DESCRIPTOR.full_name}: {text}") from None


def to_json(message: type[Message], body: bytes) -> bytes:
    """The JSON of a message's bytes."""
    shown: str = json_format.MessageToJson(
        message.FromString(body), preserving_proto_field_name=True, indent=None
    )
    return shown.encode()

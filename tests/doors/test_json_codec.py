"""JSON is read and written in the names of the contract."""

from __future__ import annotations

import json

import pytest
from google.protobuf.duration_pb2 import Duration

from quotasvc.api.faults import Undecodable
from quotasvc.doors.json_codec import from_json, to_json
from quotasvc.v1.decision_pb2 import CheckAndReserveRequest

REQUEST = CheckAndReserveRequest(request_id="ü", key_id="k", hold_duration=Duration(seconds=90))
REQUEST.usage.input_tokens = 700


def test_messages_go_both_ways_in_the_names_of_the_contract() -> None:
    body = to_json(CheckAndReserveRequest, REQUEST.SerializeToString())
    assert json.loads(body) == {
        "request_id": "ü",
        "key_id": "k",
        "usage": {"input_tokens": "700"},
        "hold_duration": "90s",
    }
    assert b"\n" not in body
    again = CheckAndReserveRequest.FromString(from_json(CheckAndReserveRequest, body))
    assert again == REQUEST


def test_numbers_and_camel_case_are_read_too() -> None:
    body = b'{"requestId": "\xc3\xbc", "keyId": "k", "usage": {"inputTokens": 700}, '
    body += b'"holdDuration": "90s"}'
    assert from_json(CheckAndReserveRequest, body) == REQUEST.SerializeToString()


def test_an_empty_body_is_a_message_without_fields() -> None:
    assert from_json(CheckAndReserveRequest, b"") == b""


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"usge": {}}', '"usge"'),
        (b'{"usage": {"input_tokens": "many"}}', "input_tokens"),
        (b'{"request_id": "a", "request_id": "b"}', "request_id"),
        (b"[5]", "CheckAndReserveRequest"),
        (b"5", "CheckAndReserveRequest"),
        (b"{", "CheckAndReserveRequest"),
        (b'{"request_id": "\xff"}', "utf-8"),
        (b'{"attributes": ' + b"[" * 60_000, "CheckAndReserveRequest"),
    ],
    ids=[
        "unknown name",
        "no whole number",
        "twice",
        "list",
        "number",
        "cut off",
        "no UTF-8",
        "deep",
    ],
)
def test_what_is_wrong_is_said_in_one_line(body: bytes, says: str) -> None:
    with pytest.raises(Undecodable) as caught:
        from_json(CheckAndReserveRequest, body)
    assert says in caught.value.text
    assert "\n" not in caught.value.text

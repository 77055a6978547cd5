"""Connect's unary calls: JSON or protobuf, HTTP/1.1 or HTTP/2, and errors that people can read."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # no py.typed

from quotasvc.api.faults import MessageTooLarge, Status, StatusCode, Undecodable
from quotasvc.domain.faults import Fault, NotFound, Unavailable
from quotasvc.doors import connect
from quotasvc.doors.connect_errors import CODES, error_body, http_status
from quotasvc.doors.exchange import Exchange
from tests.doors.conftest import BYTES_MAX, ECHO, STREAM, Doors
from tests.doors.wire import JSON, Answer, Request

PROTO = {b"content-type": b"application/proto"}
ABC = StringValue(value="abc").SerializeToString()


def error_of(answer: Answer) -> Any:
    assert answer.headers[b"content-type"] == b"application/json"
    return json.loads(answer.body)


@pytest.mark.parametrize("http_version", ["1.1", "2"])
async def test_json_is_answered_with_json(make_door: Doors, http_version: str) -> None:
    request = Request(ECHO, JSON, body=b'"abc"', http_version=http_version)
    answer = await request.answer(make_door())
    assert (answer.status, answer.body, answer.trailers) == (200, b'"abc"', None)
    assert answer.headers == {b"content-type": b"application/json"}


async def test_protobuf_is_answered_with_protobuf(make_door: Doors) -> None:
    answer = await Request(ECHO, PROTO, body=ABC).answer(make_door())
    assert (answer.status, answer.body, answer.headers) == (200, ABC, PROTO)


@pytest.mark.parametrize("kind", [b"application/json; charset=utf-8", b"Application/JSON"])
async def test_json_may_be_spelled_in_several_ways(make_door: Doors, kind: bytes) -> None:
    answer = await Request(ECHO, {b"content-type": kind}, body=b'"a"').answer(make_door())
    assert (answer.status, answer.body) == (200, b'"a"')


@pytest.mark.parametrize("kind", [b"", b"text/plain", b"application/connect+json"])
async def test_other_kinds_are_told_which_would_do(make_door: Doors, kind: bytes) -> None:
    answer = await Request(ECHO, {b"content-type": kind}, body=b"").answer(make_door())
    assert answer.status == 415
    assert answer.headers == {b"accept-post": b"application/json, application/proto"}


@pytest.mark.parametrize("path", ["/", "/nobody/Nothing", STREAM, "/healthz", "/alive"])
async def test_an_unknown_path_is_404(make_door: Doors, path: str) -> None:
    """12: the one place of Connect that is easily got wrong."""
    assert (await Request(path, JSON, body=b"{}").answer(make_door())).status == 404


async def test_a_get_is_told_what_would_do(make_door: Doors) -> None:
    answer = await Request(ECHO, {}, body=b"", method="GET").answer(make_door())
    assert (answer.status, answer.headers) == (405, {b"allow": b"POST"})


async def test_a_body_may_come_in_pieces(make_door: Doors) -> None:
    answer = await Request(ECHO, JSON, body=[b'"a', b"b", b"", b'c"']).answer(make_door())
    assert answer.body == b'"abc"'


async def test_a_compressed_body_is_read_and_answered_plain(make_door: Doors) -> None:
    headers = {**JSON, b"content-encoding": b"gzip", b"accept-encoding": b"gzip"}
    answer = await Request(ECHO, headers, body=gzip.compress(b'"abc"')).answer(make_door())
    assert answer.body == b'"abc"'
    assert b"content-encoding" not in answer.headers


async def test_another_compression_is_unimplemented_and_says_which_would_do(
    make_door: Doors,
) -> None:
    headers = {**JSON, b"content-encoding": b"br"}
    answer = await Request(ECHO, headers, body=b"x").answer(make_door())
    assert (answer.status, error_of(answer)["code"]) == (501, "unimplemented")
    assert answer.headers[b"accept-encoding"] == b"gzip,identity"


async def test_a_body_that_is_not_gzip_is_internal(make_door: Doors) -> None:
    headers = {**JSON, b"content-encoding": b"gzip"}
    answer = await Request(ECHO, headers, body=b"no gzip").answer(make_door())
    assert answer.status == 500
    assert error_of(answer) == {"code": "internal", "message": "the message is not gzip"}


async def test_a_body_above_the_bound_is_refused_before_it_has_arrived(make_door: Doors) -> None:
    # given a request that never ends
    request = Request(ECHO, PROTO)
    request.send(bytes(BYTES_MAX))
    request.send(b"x")
    answer = await request.answer(make_door())
    assert (answer.status, error_of(answer)["code"]) == (429, "resource_exhausted")
    assert isinstance(make_door.refused[0], MessageTooLarge)


async def test_a_request_that_does_not_end_does_not_keep_its_place(
    make_door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "REQUEST_S_MAX", 0.02)
    request = Request(ECHO, JSON)
    request.send(b'"abc"')
    answer = await request.answer(make_door())
    assert (answer.status, error_of(answer)["code"]) == (504, "deadline_exceeded")


async def test_json_that_cannot_be_read_is_invalid(make_door: Doors) -> None:
    answer = await Request(ECHO, JSON, body=b"{").answer(make_door())
    assert (answer.status, error_of(answer)["code"]) == (400, "invalid_argument")
    assert isinstance(make_door.refused[0], Undecodable)


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [({}, None), ({b"connect-timeout-ms": b"1500"}, 1.5)],
    ids=["none", "1.5 s"],
)
async def test_the_rpc_knows_the_callers_time(
    make_door: Doors, sent: dict[bytes, bytes], seconds: float | None
) -> None:
    seen: list[float | None] = []

    def note(body: bytes, exchange: Exchange) -> bytes:
        seen.append(exchange.remaining_s)
        return body

    await Request(ECHO, {**JSON, **sent}, body=b'""').answer(make_door(note))
    assert seen == [seconds]


@pytest.mark.parametrize("timeout", [b"", b"-1", b"1.5", b"12345678901", b"soon"])
async def test_a_timeout_that_cannot_be_read_is_invalid(make_door: Doors, timeout: bytes) -> None:
    headers = {**JSON, b"connect-timeout-ms": timeout}
    answer = await Request(ECHO, headers, body=b'""').answer(make_door())
    assert (answer.status, error_of(answer)["code"]) == (400, "invalid_argument")


async def test_what_the_rpc_says_beside_its_message_goes_with_it(make_door: Doors) -> None:
    def speak(body: bytes, exchange: Exchange) -> bytes:
        exchange.answer_headers = ((b"x-first", b"1"),)
        exchange.answer_trailers = ((b"x-last", b"2"),)
        return body

    answer = await Request(ECHO, PROTO, body=ABC).answer(make_door(speak))
    assert answer.headers == {**PROTO, b"x-first": b"1", b"trailer-x-last": b"2"}


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), SystemExit(1)], ids=lambda error: type(error).__name__
)
async def test_nothing_that_a_rpc_raises_gets_out(make_door: Doors, error: BaseException) -> None:
    """12, hard limit 1."""

    def fail(body: bytes, exchange: Exchange) -> bytes:
        raise error

    answer = await Request(ECHO, JSON, body=b'""').answer(make_door(fail))
    assert (answer.status, error_of(answer)["code"]) == (500, "internal")


async def test_a_rpc_that_is_cut_off_is_unavailable(make_door: Doors) -> None:
    def fail(body: bytes, exchange: Exchange) -> bytes:
        raise asyncio.CancelledError

    answer = await Request(ECHO, JSON, body=b'""').answer(make_door(fail))
    assert answer.status == 503


@pytest.mark.parametrize("sent", [None, b'"abc"'], ids=["within", "after"])
async def test_a_caller_that_hangs_up_is_not_answered(
    make_door: Doors, sent: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    request = Request(ECHO, JSON, body=sent)

    def finish(body: bytes, exchange: Exchange) -> bytes:
        request.hang_up()
        return body

    if sent is None:
        request.hang_up()
    await request.run(make_door(finish))
    assert (request.sent, make_door.refused, caplog.records) == ([], [], [])


# How a refusal is told.


async def test_details_are_told_as_bytes_and_for_people(make_door: Doors) -> None:
    def fail(body: bytes, exchange: Exchange) -> bytes:
        raise Unavailable("secret")

    answer = await Request(ECHO, JSON, body=b'""').answer(make_door(fail))
    error = error_of(answer)
    assert (answer.status, error["code"]) == (503, "unavailable")
    assert "secret" not in answer.body.decode()
    [info, retry] = error["details"]
    assert info["type"] == "google.rpc.ErrorInfo"
    assert info["debug"] == {"reason": "STORE_UNAVAILABLE", "domain": "quotasvc"}
    assert "=" not in info["value"]
    assert (retry["type"], list(retry["debug"])) == ("google.rpc.RetryInfo", ["retry_delay"])


def test_a_detail_that_cannot_be_decoded_is_told_as_bytes() -> None:
    status = status_pb2.Status()
    status.details.add(type_url="type.googleapis.com/nobody.Knows", value=b"\0")
    broken = status.details.add(value=b"\xff")
    broken.type_url = f"type.googleapis.com/{error_details_pb2.ErrorInfo.DESCRIPTOR.full_name}"
    refused = Status(code=StatusCode.NOT_FOUND, message="ü", details=status.SerializeToString())
    assert json.loads(error_body(refused)) == {
        "code": "not_found",
        "message": "ü",
        "details": [
            {"type": "nobody.Knows", "value": "AA"},
            {"type": "google.rpc.ErrorInfo", "value": "/w"},
        ],
    }


def test_what_is_empty_is_left_out() -> None:
    status = Status(code=StatusCode.NOT_FOUND, message="", details=b"")
    assert error_body(status) == b'{"code": "not_found"}'


@pytest.mark.parametrize("code", StatusCode)
async def test_every_code_of_ours_has_a_name_and_an_http_status(code: StatusCode) -> None:
    assert CODES[code][0] == code.name.lower()
    assert 400 <= http_status(Status(code=code, message="", details=b"")) < 600


async def test_a_refusal_that_nobody_hears_is_no_failure(
    make_door: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    request = Request(ECHO, JSON, body=b'""')

    def fail(body: bytes, exchange: Exchange) -> bytes:
        request.hang_up()
        raise NotFound("no such")

    await request.run(make_door(fail))
    assert (request.sent, caplog.records) == ([], [])
    assert isinstance(make_door.refused[0], Fault)

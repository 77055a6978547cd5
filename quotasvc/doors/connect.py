"""Connect's unary protocol over ASGI: `curl` with JSON, on HTTP/1.1 or HTTP/2.

    POST /quotasvc.v1.DecisionService/Commit
    Content-Type: application/json

Only POST: what these rpcs read is no business of a cache.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from quotasvc.api.faults import MessageTooLarge, Status, UnknownMethod
from quotasvc.domain.faults import InvalidArgument
from quotasvc.doors.asgi import (
    REQUEST_S_MAX,
    Gone,
    Header,
    Receive,
    Scope,
    Send,
    end_with,
    next_event,
)
from quotasvc.doors.connect_errors import error_body, http_status
from quotasvc.doors.exchange import Exchange, Refuse, Rpc
from quotasvc.doors.faults import Malformed
from quotasvc.doors.grpc_headers import malformed
from quotasvc.doors.gzip import ACCEPTED, inflate, is_gzip
from quotasvc.doors.json_codec import from_json, to_json

JSON, PROTO = b"application/json", b"application/proto"

_TIMEOUT_MS = re.compile(rb"[0-9]{1,10}")


class Connect:
    """Serves unary rpcs by their paths."""

    def __init__(self, unary: Mapping[str, Rpc], *, refuse: Refuse, message_bytes_max: int) -> None:
        self._unary = unary
        self._refuse = refuse
        self._message_bytes_max = message_bytes_max

    async def serve(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """One call, whatever comes of it."""
        try:
            rpc = self._unary.get(scope["path"])
            if rpc is None:
                await end_with(send, 404, ())
            elif scope["method"] != "POST":
                await end_with(send, 405, ((b"allow", b"POST"),))
            elif (kind := _media_type(headers)) not in (JSON, PROTO):
                await end_with(send, 415, ((b"accept-post", JSON + b", " + PROTO),))
            else:
                await self._serve(rpc, kind, scope, headers, receive, send)
        except (Gone, OSError):
            # Nobody is left to answer. What the store may be doing for them goes on (SEM-38).
            return

    async def _serve(
        self,
        rpc: Rpc,
        kind: bytes,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        exchange = Exchange(scope["headers"], None)
        answer: bytes | Status
        try:
            exchange.remaining_s = _remaining_s(headers)
            async with asyncio.timeout(REQUEST_S_MAX):
                body = await self._body(headers, exchange, receive)
            request = from_json(rpc.request, body) if kind == JSON else body
            answer = await rpc.answer(request, exchange)
            if kind == JSON and isinstance(answer, bytes):
                answer = to_json(rpc.response, answer)
        except Gone:
            raise
        except Malformed as fault:
            answer = malformed(fault)
        except BaseException as error:
            answer = self._refuse(rpc.name, error)
        trailers = tuple((b"trailer-" + name, value) for name, value in exchange.answer_trailers)
        beside = (*exchange.answer_headers, *trailers)
        if isinstance(answer, Status):
            kind_of_error: Header = (b"content-type", JSON)
            await end_with(send, http_status(answer), (kind_of_error, *beside), error_body(answer))
        else:
            await end_with(send, 200, ((b"content-type", kind), *beside), answer)

    async def _body(
        self, headers: Mapping[bytes, bytes], exchange: Exchange, receive: Receive
    ) -> bytes:
        """The request's bytes, inflated if they must be."""
        try:
            is_compressed = is_gzip(headers.get(b"content-encoding", b""))
        except UnknownMethod:
            exchange.answer_headers = ((b"accept-encoding", ACCEPTED),)
            raise
        body = bytearray()
        has_more = True
        while has_more:
            event = await next_event(receive)
            if event["type"] == "http.disconnect":
                raise Gone
            body += event["body"]
            has_more = event["more_body"]
            if len(body) > self._message_bytes_max:
                raise MessageTooLarge(f"more than {self._message_bytes_max} bytes")
        return inflate(bytes(body), self._message_bytes_max) if is_compressed else bytes(body)


def _media_type(headers: Mapping[bytes, bytes]) -> bytes:
    """Without parameters: JSON is UTF-8 whatever they say."""
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _remaining_s(headers: Mapping[bytes, bytes]) -> float | None:
    """The caller's time as it says it: up to 10 digits, in milliseconds."""
    timeout_ms = headers.get(b"connect-timeout-ms")
    if timeout_ms is None:
        return None
    if not _TIMEOUT_MS.fullmatch(timeout_ms):
        raise InvalidArgument("connect-timeout-ms", "must be up to 10 digits")
    return int(timeout_ms) / 1_000

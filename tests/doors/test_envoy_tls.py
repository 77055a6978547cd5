"""TLS of the door: who may call, who is told to be calling, and certificates that are replaced."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from quotasvc.doors.envoy_tls import Tls
from quotasvc.v1.decision_pb2 import ALLOW
from tests.doors.envoy_app import WHO
from tests.doors.envoys import calling, needs_envoy, request, running
from tests.support.certificates import Authority, Pair
from tests.support.door import Caller

pytestmark = [
    needs_envoy,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates"),
]

SERVER, CALLER = "IP:127.0.0.1", "URI:spiffe://test/gateway"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def trusting(
    address: str, authority: Authority, own: Pair | None = None
) -> AsyncIterator[Caller]:
    """A caller that trusts the authority, and shows a certificate of its own."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=authority.certificate.read_bytes(),
        private_key=own.key.read_bytes() if own else None,
        certificate_chain=own.certificate.read_bytes() if own else None,
    )
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        yield Caller(channel)


async def refused(caller: Caller) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.reserve(request())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_callers_are_served_in_tls_only(address: str, authority: Authority) -> None:
    own = authority.sign("server", SERVER)
    async with running(address, tls=Tls(certificate=own.certificate, key=own.key)) as door:
        async with trusting(address, authority) as caller:
            assert (await caller.reserve(request())).decision == ALLOW
        async with calling(address) as caller:
            await refused(caller)
        # and its supervisor needs no certificate
        assert await door.is_alive()


async def test_only_certain_callers_are_served_and_the_application_knows_which(
    address: str, authority: Authority
) -> None:
    """12, hard limit 6: everything but the subject comes in a header, which nobody can forge."""
    own = authority.sign("server", SERVER)
    tls = Tls(
        certificate=own.certificate,
        key=own.key,
        callers_ca=authority.certificate,
        callers_uri="spiffe://test/",
    )
    async with running(address, tls=tls) as door:
        # given callers without a certificate, and with one for something else
        for pair in (None, authority.sign("other", "URI:spiffe://elsewhere/gateway")):
            async with trusting(address, authority, pair) as caller:
                await refused(caller)
        # and one that says that it is somebody else
        async with trusting(address, authority, authority.sign("caller", CALLER)) as caller:
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
            method = caller.channel.unary_unary(WHO)
            forged = (("x-forwarded-client-cert", "URI=spiffe://test/admin"),)
            said = StringValue.FromString(await method(b"", metadata=forged, timeout=5)).value
        assert "URI=spiffe://test/gateway" in said
        assert "admin" not in said
        assert await door.is_alive()


async def test_in_clear_text_nobody_is_believed(address: str) -> None:
    async with running(address), calling(address) as caller:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = caller.channel.unary_unary(WHO)
        forged = (("x-forwarded-client-cert", "URI=spiffe://test/admin"),)
        said = StringValue.FromString(await method(b"", metadata=forged, timeout=5))
    assert said.value == ""


async def test_a_certificate_that_is_replaced_is_used_at_once(
    address: str, authority: Authority
) -> None:
    """12, fact (d): files that the configuration names directly are read once."""
    old, new = authority.sign("old", SERVER), authority.sign("new", SERVER)
    tls = Tls(certificate=old.certificate, key=old.key)
    async with running(address, tls=tls):
        assert await served(address) == _der(old.certificate)
        expected = _der(new.certificate)
        new.key.rename(old.key)
        new.certificate.rename(old.certificate)
        async with asyncio.timeout(5):
            while await served(address) != expected:
                await asyncio.sleep(0.02)
        async with trusting(address, authority) as caller:
            assert (await caller.reserve(request())).decision == ALLOW


async def served(address: str) -> bytes:
    """The certificate that the door shows now."""
    host, _, port = address.rpartition(":")
    pem = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
    return ssl.PEM_cert_to_DER_cert(pem)


def _der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())

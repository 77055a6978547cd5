"""A port belongs to one service, however many of its processes listen on it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from quotasvc.doors.claim import Claim
from quotasvc.doors.faults import ListenFailed


@contextmanager
def listening(address: str, *, shared: bool) -> Iterator[socket.socket]:
    """A server on the address, as Envoy opens it, or as one that shares with nobody."""
    host, _, port = address.rpartition(":")
    with closing(socket.socket()) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        server.bind((host, int(port)))
        server.listen()
        yield server


def test_servers_may_share_a_claimed_port_and_get_all_of_its_connections() -> None:
    with Claim("127.0.0.1:0") as claim, listening(claim.address, shared=True) as one:
        assert not claim.address.endswith(":0")
        with listening(claim.address, shared=True) as two:
            clients = [socket.create_connection(one.getsockname(), timeout=5) for _ in range(20)]
            for server in (one, two):
                server.setblocking(False)
            accepted = 0
            for server in (one, two):
                while True:
                    try:
                        server.accept()[0].close()
                    except BlockingIOError:
                        break
                    accepted += 1
            assert accepted == len(clients)
            for client in clients:
                client.close()


@pytest.mark.parametrize("has_server", [False, True])
def test_a_claimed_port_cannot_be_claimed_again(*, has_server: bool) -> None:
    with Claim("127.0.0.1:0") as claim:
        if has_server:
            with listening(claim.address, shared=True), pytest.raises(ListenFailed):
                Claim(claim.address)
        else:
            with pytest.raises(ListenFailed, match=claim.address):
                Claim(claim.address)


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_on_which_another_program_listens_cannot_be_claimed(*, shared: bool) -> None:
    with (
        listening("127.0.0.1:0", shared=shared) as server,
        pytest.raises(ListenFailed, match="in use"),
    ):
        Claim(f"127.0.0.1:{server.getsockname()[1]}")


def test_a_port_is_free_again_at_the_end_of_its_claim() -> None:
    with Claim("127.0.0.1:0") as claim, listening(claim.address, shared=True) as server:
        # given a connection that the server has closed, whose late packets are waited for
        client = socket.create_connection(server.getsockname())
        server.accept()[0].close()
        client.close()
    with Claim(claim.address) as again:
        assert again.address == claim.address


@pytest.mark.parametrize("listen", ["[::1]:0", "127.0.0.1:0"])
def test_both_families_can_be_claimed(listen: str) -> None:
    with Claim(listen) as claim:
        assert claim.address.startswith(listen[:-1])


def test_an_address_of_another_machine_cannot_be_claimed() -> None:
    with pytest.raises(ListenFailed, match=r"192\.0\.2\.1:1"):
        Claim("192.0.2.1:1")

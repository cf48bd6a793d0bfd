"""Ports that nobody listens on and that cannot be bound all the same: real sockets on loopback."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from homeport.host.binding import can_bind, connection_from
from homeport.host.ports import listener_on


@pytest.fixture
def ended_connection() -> Iterator[int]:
    """The port of an outgoing connection that has ended, and that the kernel keeps for a minute."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        port: int = client.getsockname()[1]
        accepted, _ = server.accept()
        client.close()
        accepted.recv(1)
        accepted.close()
        yield port


def test_the_port_of_an_ended_connection_cannot_be_bound(ended_connection: int) -> None:
    assert listener_on(ended_connection) is None
    assert not can_bind("0.0.0.0", ended_connection, "tcp")


def test_the_owner_of_a_live_connection_is_named() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        closing(socket.create_connection(server.getsockname())) as client,
    ):
        port = client.getsockname()[1]

        assert not can_bind("127.0.0.1", port, "tcp")
        assert f"127.0.0.1:{server.getsockname()[1]}" in connection_from(port)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_free_port_can_be_bound_and_is_free_afterwards(protocol: str) -> None:
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        assert not can_bind("127.0.0.1", port, protocol)

    assert can_bind("127.0.0.1", port, protocol)
    assert can_bind("127.0.0.1", port, protocol)

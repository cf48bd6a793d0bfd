"""Whether a port can be bound just now, and which connection keeps it from being."""

import socket

import psutil

from homeport.host.ports import process_name

_SOCKET_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def can_bind(address: str, port: int, protocol: str) -> bool:
    """Whether a listener could have the port now.

    A port that nobody listens on may still belong to an outgoing connection, also for the minute after its
    end (TIME_WAIT): bind(2) refuses it then, as it would refuse Docker's.

    Args:
        address: an IPv4 address of the host; 0.0.0.0 for all.
        port: the port.
        protocol: `tcp` or `udp`.
    """
    with socket.socket(socket.AF_INET, _SOCKET_KINDS[protocol]) as probe:
        if protocol == "tcp":  # as Docker's proxy does
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def connection_from(port: int) -> str:
    """The outgoing connection that has the port, in words; "" where none is seen."""
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.raddr:
            whose = process_name(connection.pid) or "a process that has ended or may not be seen"
            return f"a connection of {whose} to {connection.raddr.ip}:{connection.raddr.port}"
    return ""

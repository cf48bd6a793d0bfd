import ipaddress
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.host.bridge_packets import Answer, Attempt, parse_packet

BUILD, SERVER, NAME_SERVER = "172.17.0.2", "203.0.113.7", "192.0.2.53"
BUILD6, SERVER6 = "2001:db8::2", "2001:db8::7"


def ip(source: str, target: str, protocol: int, payload: bytes, *, options: bytes = b"") -> bytes:
    one, other = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if one.version == 6:
        header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    else:
        words = 5 + len(options) // 4
        header = struct.pack("!BBHHHBBH", 0x40 | words, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    return header + one.packed + other.packed + options + payload


def tcp(port: int, *, flags: int = 0x02, number: int = 99) -> bytes:
    return struct.pack("!HHIIBBHHH", 40000, port, number, 0, 0x50, flags, 1000, 0, 0)


def udp(source_port: int, port: int, content: bytes = b"") -> bytes:
    return struct.pack("!HHHH", source_port, port, 8 + len(content), 0) + content


def name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(owner: bytes, kind: int, content: bytes) -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, 60, len(content)) + content


def dns(question: str, records: Sequence[bytes], *, flags: int = 0x8180) -> bytes:
    header = struct.pack("!HHHHHH", 7, flags, 1, len(records), 0, 0)
    return header + name(question) + struct.pack("!HH", 1, 1) + b"".join(records)


def answer_packet(message: bytes) -> bytes:
    return ip(NAME_SERVER, BUILD, 17, udp(53, 33333, message))


def test_the_first_packet_of_a_connection_is_an_attempt() -> None:
    assert parse_packet(ip(BUILD, SERVER, 6, tcp(443))) == Attempt(
        source=BUILD, source_port=40000, target=SERVER, port=443, protocol="tcp", number=99
    )


def test_options_in_the_header_move_nothing() -> None:
    with_options = parse_packet(ip(BUILD, SERVER, 6, tcp(443), options=b"\1" * 8))

    assert with_options == parse_packet(ip(BUILD, SERVER, 6, tcp(443)))


def test_ipv6_is_read_as_well() -> None:
    found = parse_packet(ip(BUILD6, SERVER6, 6, tcp(80)))

    assert isinstance(found, Attempt)
    assert (found.source, found.target, found.port) == (BUILD6, SERVER6, 80)


def test_udp_from_a_container_is_an_attempt() -> None:
    assert parse_packet(ip(BUILD, SERVER, 17, udp(5555, 443, b"quic"))) == Attempt(
        source=BUILD, source_port=5555, target=SERVER, port=443, protocol="udp"
    )


@pytest.mark.parametrize(
    "packet",
    [
        ip(BUILD, SERVER, 6, tcp(443, flags=0x12)),
        ip(BUILD, SERVER, 6, tcp(443, flags=0x10)),
        ip(BUILD, SERVER, 1, b"\x08\0\0\0ping"),
        ip(BUILD, "224.0.0.251", 17, udp(5353, 5353)),
        b"",
        b"\x45",
        b"\x00" * 60,
    ],
)
def test_other_packets_say_nothing(packet: bytes) -> None:
    assert parse_packet(packet) is None


def test_an_answer_gives_its_addresses_the_name_that_was_asked_for() -> None:
    pointer = b"\xc0\x0c"
    records = [
        record(pointer, 5, name("edge.example.net")),
        record(name("edge.example.net"), 1, ipaddress.ip_address(SERVER).packed),
        record(name("edge.example.net"), 28, ipaddress.ip_address(SERVER6).packed),
    ]

    found = parse_packet(answer_packet(dns("Files.Example.org", records)))

    assert found == Answer(client=BUILD, name="files.example.org", addresses=(SERVER, SERVER6))


@pytest.mark.parametrize(
    "message",
    [
        dns("a.example", []),
        dns("a.example", [record(b"\xc0\x0c", 1, b"\1\2\3\4")], flags=0x0100),
        dns("a.example", [record(b"\xc0\x0c", 1, b"\1\2")]),
        dns("a\x1b[31m.example", [record(b"\xc0\x0c", 1, b"\1\2\3\4")]),
        dns("a.example", [record(b"\xc0\x0c", 1, b"\1\2\3\4")])[:-20],
        struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0) + b"\xc0\x0c\0\1\0\1",  # a name that points to itself
        b"",
    ],
)
def test_an_answer_that_says_nothing_or_nonsense_is_left_out(message: bytes) -> None:
    assert parse_packet(answer_packet(message)) is None


@given(st.binary(max_size=200), st.sampled_from([b"\x45", b"\x60", b""]))
def test_no_bytes_make_it_fail(content: bytes, first: bytes) -> None:
    parse_packet(first + content)


@given(st.binary(max_size=200))
def test_no_answer_makes_it_fail(message: bytes) -> None:
    parse_packet(answer_packet(struct.pack("!HHHHHH", 7, 0x8180, 1, 9, 0, 0) + message))

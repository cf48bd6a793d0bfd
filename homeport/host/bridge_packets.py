"""Packets on the engine's bridge: which of them matter, and what they say. Pure.

What matters is how a connection begins (TCP's SYN, any UDP that comes from a container) and DNS answers,
which give addresses their names. The kernel keeps everything else back by a classic BPF program, so that the
bytes of a download are never copied.
"""

import ipaddress
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

DNS_PORT: Final = 53

_TCP: Final = 6
_UDP: Final = 17
_IPV6_HEADER: Final = 40
_SYN_ACK_BITS: Final = 0x12
_SYN: Final = 0x02
_OUTGOING: Final = 4  # linux/if_packet.h, PACKET_OUTGOING: from the host to a container


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A connection that somebody begins; `number` tells a repeated SYN from another connection."""

    source: str
    source_port: int
    target: str
    port: int
    protocol: str
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a name server told a client: the name it asked for, and the addresses behind it."""

    client: str
    name: str
    addresses: tuple[str, ...]


class _Datagram(NamedTuple):
    source: str
    target: str
    protocol: int
    payload: bytes


def parse_packet(packet: bytes) -> Attempt | Answer | None:
    """What a packet says that passed the filter, from its IP header on; None where it says nothing."""
    try:
        found = _parse_ip(packet)
        if found is None:
            return None
        if found.protocol == _TCP:
            return _parse_tcp(found)
        return _parse_udp(found)
    except (struct.error, IndexError, ValueError):  # cut short, or nonsense
        return None


def _parse_ip(packet: bytes) -> _Datagram | None:
    source: ipaddress.IPv4Address | ipaddress.IPv6Address
    target: ipaddress.IPv4Address | ipaddress.IPv6Address
    match packet[0] >> 4:
        case 4:
            source, target = ipaddress.IPv4Address(packet[12:16]), ipaddress.IPv4Address(packet[16:20])
            protocol, payload = packet[9], packet[(packet[0] & 0x0F) * 4 :]
        case 6:
            source, target = ipaddress.IPv6Address(packet[8:24]), ipaddress.IPv6Address(packet[24:40])
            protocol, payload = packet[6], packet[_IPV6_HEADER:]
        case _:
            return None
    if target.is_multicast or protocol not in (_TCP, _UDP):
        return None
    return _Datagram(str(source), str(target), protocol, payload)


def _parse_tcp(found: _Datagram) -> Attempt | None:
    source_port, port, number = struct.unpack_from("!HHI", found.payload)
    if found.payload[13] & _SYN_ACK_BITS != _SYN:
        return None
    return Attempt(
        source=found.source,
        source_port=source_port,
        target=found.target,
        port=port,
        protocol="tcp",
        number=number,
    )


def _parse_udp(found: _Datagram) -> Attempt | Answer | None:
    source_port, port = struct.unpack_from("!HH", found.payload)
    if source_port == DNS_PORT:
        return _parse_answer(found.target, found.payload[8:])
    return Attempt(
        source=found.source, source_port=source_port, target=found.target, port=port, protocol="udp"
    )


def _parse_answer(client: str, message: bytes) -> Answer | None:
    """RFC 1035, section 4. Every address in the answer belongs to the question's name, whatever the chain."""
    flags, questions, answers = struct.unpack_from("!HHH", message, 2)
    if not flags & 0x8000 or questions != 1:
        return None
    name, at = _read_name(message, 12)
    addresses = tuple(_read_addresses(message, at + 4, answers))
    return Answer(client=client, name=name, addresses=addresses) if addresses and name else None


def _read_addresses(message: bytes, at: int, records: int) -> Iterator[str]:
    for _ in range(min(records, 100)):
        _, at = _read_name(message, at)
        kind, _, _, length = struct.unpack_from("!HHIH", message, at)
        at += 10
        content = message[at : at + length]
        at += length
        if kind == 1 and len(content) == 4:
            yield str(ipaddress.IPv4Address(content))
        elif kind == 28 and len(content) == 16:
            yield str(ipaddress.IPv6Address(content))


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    """The name at this place, in lower case, and where what follows it begins."""
    labels: list[str] = []
    after = 0
    for _ in range(128):  # a name has at most 127 labels; a pointer that leads in a circle ends here
        length = message[at]
        if length >= 0xC0:
            after = after or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
        elif length:
            labels.append(message[at + 1 : at + 1 + length].decode("ascii"))
            at += 1 + length
        else:
            return _host_name(labels), after or at + 1
    raise ValueError("a name without end")


def _host_name(labels: Sequence[str]) -> str:
    """The labels as a host name; "" where they hold what no host name does."""
    name = ".".join(labels).lower()
    is_clean = all(character.isalnum() or character in "-_." for character in name)
    return name if is_clean and len(name) <= 253 else ""


Instruction = tuple[int, int, int, int]
"""Of classic BPF: operation, jump if true, jump if false, operand (linux/filter.h)."""

_LOAD_HALF, _LOAD_BYTE = 0x28, 0x30  # from a fixed place of the packet
_LOAD_HALF_X, _LOAD_BYTE_X = 0x48, 0x50  # from a place behind the IPv4 header
_LOAD_HEADER_LENGTH = 0xB1  # X = length of the IPv4 header
_AND, _EQUALS, _ANY_BIT, _RETURN = 0x54, 0x15, 0x45, 0x06
_PROTOCOL_FIELD = 0xFFFFF000  # SKF_AD_OFF + SKF_AD_PROTOCOL: the frame's EtherType
_TYPE_FIELD = 0xFFFFF004  # SKF_AD_OFF + SKF_AD_PKTTYPE: which way the packet goes
_BEGINNING, _WHOLE = 128, 65535  # how much is copied of a packet

_Line = tuple[int, int, str, str]  # operation, operand, where to go if true, if false; "": the next line


def filter_program() -> list[Instruction]:
    """The filter for a socket whose packets begin with the IP header.

    It lets through: the first packet of a TCP connection and any UDP packet, both only where they come from a
    container; and UDP from port 53 in either direction. Later fragments are kept back.
    """
    lines: list[_Line | str] = [
        (_LOAD_HALF, _PROTOCOL_FIELD, "", ""),
        (_EQUALS, 0x0800, "", "maybe ipv6"),
        (_LOAD_HALF, 6, "", ""),
        (_ANY_BIT, 0x1FFF, "drop", ""),
        (_LOAD_HEADER_LENGTH, 0, "", ""),
        (_LOAD_BYTE, 9, "", ""),
        (_EQUALS, _UDP, "udp4", ""),
        (_EQUALS, _TCP, "", "drop"),
        (_LOAD_BYTE_X, 13, "", ""),
        (_AND, _SYN_ACK_BITS, "", ""),
        (_EQUALS, _SYN, "from container", "drop"),
        "udp4",
        (_LOAD_HALF_X, 0, "", ""),
        (_EQUALS, DNS_PORT, "whole", "from container"),
        "maybe ipv6",
        (_EQUALS, 0x86DD, "", "drop"),
        (_LOAD_BYTE, 6, "", ""),
        (_EQUALS, _UDP, "udp6", ""),
        (_EQUALS, _TCP, "", "drop"),
        (_LOAD_BYTE, _IPV6_HEADER + 13, "", ""),
        (_AND, _SYN_ACK_BITS, "", ""),
        (_EQUALS, _SYN, "from container", "drop"),
        "udp6",
        (_LOAD_HALF, _IPV6_HEADER, "", ""),
        (_EQUALS, DNS_PORT, "whole", ""),
        "from container",
        (_LOAD_HALF, _TYPE_FIELD, "", ""),
        (_EQUALS, _OUTGOING, "drop", ""),
        (_RETURN, _BEGINNING, "", ""),
        "whole",
        (_RETURN, _WHOLE, "", ""),
        "drop",
        (_RETURN, 0, "", ""),
    ]
    return _assemble(lines)


def _assemble(lines: Sequence[_Line | str]) -> list[Instruction]:
    """Turns names of places into distances."""
    places: dict[str, int] = {}
    code: list[_Line] = []
    for line in lines:
        if isinstance(line, str):
            places[line] = len(code)
        else:
            code.append(line)

    def distance(here: int, name: str) -> int:
        return places[name] - here - 1 if name else 0

    return [
        (operation, distance(here, yes), distance(here, no), operand)
        for here, (operation, operand, yes, no) in enumerate(code)
    ]

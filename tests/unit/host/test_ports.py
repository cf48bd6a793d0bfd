from hypothesis import given
from hypothesis import strategies as st

from homeport.host.ports import format_ports, parse_ports

_PORTS = st.frozensets(st.integers(0, 65535), max_size=60)


def test_the_kernel_s_list_of_ports_and_ranges_is_read() -> None:
    assert parse_ports("8080,35001-35003\n") == {8080, 35001, 35002, 35003}


def test_an_empty_list_has_no_ports() -> None:
    assert parse_ports("\n") == frozenset()
    assert format_ports(()) == ""


def test_neighbours_are_written_as_ranges() -> None:
    assert format_ports({5, 7, 8, 9, 65535}) == "5,7-9,65535"


@given(_PORTS)
def test_what_is_written_reads_the_same(ports: frozenset[int]) -> None:
    assert parse_ports(format_ports(ports)) == ports

import pytest

from homeport.caches import DirectHost
from homeport.host.bridge_packets import Answer, Attempt
from homeport.host.bridge_watch import FURTHER_HOSTS, DirectConnections

BUILD, GATEWAY, SERVER = "172.17.0.2", "172.17.0.1", "203.0.113.7"


class Bridge:
    """Some addresses that belong to containers, and a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.containers: set[str] = set()
        self.now = 0.0
        self.connections = DirectConnections(
            caches=[(GATEWAY, 8041)],
            is_build_address=lambda address: address not in self.containers,
            clock=lambda: self.now,
        )

    def connect(self, target: str = SERVER, port: int = 443, *, source: str = BUILD, number: int = 1) -> None:
        self.connections.add(
            Attempt(source=source, source_port=4000, target=target, port=port, protocol="tcp", number=number)
        )

    def name(self, name: str, *addresses: str, client: str = BUILD) -> None:
        self.connections.add(Answer(client=client, name=name, addresses=addresses))

    def counts(self) -> dict[str, int]:
        return {seen.host: seen.connections for seen in self.connections.hosts()}


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


def test_a_host_is_called_by_the_name_that_led_to_its_address(bridge: Bridge) -> None:
    bridge.name("files.example", SERVER, "203.0.113.8")

    bridge.connect(number=1)
    bridge.connect("203.0.113.8", number=2)

    assert bridge.counts() == {"files.example": 2}


def test_two_names_of_one_address_are_told_apart_by_what_was_asked_last(bridge: Bridge) -> None:
    bridge.name("a.example", SERVER)
    bridge.connect(number=1)
    bridge.name("b.example", SERVER)
    bridge.connect(number=2)

    assert bridge.counts() == {"a.example": 1, "b.example": 1}


def test_a_name_that_another_container_asked_for_says_nothing(bridge: Bridge) -> None:
    bridge.name("files.example", SERVER, client="172.17.0.9")

    bridge.connect()

    assert bridge.counts() == {SERVER: 1}


def test_a_repeated_first_packet_is_the_same_connection(bridge: Bridge) -> None:
    for _ in range(3):
        bridge.connect(number=1)

    assert bridge.counts() == {SERVER: 1}


def test_the_caches_and_name_servers_do_not_count(bridge: Bridge) -> None:
    bridge.connect(GATEWAY, 8041)
    bridge.connect("192.0.2.53", 53)

    assert bridge.counts() == {}


def test_another_port_of_the_gateway_counts(bridge: Bridge) -> None:
    bridge.connect(GATEWAY, 3142)

    assert bridge.counts() == {GATEWAY: 1}


def test_other_containers_do_not_count(bridge: Bridge) -> None:
    bridge.containers.add("172.17.0.9")

    bridge.connect(source="172.17.0.9")

    assert bridge.counts() == {}


def test_an_address_that_passed_from_a_container_to_the_build_counts_from_then_on(bridge: Bridge) -> None:
    bridge.containers.add(BUILD)
    bridge.connect(number=1)
    bridge.containers.clear()
    bridge.now = 3.0
    bridge.connect(number=2)

    assert bridge.counts() == {SERVER: 1}


def test_the_host_with_most_connections_comes_first(bridge: Bridge) -> None:
    bridge.connect("203.0.113.1", number=1)
    for number in range(2, 5):
        bridge.connect("203.0.113.2", number=number)

    assert bridge.connections.hosts()[0] == DirectHost(host="203.0.113.2", connections=3)


def test_a_build_that_asks_the_whole_net_is_counted_in_bounded_memory(bridge: Bridge) -> None:
    for number in range(5000):
        bridge.connect(f"198.18.{number // 250}.{number % 250}", number=number)

    counts = bridge.counts()
    assert len(counts) == 257
    assert counts[FURTHER_HOSTS] == 5000 - 256

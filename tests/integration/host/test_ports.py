import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.host.ports import RESERVED_PORTS, add_reserved_port, listener_on, lost_ports, parse_ports

REPOSITORY = Path(__file__).parents[3]


def _in_a_network_of_its_own(code: str) -> str:
    """Runs Python code where the kernel's list is empty and nobody else's; what it prints."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ports_are_reserved_and_given_back_beside_others_entries(tmp_path: Path) -> None:
    printed = _in_a_network_of_its_own(f"""
from pathlib import Path
from homeport.host.ports import *
from homeport.host.ports import RESERVED_PORTS as table
run_dir = Path({str(tmp_path)!r})
table.write_text("8080,35002-35004\\n")
for port in (35001, 35003, 40000):
    assert add_reserved_port(port, run_dir=run_dir)
print(table.read_text().strip())
for port in (35001, 35003, 40000, 8080, 8080):
    assert drop_reserved_port(port, run_dir=run_dir)
print(table.read_text().strip())
""")

    assert printed.split() == ["8080,35001-35004,40000", "8080,35002-35004"]


def test_a_port_that_somebody_took_out_is_missed_and_is_ours_again(tmp_path: Path) -> None:
    printed = _in_a_network_of_its_own(f"""
from pathlib import Path
from homeport.host.ports import *
from homeport.host.ports import RESERVED_PORTS as table
run_dir = Path({str(tmp_path)!r})
for port in (35001, 35002):
    add_reserved_port(port, run_dir=run_dir)
print(sorted(lost_ports((35001, 35002))))
table.write_text("8080,35002\\n")
print(sorted(lost_ports((35001, 35002))))
add_reserved_port(35001, run_dir=run_dir)
print(sorted(lost_ports((35001, 35002))), table.read_text().strip())
drop_reserved_port(35001, run_dir=run_dir)
print(table.read_text().strip())
""")

    assert printed.splitlines() == ["[]", "[35001]", "[] 8080,35001-35002", "8080,35002"]


def test_no_port_is_missed_in_a_list_that_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "table"
    table.write_text("8080\n")
    assert lost_ports([35001], table=table) == {35001}

    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)  # root may write anywhere

    assert lost_ports([35001], table=table) == frozenset()


def test_a_list_longer_than_a_page_keeps_every_entry(tmp_path: Path) -> None:
    printed = _in_a_network_of_its_own(f"""
from pathlib import Path
from homeport.host import ports
run_dir = Path({str(tmp_path)!r})
many = set(range(10001, 20001, 2))
ports._write(ports.RESERVED_PORTS, ports.format_ports(many))
ports.add_reserved_port(35001, run_dir=run_dir)
assert ports.parse_ports(ports._read(ports.RESERVED_PORTS)) == many | {{35001}}
ports.drop_reserved_port(35001, run_dir=run_dir)
assert ports.parse_ports(ports._read(ports.RESERVED_PORTS)) == many
print("kept")
""")

    assert printed.strip() == "kept"


def test_the_kernel_gives_a_reserved_port_to_no_connection(tmp_path: Path) -> None:
    printed = _in_a_network_of_its_own(f"""
import socket
from pathlib import Path
from homeport.host.ports import *
Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("35001 35004")
for port in (35001, 35002, 35003):
    add_reserved_port(port, run_dir=Path({str(tmp_path)!r}))
with socket.socket() as given:
    given.bind(("127.0.0.1", 0))
    print(given.getsockname()[1])
""")

    assert printed.strip() == "35004"


def test_processes_that_reserve_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    table = tmp_path / "table"
    table.write_text("8080\n")
    code = """
import sys
from pathlib import Path
from homeport.host.ports import add_reserved_port
for port in range(int(sys.argv[1]), int(sys.argv[1]) + 50):
    add_reserved_port(port, run_dir=Path(sys.argv[2]), table=Path(sys.argv[3]))
"""
    starts = (36000, 37000, 38000)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(start), str(tmp_path / "run"), str(table)], cwd=REPOSITORY
        )
        for start in starts
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]

    expected = {8080} | {port for start in starts for port in range(start, start + 50)}
    assert parse_ports(table.read_text()) == expected


def test_a_list_that_cannot_be_written_is_said_and_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert not add_reserved_port(35001, run_dir=tmp_path, table=tmp_path / "absent" / "list")

    assert "cannot be written" in caplog.text


def test_the_list_is_the_kernel_s() -> None:
    assert RESERVED_PORTS.is_file()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])
def test_who_listens_on_a_port_is_named(address: str) -> None:
    with socket.create_server(
        (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET
    ) as server:
        port = server.getsockname()[1]

        found = listener_on(port)

        assert found is not None
        assert (found.pid, found.address, found.port) == (os.getpid(), address, port)
        assert found.process in str(found)
    assert listener_on(port) is None


def test_who_is_bound_to_a_udp_port_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]

        found = listener_on(port, "udp")

        assert found is not None
        assert (found.pid, found.address) == (os.getpid(), "127.0.0.1")
        assert listener_on(port) is None
    assert listener_on(port, "udp") is None


def test_a_mere_connection_from_a_port_is_no_listener() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert listener_on(client.getsockname()[1]) is None

"""Where the lines of all processes go, with real descriptors, files and processes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from homeport.cli.log_outlet import can_be_reopened, write_rotated

CHILD = """
import subprocess, sys
from homeport.cli.log_outlet import lead_output
from homeport.settings import program_environment
from pathlib import Path
file = Path(sys.argv[1]) if sys.argv[1:] else None
lead_output(file, max_bytes=1048576, files=2, environment=program_environment())
subprocess.run(["sh", "-c", "echo of a component >> /dev/fd/1; echo of an error >&2"], check=True)
"""


def test_a_socket_cannot_be_opened_anew_and_a_pipe_can() -> None:
    left, right = socket.socketpair()
    reading, writing = os.pipe()

    assert not can_be_reopened(right.fileno())
    assert can_be_reopened(writing)

    for end in (left, right):
        end.close()
    os.close(reading)
    os.close(writing)


def test_lines_reach_the_socket_that_a_service_manager_gives() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(20)

    with theirs:
        subprocess.run(
            [sys.executable, "-c", CHILD],
            stdout=theirs.fileno(),
            stderr=theirs.fileno(),
            check=True,
            timeout=20,
        )
    received = b""
    while piece := ours.recv(4096):  # ends once nobody holds the other side
        received += piece
    ours.close()

    assert received.decode().splitlines() == ["of a component", "of an error"]


def test_lines_reach_the_file_and_the_process_between_ends_by_itself(tmp_path: Path) -> None:
    log = tmp_path / "homeport.log"

    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(log)], capture_output=True, text=True, check=True, timeout=20
    )  # returns once nobody holds its output

    assert log.read_text().splitlines() == ["of a component", "of an error"]
    assert (done.stdout, done.stderr) == ("", "")


def test_a_log_never_grows_beyond_its_size_and_the_files_that_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "homeport.log"
    log.write_bytes(b"of the run before\n")

    write_rotated((b"line %d %s\n" % (n, b"x" * 90) for n in range(1000)), log, max_bytes=10_000, files=3)

    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["homeport.log", "homeport.log.1", "homeport.log.2"]
    assert all(file.stat().st_size <= 10_000 for file in files)
    assert log.read_text().splitlines()[-1].startswith("line 999 ")

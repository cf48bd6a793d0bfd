"""Folders that are sent to be built: by the `homeport` program, to a real API, worker and engine."""

import json
import os
import pwd
import random
import socket
import stat
from pathlib import Path

import pytest

from homeport.caches import Ecosystem
from tests.harness.command_line import PROGRAM, CommandLine, run_on_terminal
from tests.harness.definitions import built_app
from tests.harness.homeport_box import HomeportBox
from tests.harness.programs import wait_until

BASE = "debian:bookworm-slim"


@pytest.fixture
def homeport(homeport_box: HomeportBox) -> CommandLine:
    """The program, as the box's owner runs it."""
    return CommandLine(homeport_box.environment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A build context with what packagers leave lying about."""
    folder = tmp_path / "Sent-App"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref")
    (folder / "run.sh").write_text("#!/bin/sh\necho from the folder\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "start").symlink_to("run.sh")
    (folder / "Dockerfile").write_text(f"FROM {BASE}\nCOPY . /sent/\nRUN /sent/start > /said\n")
    return folder


def uploads(box: HomeportBox) -> list[str]:
    """What lies in the folders of uploads and of what was unpacked."""
    return [
        path.name for name in ("uploads", "unpacked", "builds") for path in (box.state_dir / name).glob("*")
    ]


def test_a_folder_is_sent_built_and_reported_and_nothing_of_it_is_kept(
    homeport: CommandLine, homeport_box: HomeportBox, folder: Path
) -> None:
    lines = homeport.lines("build", str(folder))

    job = homeport.json("jobs")[0]
    built = job["result"]["images"]["sent-app"]
    assert (job["kind"], job["subject"]) == ("build", "build:sent-app")
    assert f"sent-app: {built['image']}" in lines
    assert any(line.startswith("sent-app: round the caches: ") for line in lines)
    run = homeport_box.engine.client.containers.run
    shown = run(built["id"], ["sh", "-c", "cat /said; ls -A /sent"], remove=True, network_mode="none")
    assert shown.decode().split("\n") == ["from the folder", "Dockerfile", "run.sh", "start", ""]
    assert uploads(homeport_box) == []


def test_a_definition_is_built_from_its_folder_and_the_job_ends_the_lines_of_json(
    homeport: CommandLine, folder: Path
) -> None:
    for name, text in built_app("sent-def", f"FROM {BASE}\nRUN true\n").items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)

    *events, job = [json.loads(line) for line in homeport.lines("build", str(folder), "--json")]

    assert (job["subject"], job["state"]) == ("build:sent-def", "succeeded")
    assert list(job["result"]["images"]) == ["sent-def"]
    assert set(job["result"]["builds"]["sent-def"]) == {"caches", "direct", "left_alone", "warnings"}
    assert events[-1]["event"]["kind"] == "job.finished"


def test_a_build_that_fails_tells_instruction_line_and_last_lines(
    homeport: CommandLine, homeport_box: HomeportBox, folder: Path
) -> None:
    (folder / "Dockerfile").write_text(f"FROM {BASE}\n\nRUN echo it is broken >&2 \\\n && exit 7\n")

    failed = homeport("build", str(folder), "--name", "broken")

    assert failed.returncode == 1
    assert "in line 3 of its Dockerfile" in failed.stderr
    assert "RUN echo it is broken" in failed.stderr
    assert "| it is broken" in failed.stderr
    assert uploads(homeport_box) == []


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("app.yml", "name: [\n", "app.yml"),
        ("Dockerfile", None, "neither app.yml nor 'Dockerfile'"),
        ("link", "/etc/shadow", "'link'"),
    ],
)
def test_what_cannot_be_built_is_refused_before_there_is_a_job(
    homeport: CommandLine, homeport_box: HomeportBox, folder: Path, *, name: str, text: str | None, told: str
) -> None:
    before = homeport.json("jobs")
    if text is None:
        (folder / name).unlink()
    elif name == "link":
        (folder / name).symlink_to(text)
    else:
        (folder / name).write_text(text)

    refused = homeport("build", str(folder))

    assert refused.returncode == 1
    assert told in refused.stderr
    assert homeport.json("jobs") == before
    assert uploads(homeport_box) == []


def test_on_a_terminal_a_bar_shows_how_much_is_sent(homeport_box: HomeportBox, folder: Path) -> None:
    (folder / "large").write_bytes(random.Random(1).randbytes(40 * 2**20))

    code, screen = run_on_terminal([str(PROGRAM), "build", str(folder)], homeport_box.environment)

    assert code == 0
    assert "40.0 MiB" in screen
    assert "sending" in screen


def test_uploads_lie_where_the_apis_user_and_root_alone_can_read_them(homeport_box: HomeportBox) -> None:
    status = (homeport_box.state_dir / "uploads").stat()

    assert pwd.getpwuid(status.st_uid).pw_name == "homeport"
    assert stat.S_IMODE(status.st_mode) == 0o700
    assert os.geteuid() == 0  # the worker, who reads them


def test_an_api_that_is_killed_in_the_middle_of_an_upload_leaves_nothing_of_it(
    homeport_box: HomeportBox,
) -> None:
    host, _, port = homeport_box.address.partition(":")
    head = (
        "POST /v1/builds?name=cut HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n"
        f"Authorization: Bearer {homeport_box.token}\r\nContent-Length: 4000000\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + bytes(2_000_000))
        wait_until(lambda: bool(uploads(homeport_box)), what="the upload's file", timeout_s=10)
        api = homeport_box.component("api")
        api.kill()

    wait_until(lambda: uploads(homeport_box) == [], what="the upload's end", timeout_s=30)


def test_the_caches_are_listed_and_trimmed(homeport: CommandLine) -> None:
    listed = homeport.lines("caches")
    trimmed = homeport.lines("caches", "trim", "npm", "gem", "--to", "1M")

    assert [line.split("\t")[:2] for line in listed] == [[name, "off"] for name in Ecosystem]
    assert [line.split(":")[0] for line in trimmed[-2:]] == ["npm", "gem"]
    assert trimmed[-1].endswith("files removed")

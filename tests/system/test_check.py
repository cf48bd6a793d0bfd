"""`homeport new` and `homeport check` against a real Homeport: what is said, and that nothing is left."""

import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.harness.command_line import PROGRAM, CommandLine, run_on_terminal
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers
from tests.harness.programs import wait_until
from tests.harness.standins import CONTEXT

APP = """\
name: {name}
title: Checked
version: "1.0"
description: An app that is looked over.
web: {{service: web, port: 80{health}}}
images: {{web: {{context: ./web}}}}
limits: {{cpus: 1.0, memory: 64M, pids: 32}}
"""
COMPOSE = "services:\n  web:\n    container_name: APP_IDENTIFIER\n    user: '1000'\n"
DOCKERFILE = "FROM debian:bookworm-slim\nCOPY standin.pl /standin\nENV PORT=80 SAYS=checked MODE={mode}\n"
CMD = 'CMD ["perl", "/standin"]\n'


@pytest.fixture
def homeport(homeport_box: HomeportBox) -> Iterator[CommandLine]:
    """The program; afterwards no app is there that a check could have installed."""
    yield CommandLine(homeport_box.environment)
    assert [app["identifier"] for app in homeport_box.apps() if app["identifier"].startswith("check-")] == []


def definition(
    folder: Path, *, mode: str = "web", health: str = ", health: /", more: str = "", compose: str = ""
) -> Path:
    """A definition of the folder's name, whose app is the stand-in; `more` ends its app.yml."""
    files: Mapping[str, str] = {
        "app.yml": APP.format(name=folder.name, health=health) + more,
        "docker-compose.yml": COMPOSE + compose,
        "web/Dockerfile": DOCKERFILE.format(mode=mode) + CMD,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    shutil.copy(CONTEXT / "standin.pl", folder / "web")
    return folder


def wait_for(box: HomeportBox, identifier: str) -> None:
    """Waits until the app is being installed."""
    wait_until(
        lambda: any(app["identifier"] == identifier for app in box.apps()), what=identifier, timeout_s=60
    )


def test_what_new_writes_passes_without_a_warning_and_leaves_nothing(
    homeport: CommandLine, homeport_box: HomeportBox, tmp_path: Path
) -> None:
    code, written = run_on_terminal(
        ["sh", "-c", f'cd {tmp_path} && exec "$0" new starter', str(PROGRAM)], homeport.environment
    )
    assert code == 0, written

    told = homeport.json("check", str(tmp_path / "starter"))

    assert told["verdict"] == "ok", told
    stages = {stage["stage"]: stage for stage in told["stages"]}
    assert "GET /: 200, text/html" in stages["probe"]["found"]
    assert "check-starter and its data are gone" in stages["uninstall"]["found"]
    assert leftovers(homeport_box, "check-starter") == []


def test_lines_come_as_the_stages_end_and_a_second_check_finds_its_images(
    homeport: CommandLine, homeport_box: HomeportBox, tmp_path: Path
) -> None:
    folder = definition(tmp_path / "twice")

    first, second = homeport("check", str(folder)), homeport("check", str(folder), "--remove-images")

    for done in (first, second):
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert [line.split()[0] for line in done.stdout.splitlines()[:9]] == ["ok"] * 9
        assert "probe       GET /: 200, text/plain, 8 B" in done.stdout
    assert " MiB, in " in first.stdout
    assert "as built before" in second.stdout
    assert "\x1b" not in first.stdout
    assert leftovers(homeport_box, "check-twice") == []


@pytest.mark.parametrize(
    ("name", "given", "stage", "told"),
    [
        ("invalid", {"compose": "    cap_add: [NET_ADMIN]\n"}, "validate", "docker-compose.yml:5: "),
        ("crashing", {"mode": "crashes"}, "install", "| checked: something broke"),
        ("failing", {"mode": "unhealthy", "health": ""}, "probe", "GET /: 503, text/plain, 8 B"),
        (
            "needing",
            {"compose": "    cap_add: [NET_ADMIN]\n", "more": "permissions: ['capability:NET_ADMIN']\n"},
            "permissions",
            "--grant capability:NET_ADMIN",
        ),
    ],
)
def test_what_is_bad_is_told_on_the_line_of_its_stage_and_nothing_is_left(
    homeport: CommandLine,
    homeport_box: HomeportBox,
    tmp_path: Path,
    *,
    name: str,
    given: Mapping[str, str],
    stage: str,
    told: str,
) -> None:
    done = homeport("check", str(definition(tmp_path / name, **given)))

    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("bad ")]
    assert line.split()[1] == stage
    assert told in done.stdout
    assert leftovers(homeport_box, f"check-{name}") == []


def test_a_failing_build_is_told_by_its_line(homeport: CommandLine, tmp_path: Path) -> None:
    folder = definition(tmp_path / "unbuilt")
    with (folder / "web" / "Dockerfile").open("a") as file:
        file.write("RUN echo no such thing >&2 && exit 3\n")

    done = homeport("check", str(folder))

    assert done.returncode == 1
    assert "web/Dockerfile:5: RUN echo no such thing >&2 && exit 3 (build-failed): " in done.stdout
    assert "| no such thing" in done.stdout


def test_what_is_granted_at_the_keyboard_is_installed_with_it(
    homeport: CommandLine, homeport_box: HomeportBox, tmp_path: Path
) -> None:
    more = "permissions: ['capability:IPC_LOCK']\n"
    folder = definition(tmp_path / "asked", more=more, compose="    cap_add: [IPC_LOCK]\n")

    code, screen = run_on_terminal(
        [str(PROGRAM), "check", str(folder)], homeport.environment, answers={"Grant this for the check?": "y"}
    )

    assert code == 0, screen
    assert "It may keep its memory from being swapped out." in screen
    assert leftovers(homeport_box, "check-asked") == []


def test_an_interrupt_in_the_middle_leaves_no_app(
    homeport: CommandLine, homeport_box: HomeportBox, tmp_path: Path
) -> None:
    folder = definition(tmp_path / "cut", mode="waits")

    with homeport.begun("check", str(folder)) as process:
        wait_for(homeport_box, "check-cut")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 130, out + err
    assert "check-cut is being removed" in err
    assert "check-cut and its data are gone" in out
    assert leftovers(homeport_box, "check-cut") == []


def test_what_a_killed_check_left_is_removed_by_the_next(
    homeport: CommandLine, homeport_box: HomeportBox, tmp_path: Path
) -> None:
    folder = definition(tmp_path / "killed")
    with homeport.begun("check", str(folder)) as process:
        wait_for(homeport_box, "check-killed")
        process.kill()
        process.wait(10)

    told = json.loads(homeport("check", str(folder), "--json").stdout)

    assert told["verdict"] == "ok", told
    assert leftovers(homeport_box, "check-killed") == []


def test_a_crash_of_the_api_in_the_middle_is_got_over(
    homeport: CommandLine, homeport_box: HomeportBox, tmp_path: Path
) -> None:
    with homeport.begun("check", str(definition(tmp_path / "crossed"))) as process:
        wait_for(homeport_box, "check-crossed")
        homeport_box.component("api").kill()
        out, err = process.communicate(timeout=120)

    assert process.returncode == 0, out + err
    assert leftovers(homeport_box, "check-crossed") == []

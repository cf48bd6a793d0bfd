"""The `homeport` program against a real Homeport: what scripts and people see of it."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.harness.command_line import PROGRAM, CommandLine, run_on_terminal
from tests.harness.definitions import pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, free_port
from tests.harness.leftovers import leftovers
from tests.harness.standins import publish_standin

APP = "cmdapp"
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-9]|4[0-9]|9[0-7])(?:;[0-9;]*)?m")


@pytest.fixture(scope="module", autouse=True)
def definitions(homeport_box: HomeportBox, pulled_images: EngineBox) -> None:
    """Definitions of an app that works, and of others that do not."""
    publish_standin(pulled_images, "acme/exits:1", mode="exits", says="exits")
    publish_standin(pulled_images, "acme/sick:1", mode="unhealthy", says="sick")
    homeport_box.add_definition(APP, pulled_app(APP, "gitlab/gitlab-ce:latest"))
    homeport_box.add_definition("exits", pulled_app("exits", "acme/exits:1"))
    homeport_box.add_definition("sick", pulled_app("sick", "acme/sick:1"))
    homeport_box.add_definition("refused", pulled_app("refused", "a/b:1", service="    privileged: true\n"))


@pytest.fixture
def homeport(homeport_box: HomeportBox) -> Iterator[CommandLine]:
    """The program, as the box's owner runs it; the app is purged after the test, if it is there."""
    program = CommandLine(homeport_box.environment)
    yield program
    program("uninstall", APP, "--purge", "--yes")
    assert leftovers(homeport_box, APP) == []


@pytest.fixture
def app(homeport: CommandLine) -> str:
    """An installed app."""
    homeport.lines("install", APP)
    return APP


def test_install_tells_its_steps_in_plain_lines_and_uninstall_keeps_the_data(
    homeport: CommandLine, homeport_box: HomeportBox
) -> None:
    installed = homeport("install", APP, "--app-id", "301", "--host-name", "shop")

    assert installed.returncode == 0
    assert installed.stderr == ""
    assert "\x1b" not in installed.stdout
    lines = installed.stdout.splitlines()
    steps = [step["name"] for step in homeport_box.job(homeport.json("jobs", "--app", APP)[0]["id"])["steps"]]
    assert [line for line in lines if line.endswith(": done")] == [f"{name}: done" for name in steps]
    assert lines[-1] == f"{APP} is installed. It answers at http://localhost:35301/"
    assert homeport.json("show", APP)["host_name"] == "shop.localhost"

    removed = homeport.lines("uninstall", APP)
    assert removed[-2] == f"{APP} is removed, its data was kept."
    again = f"homeport install {APP} --host-name shop.localhost; add --app-id 301 to keep its port"
    assert again in removed[-1]
    assert homeport("show", APP).returncode == 1
    homeport.lines("install", APP, "--app-id", "301")
    assert (
        homeport.lines("uninstall", APP, "--purge", "--yes")[-1] == f"{APP} is removed, and its data deleted."
    )
    assert leftovers(homeport_box, APP) == []


def test_purging_asks_and_where_nobody_can_be_asked_it_is_wrong_usage(
    homeport: CommandLine, homeport_box: HomeportBox, app: str
) -> None:
    piped = homeport("uninstall", app, "--purge")
    code, screen = run_on_terminal(
        [str(PROGRAM), "uninstall", app, "--purge"], homeport_box.environment, answers={"[y/N]": "n"}
    )

    assert piped.returncode == 2
    assert "--yes" in piped.stderr
    assert code == 1
    assert "Nothing was changed." in screen
    assert homeport.json("show", app)["state"] == "running"

    code, screen = run_on_terminal(
        [str(PROGRAM), "uninstall", app, "--purge"], homeport_box.environment, answers={"[y/N]": "y"}
    )
    assert (code, homeport("show", app).returncode) == (0, 1)
    assert f"{app} is removed, and its data deleted." in screen


def test_with_json_standard_output_has_events_and_at_last_the_job(homeport: CommandLine) -> None:
    documents = [json.loads(line) for line in homeport.lines("install", APP, "--json")]

    *events, job = documents
    kinds = [event["event"]["kind"] for event in events]
    progress = [e["event"]["facts"]["progress"] for e in events if e["event"]["kind"] == "job.progress"]
    assert kinds[0] == "job.queued"
    assert kinds[-1] == "job.finished"
    assert all(earlier <= later for earlier, later in pairwise(progress))
    assert (job["state"], job["subject"]) == ("succeeded", APP)
    assert all(event["event"]["job"] == job["id"] for event in events)

    assert [item["identifier"] for item in homeport.json("apps") if item["identifier"] == APP] == [APP]
    accepted = homeport.json("uninstall", APP, "--purge", "--yes", "--no-follow")
    assert (accepted["kind"], accepted["subject"]) == ("uninstall", APP)
    *_, ended = [json.loads(line) for line in homeport.lines("job", accepted["id"], "--follow", "--json")]
    assert ended["state"] == "succeeded"


def test_a_failed_install_exits_with_1_and_the_problem_on_standard_error(
    homeport: CommandLine, homeport_box: HomeportBox
) -> None:
    plain = homeport("install", "exits")
    as_json = homeport("--json", "install", "exits")

    assert plain.returncode == 1
    assert "error:" in plain.stderr
    assert "exits: the configuration is missing" in plain.stderr
    assert "error" not in plain.stdout
    assert as_json.returncode == 1
    problem = json.loads(as_json.stderr)["problem"]
    assert problem["code"] == "container_exited"
    assert json.loads(as_json.stdout.splitlines()[-1])["problem"] == problem
    assert leftovers(homeport_box, "exits") == []


def test_what_the_api_refuses_exits_with_1_and_says_what_to_do(homeport: CommandLine) -> None:
    refused = homeport("install", "refused")
    unknown = homeport("install", "never-heard-of", "--json")

    assert refused.returncode == 1
    assert "docker-compose.yml:" in refused.stderr
    assert "privileged" in refused.stderr
    assert refused.stdout == ""
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert json.loads(unknown.stderr)["problem"]["code"] == "not_found"


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["install"],
        ["install", "--fast", "x"],
        ["jobs", "--limit", "few"],
        ["logs", "x", "--tail", "-3"],
        ["--url", "foo", "apps"],
        ["token", "create"],
    ],
)
def test_wrong_usage_exits_with_2(homeport: CommandLine, words: list[str]) -> None:
    plain, as_json = homeport(*words), homeport("--json", *words)

    assert (plain.returncode, plain.stdout) == (2, "")
    assert plain.stderr
    assert as_json.returncode == 2
    assert json.loads(as_json.stderr)["problem"]["code"] == "usage"


def test_where_nothing_answers_it_exits_with_3(homeport: CommandLine) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"

    plain, as_json = homeport("--url", nowhere, "apps"), homeport("apps", "--json", HOMEPORT_URL=nowhere)

    assert (plain.returncode, as_json.returncode) == (3, 3)
    assert nowhere in plain.stderr
    assert "homeport up" in plain.stderr
    assert json.loads(as_json.stderr)["problem"]["code"] == "api_unreachable"


def test_a_wrong_token_exits_with_1(homeport: CommandLine) -> None:
    assert homeport("--token", "hp_wrong", "apps").returncode == 1
    assert homeport("apps", HOMEPORT_TOKEN="hp_wrong").returncode == 1


def test_apps_and_show_tell_what_is_installed(homeport: CommandLine, app: str) -> None:
    row = next(line.split("\t") for line in homeport.lines("apps") if line.startswith(f"{app}\t"))
    shown = dict(line.split(maxsplit=1) for line in homeport.lines("show", app))

    whole = homeport.json("show", app)
    address = f"http://localhost:{whole['host_port']}/"
    assert row == [app, "running", "1.0", address, f"{app}.localhost", "Cmdapp"]
    assert shown["address"] == address
    assert shown["identifier"] == app
    assert shown["memory"] == "2.0 GiB"
    assert any("gitlab/gitlab-ce:latest" in value for value in shown.values())


def test_logs_are_the_last_lines_and_following_goes_on_until_interrupted(
    homeport: CommandLine, homeport_box: HomeportBox, app: str
) -> None:
    for number in range(5):
        homeport_box.visit(app, f"/visit-{number}")

    last = homeport.lines("logs", app, "--tail", "2")
    as_json = [json.loads(line) for line in homeport.lines("logs", app, "--tail", "1", "--json")]

    assert [line.partition(" | ")[2] for line in last] == [f"GET /visit-{n} HTTP/1.1" for n in (3, 4)]
    assert as_json == [{"line": last[-1]}]
    assert homeport("logs", app, "--service", "none").returncode == 1

    with homeport.begun("logs", app, "--follow", "--tail", "1") as following:
        assert following.stdout is not None
        assert "/visit-4" in following.stdout.readline()
        homeport_box.visit(app, "/later")
        assert "/later" in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        assert following.wait(10) == 130


def test_a_job_is_followed_shown_and_its_log_printed(homeport: CommandLine, app: str) -> None:
    job = homeport.json("jobs", "--app", app, "--limit", "1")[0]

    shown = homeport.lines("job", job["id"])
    row = next(line.split("\t") for line in homeport.lines("jobs") if line.startswith(job["id"]))

    assert row[1:5] == ["install", app, "succeeded", "100%"]
    assert "reserve\tdone\t1" in shown
    assert homeport.lines("job", job["id"], "--log")
    assert all("line" in json.loads(line) for line in homeport.lines("job", job["id"], "--log", "--json"))
    assert homeport.lines("job", job["id"], "--log", "--follow") == homeport.lines("job", job["id"], "--log")
    assert homeport.lines("job", job["id"], "--follow") == [f"The install of {app} succeeded."]
    assert homeport("job", "no-such-job").returncode == 1


def test_a_running_job_is_left_by_an_interrupt_and_ended_by_cancel(
    homeport: CommandLine, homeport_box: HomeportBox
) -> None:
    with homeport.begun("install", "sick") as following:
        assert following.stdout is not None
        while "healthy" not in following.stdout.readline():
            pass
        following.send_signal(signal.SIGINT)
        assert following.wait(10) == 130
        assert following.stderr is not None
        assert "The job goes on." in following.stderr.read()

    job = homeport.json("jobs", "--app", "sick", "--state", "running")[0]
    cancelled = homeport("job", job["id"], "--cancel", "--follow")

    assert cancelled.returncode == 1
    assert homeport.json("job", job["id"])["state"] == "cancelled"
    assert leftovers(homeport_box, "sick") == []


def test_the_catalog_lists_definitions_and_shows_one(homeport: CommandLine) -> None:
    rows = {line.split("\t")[0]: line.split("\t") for line in homeport.lines("catalog")}
    shown = homeport.lines("catalog", "gitlab")

    assert {"dokuwiki", "gitlab", "hydra", APP} <= rows.keys()
    assert rows[APP][1:] == ["1.0", "homeport", "none", "Cmdapp", "A test app"]
    assert rows["refused"][5].startswith("broken: ")
    assert any("gitlab/gitlab-ce" in line for line in shown)
    assert any("2224" in line for line in shown), "further ports are shown"
    assert homeport.json("catalog", "gitlab")["name"] == "gitlab"


def test_install_of_a_folder_asks_for_its_permissions_on_a_terminal_and_nowhere_else(
    homeport: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / APP
    folder.mkdir()
    files = pulled_app(
        APP, "gitlab/gitlab-ce:latest", more="permissions: [capability:NET_ADMIN]\n",
        service="    cap_add: [NET_ADMIN]\n",
    )  # fmt: skip
    for name, text in files.items():
        (folder / name).write_text(text)
    words = [str(PROGRAM), "install", str(folder)]

    piped = homeport("install", str(folder))
    refused, _ = run_on_terminal(words, homeport.environment, answers={"[y/N]": "n"})
    absent = homeport("show", APP)
    granted, screen = run_on_terminal(words, homeport.environment, answers={"[y/N]": "y"})

    assert (piped.returncode, refused, absent.returncode, granted) == (1, 1, 1, 0), screen
    assert "--grant capability:NET_ADMIN" in piped.stderr
    assert "Risk: high: " in screen
    shown = homeport.json("show", APP)
    assert ([one["permission"] for one in shown["permissions"]], shown["catalog"]) == (
        ["capability:NET_ADMIN"],
        None,
    )


def test_a_created_token_works_until_it_is_revoked(homeport: CommandLine) -> None:
    (token,) = homeport.lines("token", "create", "guest")

    assert homeport("--token", token, "apps").returncode == 0
    assert "guest" in [line.split("\t")[0] for line in homeport.lines("token", "list")]
    homeport.lines("token", "revoke", "guest")
    assert homeport("--token", token, "apps").returncode == 1
    assert "guest" not in [item["name"] for item in homeport.json("token", "list")]
    assert homeport("token", "revoke", "guest").returncode == 1


def test_doctor_is_content_with_a_good_box(homeport: CommandLine, homeport_box: HomeportBox) -> None:
    verdicts = {verdict["name"]: verdict for verdict in homeport.json("doctor")}

    for name in ("package caches", "proxy"):  # which this box is to do without
        without = verdicts.pop(name)
        assert (without["level"], without["found"]) == ("warn", "switched off")
    assert [verdict for verdict in verdicts.values() if verdict["level"] != "ok"] == []
    assert verdicts["homeport"]["found"] == f"ready at {homeport_box.base_url}"
    for folder in (homeport_box.state_dir, homeport_box.catalog_dir):
        assert str(folder) in verdicts["places"]["found"]


def test_settings_tells_the_values_in_force(homeport: CommandLine, homeport_box: HomeportBox) -> None:
    rows = {line.split("\t")[0]: line.split("\t")[1] for line in homeport.lines("settings")}
    misspelt = homeport("settings", HOMEPORT_CATALOGDIR="/x")

    assert rows["catalog_dir"] == str(homeport_box.catalog_dir)
    assert (misspelt.returncode, misspelt.stdout) == (1, "")
    assert "HOMEPORT_CATALOG_DIR" in misspelt.stderr


def test_doctor_names_what_mends_a_missing_engine_and_a_homeport_that_does_not_run(
    homeport: CommandLine,
) -> None:
    port = free_port()
    environment = {"HOMEPORT_DOCKER_HOST": "unix:///nowhere.sock", "HOMEPORT_LISTEN": f"127.0.0.1:{port}"}

    plain, as_json = homeport("doctor", **environment), homeport("doctor", "--json", **environment)

    assert (plain.returncode, as_json.returncode) == (1, 1)
    (engine,) = [line.split("\t") for line in plain.stdout.splitlines() if "\tdocker engine\t" in line]
    assert engine[0] == "bad"
    assert "unix:///nowhere.sock" in engine[2]
    assert "scripts/up" in engine[3]
    assert "homeport doctor" not in engine[3]
    verdicts = {verdict["name"]: verdict for verdict in json.loads(as_json.stdout)}
    assert verdicts["homeport"]["level"] == "warn"
    assert "homeport up" in verdicts["homeport"]["mend"]


def test_version_tells_both_sides_and_does_without_the_api(homeport: CommandLine) -> None:
    both = homeport.json("version")
    alone = homeport("version", "--json", HOMEPORT_URL=f"http://127.0.0.1:{free_port()}")
    locked_out = homeport("version", "--json", HOMEPORT_TOKEN="hp_wrong")

    assert both["homeport"] == both["api"]
    assert (alone.returncode, json.loads(alone.stdout)["api"]) == (0, None)
    assert (locked_out.returncode, json.loads(locked_out.stdout)["api"]) == (0, None)


def completed(homeport: CommandLine, typed: str) -> list[str]:
    """What bash offers after `typed`, by the script that the program prints."""
    program = (
        'eval "$(homeport completion bash)"\n'
        f"COMP_WORDS=({typed})\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        "[[ $TYPED == *' ' ]] && { COMP_WORDS+=(''); COMP_CWORD=$((COMP_CWORD + 1)); }\n"
        "_homeport_completion homeport\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    path = f"{PROGRAM.parent}:{homeport.environment['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        env={**homeport.environment, "PATH": path, "TYPED": typed},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


def test_bash_completes_commands_definitions_and_apps(homeport: CommandLine, app: str) -> None:
    assert completed(homeport, "homeport ins") == ["install"]
    assert set(completed(homeport, "homeport ")) >= {"apps", "doctor", "token"}
    assert completed(homeport, "homeport install git") == ["gitlab"]
    assert completed(homeport, "homeport show cmd") == [app]
    assert completed(homeport, "homeport jobs --state succ") == ["succeeded"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_completion_script(homeport: CommandLine, shell: str) -> None:
    assert "_HOMEPORT_COMPLETE" in "\n".join(homeport.lines("completion", shell))


@pytest.mark.parametrize("no_colour", [False, True])
def test_a_terminal_gets_a_bar_and_colours_unless_told_not_to(
    homeport: CommandLine, homeport_box: HomeportBox, no_colour: bool
) -> None:
    environment: dict[str, Any] = {**homeport_box.environment, **({"NO_COLOR": "1"} if no_colour else {})}

    code, screen = run_on_terminal([str(PROGRAM), "install", APP], environment)
    _, table = run_on_terminal([str(PROGRAM), "apps"], environment)

    assert code == 0, screen
    assert "\x1b[" in screen, "a bar moves by control sequences"
    assert "━" in screen
    assert "%" in screen
    assert "IDENTIFIER" in table
    assert bool(COLOUR.search(screen)) is not no_colour
    assert bool(COLOUR.search(table)) is not no_colour
    homeport.lines("uninstall", APP, "--purge", "--yes")
    assert leftovers(homeport_box, APP) == []

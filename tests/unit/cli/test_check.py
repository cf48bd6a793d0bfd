"""What `homeport check` asks of a box, what it says, and that it takes everything back."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from homeport.cli import check as command
from homeport.cli import check_box, check_stages
from homeport.cli.check import check
from homeport.cli.check_web import Answer
from homeport.cli.main import Context
from homeport.cli.output import Printer
from homeport.errors import Problem
from homeport.names import MAX_APP_ID
from tests.unit.cli.fake_box import FAILED, FakeBox

APP = """\
name: wiki
title: Wiki
version: "1.0"
description: A wiki.
web: {service: web, port: 80, health: /}
images: {web: {context: ./web}}
limits: {memory: 64M}
"""
COMPOSE = "services:\n  web:\n    container_name: APP_IDENTIFIER\n    user: '1000'\n"
GRANT = "capability:NET_ADMIN"
FILES = {"app.yml": APP, "docker-compose.yml": COMPOSE, "web/Dockerfile": "FROM debian:bookworm-slim\n"}
NEEDS_MORE = {
    "app.yml": f"{APP}permissions: ['{GRANT}']\n",
    "docker-compose.yml": f"{COMPOSE}    cap_add: [NET_ADMIN]\n",
}
INSTALLED = ["POST /v1/builds", "POST /v1/apps", "DELETE /v1/apps/check-wiki"]


class Site:
    """Stands for the app's web page."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[str] = []

    def ask(self, address: str, path: str) -> Answer:
        self.asked.append(path)
        assert address == "http://box:35007/"
        return Answer(path=path, status=self.status, content_type="text/html", size_bytes=12, took_ms=3)


@pytest.fixture
def box() -> FakeBox:
    return FakeBox()


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site()
    monkeypatch.setattr(check_stages, "ask", site.ask)
    monkeypatch.setattr(check_stages, "ask_patiently", site.ask)
    monkeypatch.setattr(check_stages, "is_port_open", lambda _address: False)
    monkeypatch.setattr(check_stages, "WATCH_S", 0.0)
    monkeypatch.setattr(check_box, "_PAUSE_S", 0.0)
    return site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "wiki", FILES)


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run(box: FakeBox, folder: Path, *words: str, is_json: bool = False) -> Result:
    context = Context(url="http://box:8035", token="t", is_json=is_json)
    context.__dict__["client"] = box
    options = [*(["--json"] if is_json else []), *words]
    return CliRunner().invoke(check, [str(folder), *options], obj=context)


def levels(result: Result) -> dict[str, str]:
    rows = [line.split() for line in result.stdout.splitlines() if not line.startswith(" ")]
    return {row[1]: row[0] for row in rows if row[0] in ("ok", "warn", "bad", "skipped")}


def test_a_sound_definition_is_built_installed_asked_and_removed_with_a_line_for_each(
    box: FakeBox, folder: Path, site: Site
) -> None:
    done = run(box, folder)

    assert done.exit_code == 0, done.output
    assert set(levels(done).values()) == {"ok"}
    assert list(levels(done)) == [
        *("validate", "settings", "permissions", "advice", "build", "install", "probe", "logs"),
        *("uninstall", "images"),
    ]
    assert "ok      validate    7 keys, 1 service\n" in done.stdout
    assert "GET /: 200, text/html, 12 B, 3 ms" in done.stdout
    assert "web 1.0 KiB" in done.stdout
    assert box.asked == INSTALLED
    assert box.queries == [{}, {"identifier": "check-wiki"}, {"purge": "true", "remove_images": "false"}]
    assert box.app_ids == [MAX_APP_ID - zlib.crc32(b"check-wiki") % 500]
    assert box.apps == {}
    assert done.stdout.splitlines()[-1] == "wiki: all is well."


def test_a_definition_that_is_not_valid_is_told_by_file_line_key_and_rule_and_nothing_is_asked(
    box: FakeBox, folder: Path
) -> None:
    written(folder, {"docker-compose.yml": f"{COMPOSE}    volumes: ['/etc:/x']\n"})

    done = run(box, folder)

    assert done.exit_code == 1
    assert levels(done)["validate"] == "bad"
    assert "docker-compose.yml:5: services.web.volumes[0] (" in done.stdout
    assert "          -> " in done.stdout
    assert {level for name, level in levels(done).items() if name != "validate"} == {"skipped"}
    assert box.asked == []


def test_advice_does_not_fail(box: FakeBox, folder: Path) -> None:
    written(folder, {"web/Dockerfile": "FROM debian\n"})

    done = run(box, folder)

    assert done.exit_code == 0
    assert levels(done)["advice"] == "warn"
    assert "web/Dockerfile:1: FROM (base-moving): " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("wiki: it works;")


def test_what_was_not_granted_is_told_in_words_and_nothing_is_asked(box: FakeBox, folder: Path) -> None:
    written(folder, NEEDS_MORE)

    done = run(box, folder)

    assert done.exit_code == 1
    assert levels(done)["permissions"] == "bad"
    assert f"{GRANT}: It may change addresses" in done.stdout
    assert f"--grant {GRANT}" in done.stdout
    assert (levels(done)["build"], levels(done)["advice"]) == ("skipped", "ok")
    assert box.asked == []


@pytest.mark.parametrize("words", [("--grant-all",), ("--grant", GRANT)])
def test_what_is_granted_goes_with_the_install(box: FakeBox, folder: Path, words: tuple[str, ...]) -> None:
    written(folder, NEEDS_MORE)

    done = run(box, folder, *words)

    assert done.exit_code == 0, done.output
    assert box.queries[1] == {"identifier": "check-wiki", "permissions": GRANT}
    assert "risk high" in done.stdout


def test_a_required_setting_must_be_given_and_goes_with_build_and_install(box: FakeBox, folder: Path) -> None:
    setting = "settings: {KEY: {required: true, description: A key}}\n"
    written(folder, {"app.yml": APP + setting, "docker-compose.yml": f"{COMPOSE}    environment: [KEY]\n"})

    without, with_it = run(box, folder), run(box, folder, "--set", "KEY=a=b")

    assert (without.exit_code, levels(without)["settings"], levels(without)["build"]) == (1, "bad", "skipped")
    assert "KEY: must be given: A key" in without.stdout
    assert with_it.exit_code == 0, with_it.output
    assert [json.loads(query["settings"]) for query in box.queries[:2]] == [{"KEY": "a=b"}] * 2


def test_a_failed_build_is_told_where_it_stands_in_the_dockerfile(box: FakeBox, folder: Path) -> None:
    facts = {"service": "web", "line": 3, "instruction": "RUN make", "last_lines": ["it broke"]}
    box.failing["build"] = Problem(
        code="build_failed", what="No image.", why="It ended with 2.", remedy="See.", facts=facts
    )

    done = run(box, folder)

    assert done.exit_code == 1
    assert "web/Dockerfile:3: RUN make (build-failed): It ended with 2." in done.stdout
    assert "| it broke" in done.stdout
    assert (levels(done)["install"], levels(done)["uninstall"]) == ("skipped", "skipped")
    assert box.asked == ["POST /v1/builds"]


def test_a_failed_install_leaves_nothing_and_quotes_the_last_lines(box: FakeBox, folder: Path) -> None:
    box.failing["install"] = FAILED

    done = run(box, folder)

    assert done.exit_code == 1
    assert "bad     install     It is not healthy." in done.stdout
    assert "| oh" in done.stdout
    assert "-> Mend it." in done.stdout
    assert (levels(done)["probe"], levels(done)["uninstall"]) == ("skipped", "ok")
    assert box.apps == {}


@pytest.mark.parametrize(
    ("status", "level", "code"), [(500, "bad", 1), (0, "bad", 1), (404, "warn", 0), (401, "ok", 0)]
)
def test_what_the_page_answers_is_judged_and_the_app_is_removed(
    box: FakeBox, folder: Path, site: Site, *, status: int, level: str, code: int
) -> None:
    site.status = status

    done = run(box, folder)

    assert (done.exit_code, levels(done)["probe"]) == (code, level)
    assert box.asked == INSTALLED
    assert box.apps == {}


def test_an_app_without_a_web_page_is_not_asked(box: FakeBox, folder: Path, site: Site) -> None:
    written(folder, {"app.yml": "\n".join(line for line in APP.splitlines() if "web: {service" not in line)})

    done = run(box, folder)

    assert done.exit_code == 0, done.output
    assert "headless" in done.stdout
    assert site.asked == []


@pytest.mark.parametrize("kind", ["build", "install"])
def test_an_interrupt_takes_back_what_was_begun(box: FakeBox, folder: Path, kind: str) -> None:
    box.interrupts = kind

    done = run(box, folder)

    assert done.exit_code == 130
    assert box.apps == {}
    assert [job["cancel_requested"] for job in box.jobs.values() if job["kind"] == kind] == [True]


def test_an_api_that_is_away_for_a_moment_is_asked_again(
    box: FakeBox, folder: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask_and_vanish(address: str, path: str) -> Answer:
        box.away = 5
        return site.ask(address, path)

    monkeypatch.setattr(check_stages, "ask_patiently", ask_and_vanish)

    done = run(box, folder)

    assert done.exit_code == 0, done.output
    assert box.away == 0
    assert box.apps == {}


def test_an_api_that_stays_away_is_told_with_what_may_be_left(
    box: FakeBox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_box, "_PATIENCE_S", 0.0)

    def vanish(*_: Any) -> Answer:
        box.away = 1000
        return Answer(path="/", status=200)

    monkeypatch.setattr(check_stages, "ask_patiently", vanish)

    done = run(box, folder)

    assert done.exit_code == 1
    assert levels(done)["uninstall"] == "bad"
    assert "homeport uninstall check-wiki --purge --yes" in done.stdout


def test_what_an_earlier_check_has_left_is_removed_first(box: FakeBox, folder: Path) -> None:
    box.apps["check-wiki"] = box.app("check-wiki")

    done = run(box, folder)

    assert done.exit_code == 0, done.output
    assert box.asked == ["POST /v1/builds", "DELETE /v1/apps/check-wiki", *INSTALLED[1:]]
    assert "what an earlier check had left was removed" in done.stdout


@pytest.mark.parametrize("given", [{"definition": "other"}, {"catalog": "homeport"}])
def test_an_app_of_that_name_that_is_no_checks_is_left_alone(
    box: FakeBox, folder: Path, given: dict[str, str]
) -> None:
    box.apps["check-wiki"] = box.app("check-wiki", **given)

    done = run(box, folder)

    assert (done.exit_code, levels(done)["install"]) == (1, "bad")
    assert box.asked == ["POST /v1/builds"]
    assert list(box.apps) == ["check-wiki"]


def test_an_install_that_is_refused_removes_no_app(box: FakeBox, folder: Path) -> None:
    box.refusing["install"] = Problem(code="taken", what="The name is taken.", remedy="Choose.")

    done = run(box, folder)

    assert (levels(done)["install"], levels(done)["uninstall"]) == ("bad", "ok")
    assert box.asked == ["POST /v1/builds", "POST /v1/apps"]


def test_where_the_checks_app_id_is_taken_homeport_chooses_one(box: FakeBox, folder: Path) -> None:
    box.taken_app_ids = range(1, MAX_APP_ID + 1)

    assert run(box, folder).exit_code == 0

    assert box.app_ids[1:] == [None]


def test_what_cannot_be_printed_any_more_is_removed_all_the_same(
    box: FakeBox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_printer: Printer, name: str, _verdict: Any) -> None:
        if name == "install":
            raise BrokenPipeError

    monkeypatch.setattr(command, "_tell", broken)

    done = run(box, folder)

    assert isinstance(done.exception, BrokenPipeError)
    assert box.apps == {}


def test_an_app_is_kept_where_that_is_asked(box: FakeBox, folder: Path) -> None:
    done = run(box, folder, "--keep")

    assert done.exit_code == 0
    assert list(box.apps) == ["check-wiki"]
    assert "kept, at http://box:35007/" in done.stdout


def test_images_are_removed_where_that_is_asked(box: FakeBox, folder: Path) -> None:
    assert run(box, folder, "--remove-images").exit_code == 0

    assert box.queries[-1] == {"purge": "true", "remove_images": "true"}


def test_json_is_one_document_with_every_stage(box: FakeBox, folder: Path) -> None:
    written(folder, {"web/Dockerfile": "FROM debian\n"})

    done = run(box, folder, is_json=True)
    told = json.loads(done.stdout)

    assert (told["definition"], told["version"], told["verdict"]) == ("wiki", "1.0", "warn")
    by_name = {stage["stage"]: stage for stage in told["stages"]}
    assert next(iter(by_name)) == "validate"
    assert by_name["advice"]["findings"][0]["line"] == 1
    assert by_name["advice"]["findings"][0]["rule"] == "base-moving"


@pytest.mark.parametrize(
    ("log", "level"),
    [
        ([], "ok"),
        (["web | a", "web | b"] * 3, "warn"),
        (["web | a", "db | a", "web | b"], "ok"),
        (["web | same"] * 9, "ok"),
    ],
)
def test_a_log_that_begins_again_and_again_is_told(
    box: FakeBox, folder: Path, log: list[str], level: str
) -> None:
    box.log = log

    assert levels(run(box, folder))["logs"] == level


def test_the_identifier_is_a_label_also_for_the_longest_name(box: FakeBox, folder: Path) -> None:
    name = "a" * 56 + "-" + "b" * 6
    written(folder, {"app.yml": APP.replace("name: wiki", f"name: {name}")})

    run(box, folder)

    assert box.queries[1]["identifier"] == "check-" + "a" * 56


@pytest.mark.parametrize("words", [("--grant", "fly"), ("--set", "KEY")])
def test_words_that_mean_nothing_are_wrong_usage(box: FakeBox, folder: Path, words: tuple[str, ...]) -> None:
    assert run(box, folder, *words).exit_code == 2
    assert box.asked == []

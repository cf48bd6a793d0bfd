"""What `homeport new` writes, and what it leaves alone."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from homeport.catalog.reader import read_definition
from homeport.cli.main import Context
from homeport.cli.new import new
from homeport.errors import InvalidInputError, PolicyRefusedError, TakenError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, is_json: bool = False) -> Result:
    context = Context(url=None, token=None, is_json=is_json)
    return CliRunner().invoke(new, [*words, *(["--json"] if is_json else [])], obj=context)


def test_a_folder_with_a_definition_is_written_and_its_files_are_listed(here: Path) -> None:
    done = run("wiki")

    assert done.exit_code == 0
    assert "wiki/app.yml" in done.stdout.splitlines()
    assert "homeport check wiki" in done.stderr
    assert read_definition(here / "wiki").definition.name == "wiki"
    assert (here / "wiki").stat().st_mode & 0o777 == 0o755


def test_json_names_folder_and_files(here: Path) -> None:
    told = json.loads(run("wiki", is_json=True).stdout)

    assert told["folder"] == str(here / "wiki")
    assert told["files"] == [
        "app.yml",
        "docker-compose.yml",
        "wiki/Dockerfile",
        "wiki/index.html",
        "wiki/start",
    ]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_there_is_left_as_it_is(here: Path, kind: str) -> None:
    place = here / "wiki"
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to("nowhere")

    refused = run("wiki")

    assert isinstance(refused.exception, TakenError)
    assert [path.name for path in here.iterdir()] == ["wiki"]
    assert kind != "file" or place.read_text() == "mine"


@pytest.mark.parametrize("name", ["Wiki", "a", "../wiki", "wiki/x", "-x", "a" * 64, ""])
def test_what_is_no_name_is_refused(here: Path, name: str) -> None:
    refused = run("--", name)

    assert isinstance(refused.exception, InvalidInputError)
    assert list(here.iterdir()) == []


def test_an_image_that_is_none_is_refused_and_nothing_is_written(here: Path) -> None:
    refused = run("wiki", "--image", "http://x")

    assert isinstance(refused.exception, PolicyRefusedError)
    assert list(here.iterdir()) == []


def test_an_image_without_a_port_is_said_to_have_no_web_page(here: Path) -> None:
    assert "--port" in run("wiki", "--image", "acme/wiki:2").stderr
    assert "--port" not in run("blog", "--image", "acme/blog:2", "--port", "80").stderr
    assert read_definition(here / "wiki").definition.web is None

"""What `homeport convert` prints, writes and refuses."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from homeport.catalog.reader import read_definition
from homeport.cli.convert import convert
from homeport.cli.main import Context
from homeport.errors import HomeportError, InvalidInputError, NotConvertibleError, TakenError

LINE = "docker run -d --name wiki --rm -p 8080:80 -v <data>:/data --cap-add NET_ADMIN wiki:1"


def run(*words: str, is_json: bool = False, stdin: str | None = None) -> Result:
    context = Context(url=None, token=None, is_json=is_json)
    return CliRunner().invoke(convert, [*words, *(["--json"] if is_json else [])], obj=context, input=stdin)


def refusal(*words: str) -> HomeportError:
    raised = run(*words).exception
    assert isinstance(raised, HomeportError)
    return raised


def test_files_are_shown_under_their_names_and_notes_stand_beside() -> None:
    done = run(LINE)

    assert done.exit_code == 0
    assert "# wiki/app.yml\nname: wiki\n" in done.stdout
    assert "# wiki/docker-compose.yml\nservices:\n" in done.stdout
    assert "dropped: --rm: " in done.stderr
    assert "capability:NET_ADMIN" in done.stderr
    assert "--rm" not in done.stdout


def test_json_has_files_notes_permissions_and_rating() -> None:
    told = json.loads(run(LINE, is_json=True).stdout)

    assert set(told) == {"name", "files", "notes", "permissions", "rating"}
    assert {"kind": "dropped", "what": "--rm"}.items() <= told["notes"][0].items()
    assert told["permissions"][0]["permission"] == "capability:NET_ADMIN"
    assert told["rating"]["risk"] == "high"


def test_a_line_is_read_from_a_file_and_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "line").write_text(LINE)

    assert run("-f", str(tmp_path / "line")).stdout == run(LINE).stdout
    assert run("-f", "-", stdin=LINE).stdout == run(LINE).stdout


def test_a_definition_is_written_and_can_be_read(tmp_path: Path) -> None:
    done = run(LINE, "--name", "notes", "--out", str(tmp_path / "deep" / "notes"))

    assert done.exit_code == 0
    assert read_definition(tmp_path / "deep" / "notes").definition.name == "notes"
    assert str(tmp_path / "deep" / "notes" / "app.yml") in done.stdout
    assert (tmp_path / "deep" / "notes").stat().st_mode & 0o777 == 0o755


def test_what_is_there_is_replaced_with_force_alone(tmp_path: Path) -> None:
    run(LINE, "--out", str(tmp_path / "wiki"))
    (tmp_path / "wiki" / "mine").write_text("x")

    assert isinstance(refusal(LINE, "--out", str(tmp_path / "wiki")), TakenError)
    assert (tmp_path / "wiki" / "mine").exists()

    assert run(LINE, "--out", str(tmp_path / "wiki"), "--force").exit_code == 0
    assert not (tmp_path / "wiki" / "mine").exists()


def test_force_replaces_no_folder_that_is_no_definition(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("x")

    assert isinstance(refusal(LINE, "--out", str(tmp_path / "photos"), "--force"), TakenError)
    assert (tmp_path / "photos" / "one.jpg").exists()


def test_a_file_in_the_way_is_no_folder_to_replace(tmp_path: Path) -> None:
    (tmp_path / "wiki").write_text("x")

    assert isinstance(refusal(LINE, "--out", str(tmp_path / "wiki"), "--force"), TakenError)
    assert (tmp_path / "wiki").read_text() == "x"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert isinstance(refusal("-f", str(tmp_path / "none")), InvalidInputError)


def test_what_is_no_line_is_refused() -> None:
    assert isinstance(refusal("make me a sandwich"), NotConvertibleError)


@pytest.mark.parametrize("words", [(), (LINE, "-f", "x"), (LINE, "--force")])
def test_wrong_usage_is_told(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2

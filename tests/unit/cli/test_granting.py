"""How `install` asks for permissions, what it sends, and what it says where nobody can be asked."""

import json
import tarfile
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from homeport.cli import granting
from homeport.cli.apps import install, show, uninstall
from homeport.cli.client import ApiClient, ApiProblemError
from homeport.cli.main import Context
from homeport.errors import NotFoundError, Problem
from homeport.permissions import Permission, missing_permissions, parse_permissions
from homeport.risks import permission_json, rate

NEEDED = parse_permissions(["bind:/srv/my media:ro", "host_network", "port:53/udp"])
JOB = {"id": "j", "subject": "dns", "state": "succeeded", "finished_at": "2026-01-01", "problem": None}
APP = {
    "identifier": "dns", "app_id": 7, "title": "DNS", "definition": "dns", "version": "1", "state": "running",
    "host_name": "dns.localhost", "host_port": None, "path": None, "catalog": "family", "data": [],
    "aliases": ["names.localhost"], "published": False, "no_route": None, "url": None,
    "limits": {"cpus": None, "memory_bytes": None, "pids": None}, "images": {}, "ports": [],
    "permissions": [permission_json(permission) for permission in NEEDED], "rating": rate(NEEDED).as_json(),
    "settings": {"ZONE": "home"}, "created_at": "2026-01-01",
}  # fmt: skip


class Box(ApiClient):
    """A box that installs what is granted all that it needs."""

    def __init__(self, needed: Iterable[Permission] = NEEDED, title: str = "DNS\x1b[2J\nfor all") -> None:
        super().__init__("http://box", "")
        self._needed = tuple(needed)
        self._title = title
        self.asked: list[Any] = []
        self.app = dict(APP)

    def call(self, method: str, path: str, **options: Any) -> Any:
        if method == "POST":
            self.asked.append(options["json"])
            self._require(options["json"].get("permissions", []))
        return self.app if path.startswith("/v1/apps/") and method == "GET" else {**JOB, "result": {}}

    def upload(self, path: str, archive: Iterable[bytes], **query: Any) -> Any:
        with tarfile.open(fileobj=BytesIO(b"".join(archive))) as tar:
            self.asked.append((path, tar.getnames(), query))
        self._require((query["permissions"] or "").split(",") if query["permissions"] else [])
        return JOB

    def _require(self, granted: Sequence[str]) -> None:
        if missing := missing_permissions(self._needed, parse_permissions(granted)):
            facts: dict[str, Any] = {
                "missing": [permission_json(one) for one in missing],
                "name": "dns",
                "title": self._title,
            }
            facts |= {"rating": rate(self._needed).as_json()}
            told = f"Not granted: {', '.join(map(str, missing))}."
            problem = Problem(code="permissions_not_granted", what="Not granted.", why=told, facts=facts)
            raise ApiProblemError(problem)


def run(client: ApiClient, *words: str, answer: str = "", command: Any = install) -> Result:
    context = Context(url="http://box", token="t", is_json=False)
    context.__dict__["client"] = client
    return CliRunner().invoke(command, list(words), obj=context, input=answer)


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(granting, "is_interactive", lambda: True)


def test_on_a_terminal_it_is_asked_in_plain_words_the_gravest_first(somebody: None) -> None:
    box = Box()

    result = run(box, "dns", answer="y\n")

    lines = result.stderr.splitlines()
    assert result.exit_code == 0, result.output
    assert lines[0] == "DNS for all asks for permissions."
    assert lines[1].startswith("Risk: high: ")
    reasons = [line[4:] for line in lines if line.startswith("  - ")]
    assert reasons == list(rate(NEEDED).reasons)
    assert "Grant this to dns? [y/N]" in result.stderr
    assert box.asked == [
        {"definition": "dns"},
        {"definition": "dns", "permissions": [str(permission) for permission in NEEDED]},
    ]
    assert "dns is installed." in result.stdout


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_who_does_not_say_yes_has_granted_nothing(somebody: None, answer: str) -> None:
    box = Box()

    result = run(box, "dns", answer=answer)

    assert result.exit_code == 1
    assert "Nothing was granted" in result.stderr
    assert len(box.asked) == 1


def test_where_nobody_can_be_asked_the_refusal_has_the_options_to_add() -> None:
    box = Box()

    result = run(box, "dns", "--grant", "host_network")

    refused = result.exception
    assert isinstance(refused, ApiProblemError)
    assert refused.problem.remedy.endswith("--grant 'bind:/srv/my media:ro' --grant port:53/udp")
    assert all(f"- {reason}" in refused.problem.why for reason in rate(NEEDED).reasons)
    assert len(box.asked) == 1


def test_with_json_nobody_is_asked(somebody: None) -> None:
    result = run(Box(), "dns", "--json")

    assert isinstance(result.exception, ApiProblemError)
    assert "[y/N]" not in result.output


def test_all_may_be_granted_without_being_asked_and_is_still_told() -> None:
    box = Box()

    result = run(box, "dns", "--grant-all")

    assert result.exit_code == 0, result.output
    assert "asks for permissions" in result.stderr
    assert "[y/N]" not in result.output
    assert box.asked[-1]["permissions"] == [str(permission) for permission in NEEDED]


def test_what_was_granted_by_options_is_sent_at_once(somebody: None) -> None:
    box = Box()
    options = [word for permission in NEEDED for word in ("--grant", str(permission))]

    run(box, "family/dns", *options, "--set", "ZONE=home=1", "--as", "names")

    assert box.asked == [
        {
            "definition": "family/dns", "identifier": "names", "settings": {"ZONE": "home=1"},
            "permissions": [str(permission) for permission in NEEDED],
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["dns", "--grant", "fly"], "there is no permission 'fly'"),
        (["dns", "--set", "ZONE"], "'ZONE' is no setting"),
        (["dns", "--set", "=x"], "NAME=VALUE"),
        (["dns", "--set", "A=1", "--set", "A=2"], "A is set twice"),
        (["./absent"], "is no folder"),
        (["absent/"], "is no folder"),
        (["./empty"], "has no app.yml"),
    ],
)
def test_wrong_usage_of_install_is_told_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    box = Box()

    result = run(box, *words)

    assert (result.exit_code, box.asked) == (2, [])
    assert told in result.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dns"
    folder.mkdir()
    (folder / "app.yml").write_bytes(b"name: dns\n")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize("written", ["./dns", "dns/", "../{parent}/dns"])
def test_what_is_written_as_a_path_is_sent_and_sent_again_with_what_was_granted(
    folder: Path, somebody: None, written: str
) -> None:
    box = Box()

    result = run(box, written.format(parent=folder.parent.name), "--set", "ZONE=home", answer="y\n")

    assert result.exit_code == 0, result.output
    assert box.asked == [
        ("/v1/apps", ["app.yml"], {"settings": '{"ZONE": "home"}', "permissions": granted})
        for granted in (None, ",".join(map(str, NEEDED)))
    ]


class Empty(ApiClient):
    """A box whose catalog has nothing."""

    def call(self, method: str, path: str, **options: Any) -> Any:
        raise ApiProblemError(NotFoundError("The catalog has none.", remedy="Look.").problem())


def test_a_name_is_the_catalogs_and_a_folder_of_that_name_is_pointed_out(folder: Path) -> None:
    with_folder, without = run(Empty("", ""), "dns").exception, run(Empty("", ""), "other").exception

    assert isinstance(with_folder, ApiProblemError)
    assert isinstance(without, ApiProblemError)
    assert with_folder.problem.remedy.endswith("homeport install ./dns")
    assert without.problem.remedy == "Look."


def test_an_app_is_shown_with_what_was_granted_and_set() -> None:
    shown = run(Box(), "dns", command=show).stdout
    as_json = json.loads(run(Box(), "dns", "--json", command=show).stdout)

    assert "family" in shown
    assert "host_network: It uses this box's own network" in shown
    assert "high: it could read" in shown
    assert "setting ZONE" in shown
    assert as_json == APP


def test_the_way_back_after_an_uninstall_has_catalog_names_grants_and_settings() -> None:
    said = run(Box(), "dns", command=uninstall).stdout

    grants = "--grant 'bind:/srv/my media:ro' --grant host_network --grant port:53/udp"
    assert (
        f"homeport install family/dns --alias names.localhost {grants} --set ZONE=…; add --app-id 7" in said
    )


def test_the_way_back_has_a_host_name_that_was_chosen() -> None:
    chosen = Box()
    chosen.app["host_name"] = "resolver.example.org"

    assert "--host-name resolver.example.org" in run(chosen, "dns", command=uninstall).stdout

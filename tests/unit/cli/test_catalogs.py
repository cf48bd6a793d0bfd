"""What `homeport catalog` asks for, and what it prints of the answers."""

import json
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from homeport.cli.apps import install
from homeport.cli.builds import build
from homeport.cli.catalogs import catalog
from homeport.cli.client import ApiClient, ApiProblemError
from homeport.cli.main import Context
from homeport.errors import CatalogUnavailableError

JOB = {
    "id": "j",
    "subject": "box:catalogs",
    "state": "succeeded",
    "finished_at": "2026-01-01",
    "problem": None,
}
ENTRY = {
    "name": "vpn", "version": "1.0", "catalog": "family", "qualified": "family/vpn", "problem": None,
    "title": "A \x1b[1mtunnel", "description": "It tunnels. And more.",
    "permissions": [{"permission": "privileged", "risk": "full", "words": "It can do all."}],
    "rating": {"risk": "full", "reasons": ["It can do all."]},
}  # fmt: skip
SHOWN = {
    **ENTRY, "web": None, "services": ["vpn"], "builds": [], "pulls": {"vpn": "example/vpn"}, "ports": [],
    "settings": {
        "PEERS": {"default": "", "description": "how many", "required": True, "build": False},
        "MTU": {"default": "1400", "description": "", "required": False, "build": False},
    },
}  # fmt: skip
SOURCE = {
    "name": "family", "kind": "git", "source": "https://example.org/apps.git", "revision": "abc",
    "definitions": 3, "added_at": "2026-01-01", "refreshed_at": "2026-01-02", "problem": None,
}  # fmt: skip
FAILED = {
    **SOURCE,
    "problem": CatalogUnavailableError("It is away.", why="No\x1b[2J route.").problem().as_json(),
}


class Box(ApiClient):
    """A box with one definition and one added catalog."""

    def __init__(self, source: dict[str, Any] = SOURCE) -> None:
        super().__init__("http://box", "")
        self._source = source
        self.asked: list[Any] = []

    def call(self, method: str, path: str, **options: Any) -> Any:
        if method == "GET":
            return SHOWN if "catalog" in path else JOB
        self.asked.append((method, path, options.get("json")))
        return JOB if method == "POST" else None

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        yield from {"/v1/catalog": [ENTRY], "/v1/catalog/sources": [self._source]}[path]


def run(*words: str, box: ApiClient | None = None, is_json: bool = False) -> Result:
    context = Context(url="http://box", token="t", is_json=False)
    context.__dict__["client"] = box or Box()
    result = CliRunner().invoke(catalog, [*words, *(["--json"] if is_json else [])], obj=context)
    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    return result


def test_definitions_are_listed_with_their_catalog_and_risk() -> None:
    assert run().stdout == "vpn\t1.0\tfamily\tfull\tA tunnel\tIt tunnels.\n"


@pytest.mark.parametrize("words", [["vpn"], ["family/vpn"], ["show", "vpn"]])
def test_any_other_word_is_a_definition_that_is_shown(words: list[str]) -> None:
    shown = run(*words).stdout.splitlines()

    assert "risk           full: it could take over this box" in shown
    assert "permission     privileged: It can do all." in shown
    assert "setting PEERS  how many; required" in shown
    assert "setting MTU    default '1400'" in shown


@pytest.mark.parametrize(
    ("words", "shape"),
    [([], [ENTRY]), (["vpn"], SHOWN), (["list"], [SOURCE]), (["remove", "family"], {"removed": "family"})],
)
def test_each_is_json_when_asked(words: list[str], shape: Any) -> None:
    assert json.loads(run(*words, is_json=True).stdout) == shape


def test_what_follows_a_refresh_is_json_line_by_line() -> None:
    assert json.loads(run("refresh", is_json=True).stdout) == JOB


def test_added_catalogs_are_listed_with_what_is_wrong() -> None:
    listed = run("list", box=Box(FAILED)).stdout

    assert listed == "family\tgit\t3\t2026-01-02\thttps://example.org/apps.git\tIt is away.\n"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (
            ["add", "family", "/srv/apps"],
            ("POST", "/v1/catalog/sources", {"name": "family", "source": "/srv/apps"}),
        ),
        (
            ["add", "family", "/srv/apps", "--kind", "git"],
            ("POST", "/v1/catalog/sources", {"name": "family", "source": "/srv/apps", "kind": "git"}),
        ),
        (["refresh"], ("POST", "/v1/catalog/refresh", {"catalogs": []})),
        (["refresh", "family", "club"], ("POST", "/v1/catalog/refresh", {"catalogs": ["family", "club"]})),
        (["remove", "a/b"], ("DELETE", "/v1/catalog/sources/a%2Fb", None)),
    ],
)
def test_catalogs_are_added_refreshed_and_removed(words: list[str], asked: Any) -> None:
    box = Box()

    result = run(*words, box=box)

    assert result.exit_code == 0, result.output
    assert box.asked == [asked]


@pytest.mark.parametrize("words", [["add", "family", "/srv/apps"], ["refresh"], ["refresh", "family"]])
def test_a_catalog_that_could_not_be_fetched_is_a_failure_with_its_reason(words: list[str]) -> None:
    result = run(*words, box=Box(FAILED))

    assert result.exit_code == 1
    assert "family: It is away. No route." in result.stderr
    assert "family: 3 definitions" in result.stdout


def test_a_definition_that_was_fetched_and_breaks_a_rule_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRY, "problem", {"what": "app.yml is not a valid app.yml."})

    result = run("refresh", "family")

    assert result.exit_code == 0
    assert "family/vpn is broken: app.yml is not a valid app.yml." in result.stderr
    assert "broken" not in run("refresh", "club").stderr


def test_a_catalog_of_the_box_that_was_not_refreshed_is_no_failure_of_it() -> None:
    assert run("refresh", "club", box=Box(FAILED)).exit_code == 0


def completed(
    command: click.Command, words: list[str], begun: str, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    monkeypatch.setattr(Context, "client", Box())
    found = ShellComplete(command, {}, "homeport", "_X").get_completions(words, begun)
    return [item.value for item in found]


def test_words_of_the_command_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(catalog, [], "r", monkeypatch) == ["refresh", "remove"]
    assert completed(catalog, [], "v", monkeypatch) == ["vpn"]
    assert completed(catalog, ["refresh"], "", monkeypatch) == ["family"]
    assert completed(catalog, ["remove"], "fam", monkeypatch) == ["family"]
    assert completed(catalog, ["add", "family"], "/srv/a", monkeypatch) == ["/srv/a"]
    assert completed(catalog, ["add", "family", "/srv", "--kind"], "g", monkeypatch) == ["git"]


@pytest.mark.parametrize(("begun", "words"), [("v", ["vpn"]), ("x", ["x"]), ("./v", ["./v"]), ("/", ["/"])])
def test_definitions_are_completed_else_folders(
    begun: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert completed(install, [], begun, monkeypatch) == words
    assert completed(build, [], begun, monkeypatch) == words


def test_grants_and_settings_of_the_named_definition_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert completed(install, ["vpn", "--grant"], "", monkeypatch) == ["privileged"]
    assert completed(install, ["vpn", "--set"], "P", monkeypatch) == ["PEERS="]
    assert "capability" in completed(install, ["--grant"], "cap", monkeypatch)


def test_completion_is_silent_where_the_box_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(Box):
        def call(self, method: str, path: str, **options: Any) -> Any:
            raise ApiProblemError(CatalogUnavailableError("No.").problem())

    monkeypatch.setattr(Context, "client", Away())

    assert ShellComplete(install, {}, "homeport", "_X").get_completions(["vpn", "--set"], "") == []

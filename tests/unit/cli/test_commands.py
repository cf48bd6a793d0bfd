"""What commands print of what the API answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from homeport.cli.apps import list_apps
from homeport.cli.catalogs import catalog
from homeport.cli.client import ApiClient
from homeport.cli.jobs import list_jobs
from homeport.cli.main import Context, cli
from homeport.cli.output import Printer


def app(**given: Any) -> dict[str, Any]:
    shape = {"identifier": "wiki", "state": "running", "version": "1", "host_name": "wiki.localhost"}
    route = {"aliases": [], "published": True, "no_route": None, "url": None}
    return {**shape, **route, "title": "Wiki", "host_port": 35007, "path": "/start", **given}


def job(number: int) -> dict[str, Any]:
    shape = {"id": f"job-{number}", "kind": "install", "subject": "wiki", "state": "failed"}
    return {**shape, "progress": 1.0, "position": None, "created_at": "2026-01-01T00:00:00Z"}


class Listing(ApiClient):
    """A client of an API whose every list has these items."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        super().__init__("http://box", "")
        self._items = items

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        yield from self._items


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:8035", "localhost"),
        ("http://[::1]:8035", "localhost"),
        ("http://0.0.0.0:8035", "localhost"),
        ("http://192.168.1.5:8035", "192.168.1.5"),
        ("http://[fd00::5]:8035", "[fd00::5]"),
        ("https://hda.example", "hda.example"),
    ],
)
def test_an_apps_address_is_its_port_on_the_host_that_is_asked(url: str, host: str) -> None:
    context = Context(url=url, token="t", is_json=False)

    assert context.address_of(app()) == f"http://{host}:35007/start"
    assert context.address_of(app(host_port=None, path=None)) is None
    by_name = app(host_name="wiki.hda", url="http://wiki.hda/start")
    assert context.address_of(by_name) == "http://wiki.hda/start"
    assert context.address_of(app(url="http://wiki.localhost/start")) == f"http://{host}:35007/start"


def test_the_list_of_apps_has_addresses() -> None:
    context = Context(url="http://hda:8035", token="t", is_json=False)
    context.__dict__["client"] = Listing([app()])

    listed = CliRunner().invoke(list_apps, [], obj=context)

    assert "http://hda:35007/start" in listed.stdout.split("\t")


def test_the_catalogs_list_has_the_first_sentence_of_a_description() -> None:
    context = Context(url="http://box", token="t", is_json=False)
    entry: dict[str, Any] = {"name": "wiki", "version": "1.5", "title": "Wiki", "problem": None}
    entry |= {"catalog": "homeport", "rating": {"risk": "none", "reasons": []}}
    context.__dict__["client"] = Listing(
        [{**entry, "description": text} for text in ("A. B. C", "A 1.5", "")]
    )

    listed = CliRunner().invoke(catalog, [], obj=context).stdout.splitlines()

    assert [line.split("\t")[5] for line in listed] == ["A.", "A 1.5", "-"]


@pytest.mark.parametrize("url", ["foo", "localhost:8035", "http://", "http://box:port", "ftp://box"])
def test_what_is_no_address_is_wrong_usage(url: str) -> None:
    refused = CliRunner().invoke(cli, ["--url", url, "apps"])

    assert refused.exit_code == 2
    assert f"{url} is no address: give http://host:port" in refused.stderr


def listed_jobs(items: int, limit: int, *, on_terminal: bool) -> Result:
    context = Context(url="http://box", token="t", is_json=False)
    context.__dict__["client"] = Listing([job(number) for number in range(items)])
    printer = Printer(is_json=False)
    printer.out._force_terminal = on_terminal
    context.__dict__["printer"] = printer
    return CliRunner().invoke(list_jobs, ["--limit", str(limit)], obj=context)


@pytest.mark.parametrize(
    ("items", "on_terminal", "said"), [(4, True, True), (3, True, False), (4, False, False)]
)
def test_a_list_of_jobs_that_is_cut_says_so_on_a_terminal(items: int, on_terminal: bool, said: bool) -> None:
    listed = listed_jobs(items, 3, on_terminal=on_terminal)

    assert ("(3 newest; more with --limit)" in listed.stderr) is said
    assert "job-3" not in listed.stdout

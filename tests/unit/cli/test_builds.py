"""What the commands `build` and `caches` ask for, and what they print of the answers."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from homeport.cli.builds import build
from homeport.cli.caches import caches
from homeport.cli.client import ApiClient
from homeport.cli.main import Context

MIB = 1024 * 1024
REPORT = {
    "caches": {
        "npm": {
            "requests": 12, "hits": 9, "bytes_served": 3 * MIB, "bytes_fetched": MIB, "seconds_saved": 0.3
        },
        "apt": {"requests": 0, "hits": 0, "bytes_served": 0, "bytes_fetched": 0, "seconds_saved": 0},
    },
    "direct": [{"host": "downloads.example.org", "connections": 2}],
    "left_alone": ["RUN in line 4 has no network."],
    "warnings": ["The cache of pip was down."],
}  # fmt: skip


class Ended(ApiClient):
    """A client of an API that has done each job by the time it is asked, with this result."""

    def __init__(self, result: Mapping[str, Any] | None = None, items: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__("http://box", "")
        self._job: dict[str, Any] = {
            "id": "j",
            "state": "succeeded",
            "finished_at": "2026-01-01",
            "problem": None,
        }
        self._job["result"] = result or {"images": {}, "builds": {}}
        self._items = items
        self.asked: list[tuple[Any, ...]] = []

    def call(self, method: str, path: str, **options: Any) -> Any:
        if method != "GET":
            self.asked.append((method, path, options["json"]))
        return self._job

    def upload(self, path: str, archive: Iterable[bytes], **query: Any) -> Any:
        self.asked.append((path, len(b"".join(archive)), query))
        return self._job

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        yield from self._items


def run(command: Any, client: ApiClient, *words: str) -> Result:
    context = Context(url="http://box", token="t", is_json=False)
    context.__dict__["client"] = client
    return CliRunner().invoke(command, list(words), obj=context)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "My-App"
    folder.mkdir()
    (folder / "Dockerfile").write_bytes(b"FROM scratch\n")
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_name_of_the_catalog_is_built_from_there() -> None:
    client = Ended()

    assert run(build, client, "dokuwiki").exit_code == 0

    assert client.asked == [("POST", "/v1/builds", {"definition": "dokuwiki"})]


@pytest.mark.parametrize(
    ("words", "query"),
    [
        (["My-App"], {"name": "my-app", "dockerfile": None}),
        (["./My-App/", "--name", "other", "-f", "Dockerfile"], {"name": "other", "dockerfile": "Dockerfile"}),
    ],
)
def test_a_folder_is_sent_under_its_own_name_or_the_given_one(
    folder: Path, words: list[str], query: dict[str, Any]
) -> None:
    client = Ended()

    assert run(build, client, *words).exit_code == 0

    assert client.asked == [("/v1/builds", 2048, query)]


def test_a_definition_in_a_folder_has_its_own_name(folder: Path) -> None:
    (folder / "app.yml").write_bytes(b"name: wiki\n")
    client = Ended()

    run(build, client, "My-App")

    assert client.asked[0][2] == {"name": None, "dockerfile": None}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["./absent"], "no folder"),
        (["wiki", "--name", "x"], "are for folders"),
        (["No Label"], "--name"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_sent(folder: Path, words: list[str], told: str) -> None:
    folder.with_name("No Label").mkdir()
    client = Ended()

    result = run(build, client, *words)

    assert result.exit_code == 2
    assert told in result.output
    assert client.asked == []


def test_the_end_of_a_build_tells_images_and_what_was_downloaded() -> None:
    image = {"image": "homeport/wiki-web:1", "id": "sha256:1", "built": True}

    said = run(build, Ended({"images": {"web": image}, "builds": {"web": REPORT}}), "wiki").output

    assert "web: homeport/wiki-web:1\n" in said
    assert (
        "web: npm: 9 of 12 requests from the cache, 2.0 MiB not downloaded (0.3 s), 1.0 MiB fetched\n" in said
    )
    assert "apt" not in said
    assert "web: round the caches: downloads.example.org (2)\n" in said
    assert "web: without a cache: RUN in line 4 has no network.\n" in said
    assert "web: warning: The cache of pip was down.\n" in said


def test_connections_that_nobody_saw_are_not_called_none() -> None:
    unseen = {**REPORT, "direct": None}

    said = run(build, Ended({"images": {}, "builds": {"web": unseen}}), "wiki").output

    assert "round the caches: not known\n" in said


CACHE = {
    "ecosystem": "npm", "status": "ok", "size_bytes": 5 * MIB, "files": 12, "max_bytes": 5 * 1024 * MIB,
    "requests": 4, "hits": 3, "hit_rate": 0.75, "bytes_served": 3 * MIB, "bytes_fetched": MIB,
    "bytes_saved": 2 * MIB, "seconds_saved": 0.6, "line_mbit_s": 50.0, "since": None,
}  # fmt: skip


def test_caches_are_listed_with_what_they_hold_and_saved() -> None:
    unused = {**CACHE, "ecosystem": "gem", "size_bytes": None, "files": None, "hit_rate": None}

    lines = run(caches, Ended(items=[CACHE, unused])).output.splitlines()

    assert lines[0].split("\t") == [
        "npm",
        "ok",
        "5.0 MiB",
        "5.0 GiB",
        "12",
        "4",
        "75%",
        "3.0 MiB",
        "2.0 MiB",
        "1 s",
    ]
    assert lines[1].split("\t")[:7] == ["gem", "ok", "-", "5.0 GiB", "-", "4", "-"]


def test_caches_are_listed_as_the_api_tells_them_with_json() -> None:
    context = Context(url="http://box", token="t", is_json=False)
    context.__dict__["client"] = Ended(items=[CACHE])

    result = CliRunner().invoke(caches, ["--json"], obj=context)

    assert json.loads(result.output) == [CACHE]


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ([], {}),
        (["npm", "apt", "npm"], {"ecosystems": ["npm", "apt"]}),
        (["npm", "--to", "1.5G"], {"ecosystems": ["npm"], "to_bytes": 1536 * MIB}),
    ],
)
def test_trimming_asks_for_what_was_named_and_tells_what_went(words: list[str], body: dict[str, Any]) -> None:
    done = {"before_bytes": 5 * MIB, "after_bytes": 0, "removed_files": 12}
    client = Ended({"caches": {"npm": done}})

    result = run(caches, client, "trim", *words)

    assert client.asked == [("POST", "/v1/caches/trim", body)]
    assert "npm: 5.0 MiB before, 0 B now; 12 files removed\n" in result.output


@pytest.mark.parametrize("words", [["trim", "--to", "much"], ["trim", "cargo"], ["--to", "1G"], ["clean"]])
def test_what_is_no_trim_is_wrong_usage(words: list[str]) -> None:
    client = Ended()

    assert run(caches, client, *words).exit_code == 2
    assert client.asked == []

"""Fetching catalogs from where they are: folders, git repositories, and an index on a server with TLS."""

import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from homeport.errors import CancelledError, CatalogUnavailableError, CeilingReachedError
from homeport.models import CatalogKind
from homeport.plans import Control
from homeport.settings import Settings
from tests.harness.definitions import headless_app
from tests.harness.https_site import HttpsSite, commit, packed, write_tree
from tests.harness.inflating_repository import inflating_repository
from workers.catalogs import FETCHERS, Fetched

NOBODY = 65534
WIKI = headless_app("wiki", "acme/wiki:1")
NOTES = headless_app("notes", "acme/notes:1")
Fetch = Callable[..., Fetched]


class NoStop:
    def check(self) -> None:
        pass


class Cancelled:
    def check(self) -> None:
        raise CancelledError("Cancelled.")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[HttpsSite]:
    (tmp_path / "tls").mkdir()
    with HttpsSite(tmp_path / "tls") as site:
        yield site


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "fetched"


@pytest.fixture
def fetch(tmp_path: Path, target: Path, site: HttpsSite) -> Fetch:
    """Fetches from a source into an empty `target`; more settings by name."""
    work = tmp_path / "work"

    def run(kind: CatalogKind, source: str | Path, control: Control | None = None, **given: Any) -> Fetched:
        settings = Settings(
            **{
                "state_dir": tmp_path, "run_dir": tmp_path, "catalog_dir": tmp_path, "spare_bytes": 0,
                "upstream_ca_file": str(site.authority), **given,
            }
        )  # fmt: skip
        target.mkdir()
        work.mkdir()
        log: Callable[[str], None] = lambda _line: None  # noqa: E731
        return FETCHERS[kind](
            str(source), target, work, settings=settings, control=control or NoStop(), log=log
        )

    return run


def found(target: Path) -> list[str]:
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir())


def test_definitions_are_copied_from_the_top_of_a_folder_and_from_its_apps(
    fetch: Fetch, target: Path, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "mine", {f"wiki/{path}": text for path, text in WIKI.items()})
    write_tree(source / "apps" / "notes", NOTES)
    write_tree(source, {"README.md": "hello", "docs/page.md": "page"})
    (source / "wiki" / "run").write_text("#!/bin/sh\n")
    (source / "wiki" / "run").chmod(0o700)

    fetched = fetch(CatalogKind.FOLDER, source)

    assert fetched.problems == {}
    assert len(fetched.revision) == 64
    assert found(target) == [
        "notes/app.yml", "notes/docker-compose.yml", "wiki/app.yml", "wiki/docker-compose.yml", "wiki/run",
    ]  # fmt: skip
    assert (target / "wiki" / "run").stat().st_mode & 0o777 == 0o755
    assert (target / "wiki" / "app.yml").stat().st_mode & 0o777 == 0o644


def test_links_that_lead_out_and_special_files_are_refused_and_nothing_of_them_is_read(
    fetch: Fetch, target: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    source = tmp_path / "mine"
    for name in ("wiki", "absolute", "pipe", "target"):
        write_tree(source / name, headless_app(name, "acme/x:1"))
    (source / "absolute" / "leak").symlink_to(secret)
    os.mkfifo(source / "pipe" / "pipe")
    (source / "linked").symlink_to(source / "target")

    fetched = fetch(CatalogKind.FOLDER, source)

    assert sorted(path.name for path in target.iterdir()) == ["target", "wiki"]
    rules = {name: problem.facts["findings"][0]["rule"] for name, problem in fetched.problems.items()}
    assert rules == {"absolute": "link-outside", "pipe": "file-special", "linked": "link-outside"}


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_definitions_is_no_catalog(fetch: Fetch, tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "mine").mkdir()

    with pytest.raises(CatalogUnavailableError, match="app.yml" if there else "No such file"):
        fetch(CatalogKind.FOLDER, tmp_path / "mine")


def test_a_folder_that_is_not_there_is_told_so_though_its_name_is_apps(fetch: Fetch, tmp_path: Path) -> None:
    with pytest.raises(CatalogUnavailableError) as refused:
        fetch(CatalogKind.FOLDER, tmp_path / "apps")

    assert "No such file or directory" in refused.value.why


def test_what_is_too_large_is_refused(fetch: Fetch, tmp_path: Path) -> None:
    write_tree(tmp_path / "mine" / "wiki", {**WIKI, "large": "x" * 2_000_000})

    with pytest.raises(CatalogUnavailableError, match="1 MiB"):
        fetch(CatalogKind.FOLDER, tmp_path / "mine", catalog_max_bytes=1024 * 1024)


def test_the_head_of_an_owner_s_own_checkout_is_fetched_without_what_belongs_to_git(
    fetch: Fetch, target: Path, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "check out", {f"apps/wiki/{path}": text for path, text in WIKI.items()})
    write_tree(source / "notes", NOTES)
    (source / "notes" / "start").symlink_to("app.yml")
    ran = tmp_path / "ran"
    first = commit(source)
    for name in ("post-checkout", "post-upload-pack", "reference-transaction", "pre-auto-gc"):
        (source / ".git" / "hooks" / name).write_text(f"#!/bin/sh\ntouch '{ran}'\n")
        (source / ".git" / "hooks" / name).chmod(0o755)
    (source / "notes" / "not-committed").write_text("x")
    for path in (source, *source.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    fetched = fetch(CatalogKind.GIT, source)

    assert fetched == Fetched(revision=first, problems={})
    assert found(target) == [
        "notes/app.yml", "notes/docker-compose.yml", "notes/start", "wiki/app.yml", "wiki/docker-compose.yml",
    ]  # fmt: skip
    assert (target / "notes" / "start").is_symlink()
    assert not ran.exists()


@pytest.mark.parametrize("is_known", [True, False])
def test_a_repository_is_fetched_over_https_where_its_server_s_authority_is_known(
    fetch: Fetch, target: Path, tmp_path: Path, site: HttpsSite, is_known: bool
) -> None:
    site.repositories = tmp_path / "repositories"
    source = write_tree(site.repositories / "mine.git" / "wiki", WIKI).parent
    first = commit(source)
    if not is_known:
        with pytest.raises(CatalogUnavailableError, match="certificate"):
            fetch(CatalogKind.GIT, f"{site.url}/mine.git", upstream_ca_file="")
        return

    fetched = fetch(CatalogKind.GIT, f"{site.url}/mine.git")

    assert fetched == Fetched(revision=first, problems={})
    assert found(target) == ["wiki/app.yml", "wiki/docker-compose.yml"]


def test_a_definition_of_a_repository_that_must_not_be_unpacked_keeps_no_other_from_it(
    fetch: Fetch, target: Path, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "mine", {f"wiki/{path}": text for path, text in WIKI.items()})
    write_tree(source / "notes", NOTES)
    (source / "notes" / "leak").symlink_to("/etc/passwd")
    commit(source)

    fetched = fetch(CatalogKind.GIT, source)

    assert {name: problem.code for name, problem in fetched.problems.items()} == {"notes": "archive_refused"}
    assert [path.name for path in target.iterdir()] == ["wiki"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("/nowhere/at/all", "does not appear to be a git repository"),
        ("ext::sh -c touch% /tmp/ran", "not allowed"),
        ("ssh://127.0.0.1/x", "not allowed"),
        ("http://127.0.0.1/x.git", "not allowed"),
        ("https://127.0.0.1:1/x.git", "unable to access"),
    ],
)
def test_a_repository_that_cannot_be_had_or_has_another_protocol_is_refused(
    fetch: Fetch, source: str, why: str
) -> None:
    with pytest.raises(CatalogUnavailableError, match=why):
        fetch(CatalogKind.GIT, source)


def test_a_repository_that_is_too_large_is_not_fetched_whole(fetch: Fetch, tmp_path: Path) -> None:
    source = write_tree(tmp_path / "mine" / "wiki", WIKI).parent
    (source / "noise").write_bytes(os.urandom(30_000_000))
    commit(source)

    with pytest.raises(CatalogUnavailableError, match="holds more than"):
        fetch(CatalogKind.GIT, source, catalog_max_bytes=1024 * 1024)


def test_a_small_pack_that_unpacks_to_a_great_deal_does_not_fill_the_memory(
    fetch: Fetch, tmp_path: Path
) -> None:
    source = inflating_repository(tmp_path / "large.git", mebibytes=200)

    with pytest.raises(CatalogUnavailableError, match="git fetch ended"):
        fetch(CatalogKind.GIT, source)


def test_many_tiny_files_count_with_the_space_that_they_take(fetch: Fetch, tmp_path: Path) -> None:
    tiny = {f"notes/{number}": "x" for number in range(400)}
    write_tree(tmp_path / "mine" / "wiki", {**WIKI, **tiny})

    with pytest.raises(CatalogUnavailableError, match="1 MiB"):
        fetch(CatalogKind.FOLDER, tmp_path / "mine", catalog_max_bytes=1024 * 1024)


def test_what_stands_in_the_query_of_an_address_is_told_to_nobody(fetch: Fetch) -> None:
    with pytest.raises(CatalogUnavailableError) as refused:
        fetch(CatalogKind.INDEX, "https://127.0.0.1:1/index.json?key=secret")

    assert "secret" not in json.dumps(refused.value.problem().as_json())


def test_an_index_s_archives_are_verified_and_unpacked(fetch: Fetch, target: Path, site: HttpsSite) -> None:
    source = site.offer(WIKI, NOTES)

    fetched = fetch(CatalogKind.INDEX, source)

    assert fetched.problems == {}
    assert found(target) == [
        "notes/app.yml", "notes/docker-compose.yml", "wiki/app.yml", "wiki/docker-compose.yml",
    ]  # fmt: skip


def test_redirects_are_followed_to_https_alone(fetch: Fetch, target: Path, site: HttpsSite) -> None:
    source = site.offer(WIKI)
    site.redirects["/moved.json"] = source
    assert fetch(CatalogKind.INDEX, f"{site.url}/moved.json").problems == {}

    site.redirects["/index.json"] = "http://127.0.0.1:1/index.json"
    for path in (target, target.with_name("work")):
        path.rename(path.with_name(f"{path.name}.old"))
    with pytest.raises(CatalogUnavailableError, match="not https://"):
        fetch(CatalogKind.INDEX, source)


def test_an_authority_that_is_not_known_is_refused(fetch: Fetch, site: HttpsSite) -> None:
    with pytest.raises(CatalogUnavailableError, match="certificate verify failed"):
        fetch(CatalogKind.INDEX, site.offer(WIKI), upstream_ca_file="")


def test_an_index_that_does_not_answer_is_told_in_the_systems_words(fetch: Fetch, site: HttpsSite) -> None:
    source = site.offer(WIKI).replace(site.url, "https://127.0.0.1:9")

    with pytest.raises(CatalogUnavailableError) as refused:
        fetch(CatalogKind.INDEX, source)

    assert refused.value.why == "[Errno 111] Connection refused"


def _absolute_link() -> tarfile.TarInfo:
    entry = tarfile.TarInfo("leak")
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return entry


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"url": "https://example.org/wiki.tar.gz"}, "not on the index's own host"),
        ({"url": "http://127.0.0.1/wiki.tar.gz"}, "not on the index's own host"),
        ({"url": "absent.tar.gz"}, "404"),
        ({"size_bytes": 5}, "larger than 5 bytes"),
        ({"name": "../../wiki"}, "no label"),
    ],
)
def test_an_archive_that_is_not_what_the_index_says_is_refused(
    fetch: Fetch, target: Path, site: HttpsSite, wrong: dict[str, Any], why: str
) -> None:
    fetched = fetch(CatalogKind.INDEX, site.offer(WIKI, **wrong))

    (problem,) = fetched.problems.values()
    assert why in problem.why
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("kind", ["truncated", "hostile", "bomb"])
def test_an_archive_that_is_broken_or_hostile_is_refused(
    fetch: Fetch, target: Path, site: HttpsSite, kind: str
) -> None:
    source = site.offer(WIKI)
    if kind == "truncated":
        site.cut.add("/wiki.tar.gz")
    else:
        import hashlib

        more = _absolute_link() if kind == "hostile" else None
        large = {"large": "\0" * 80_000_000} if kind == "bomb" else {}
        archive = packed({**WIKI, **large}, more=more)
        site.files["/wiki.tar.gz"] = archive
        listed = json.loads(site.files["/index.json"])
        listed["definitions"][0] |= {
            "sha256": hashlib.sha256(archive).hexdigest(),
            "size_bytes": len(archive),
        }
        site.files["/index.json"] = json.dumps(listed).encode()

    fetched = fetch(CatalogKind.INDEX, source)

    codes = {"truncated": "catalog_unavailable", "hostile": "archive_refused", "bomb": "archive_refused"}
    assert {name: problem.code for name, problem in fetched.problems.items()} == {"wiki": codes[kind]}
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    "index",
    [
        b"", b"<html>", b"[]", b'{"format": 2, "definitions": []}', b"[" * 100_000, b'{"format": 1}',
        b'{"format": 1, "definitions": []}', b"\xff\xfe", b" " * 5_000_000,
        b'{"format": 1, "definitions": [{"name": "a", "version": "1", "url": "a", "sha256": "no"}]}',
    ],
)  # fmt: skip
def test_what_is_no_index_is_refused(fetch: Fetch, site: HttpsSite, index: bytes) -> None:
    site.files["/index.json"] = index

    with pytest.raises(CatalogUnavailableError):
        fetch(CatalogKind.INDEX, f"{site.url}/index.json")


def test_an_index_that_names_a_definition_twice_is_refused(fetch: Fetch, site: HttpsSite) -> None:
    source = site.offer(WIKI, WIKI)

    with pytest.raises(CatalogUnavailableError, match="twice"):
        fetch(CatalogKind.INDEX, source)


def test_a_server_that_is_silent_is_left_when_the_time_is_up_or_the_job_cancelled(
    fetch: Fetch, site: HttpsSite, target: Path
) -> None:
    source = site.offer(WIKI)
    site.stuck.set()
    with pytest.raises(CancelledError):
        fetch(CatalogKind.INDEX, source, Cancelled())
    for path in (target, target.with_name("work")):
        path.rename(path.with_name(f"{path.name}.old"))

    with pytest.raises(CeilingReachedError):
        fetch(CatalogKind.INDEX, source, catalog_ceiling_s=0.5)
    site.stuck.clear()

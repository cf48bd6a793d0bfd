"""What the pages of docs/ tell people to type is typed here, in order, and prints what they show."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import pytest

from tests.harness.authority import Authority
from tests.harness.command_line import PROGRAM
from tests.harness.definitions import built_app, pulled_app
from tests.harness.documentation import DOCS, BlockEnd, Reader, Typed, steps_of
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import ENDED, HomeportBox
from tests.harness.https_site import HttpsSite, write_tree
from tests.harness.leftovers import leftovers
from tests.harness.php_sources import write_source
from tests.harness.programs import REPOSITORY
from tests.harness.standins import publish_standin

AMAHI = REPOSITORY / "tests" / "data" / "amahi" / "hydra"
SITE = "https://apps.ann.example"

CURL = """\
#!/bin/sh
# A stream (-N) is read for some seconds; an answer that is an error ends with 22.
case " $* " in *" -N "*) seconds=5 ;; *) seconds=60 ;; esac
/usr/bin/curl --fail-with-body --silent --show-error --max-time $seconds "$@"
code=$?
[ $code = 28 ] && [ $seconds = 5 ] || exit $code
"""
WHAT_HAS_ENDED = 'curl -X DELETE -H "$auth" $url/v1/jobs/JOB'
WHAT_WAS_REMOVED = 'curl -i -H "$auth" -d \'{"catalogs": ["family"]}\' $url/v1/catalog/refresh'

Begin = Callable[..., Reader]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsSite]:
    with HttpsSite(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def box(engine_box: EngineBox, site: HttpsSite) -> Iterator[HomeportBox]:
    """A box as Ann has it; stand-ins have the names of the images that the pages name."""
    for tag in ("latest", "0.2.235"):
        publish_standin(engine_box, f"linuxserver/hydra:{tag}", port=5075, says="hydra")
    publish_standin(engine_box, "acme/clock:1.0", mode="waits", says="clock")
    with HomeportBox(engine_box, "docs", upstream_ca_file=site.authority) as box:
        yield box


@pytest.fixture
def begin(box: HomeportBox, site: HttpsSite, engine_box: EngineBox, tmp_path: Path) -> Iterator[Begin]:
    """Makes a reader in a folder of its own that the box can read; no app is left after the test."""
    folder = engine_box.root / f"reader-{tmp_path.name}"
    folder.mkdir(mode=0o755)
    (tmp_path / "curl").write_text(CURL)
    (tmp_path / "curl").chmod(0o755)

    def new_reader(
        *files: Path,
        trees: Mapping[str, Mapping[str, str]] | None = None,
        after_block: Callable[[], None] | None = None,
        at: HomeportBox = box,
    ) -> Reader:
        for file in files:
            shutil.copy(file, folder)
        for name, tree in (trees or {}).items():
            write_tree(folder / name, tree)
        environment = {
            **at.environment,
            "PATH": f"{tmp_path}:{PROGRAM.parent}:{at.environment['PATH']}",
            "HOMEPORT_URL": at.base_url,
            "HOMEPORT_TOKEN": at.token,
            "url": at.base_url,
            "auth": f"Authorization: Bearer {at.token}",
        }
        return Reader(
            folder,
            environment,
            stands_for={SITE: site.url},
            after_block=after_block or (lambda: publish(folder, site)),
        )

    yield new_reader
    remove_apps(box)


def publish(folder: Path, site: HttpsSite) -> None:
    """Puts what the reader has in the folder `site` on the web server."""
    for file in (folder / "site").glob("*"):
        site.files[f"/{file.name}"] = file.read_bytes()


def remove_apps(box: HomeportBox, *, but: str = "") -> list[str]:
    """Waits for what goes on, then removes all apps but one; their identifiers."""
    for job in box.get("/v1/jobs")["items"]:
        if job["state"] not in ENDED:
            box.wait(job)
    identifiers = [app["identifier"] for app in box.apps() if app["identifier"] != but]
    for identifier in identifiers:
        box.succeed(box.uninstall(identifier, purge=True))
        assert leftovers(box, identifier) == []
    return identifiers


@pytest.mark.parametrize("page", ["adding-an-app.md", "definition.md", "permissions.md"])
def test_the_commands_of_the_page_print_what_it_shows(begin: Begin, box: HomeportBox, page: str) -> None:
    told = begin().follow((DOCS / page).read_text(encoding="utf-8"))

    assert not told, "\n\n".join(told)
    assert box.apps() == [], "the reader ends as they began"


def test_what_the_page_on_caches_tells_to_type_is_done(begin: Begin) -> None:
    begin().follow((DOCS / "caches.md").read_text(encoding="utf-8"))


def test_osticket_is_built_from_a_file_as_the_page_says(
    begin: Begin, box: HomeportBox, tmp_path: Path
) -> None:
    write_source("osticket", tmp_path / "osTicket-v1.18.1.zip")  # a stand-in of the real one's shape
    osticket = REPOSITORY / "apps" / "osticket"
    tree = {
        str(path.relative_to(osticket)): path.read_text() for path in osticket.rglob("*") if path.is_file()
    }
    reader = begin(tmp_path / "osTicket-v1.18.1.zip", trees={"apps/osticket": tree})
    steps = steps_of((DOCS / "building-images.md").read_text(encoding="utf-8"))

    for step in takewhile(lambda step: not isinstance(step, BlockEnd), steps):
        if isinstance(step, Typed):
            reader.type(step)

    assert "stand-in for osTicket" in box.visit("osticket").text


def test_what_amahis_platform_sends_installs_apps(begin: Begin, box: HomeportBox) -> None:
    installed: list[str] = []
    reader = begin(
        AMAHI / "install.sh",
        AMAHI / "uninstall.sh",
        after_block=lambda: installed.extend(remove_apps(box)),
    )

    reader.follow((DOCS / "amahi.md").read_text(encoding="utf-8"))

    assert installed == ["hydra", "hydra"], "one from the catalog, one that was sent"


def test_the_calls_of_the_apis_page_are_answered_as_calls_that_are_right(
    begin: Begin, engine_box: EngineBox
) -> None:
    publish_standin(engine_box, "acme/offered:1")
    build = "FROM debian:bookworm-slim\nRUN echo built > /srv/built\n"
    setting = "permissions: ['capability:NET_ADMIN']\nsettings: {PEERS: {default: '1'}}\n"
    service = "    cap_add: [NET_ADMIN]\n    environment: [PEERS]\n"
    vpn = pulled_app("vpn", "acme/offered:1", service=service, more=setting)
    issued = Authority().issue("wiki.home.example.org")
    pem = {"fullchain.pem": issued.chain, "privkey.pem": issued.key}
    refused = {WHAT_HAS_ENDED, WHAT_WAS_REMOVED}

    with HomeportBox(engine_box, "docs-api", proxy="haproxy") as box:
        box.add_definition("vpn", vpn)
        box.add_definition("dokuwiki", pulled_app("dokuwiki", "acme/offered:1"))
        trees = {"vpn": vpn, "my-app": built_app("my-app", build) | {"Dockerfile": build}, ".": pem}
        reader = begin(trees=trees, at=box)
        for step in steps_of((DOCS / "api.md").read_text(encoding="utf-8")):
            if isinstance(step, Typed) and step.command.startswith(("curl", "tar", "jq")):
                reader.type(replace(step, is_refused=step.command in refused))
                refused.discard(step.command)
            elif isinstance(step, BlockEnd):
                remove_apps(box, but="wiki")
                if box.get("/v1/jobs?app=wiki")["items"] and box.apps() == []:
                    box.succeed(box.install("dokuwiki", identifier="wiki"))  # what follows asks about it
        remove_apps(box)

    assert refused == set(), "the page no longer has what is refused here"

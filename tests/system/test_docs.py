"""What the pages of docs/ tell people to type is typed here, in order, and prints what they show."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.command_line import PROGRAM
from tests.harness.documentation import DOCS, Reader
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import ENDED, HomeportBox
from tests.harness.https_site import HttpsSite
from tests.harness.leftovers import leftovers
from tests.harness.programs import REPOSITORY
from tests.harness.standins import publish_standin

AMAHI = REPOSITORY / "tests" / "data" / "amahi" / "hydra"
SITE = "https://apps.ann.example"

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
    environment = {
        **box.environment,
        "PATH": f"{PROGRAM.parent}:{box.environment['PATH']}",
        "HOMEPORT_URL": box.base_url,
        "HOMEPORT_TOKEN": box.token,
        "CURL_HOME": str(tmp_path),
        "url": box.base_url,
        "auth": f"Authorization: Bearer {box.token}",
    }
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")

    def new_reader(*files: Path, after_block: Callable[[], None] | None = None) -> Reader:
        for file in files:
            shutil.copy(file, folder)
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


def remove_apps(box: HomeportBox) -> list[str]:
    """Waits for what goes on, then removes all apps; their identifiers."""
    for job in box.get("/v1/jobs")["items"]:
        if job["state"] not in ENDED:
            box.succeed(job)
    identifiers = [app["identifier"] for app in box.apps()]
    for identifier in identifiers:
        box.succeed(box.uninstall(identifier, purge=True))
        assert leftovers(box, identifier) == []
    return identifiers


@pytest.mark.parametrize("page", ["adding-an-app.md", "definition.md", "permissions.md"])
def test_the_commands_of_the_page_print_what_it_shows(begin: Begin, box: HomeportBox, page: str) -> None:
    told = begin().follow((DOCS / page).read_text(encoding="utf-8"))

    assert not told, "\n\n".join(told)
    assert box.apps() == [], "the reader ends as they began"


def test_what_amahis_platform_sends_installs_apps(begin: Begin, box: HomeportBox) -> None:
    installed: list[str] = []
    reader = begin(
        AMAHI / "install.sh",
        AMAHI / "uninstall.sh",
        after_block=lambda: installed.extend(remove_apps(box)),
    )

    reader.follow((DOCS / "amahi.md").read_text(encoding="utf-8"))

    assert installed == ["hydra", "hydra"], "one from the catalog, one that was sent"

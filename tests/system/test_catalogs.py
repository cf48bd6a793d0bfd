"""Added catalogs: a folder, a git repository and an index over HTTPS, fetched by a real worker."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.definitions import pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.https_site import HttpsSite, commit, packed, write_tree
from tests.harness.leftovers import leftovers
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

IMAGE = "acme/offered:1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsSite]:
    with HttpsSite(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def module_box(engine_box: EngineBox, site: HttpsSite) -> Iterator[HomeportBox]:
    publish_standin(engine_box, IMAGE)
    with HomeportBox(engine_box, "catalogs", lease_s=2, upstream_ca_file=site.authority) as homeport:
        yield homeport


@pytest.fixture
def box(module_box: HomeportBox) -> Iterator[HomeportBox]:
    """A box to which nothing was added."""
    yield module_box
    for catalog in module_box.get("/v1/catalog/sources")["items"]:
        assert module_box.delete(f"/v1/catalog/sources/{catalog['name']}").ok


def definition(name: str, version: str = "1.0") -> dict[str, str]:
    return pulled_app(name, IMAGE, version=version)


def add(box: HomeportBox, name: str, source: str | Path, **more: str) -> Json:
    """Adds a catalog; the job that fetches it."""
    answer = box.post("/v1/catalog/sources", {"name": name, "source": str(source), **more})
    assert answer.status_code == 202, answer.text
    job: Json = answer.json()
    return job


def refresh(box: HomeportBox, *names: str) -> Json:
    answer = box.post("/v1/catalog/refresh", {"catalogs": list(names)})
    assert answer.status_code == 202, answer.text
    job: Json = answer.json()
    return job


def source_of(box: HomeportBox, name: str) -> Json:
    return next(one for one in box.get("/v1/catalog/sources")["items"] if one["name"] == name)


def versions(box: HomeportBox, *, but: str = "homeport") -> dict[str, str]:
    """What is offered, by the name that it is listed by, but for one catalog's."""
    return {
        entry["name"]: entry["version"]
        for entry in box.get("/v1/catalog")["items"]
        if entry["catalog"] != but
    }


def kept(box: HomeportBox) -> list[str]:
    """The generations that lie on the disk."""
    root = box.state_dir / "catalogs"
    return sorted(str(path.relative_to(root)) for path in root.glob("*/*"))


def test_definitions_of_a_folder_are_offered_and_installed(box: HomeportBox, tmp_path: Path) -> None:
    source = tmp_path / "mine"
    write_tree(source / "offered", definition("offered"))
    write_tree(source / "apps" / "broken", {"app.yml": "name: [\n"})
    job = add(box, "mine", source)
    ended = box.succeed(job)

    assert (ended["kind"], ended["subject"]) == ("refresh", "box:catalogs")
    assert ended["result"]["catalogs"]["mine"]["definitions"] == 2
    assert versions(box) == {"offered": "1.0", "broken": None}
    assert box.get("/v1/catalog/mine/offered")["qualified"] == "mine/offered"
    shutil.rmtree(source)
    box.succeed(box.install("offered"))
    assert box.app("offered")["catalog"] == "mine"
    assert box.visit("offered").ok

    assert box.delete("/v1/catalog/sources/mine").status_code == 204
    box.succeed(refresh(box))
    assert (versions(box), kept(box)) == ({}, [])
    assert box.visit("offered").ok
    box.succeed(box.uninstall("offered", purge=True))
    assert leftovers(box, "offered") == []


def test_a_name_that_several_catalogs_have_is_asked_for_with_its_catalog(
    box: HomeportBox, tmp_path: Path
) -> None:
    for number, name in enumerate(("one", "two"), start=1):
        write_tree(tmp_path / name / "offered", definition("offered", f"{number}.0"))
        write_tree(tmp_path / name / "hydra", definition("hydra", f"{number}.0"))
        box.succeed(add(box, name, tmp_path / name))

    assert {"one/offered", "two/offered", "one/hydra", "two/hydra"} <= versions(box).keys()
    refused = box.post("/v1/apps", {"definition": "offered"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert "one/offered, two/offered" in refused.text
    assert box.get("/v1/catalog/hydra")["catalog"] == "homeport"
    box.succeed(box.install("two/offered"))
    app = box.app("offered")
    assert (app["catalog"], app["version"]) == ("two", "2.0")
    box.succeed(box.uninstall("offered", purge=True))


def test_a_git_repository_s_last_good_state_stays_when_the_repository_breaks(
    box: HomeportBox, tmp_path: Path
) -> None:
    source = write_tree(tmp_path / "repository" / "apps" / "offered", definition("offered")).parents[1]
    commit(source)
    box.succeed(add(box, "mine", source, kind="git"))
    write_tree(source / "apps" / "offered", definition("offered", "2.0"))
    second = commit(source)
    box.succeed(refresh(box, "mine"))
    assert versions(box) == {"offered": "2.0"}
    assert source_of(box, "mine")["revision"] == second

    (source / ".git" / "HEAD").write_text("nonsense")
    problem = box.fail(refresh(box, "mine"))

    assert problem["code"] == "catalog_unavailable"
    assert versions(box) == {"offered": "2.0"}
    assert source_of(box, "mine")["problem"]["code"] == "catalog_unavailable"
    assert len(kept(box)) == 1


@pytest.mark.parametrize("wrong", ["hash", "truncated", "hostile", "gone"])
def test_an_index_that_comes_wrong_leaves_the_last_good_in_force(
    box: HomeportBox, site: HttpsSite, wrong: str
) -> None:
    box.succeed(add(box, "web", site.offer(definition("offered"))))
    before = kept(box)
    assert versions(box) == {"offered": "1.0"}

    match wrong:
        case "hash":
            site.offer(definition("offered", "2.0"), sha256="0" * 64)
        case "truncated":
            site.offer(definition("offered", "2.0"))
            site.cut.add("/offered.tar.gz")
        case "hostile":
            site.offer({"../../../../escaped": "x", **definition("offered", "2.0")})
        case _:
            site.files.clear()
    problem = box.fail(refresh(box))
    site.cut.clear()

    assert problem["code"] == "catalog_unavailable"
    assert (versions(box), kept(box)) == ({"offered": "1.0"}, before)
    assert source_of(box, "web")["problem"] is not None
    site.offer(definition("offered", "3.0"))
    box.succeed(refresh(box))
    assert versions(box) == {"offered": "3.0"}
    assert source_of(box, "web")["problem"] is None


def test_a_worker_that_is_killed_in_the_middle_of_a_refresh_leaves_no_half_of_it(
    box: HomeportBox, site: HttpsSite
) -> None:
    box.succeed(add(box, "web", site.offer(definition("offered"))))
    before = kept(box)
    site.offer(definition("offered", "2.0"), definition("second"))
    site.stuck.set()
    job = refresh(box)
    wait_until(
        lambda: any(".new" in path for path in kept(box)), what="a refresh that has begun", timeout_s=30
    )
    worker = box.component("workers")
    worker.kill()
    worker.wait(10)
    assert versions(box) == {"offered": "1.0"}
    assert set(before) < set(kept(box))

    site.stuck.clear()
    ended = box.succeed(job, timeout_s=60)

    assert ended["attempt"] == 1
    assert versions(box) == {"offered": "2.0", "second": "1.0"}
    assert len(kept(box)) == 1
    assert kept(box) != before


def test_a_refresh_that_is_cancelled_changes_nothing(box: HomeportBox, site: HttpsSite) -> None:
    box.succeed(add(box, "web", site.offer(definition("offered"))))
    before = kept(box)
    site.offer(definition("offered", "2.0"))
    site.stuck.set()
    job = refresh(box)
    wait_until(
        lambda: any(".new" in path for path in kept(box)), what="a refresh that has begun", timeout_s=30
    )

    began = time.monotonic()
    box.cancel(job)
    ended = box.wait(job, timeout_s=30)
    site.stuck.clear()

    assert ended["state"] == "cancelled"
    assert time.monotonic() - began < 30
    assert (versions(box), kept(box)) == ({"offered": "1.0"}, before)


def test_an_archive_is_verified_before_it_is_unpacked(box: HomeportBox, site: HttpsSite) -> None:
    site.offer(definition("offered"))
    site.files["/offered.tar.gz"] = packed({**definition("offered"), "app.yml": "name: other\n"})

    problem = box.fail(add(box, "web", f"{site.url}/index.json"))

    assert "SHA-256" in problem["why"] or "larger than" in problem["why"]
    assert (versions(box), kept(box)) == ({}, [])

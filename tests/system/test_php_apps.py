"""osTicket and Coppermine, whose sources are settings; built from stand-ins of the sources' shape.

The real archives cannot be fetched where tests run. The stand-ins (tests/data/php_sources) are a few PHP
files that exercise what the definitions expect of the real ones. All else is real: builds, PHP, MariaDB, the
first start.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
import requests

from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers
from tests.harness.php_sources import write_source
from tests.harness.programs import wait_until

BUILD_S = 600
FILE = "source-of-the-test.zip"


@dataclass(frozen=True, kw_only=True)
class PhpApp:
    """An app: how its settings begin, what its page says, how one signs in, and what nobody may read."""

    settings: str
    says: str
    login: tuple[str, str, str]
    refused: tuple[str, ...]
    config: str


APPS = {
    "osticket": PhpApp(
        settings="OSTICKET",
        says="stand-in for osTicket: Help desk at http://osticket.localhost:{port}/",
        login=("/scp/login.php", "userid", "passwd"),
        refused=("/include/ost-sampleconfig.php", "/include/ost-config.php"),
        config="ost-config.php",
    ),
    "coppermine": PhpApp(
        settings="COPPERMINE",
        says="stand-in for Coppermine at /",
        login=("/login.php", "username", "password"),
        refused=("/include/init.inc.php", "/include/config.inc.php", "/albums/index.php", "/sql/schema.sql"),
        config="config.inc.php",
    ),
}


@pytest.fixture(scope="module")
def box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    with HomeportBox(engine_box, "php") as homeport:
        yield homeport


@pytest.fixture(params=APPS)
def name(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


def source_settings(box: HomeportBox, name: str) -> Mapping[str, str]:
    """Puts the stand-in into the build context; the settings that name it."""
    digest = write_source(name, box.catalog_dir / name / "web" / FILE)
    return {f"{APPS[name].settings}_SOURCE": FILE, f"{APPS[name].settings}_SHA256": digest}


def signs_in(box: HomeportBox, name: str, password: str) -> bool:
    page, user, secret = APPS[name].login
    url = f"http://127.0.0.1:{box.app(name)['host_port']}{page}"
    return requests.post(url, data={user: "home", secret: password}, timeout=10).text == "signed in"


def drop_database(engine: EngineBox, name: str) -> None:
    database = engine.client.containers.get(f"homeport-{name}-db-1")
    client = ["mariadb", "--user=mysql", "--socket=/run/mysqld/mysqld.sock"]
    code, output = database.exec_run([*client, f"--execute=DROP DATABASE {name}"])
    assert code == 0, output


def answers(box: HomeportBox, name: str) -> bool:
    try:
        return box.visit(name).ok
    except requests.ConnectionError:
        return False


def images(engine: EngineBox, name: str) -> set[str]:
    found = engine.client.images.list(filters={"reference": f"homeport/{name}-*"})
    return {tag for image in found for tag in image.tags}


def runs(engine: EngineBox, name: str, *argv: str) -> bool:
    code, _ = engine.client.containers.get(name).exec_run(list(argv))
    return bool(code == 0)


def test_an_app_without_the_hash_of_its_source_is_refused_with_what_is_missing(
    box: HomeportBox, name: str
) -> None:
    answer = box.post("/v1/apps", {"definition": name})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    missing = f"{APPS[name].settings}_SHA256: must be given: the SHA-256 of the release's zip file"
    assert missing in answer.text
    assert leftovers(box, name) == []


def test_a_source_that_has_another_hash_is_not_unpacked_and_nothing_is_left(
    box: HomeportBox, engine_box: EngineBox, name: str
) -> None:
    settings = {**source_settings(box, name), f"{APPS[name].settings}_SHA256": "0" * 64}
    before = images(engine_box, name)  # an app that another test removed leaves its images

    problem = box.fail(box.install(name, settings=settings), timeout_s=BUILD_S)

    assert problem["code"] == "build_failed"
    dockerfile = (box.catalog_dir / name / "web" / "Dockerfile").read_text().splitlines()
    assert "sha256sum --check" in dockerfile[problem["facts"]["line"] - 1]
    assert "sha256sum --check" in problem["facts"]["instruction"]
    assert any("computed checksum did NOT match" in line for line in problem["facts"]["last_lines"])
    assert leftovers(box, name) == []
    assert images(engine_box, name) == before


def test_an_app_is_built_from_a_file_configures_itself_and_keeps_what_it_holds(
    box: HomeportBox, engine_box: EngineBox, name: str
) -> None:
    app = APPS[name]
    settings = source_settings(box, name)
    box.succeed(box.install(name, settings=settings), timeout_s=BUILD_S)

    assert box.visit(name).text == app.says.format(port=box.app(name)["host_port"])
    assert [box.visit(name, path).status_code for path in app.refused] == [403] * len(app.refused)
    folder = box.state_dir / "projects" / name / "data"
    password, config = (folder / "password").read_text(), (folder / app.config).read_text()
    assert (folder / "password").stat().st_mode & 0o077 == 0
    assert signs_in(box, name, password.strip())
    assert not signs_in(box, name, "another")
    assert {path.name for path in folder.iterdir()} <= {"password", app.config, "logs"}
    in_image_alone = f"/usr/share/{name}/index.php"
    assert runs(engine_box, name, "test", "-e", in_image_alone)
    for left_behind in ("/tmp/source.zip", "/usr/bin/unzip", f"/usr/share/{name}/install.php"):
        assert not runs(engine_box, name, "test", "-e", left_behind), left_behind
    users = {
        row[0] for row in engine_box.client.containers.get(name).top(ps_args="-eo user,pid")["Processes"]
    }
    assert users == {"www-data"}

    box.succeed(box.uninstall(name))
    assert leftovers(box, name, but_data=True) == []
    box.succeed(box.install(name, settings=settings), timeout_s=BUILD_S)

    assert (folder / "password").read_text() == password
    assert (folder / app.config).read_text() == config
    assert signs_in(box, name, password.strip())
    box.succeed(box.uninstall(name, purge=True, remove_images=True))
    assert leftovers(box, name) == []


def test_a_first_start_that_was_broken_off_begins_anew_and_a_full_database_is_left_alone(
    box: HomeportBox, engine_box: EngineBox, name: str
) -> None:
    box.succeed(box.install(name, settings=source_settings(box, name)), timeout_s=BUILD_S)
    container = engine_box.client.containers.get(name)
    folder = box.state_dir / "projects" / name / "data"
    config = folder / APPS[name].config
    password, kept = (folder / "password").read_text(), config.read_bytes()

    container.stop(timeout=5)
    config.unlink()
    container.start()
    wait_until(lambda: b"Put it back." in container.logs(), what="its refusal", timeout_s=30)
    container.stop(timeout=5)
    config.write_bytes(kept)
    os.chown(config, 33, 33)  # www-data of Debian
    container.start()
    wait_until(lambda: answers(box, name), what="its page", timeout_s=30)
    assert signs_in(box, name, password.strip())

    container.stop(timeout=5)
    config.unlink()
    (folder / "unfinished").touch()
    drop_database(engine_box, name)  # as if it had been broken off while it was about to begin anew
    container.start()
    wait_until(lambda: answers(box, name), what="its page", timeout_s=30)
    assert not signs_in(box, name, password.strip())
    assert signs_in(box, name, (folder / "password").read_text().strip())
    assert not (folder / "unfinished").exists()

    box.succeed(box.uninstall(name, purge=True, remove_images=True))
    assert leftovers(box, name) == []

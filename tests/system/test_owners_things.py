"""What belongs to the owner of the box: it is in nobody's way, or named, and never deleted."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from homeport.host.ports import RESERVED_PORTS, format_ports
from tests.harness.definitions import headless_app, pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers, reserved_ports
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

SERVICE = "    volumes: ['./files:/files', 'store:/store']\nvolumes: {store: {}}\n"
WEB, SICK = "acme/owned:1", "acme/owned-sick:1"
STORE = "homeport-owned_store"


@pytest.fixture(scope="module")
def box(homeport_box: HomeportBox, engine_box: EngineBox) -> HomeportBox:
    """A Homeport with an app that has a folder and a volume, and one of the same shape that never starts."""
    publish_standin(engine_box, WEB)
    publish_standin(engine_box, SICK, mode="exits")
    homeport_box.add_definition("owned", pulled_app("owned", WEB, service=SERVICE))
    homeport_box.add_definition("sick", pulled_app("sick", SICK, service=SERVICE))
    return homeport_box


def project(box: HomeportBox) -> Path:
    return box.state_dir / "projects" / "owned"


def in_container(engine: EngineBox, *argv: str) -> None:
    code, output = engine.client.containers.get("owned").exec_run(list(argv))
    assert code == 0, output


def in_volume(engine: EngineBox) -> list[str]:
    """The files in the app's volume."""
    place = Path(engine.client.api.inspect_volume(STORE)["Mountpoint"])
    return sorted(path.name for path in place.iterdir())


def test_a_purge_deletes_what_homeport_made_whoever_owns_it_and_nothing_else(
    box: HomeportBox, engine_box: EngineBox, tmp_path: Path
) -> None:
    (tmp_path / "letter").write_text("dear")
    box.succeed(box.install("owned"))
    (project(box) / "mine.txt").write_text("the owner's")
    in_container(engine_box, "ln", "-s", str(tmp_path), "/files/out")
    in_container(engine_box, "ln", "-s", "/", "/store/out")
    in_container(
        engine_box, "sh", "-c", "mkdir -m 700 /files/deep && touch /files/deep/a && chown -R 4242 /files"
    )

    box.succeed(box.uninstall("owned", purge=True))

    assert (tmp_path / "letter").read_text() == "dear"
    assert [path.name for path in project(box).iterdir()] == ["mine.txt"]
    assert leftovers(box, "owned", but_data=True) == []
    assert STORE not in [volume.name for volume in engine_box.client.volumes.list()]
    (project(box) / "mine.txt").unlink()
    project(box).rmdir()


def test_a_folder_that_was_there_before_the_app_is_not_purged(box: HomeportBox) -> None:
    (project(box) / "files").mkdir(parents=True)
    (project(box) / "files" / "letter").write_text("dear")
    os.chown(project(box) / "files", 4242, 4242)

    box.succeed(box.install("owned"))
    box.succeed(box.uninstall("owned", purge=True))

    assert (project(box) / "files" / "letter").read_text() == "dear"
    assert (project(box) / "files").stat().st_uid == 4242
    (project(box) / "files" / "letter").unlink()
    (project(box) / "files").rmdir()
    project(box).rmdir()


def test_a_failed_install_over_kept_data_leaves_the_data_and_a_purge_still_finds_it(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    box.succeed(box.install("owned"))
    in_container(engine_box, "touch", "/files/letter", "/store/letter")
    box.succeed(box.uninstall("owned"))

    assert box.fail(box.install("sick", identifier="owned"))["code"] == "container_exited"

    assert (project(box) / "files" / "letter").exists()
    assert in_volume(engine_box) == ["letter"]
    assert leftovers(box, "owned", but_data=True) == []
    box.succeed(box.install("owned"))
    in_container(engine_box, "ls", "/files/letter", "/store/letter")
    box.succeed(box.uninstall("owned", purge=True))
    assert leftovers(box, "owned") == []


def test_a_port_that_an_owners_container_publishes_is_told_by_its_name(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    own = engine_box.client.containers.run(
        "debian:bookworm-slim", "sleep 300", detach=True, name="owners-own", ports={"80/tcp": 35660}
    )
    try:
        problem = box.fail(box.install("owned", app_id=660))
    finally:
        own.remove(force=True)

    assert problem["code"] == "port_in_use"
    assert problem["facts"]["port"] == 35660
    assert "'owners-own'" in problem["why"]
    assert leftovers(box, "owned") == []


@pytest.mark.parametrize("kind", ["network", "volume"])
def test_a_foreign_thing_of_a_name_that_the_app_needs_is_named_and_stays(
    box: HomeportBox, engine_box: EngineBox, kind: str
) -> None:
    client = engine_box.client
    foreign = (
        client.networks.create("homeport-owned_default")
        if kind == "network"
        else client.volumes.create(STORE)
    )
    try:
        problem = box.fail(box.install("owned"))

        assert problem["code"] == "foreign_object"
        assert (problem["facts"]["kind"], problem["facts"]["name"]) == (kind, foreign.name)
        foreign.reload()
    finally:
        foreign.remove()
    assert leftovers(box, "owned") == []


def test_two_apps_that_want_one_further_port_are_told_so_at_once(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    box.add_definition("first", pulled_app("first", WEB, service="      - 2300:80\n"))
    box.add_definition("second", pulled_app("second", WEB, service="      - 2300:80\n"))
    box.succeed(box.install("first"))

    answer = box.post("/v1/apps", {"definition": "second"})

    assert answer.status_code == requests.codes.conflict
    problem = answer.json()
    assert (problem["code"], problem["facts"]["kind"], problem["facts"]["value"]) == ("taken", "port", "2300")
    assert problem["facts"]["holder"] == "first"
    box.succeed(box.uninstall("first", purge=True))


def test_with_the_engine_down_an_uninstall_says_so_and_works_when_it_is_back(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    box.succeed(box.install("owned"))
    engine_box.stop()
    try:
        problem = box.fail(box.uninstall("owned", purge=True))
    finally:
        engine_box.start()

    assert problem["code"] == "engine_unavailable"
    assert problem["remedy"]
    assert problem["restored"] == "Put back: withdraw route."
    assert project(box).is_dir()
    assert box.app("owned")["state"] == "running"
    box.succeed(box.uninstall("owned", purge=True))
    assert leftovers(box, "owned") == []


def test_an_uninstall_asked_while_the_install_runs_waits_for_it(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    engine_box.remove_image(WEB)
    engine_box.line.throttle(20_000)
    install = box.install("owned")
    box.wait_for_step(install, "fetch images")
    uninstall = box.uninstall("owned", purge=True)
    engine_box.line.mend()

    box.succeed(install)
    box.succeed(uninstall)

    assert leftovers(box, "owned") == []


def test_what_an_engine_that_went_away_kept_from_being_undone_is_taken_away_when_it_is_back(
    fresh_homeport: Callable[..., HomeportBox], engine_box: EngineBox
) -> None:
    publish_standin(engine_box, "acme/never-well:1", mode="unhealthy")
    box = fresh_homeport()
    box.add_definition("half", pulled_app("half", "acme/never-well:1", service=SERVICE))
    job = box.install("half")
    box.wait_for_step(job, "wait until healthy")
    engine_box.kill()
    try:
        problem = box.fail(job, timeout_s=120)
        assert box.app("half")["state"] == "installing"
    finally:
        engine_box.start()
    assert problem["restored"].startswith("Could not be put back: ")

    wait_until(lambda: box.apps() == [], what="its uninstall", timeout_s=60, log=box.log)

    assert leftovers(box, "half", but_data=True) == []
    engine_box.client.volumes.get("homeport-half_store").remove()
    ((job_id,),) = box.sql("SELECT id FROM jobs WHERE kind = 'uninstall'")
    assert box.job(job_id)["state"] == "succeeded"


def test_an_install_is_undone_when_the_engine_that_went_away_is_back(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    publish_standin(engine_box, "acme/never-well:1", mode="unhealthy")
    box.add_definition("half", pulled_app("half", "acme/never-well:1", service=SERVICE))
    job = box.install("half")
    box.wait_for_step(job, "wait until healthy")
    engine_box.kill()
    try:
        wait_until(lambda: box.job(job)["state"] == "undoing", what="the undo", timeout_s=30)
    finally:
        engine_box.start()

    problem = box.fail(job)

    assert problem["code"] == "engine_unavailable"
    assert problem["restored"] == "Put back: create, render project, reserve, read definition."
    assert leftovers(box, "half") == []


def test_after_a_cancelled_uninstall_the_app_runs_again_with_its_data_and_can_be_uninstalled(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    box.add_definition("stubborn", headless_app("stubborn", WEB, service="    command: [sleep, '300']\n"))
    box.succeed(box.install("stubborn"))
    job = box.uninstall("stubborn", purge=True)
    box.wait_for_step(job, "stop")

    assert box.cancel(job).status_code == requests.codes.accepted
    ended = box.wait(job, timeout_s=20)

    assert ended["state"] == "cancelled"
    assert ended["problem"]["restored"] == "Put back: withdraw route."
    assert box.app("stubborn")["state"] == "running"
    ((repair,),) = box.sql("SELECT id FROM jobs WHERE kind = 'repair' AND subject = 'stubborn'")
    box.succeed(box.job(repair))
    assert engine_box.client.containers.get("stubborn").status == "running"
    box.succeed(box.uninstall("stubborn", purge=True))
    assert leftovers(box, "stubborn") == []


def test_the_second_of_two_uninstalls_is_told_that_there_is_no_app(box: HomeportBox) -> None:
    box.succeed(box.install("owned"))

    first, second = box.uninstall("owned", purge=True), box.uninstall("owned", purge=True)

    box.succeed(first)
    assert box.fail(second)["code"] == "not_found"


def test_an_image_that_the_owner_had_under_another_name_stays(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    engine_box.remove_image(WEB)
    engine_box.client.images.pull("acme/owned", tag="1").tag("owners/own", "1")
    engine_box.remove_image(WEB)

    box.succeed(box.install("owned"))
    box.succeed(box.uninstall("owned", purge=True, remove_images=True))

    assert engine_box.client.images.list("owners/own")
    engine_box.remove_image("owners/own:1")
    engine_box.remove_image(WEB)


def test_an_image_that_is_here_only_because_homeport_built_it_goes_when_asked(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    box.add_definition(
        "made",
        {
            "app.yml": 'name: made\ntitle: Made\nversion: "1"\nimages: {made: {context: ./image}}\n',
            "docker-compose.yml": "services:\n  made: {command: [sleep, '300'], stop_signal: SIGKILL}\n",
            "image/Dockerfile": "FROM debian:bookworm-slim\nRUN echo made > /made\n",
        },
    )
    box.succeed(box.install("made"))
    (image,) = engine_box.client.images.list(filters={"label": "homeport.definition=made"})
    assert image.labels["homeport.built"] == "true"

    box.succeed(box.uninstall("made"))
    assert engine_box.client.images.list(filters={"label": "homeport.definition=made"})
    box.succeed(box.install("made"))
    box.succeed(box.uninstall("made", purge=True, remove_images=True))

    assert engine_box.client.images.list(filters={"label": "homeport.definition=made"}) == []


def test_a_network_that_an_owners_container_has_joined_is_named_and_can_be_left(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    box.succeed(box.install("owned"))
    guest = engine_box.client.containers.run(
        "debian:bookworm-slim", "sleep 300", detach=True, name="guest", network="homeport-owned_default"
    )
    try:
        problem = box.fail(box.uninstall("owned", purge=True))
        guest.reload()
        assert guest.status == "running"
    finally:
        guest.remove(force=True)

    assert "homeport-owned_default" in problem["what"] + problem["why"]
    box.succeed(box.uninstall("owned", purge=True))
    assert leftovers(box, "owned") == []


def test_host_ports_are_kept_again_after_the_kernel_has_forgotten_them(
    fresh_homeport: Callable[..., HomeportBox], engine_box: EngineBox
) -> None:
    box = fresh_homeport()
    box.add_definition("owned", pulled_app("owned", WEB, service=SERVICE))
    box.succeed(box.install("owned", app_id=661))
    box.stop()
    others = reserved_ports() - {35661}
    RESERVED_PORTS.write_text(
        format_ports(others | {39999}) + "\n"
    )  # as after a boot, with one of the owner's
    (box.run_dir / "reserved-ports").unlink()

    box.start()
    wait_until(lambda: 35661 in reserved_ports(), what="the port's entry", timeout_s=10)

    assert 39999 in reserved_ports()
    box.succeed(box.uninstall("owned", purge=True))
    assert reserved_ports() == others | {39999}
    RESERVED_PORTS.write_text(format_ports(others) + "\n")

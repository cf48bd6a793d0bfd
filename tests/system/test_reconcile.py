"""What somebody removed, stopped or left behind on the box is put right; what is not ours is not touched."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from homeport.host.ports import RESERVED_PORTS, add_reserved_port, format_ports
from tests.harness.definitions import pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.leftovers import reserved_ports
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

IMAGE = "acme/steady:1"
TWO = "    volumes: ['./files:/files', 'store:/store']\n"
RECONCILE_S = 0.5


@pytest.fixture(scope="module")
def box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    """A Homeport that compares all the time, with an app that has a folder and a volume."""
    publish_standin(engine_box, IMAGE)
    with HomeportBox(engine_box, "reconcile", reconcile_s=RECONCILE_S) as homeport:
        service = TWO + "volumes: {store: {}}\n"
        homeport.add_definition("steady", pulled_app("steady", IMAGE, service=service))
        homeport.succeed(homeport.install("steady", app_id=650))
        homeport.succeed(homeport.install("steady", identifier="neighbour", app_id=651))
        yield homeport
        homeport.clear()


def repairs(box: HomeportBox, identifier: str = "steady") -> list[Json]:
    jobs = box.get(f"/v1/jobs?app={identifier}")["items"]
    return [job for job in jobs if job["kind"] == "repair"]


def repaired_after(box: HomeportBox, spoil: Callable[[], object], identifier: str = "steady") -> Json:
    """The one repair that a change brings about, ended. Earlier ones are made old, or it would wait."""
    box.sql("UPDATE jobs SET finished_at = 0 WHERE kind = 'repair'")
    before = len(repairs(box, identifier))
    spoil()
    wait_until(lambda: len(repairs(box, identifier)) > before, what="a repair", timeout_s=20)
    job = box.succeed(repairs(box, identifier)[0], timeout_s=60)
    assert len(repairs(box, identifier)) == before + 1
    return job


def container(engine: EngineBox, name: str = "steady") -> Any:
    return engine.client.containers.get(name)


def test_a_container_that_was_removed_by_hand_is_there_again_and_keeps_its_data(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    (box.state_dir / "projects" / "steady" / "files" / "mine").write_text("kept")
    neighbour = container(engine_box, "neighbour").id

    job = repaired_after(box, lambda: container(engine_box).remove(force=True))

    assert job["result"]["found"] == ["the container of the service steady is gone"]
    assert "the container of the service steady is gone" in box.job_log(job)
    assert box.visit("steady").ok
    assert (box.state_dir / "projects" / "steady" / "files" / "mine").read_text() == "kept"
    assert container(engine_box, "neighbour").id == neighbour
    assert repairs(box, "neighbour") == []
    (facts,) = [event["facts"] for event in box.events("box.repaired") if event["job"] == job["id"]]
    assert facts == {"found": ["the container of the service steady is gone"]}


def test_a_container_that_was_stopped_by_hand_runs_again_and_is_the_same(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    before = container(engine_box).id

    job = repaired_after(box, lambda: container(engine_box).stop(timeout=1))

    assert job["result"]["found"] == ["the container steady does not run (Docker says: exited)"]
    assert container(engine_box).id == before
    assert box.visit("steady").ok


def test_a_compose_file_that_is_gone_is_written_anew_and_the_container_stays(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    path = box.state_dir / "projects" / "steady" / "docker-compose.yml"
    text, before = path.read_text(), container(engine_box).id

    job = repaired_after(box, path.unlink)

    assert job["result"]["found"] == ["its compose file is gone"]
    assert path.read_text() == text
    assert container(engine_box).id == before


def test_a_container_that_compose_left_half_made_is_removed(box: HomeportBox, engine_box: EngineBox) -> None:
    labels = {**container(engine_box).labels, "com.docker.compose.replace": "steady"}
    image = container(engine_box).image.id

    job = repaired_after(
        box, lambda: engine_box.client.containers.create(image, name="0123456789ab_steady", labels=labels)
    )

    assert job["result"]["found"] == ["the container 0123456789ab_steady is half made"]
    with pytest.raises(docker.errors.NotFound):
        container(engine_box, "0123456789ab_steady")
    assert box.visit("steady").ok


def test_a_network_that_is_gone_is_made_again(box: HomeportBox, engine_box: EngineBox) -> None:
    def remove() -> None:
        network = engine_box.client.networks.get("homeport-steady_default")
        network.disconnect("steady", force=True)
        network.remove()

    job = repaired_after(box, remove)

    assert "the network homeport-steady_default is gone" in job["result"]["found"]
    assert box.visit("steady").ok
    networks = container(engine_box).attrs["NetworkSettings"]["Networks"]
    assert list(networks) == ["homeport-steady_default"]


def test_what_belongs_to_no_app_any_more_is_removed_but_its_volume_stays(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    client, image = engine_box.client, container(engine_box).image.id
    labels = {"homeport.app": "lost", "homeport.box": str(box.state_dir)}
    project = {"com.docker.compose.project": "homeport-lost"}

    def leave() -> None:
        client.volumes.create("homeport-lost_store", labels={**labels, **project})
        client.networks.create("homeport-lost_default", labels={**labels, **project})
        client.containers.create(image, name="lost", labels={**labels, **project})

    job = repaired_after(box, leave, "lost")

    assert client.containers.list(all=True, filters={"name": "lost"}) == []
    wait_until(
        lambda: not client.networks.list(names=["homeport-lost_default"]), what="no network", timeout_s=10
    )
    assert client.volumes.get("homeport-lost_store").name == "homeport-lost_store"
    assert any(words == "the container lost belongs to no app" for words in job["result"]["found"])
    client.volumes.get("homeport-lost_store").remove()


def test_what_is_not_this_boxs_is_not_touched(box: HomeportBox, engine_box: EngineBox) -> None:
    client, image = engine_box.client, container(engine_box).image.id
    other = {"homeport.app": "theirs", "homeport.box": "/srv/another/homeport"}
    foreign = client.containers.create(image, name="theirs", labels=other)
    unlabelled = client.containers.create(image, name="nobodys")
    network = client.networks.create("theirs_default", labels=other)

    job = repaired_after(box, lambda: container(engine_box).stop(timeout=1))

    assert job["state"] == "succeeded"
    assert repairs(box, "theirs") == []
    assert client.containers.get("theirs").id == foreign.id
    assert client.networks.get("theirs_default").id == network.id
    for one in (foreign, unlabelled, network):
        one.remove()


def test_ports_claims_and_files_of_no_app_are_given_back_and_its_data_stays(box: HomeportBox) -> None:
    folder = box.state_dir / "projects" / "gone"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "mine").write_text("kept")
    rendered = (box.state_dir / "projects" / "steady" / "docker-compose.yml").read_text()
    (folder / "docker-compose.yml").write_text(rendered.replace("homeport.app: steady", "homeport.app: gone"))
    box.sql(
        "INSERT INTO claims (kind, value, identifier, job_id) VALUES ('port', '35677', 'gone', 'no-such-job')"
    )
    add_reserved_port(35678, run_dir=box.run_dir)

    wait_until(lambda: not (folder / "docker-compose.yml").exists(), what="no stray file", timeout_s=20)
    wait_until(lambda: 35678 not in reserved_ports(), what="the stray port is free", timeout_s=20)

    assert (folder / "files" / "mine").read_text() == "kept"
    assert box.sql("SELECT * FROM claims WHERE identifier = 'gone'") == []
    told = [event["facts"] for event in box.events("box.repaired") if event["app"] is None]
    assert any("projects/gone" in facts.get("files", ()) for facts in told)
    assert any("gone" in facts.get("claims", ()) for facts in told)
    assert any("35678" in facts.get("ports", ()) for facts in told)


def test_a_project_folder_of_the_owners_own_is_left_alone(box: HomeportBox) -> None:
    mine, copied = (box.state_dir / "projects" / name for name in ("mine", "copied"))
    for folder in (mine, copied):
        (folder / "definition").mkdir(parents=True)
        (folder / "definition" / "letter").write_text("dear")
    (mine / "docker-compose.yml").write_text("services: {web: {image: nginx}}\n")
    shutil.copy(box.state_dir / "projects" / "steady" / "docker-compose.yml", copied)

    add_reserved_port(35679, run_dir=box.run_dir)  # a comparison that began later gives it back
    wait_until(lambda: 35679 not in reserved_ports(), what="a comparison", timeout_s=20)

    for folder in (mine, copied):
        assert (folder / "definition" / "letter").read_text() == "dear"
        assert (folder / "docker-compose.yml").exists()
        shutil.rmtree(folder)


def test_a_port_that_was_taken_out_of_the_kernels_list_by_hand_is_reserved_again(box: HomeportBox) -> None:
    before = len(box.events("box.repaired"))

    RESERVED_PORTS.write_text(format_ports(reserved_ports() - {35650}) + "\n")

    wait_until(lambda: 35650 in reserved_ports(), what="the app's port is back", timeout_s=20)
    wait_until(lambda: len(box.events("box.repaired")) > before, what="it is told", timeout_s=20)
    told = [event["facts"] for event in box.events("box.repaired")[before:]]
    assert told == [{"reserved": ["35650"]}]


def test_an_app_whose_uninstall_was_broken_off_is_uninstalled_and_keeps_its_data(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    box.succeed(box.install("steady", identifier="half", app_id=652))
    mine = box.state_dir / "projects" / "half" / "files" / "mine"
    mine.write_text("kept")

    box.sql("UPDATE apps SET state = 'uninstalling', desired = 'stopped' WHERE identifier = 'half'")
    wait_until(
        lambda: box.sql("SELECT * FROM apps WHERE identifier = 'half'") == [], what="no app", timeout_s=30
    )

    (job,) = [job for job in box.get("/v1/jobs?app=half")["items"] if job["kind"] == "uninstall"]
    assert box.succeed(job)["parameters"]["found"] == ["its uninstall was broken off"]
    assert mine.read_text() == "kept"
    with pytest.raises(docker.errors.NotFound):
        container(engine_box, "half")
    assert 35652 not in reserved_ports()


def test_an_app_that_a_job_is_about_to_change_is_left_to_the_job(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    before = len(repairs(box))
    box.sql("UPDATE jobs SET finished_at = 0 WHERE kind = 'repair'")

    box.succeed(box.uninstall("steady"))  # whose containers go before its row does
    box.succeed(box.install("steady", app_id=650))

    assert len(repairs(box)) == before


def test_with_the_engine_away_nothing_is_decided(box: HomeportBox, engine_box: EngineBox) -> None:
    before = {identifier: len(repairs(box, identifier)) for identifier in ("steady", "neighbour")}

    engine_box.stop()
    try:
        wait_until(lambda: "reconcile: " in box.log.read_text(), what="the reconciler says so", timeout_s=20)
        assert {identifier: len(repairs(box, identifier)) for identifier in before} == before
    finally:
        engine_box.start()
    wait_until(lambda: "reconcile: works again" in box.log.read_text(), what="it goes on", timeout_s=60)

    wait_until(
        lambda: box.answers("steady") and box.answers("neighbour"), what="the apps answer", timeout_s=60
    )

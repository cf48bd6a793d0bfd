"""Projects that Compose starts and removes on a real engine."""

import json
import socket
import time
from pathlib import Path

import pytest

from compose.data import create_data_folders, made_folders, purge_folders, remove_project_files
from compose.project import write_project
from homeport.errors import (
    CancelledError,
    ContainerExitedError,
    ForeignObjectError,
    PortInUseError,
    StartFailedError,
)
from tests.harness.engine import EngineBox
from tests.system.projects import IMAGE, Go, scratch

STAYS = ["sleep", "1000"]
WEB = "web: {service: web, port: 8080}\n"
PAIR = json.dumps(
    {
        "services": {
            "web": {
                "image": IMAGE,
                "command": STAYS,
                "init": True,
                "depends_on": ["db"],
                "volumes": ["./files:/files"],
            },
            "db": {"image": IMAGE, "command": STAYS, "init": True, "volumes": ["store:/store"]},
        },
        "volumes": {"store": None},
    }
)


def one(**more: object) -> str:
    """A compose file with the one service `web`."""
    return json.dumps({"services": {"web": {"image": IMAGE, "command": STAYS, "init": True, **more}}})


def test_up_runs_what_was_rendered(engine_box: EngineBox, tmp_path: Path) -> None:
    limits = "limits: {cpus: 0.5, memory: 64M, pids: 50}\n"
    with scratch(engine_box.docker_host, tmp_path, PAIR, WEB + limits) as project:
        fractions = project.up()

        found = engine_box.client.containers.get(project.facts.identifier).attrs

    host = found["HostConfig"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (64 << 20, 64 << 20, 50)
    assert host["NanoCpus"] == 500_000_000
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10485760"}}
    assert host["PortBindings"] == {
        "8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(project.facts.host_port)}]
    }
    assert found["Config"]["Labels"]["homeport.app"] == project.facts.identifier
    assert "Health" not in found["State"]


def test_dollar_signs_arrive_as_the_definition_means_them(engine_box: EngineBox, tmp_path: Path) -> None:
    compose = one(environment={"PRICE": "5$$ $${HOME}"})
    with scratch(engine_box.docker_host, tmp_path, compose) as project:
        project.up()

        found = engine_box.client.containers.get(project.facts.identifier).attrs

    assert "PRICE=5$ ${HOME}" in found["Config"]["Env"]


def test_down_leaves_nothing_but_volumes_and_those_go_when_asked(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    with scratch(engine_box.docker_host, tmp_path, PAIR, WEB) as project:
        project.up()

        project.down()

        assert project.left() == []
        assert project.runner.volumes(project.project) == (f"{project.project}_store",)
        assert project.runner.remove_volumes(project.project, only=["another"]) == ()
        assert project.runner.remove_volumes(project.project) == (f"{project.project}_store",)
        assert project.runner.volumes(project.project) == ()


def test_down_needs_no_compose_file_and_may_be_repeated(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, PAIR, WEB) as project:
        project.up()
        remove_project_files(project.facts.project_dir)

        project.down()
        project.down()

        assert project.left() == []


def test_down_removes_the_project_when_its_compose_file_is_broken(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    with scratch(engine_box.docker_host, tmp_path, PAIR, WEB) as project:
        project.up()
        (project.facts.project_dir / "docker-compose.yml").write_text("services: [")

        project.down()

        assert project.left() == []


def test_volumes_without_a_name_go_with_their_containers_when_asked(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    image = engine_box.client.api
    container = image.create_container(IMAGE, ["true"])
    image.commit(container, "scratch-with-volume", "1", conf={"Volumes": {"/kept": {}}})
    image.remove_container(container)
    before = {volume.name for volume in engine_box.client.volumes.list()}
    compose = one().replace(IMAGE, "scratch-with-volume:1")
    with scratch(engine_box.docker_host, tmp_path, compose) as project:
        project.up()
        assert {volume.name for volume in engine_box.client.volumes.list()} != before

        project.down(anonymous_volumes=True)

        assert {volume.name for volume in engine_box.client.volumes.list()} == before
    engine_box.remove_image("scratch-with-volume:1")


def test_a_half_replaced_container_is_removed_before_the_next_start(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    with scratch(engine_box.docker_host, tmp_path, one()) as project:
        project.up()
        running = engine_box.client.containers.get(project.facts.identifier)
        labels = {**running.labels, "com.docker.compose.replace": str(running.id)}
        engine_box.client.containers.create(IMAGE, STAYS, name=f"0123456789ab_{running.name}", labels=labels)

        project.up()

        assert [one.name for one in project.engine.project_containers(project.project)] == [running.name]
        assert engine_box.client.containers.get(project.facts.identifier).id == running.id


def test_a_second_up_changes_nothing(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, PAIR, WEB) as project:
        project.up()
        before = [one.id for one in project.engine.project_containers(project.project)]

        project.up()

        assert [one.id for one in project.engine.project_containers(project.project)] == before


def test_a_port_that_another_process_holds_is_named_with_that_process(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    with scratch(engine_box.docker_host, tmp_path, one(), WEB) as project, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("0.0.0.0", project.facts.host_port))
        other.listen()

        with pytest.raises(PortInUseError) as raised:
            project.up()

    assert raised.value.facts["port"] == project.facts.host_port
    assert "process" in raised.value.why


def test_a_foreign_container_of_the_name_is_refused_and_left_alone(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    with scratch(engine_box.docker_host, tmp_path, one()) as project:
        foreign = engine_box.client.containers.create(IMAGE, STAYS, name=project.facts.identifier)
        try:
            with pytest.raises(ForeignObjectError):
                project.up()
            project.down()

            assert engine_box.client.containers.get(str(foreign.id)).name == project.facts.identifier
        finally:
            foreign.remove(force=True)


def test_a_foreign_project_of_the_name_is_refused_and_left_alone(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    with scratch(engine_box.docker_host, tmp_path, one()) as project:
        labels = {"com.docker.compose.project": project.project}
        foreign = engine_box.client.containers.create(IMAGE, STAYS, labels=labels)
        try:
            with pytest.raises(ForeignObjectError):
                project.up()
            project.down()

            assert engine_box.client.containers.get(str(foreign.id)).status == "created"
        finally:
            foreign.remove(force=True)


def test_an_image_that_is_gone_is_said_to_be(engine_box: EngineBox, tmp_path: Path) -> None:
    compose = one().replace(IMAGE, "nowhere/absent:1")
    with (
        scratch(engine_box.docker_host, tmp_path, compose) as project,
        pytest.raises(StartFailedError) as raised,
    ):
        project.up()

    assert "nowhere/absent:1" in raised.value.why


def test_a_crash_loop_that_others_wait_for_is_seen_while_compose_waits(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    services = {
        "web": {"image": IMAGE, "command": STAYS, "depends_on": {"db": {"condition": "service_healthy"}}},
        "db": {
            "image": IMAGE,
            "command": ["sh", "-c", "echo no space; exit 1"],
            "healthcheck": {"test": ["CMD", "true"]},
        },
    }
    with scratch(
        engine_box.docker_host, tmp_path, json.dumps({"services": services}), "main: web\n"
    ) as project:
        began = time.monotonic()
        with pytest.raises(ContainerExitedError) as raised:
            project.up()

        assert time.monotonic() - began < 30
    assert raised.value.facts["service"] == "db"
    assert raised.value.facts["last_lines"][-1] == "no space"


def test_a_cancelled_start_ends_and_leaves_nothing_after_down(engine_box: EngineBox, tmp_path: Path) -> None:
    class Cancel(Go):
        def check(self) -> None:
            raise CancelledError("Cancelled.")

    with scratch(engine_box.docker_host, tmp_path, PAIR, WEB) as project:
        with pytest.raises(CancelledError):
            project.up(Cancel())
        project.down()

        assert project.left() == []


def test_only_folders_that_we_made_are_purged(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, PAIR, WEB) as project:
        folder = project.facts.project_dir
        project.up()
        (folder / "files" / "a").write_text("the app's")
        (folder / "mine").write_text("the owner's")
        assert create_data_folders(folder, project.rendered) == ()
        assert made_folders(folder) == ("files",)
        project.down()

        assert purge_folders(folder) == ("files",)
        remove_project_files(folder)

        assert [path.name for path in folder.iterdir()] == ["mine"]
        (folder / "mine").unlink()
        remove_project_files(folder)
        assert not folder.exists()


def test_a_link_out_of_the_project_is_not_followed(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, PAIR, WEB) as project:
        folder = project.facts.project_dir
        (folder / "files").rmdir()
        (folder / "files").symlink_to("/etc")

        with pytest.raises(ForeignObjectError):
            create_data_folders(folder, project.rendered)

        (folder / "files").unlink()
        write_project(folder, project.rendered)

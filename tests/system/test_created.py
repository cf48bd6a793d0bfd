"""What Compose understands and Docker makes of a project is judged before anything of it runs."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from compose.program import find_compose
from homeport.errors import CeilingReachedError, PolicyRefusedError
from tests.harness.engine import EngineBox
from tests.harness.programs import wait_until
from tests.system.projects import IMAGE, Scratch, scratch

STAYS = ["sleep", "1000"]
WEB = "web: {service: web, port: 8080}\n"
ONE = json.dumps({"services": {"web": {"image": IMAGE, "command": STAYS, "init": True}}})
PAIR = json.dumps(
    {
        "services": {
            "web": {
                "image": IMAGE,
                "command": STAYS,
                "init": True,
                "depends_on": ["db"],
                "links": ["db:store"],
                "volumes": ["./files:/files", "/etc/localtime:/etc/localtime:ro", "/cache"],
                "ports": ["2224:22", "6060:6060/udp"],
                "environment": {"PRICE": "5$$ $${HOME}"},
                "tmpfs": ["/scratch"],
                "cap_drop": ["ALL"],
                "cap_add": ["CHOWN"],
                "configs": [{"source": "words", "target": "/words", "mode": 292}],
                "networks": {"front": {"aliases": ["pages"]}, "default": None},
            },
            "db": {
                "image": IMAGE,
                "command": STAYS,
                "restart": "on-failure:3",
                "volumes": ["store:/store", {"type": "tmpfs", "target": "/quick"}],
                "healthcheck": {"test": ["CMD", "true"]},
                "ulimits": {"nofile": 1024},
                "shm_size": "32m",
            },
            "side": {
                "image": IMAGE,
                "command": STAYS,
                "network_mode": "service:db",
                "volumes_from": ["web:ro"],
            },
            "alone": {"image": IMAGE, "command": STAYS, "network_mode": "none", "read_only": True},
        },
        "volumes": {"store": None},
        "networks": {"front": {"internal": True}},
        "configs": {"words": {"content": "costs 5$$"}},
    }
)


def test_what_every_app_may_have_is_made_and_nothing_of_it_runs(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    with scratch(
        engine_box.docker_host, tmp_path, PAIR, WEB + "limits: {memory: 64M, cpus: 0.5}\n"
    ) as project:
        project.create()
        assert {one.service: one.state for one in project.engine.project_containers(project.project)} == {
            "web": "created",
            "db": "created",
            "side": "created",
            "alone": "created",
        }

        project.create()
        project.up()
        project.create()

        assert states(project) == {"running"}


def tampering(folder: Path, monkeypatch: pytest.MonkeyPatch, other: Mapping[str, Any]) -> None:
    """Puts a Compose in place that answers as it should, and makes something else."""
    (folder / "other.yml").write_text(json.dumps(other))
    stand_in(
        folder,
        monkeypatch,
        f"""
words = sys.argv[1:]
if "up" in words:
    words[words.index("--file") + 1] = {str(folder / "other.yml")!r}
os.execv({find_compose()!r}, ["docker-compose", *words])
""",
    )


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    """Puts this program in Compose's place."""
    program = folder / "compose"
    program.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{lines}")
    program.chmod(0o755)
    monkeypatch.setattr("compose.program.find_compose", lambda: str(program))


def changed(project: Scratch, **keys: object) -> dict[str, Any]:
    """What was rendered, with these keys in the service `web`."""
    document = json.loads(json.dumps(project.rendered.document))
    document["services"]["web"] |= keys
    return dict(document)


def states(project: Scratch) -> set[str]:
    """The states of all containers of the project."""
    return {one.state for one in project.engine.project_containers(project.project)}


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ({"privileged": True}, "permission-not-granted"),
        ({"volumes": ["/etc:/etc"]}, "bind-forbidden"),
        ({"pid": "host"}, "permission-not-granted"),
        ({"security_opt": []}, "not-as-rendered"),
        ({"logging": {"driver": "none"}}, "not-as-rendered"),
        ({"cgroup_parent": "/"}, "host-access"),
    ],
)
def test_a_container_that_is_not_what_was_asked_for_never_runs(
    engine_box: EngineBox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: Mapping[str, object],
    rule: str,
) -> None:
    with scratch(engine_box.docker_host, tmp_path, ONE, "main: web\n") as project:
        tampering(tmp_path, monkeypatch, changed(project, **keys))

        with pytest.raises(PolicyRefusedError) as raised:
            project.create()

        assert {(finding.file, finding.rule) for finding in raised.value.findings} == {
            (f"the container {project.facts.identifier}", rule)
        }
        assert states(project) == {"created"}
        monkeypatch.undo()
        project.down()
        assert project.left() == []


def test_a_container_more_than_was_asked_for_is_refused(
    engine_box: EngineBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scratch(engine_box.docker_host, tmp_path, ONE) as project:
        other = changed(project)
        other["services"]["more"] = {"image": IMAGE, "labels": other["services"]["web"]["labels"]}
        tampering(tmp_path, monkeypatch, other)

        with pytest.raises(PolicyRefusedError):
            project.create()

        assert states(project) == {"created"}


def test_a_volume_that_is_a_folder_of_the_host_is_refused(engine_box: EngineBox, tmp_path: Path) -> None:
    with scratch(engine_box.docker_host, tmp_path, PAIR, WEB) as project:
        options = {"type": "none", "o": "bind", "device": "/etc"}
        (name,) = [name for name in project.rendered.volumes if name.endswith("_store")]
        labels = {"homeport.app": project.facts.identifier, "com.docker.compose.project": project.project}
        labels["com.docker.compose.volume"] = "store"
        engine_box.client.volumes.create(name, driver_opts=options, labels=labels)

        with pytest.raises(PolicyRefusedError) as raised:
            project.create()

        found = {(finding.file, finding.rule) for finding in raised.value.findings}
        assert (f"the volume {name}", "volume-driver-opts") in found
        assert states(project) <= {"created"}


def test_a_file_that_compose_reads_in_another_way_makes_nothing(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    with scratch(engine_box.docker_host, tmp_path, ONE) as project:
        file = project.facts.project_dir / "docker-compose.yml"
        file.write_text(json.dumps(changed(project, privileged=True)))

        with pytest.raises(PolicyRefusedError) as raised:
            project.create()

        assert {finding.file for finding in raised.value.findings} == {"the resolved project"}
        assert project.left() == []


def test_a_compose_that_never_answers_is_killed_with_all_that_it_started(
    engine_box: EngineBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compose.resolved._CEILING_S", 1.0)
    lines = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
with open({str(tmp_path / "pids")!r}, "a") as file:
    file.write(f"{{os.getpid()}}\\n")
time.sleep(600)
"""
    with scratch(engine_box.docker_host, tmp_path, ONE) as project:
        with monkeypatch.context() as patched:
            stand_in(tmp_path, patched, lines)
            with pytest.raises(CeilingReachedError):
                project.create()

        pids = (tmp_path / "pids").read_text().split()
        assert len(pids) == 2
        wait_until(lambda: not any(_runs(pid) for pid in pids), what="both processes end", timeout_s=30)
        assert project.left() == []
        assert list((tmp_path / "run" / "compose").iterdir()) == []


def test_a_file_that_never_ends_is_read_no_longer_than_the_deadline(
    engine_box: EngineBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compose.resolved._CEILING_S", 1.0)
    with scratch(engine_box.docker_host, tmp_path, ONE) as project:
        file = project.facts.project_dir / "docker-compose.yml"
        file.unlink()
        os.mkfifo(file)

        with pytest.raises(CeilingReachedError):
            project.create()

        file.unlink()
        assert project.left() == []


def _runs(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False

"""The processes of `homeport up`: what they may reach, how they end, and that no job is lost with them."""

import json
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from build_cache.caches.addresses import find_caches
from homeport.caches import DEVPI_OFFSET, PORT_OFFSETS
from homeport.host.engine import Engine
from homeport.settings import Settings
from tests.harness.caches import free_cache_port
from tests.harness.definitions import built_app, pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.leftovers import leftovers
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

FreshHomeport = Callable[..., HomeportBox]

CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


@pytest.fixture
def slow_install(engine_box: EngineBox) -> Iterator[Callable[[HomeportBox], Json]]:
    """Begins an install whose pull takes some seconds, and returns the job in the middle of it."""

    def begin(box: HomeportBox) -> Json:
        publish_standin(engine_box, "acme/slowly:1", payload_bytes=6_000_000)
        box.add_definition("slowly", pulled_app("slowly", "acme/slowly:1"))
        engine_box.line.throttle(1_000_000)
        job = box.install("slowly")
        box.wait_for_step(job, "fetch images")
        wait_until(lambda: bool(box.job(job)["detail"]), what="the pull", timeout_s=20)
        return job

    yield begin
    engine_box.line.mend()
    engine_box.remove_image("acme/slowly:1")


def finish(box: HomeportBox, job: Json) -> Json:
    ended = box.succeed(job)
    assert box.visit("slowly").ok
    box.succeed(box.uninstall("slowly", purge=True))
    assert leftovers(box, "slowly") == []
    return ended


def test_the_api_cannot_reach_docker(homeport_box: HomeportBox, engine_box: EngineBox) -> None:
    api = homeport_box.component("api")
    docker_group = engine_box.socket.stat().st_gid

    assert api.uids().effective != 0
    assert docker_group not in {api.gids().real, api.gids().effective, *groups_of(api)}
    assert str(engine_box.socket) not in {str(connection.raddr) for connection in api.net_connections("unix")}
    as_its_user = [
        "setpriv",
        f"--reuid={api.uids().real}",
        f"--regid={api.gids().real}",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        CONNECT,
        str(engine_box.socket),
    ]
    attempt = subprocess.run(as_its_user, capture_output=True, text=True, timeout=20, check=False)
    assert attempt.returncode != 0
    assert "PermissionError" in attempt.stderr
    as_root = subprocess.run(
        [sys.executable, "-c", CONNECT, str(engine_box.socket)], capture_output=True, timeout=20, check=False
    )
    assert as_root.returncode == 0, "else the refusal above would prove nothing"


def test_the_token_is_for_its_owner_alone(homeport_box: HomeportBox) -> None:
    status = (homeport_box.state_dir / "token").stat()

    assert (status.st_mode & 0o777, status.st_uid) == (0o600, 0)
    assert homeport_box.token not in homeport_box.log.read_text()
    database = homeport_box.state_dir / "db"
    for file in database.iterdir():
        assert homeport_box.token.encode() not in file.read_bytes(), "tokens are kept hashed"


def test_a_clean_stop_hands_the_job_back_and_it_goes_on_after_the_start(
    fresh_homeport: FreshHomeport, slow_install: Callable[[HomeportBox], Json]
) -> None:
    box = fresh_homeport()
    job = slow_install(box)

    box.stop()  # asserts that nothing is left running
    box.start()

    ended = finish(box, job)
    reserve = next(step for step in ended["steps"] if step["name"] == "reserve")
    fetch = next(step for step in ended["steps"] if step["name"] == "fetch images")
    assert (reserve["attempts"], fetch["attempts"]) == (1, 2)


def test_a_clean_stop_ends_a_running_build_which_is_done_after_the_start(
    fresh_homeport: FreshHomeport, engine_box: EngineBox
) -> None:
    dockerfile = (
        'FROM debian:bookworm-slim\nRUN echo begun && sleep 4 && date > /built\nCMD ["sleep", "600"]\n'
    )
    files = built_app("brick", dockerfile)
    files["app.yml"] = "\n".join(
        line for line in files["app.yml"].splitlines() if not line.startswith("web:")
    )
    files["docker-compose.yml"] = "services:\n  brick: {}\n"
    box = fresh_homeport()
    box.add_definition("brick", files)
    job = box.install("brick")
    wait_until(lambda: "begun" in box.job_log(job), what="the build", timeout_s=40)

    box.stop()  # asserts that nothing is left running
    assert not [tag for image in engine_box.client.images.list() for tag in image.tags if "brick" in tag]
    box.start()

    ended = box.succeed(job)
    fetch = next(step for step in ended["steps"] if step["name"] == "fetch images")
    assert fetch["attempts"] == 2
    box.succeed(box.uninstall("brick", purge=True, remove_images=True))
    assert leftovers(box, "brick") == []


def test_a_killed_worker_loses_no_job(
    fresh_homeport: FreshHomeport, slow_install: Callable[[HomeportBox], Json]
) -> None:
    box = fresh_homeport(lease_s=3)
    job = slow_install(box)

    box.component("workers").kill()

    ended = finish(box, job)
    assert ended["attempt"] >= 1


@pytest.mark.parametrize("module", ["api", "workers.steward", "workers"])
def test_a_killed_component_is_started_again(fresh_homeport: FreshHomeport, module: str) -> None:
    box = fresh_homeport()
    killed = box.component(module)

    killed.kill()
    killed.wait(10)

    def is_back() -> bool:
        modules = [process.cmdline()[-1] for process in box.processes() if process.is_running()]
        return module in modules and box.request("GET", "/readyz").ok

    wait_until(lambda: _unless_refused(is_back), what=module, timeout_s=20)
    assert box.component(module).pid != killed.pid


def _unless_refused(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (requests.ConnectionError, psutil.NoSuchProcess, IndexError):
        return False


def test_everything_dies_with_a_killed_supervisor_and_goes_on_after_the_start(
    fresh_homeport: FreshHomeport, slow_install: Callable[[HomeportBox], Json]
) -> None:
    box = fresh_homeport(lease_s=3)
    job = slow_install(box)
    processes = box.processes()

    box.kill()
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []
    box.start()

    finish(box, job)


def test_the_package_caches_are_another_users_listen_on_the_bridge_alone_and_die_with_the_supervisor(
    fresh_homeport: FreshHomeport, engine_box: EngineBox
) -> None:
    port = free_cache_port()
    settings = Settings.model_validate({"cache_port": port})
    owner = pwd.getpwnam(settings.cache_user)
    gateway = Engine(engine_box.docker_host).bridge().gateway
    box = fresh_homeport(package_caches=True, cache_port=port)
    wait_until(lambda: not find_caches(settings, gateway).down, what="the caches", timeout_s=60, log=box.log)
    devpi = box.component("build_cache.caches.devpi")
    nginx = [process for process in box.processes() if process.name() == "nginx"]
    caches = [*nginx, devpi, *devpi.children(recursive=True)]

    assert len(nginx) >= 2  # its first process and its worker
    for process in caches:
        assert set(process.uids()) == {owner.pw_uid}
        assert {*process.gids(), *groups_of(process)} == {owner.pw_gid}
    listening = {
        tuple(connection.laddr)
        for process in caches
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    }
    on_the_bridge = {(gateway, port + offset) for offset in PORT_OFFSETS.values()}
    assert listening == {*on_the_bridge, ("127.0.0.1", port + DEVPI_OFFSET)}

    box.kill()
    _, alive = psutil.wait_procs(caches, timeout=10)
    assert alive == []


def test_a_killed_valkey_loses_no_job(fresh_homeport: FreshHomeport, pulled_images: EngineBox) -> None:
    box = fresh_homeport()
    valkey = next(process for process in box.processes() if "valkey-server" in process.name())

    valkey.kill()
    job = box.install("hydra")

    box.succeed(job)
    box.succeed(box.uninstall("hydra", purge=True))


def test_an_engine_that_is_killed_in_mid_install_leaves_nothing(
    fresh_homeport: FreshHomeport, engine_box: EngineBox, slow_install: Callable[[HomeportBox], Json]
) -> None:
    box = fresh_homeport()
    job = slow_install(box)

    engine_box.kill()
    ended = box.wait(job)
    engine_box.start()

    assert ended["state"] == "failed"
    assert ended["problem"]["code"] in ("engine_unavailable", "pull_failed")
    assert leftovers(box, "slowly") == []


def test_json_logs_carry_the_job_and_the_app(fresh_homeport: FreshHomeport, pulled_images: EngineBox) -> None:
    box = fresh_homeport(log_format="json")
    job = box.install("hydra")
    box.succeed(job)
    box.succeed(box.uninstall("hydra", purge=True))

    records = [json.loads(line) for line in box.log.read_text().splitlines() if line.startswith("{")]

    assert any(record.get("job") == job["id"] and record.get("app") == "hydra" for record in records)


def groups_of(process: psutil.Process) -> set[int]:
    """Supplementary groups, which psutil does not tell."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    line = next(line for line in status if line.startswith("Groups:"))
    return {int(word) for word in line.split()[1:]}


def test_a_second_homeport_on_the_same_folders_is_refused_with_the_firsts_pid(
    homeport_box: HomeportBox,
) -> None:
    program = Path(sys.executable).with_name("homeport")

    second = subprocess.run(
        [program, "up"], env=homeport_box.environment, capture_output=True, text=True, timeout=60, check=False
    )

    supervisor = homeport_box.processes()[0]
    assert second.returncode == 1
    assert f"error: Homeport runs already (pid {supervisor.pid})." in second.stderr
    assert homeport_box.request("GET", "/readyz").ok

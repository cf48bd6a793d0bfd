"""docker-compose.dev.yml on the private engine, by the commands that it gives: Homeport as services."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from docker.models.containers import Container

from compose.program import find_compose
from tests.harness.caches import free_cache_port
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import Json, free_port
from tests.harness.programs import REPOSITORY, wait_until

FILE = REPOSITORY / "docker-compose.dev.yml"
PROJECT: dict[str, str | list[str] | bool] = {"label": "com.docker.compose.project=homeport-dev"}
SOCKET = "/var/run/docker.sock"
LONG_SERVICES = {"redis", "steward", "worker", "api", "nginx", "devpi", "proxy"}
CACHE_USER = "www-data"


class DevStack:
    """The stack with its own state, port and engine."""

    def __init__(self, engine: EngineBox) -> None:
        self.engine = engine
        self.state_dir = engine.root / "dev-state"
        self.port = free_port()
        self.http_port = free_port()
        self.environment = {
            **os.environ,
            "DOCKER_HOST": engine.docker_host,
            "HOMEPORT_DEV_STATE": str(self.state_dir),
            "HOMEPORT_DEV_PORT": str(self.port),
            "HOMEPORT_DEV_HTTP_PORT": str(self.http_port),
            "HOMEPORT_DEV_HTTPS_PORT": str(free_port()),
            "HOMEPORT_DEV_CACHE_PORT": str(free_cache_port()),
            "HOMEPORT_DEV_DOCKER_SOCKET": str(engine.socket),
        }

    def run(self, command: str, *, timeout_s: float) -> str:
        """Runs a command as the file's head gives it, by the Compose that Homeport brings; what it wrote.

        Raises:
            AssertionError: it failed.
        """
        words = shlex.split(command)
        if words[:2] == ["docker", "compose"]:
            words[:2] = [find_compose()]
        done = subprocess.run(
            words,
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{(done.stdout + done.stderr)[-4000:]}\n{self.logs()}"
        return done.stdout

    def logs(self) -> str:
        """The last lines of every service."""
        return "\n".join(
            f"{container.name}: {container.logs(tail=15).decode(errors='replace')}"
            for container in self.containers()
        )

    def containers(self) -> list[Container]:
        """The stack's own containers."""
        return list(self.engine.client.containers.list(all=True, filters=PROJECT))

    def services(self) -> dict[str, Container]:
        """The same by service."""
        return {container.labels["com.docker.compose.service"]: container for container in self.containers()}

    def request(self, method: str, path: str, **options: Any) -> Json:
        """A request to the stack's API with its first token; the JSON of the answer."""
        token = (self.state_dir / "token").read_text().strip()
        answer = requests.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            **options,
        )
        assert answer.ok, answer.text
        body: Json = answer.json()
        return body

    def succeed(self, job: Json) -> Json:
        """The job when it has ended, which has to be well."""
        path = f"/v1/jobs/{job['id']}"
        wait_until(lambda: bool(self.request("GET", path)["finished_at"]), what="the job", timeout_s=300)
        ended = self.request("GET", path)
        assert ended["state"] == "succeeded", f"{ended['problem']}\n{self.logs()}"
        return ended


def commands() -> list[str]:
    """The commands in the head of the file."""
    lines = FILE.read_text().splitlines()
    return [line.removeprefix("#").strip() for line in lines if line.startswith("#   ")]


@pytest.fixture
def stack(engine_box: EngineBox) -> Iterator[DevStack]:
    """The stack, not yet built; what is left of it afterwards is removed."""
    own = DevStack(engine_box)
    yield own
    for container in own.containers():
        container.remove(force=True)
    engine_box.remove_image("homeport:dev")


def test_the_development_stack_is_built_started_used_and_removed(stack: DevStack) -> None:
    build, up, list_apps, down = commands()
    client = stack.engine.client

    report = json.loads(stack.run(build, timeout_s=600).splitlines()[-1])
    assert served(report) == {"apt", "pip"}, "its own image was not built through the caches"
    stack.run(up, timeout_s=180)
    only_the_worker_side_reaches_docker(stack)
    every_service_is_healthy(stack)

    installed = stack.succeed(stack.request("POST", "/v1/apps", json={"definition": "radicale"}))
    built = installed["result"]["builds"]["radicale"]
    assert (served(built), built["direct"], built["warnings"]) == ({"apt", "pip"}, [], [])
    port = stack.request("GET", "/v1/apps/radicale")["host_port"]
    assert "Radicale" in requests.get(f"http://127.0.0.1:{port}/.web/", timeout=10).text
    by_name = f"http://127.0.0.1:{stack.http_port}/.web/"
    assert "Radicale" in requests.get(by_name, headers={"Host": "radicale.localhost"}, timeout=10).text
    assert "radicale" in stack.run(list_apps.replace("exec", "exec -T"), timeout_s=30)
    stack.succeed(stack.request("DELETE", "/v1/apps/radicale?purge=true&remove_images=true"))

    stack.run(down, timeout_s=120)
    assert stack.containers() == []
    assert client.volumes.list(filters=PROJECT) == []
    assert client.networks.list(filters=PROJECT) == []
    assert client.containers.list(all=True, filters={"label": "homeport.app=radicale"}) == []
    assert not (stack.state_dir / "projects" / "radicale").exists()


def served(report: Json) -> set[str]:
    """The package caches that had a part in a build."""
    return {name for name, traffic in report["caches"].items() if traffic["bytes_served"]}


def only_the_worker_side_reaches_docker(stack: DevStack) -> None:
    services = stack.services()
    reaching = {
        name
        for name, container in services.items()
        if any(mount["Destination"] == SOCKET for mount in container.attrs["Mounts"])
        or str(stack.engine.socket) in str(container.attrs["HostConfig"]["Binds"])
    }
    assert reaching == {"steward", "worker", "nginx"}
    running = [
        row[1]
        for row in services["nginx"].top(ps_args="-eo pid,user:20,args")["Processes"]
        if "nginx: " in row[2]
    ]
    assert running == [CACHE_USER] * len(running) != [], (
        "nginx asks for the bridge as root, and serves as another"
    )
    for name in ("api", "redis", "devpi"):
        uid, groups = _first_process(services[name])
        assert uid != 0, f"{name} runs as root"
        assert len(groups) <= 1, f"{name} is in further groups"
        assert not services[name].attrs["HostConfig"]["Privileged"]
    code = services["api"].exec_run(["test", "-e", SOCKET]).exit_code
    assert code == 1, "the API must not see the engine's socket"


def every_service_is_healthy(stack: DevStack) -> None:
    states = {name: container.attrs["State"] for name, container in stack.services().items()}

    assert {name for name, state in states.items() if state.get("Health")} == LONG_SERVICES
    assert {states[name]["Health"]["Status"] for name in LONG_SERVICES} == {"healthy"}
    assert (states["prepare"]["Status"], states["prepare"]["ExitCode"]) == ("exited", 0)


def _first_process(container: Container) -> tuple[int, set[int]]:
    """The user and the further groups of what the container runs, by the kernel's word."""
    output = container.exec_run(["cat", "/proc/1/status"]).output
    assert isinstance(output, bytes)
    fields = dict(line.split(":", 1) for line in output.decode().splitlines())
    return int(fields["Uid"].split()[1]), {int(group) for group in fields["Groups"].split()}

"""Homeport itself, started as an owner starts it, and a client for it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import psutil
import requests

from tests.harness.engine import EngineBox
from tests.harness.programs import REPOSITORY, start, wait_until

Json = dict[str, Any]

ENDED = frozenset({"succeeded", "failed", "cancelled"})

QUICK: Mapping[str, object] = {
    "lease_s": 5,
    "stall_s": 60,
    "healthy_s": 60,
    "steady_s": 2,
    "stop_s": 5,
    "log_format": "plain",
    "package_caches": False,  # they listen on ports of the whole box: a test that needs them says so
    "proxy": "none",  # likewise
}
"""Settings that make failures show soon; a test gives its own where it needs others."""


class HomeportBox:
    """One Homeport with its own state, catalog and port, on the private engine.

    Args:
        engine: where its apps run.
        name: a short name, unique in the test run.
        settings: by the names of `homeport.settings.Settings`.
    """

    def __init__(self, engine: EngineBox, name: str, **settings: object) -> None:
        self.engine = engine
        self.root = engine.root / name
        self.state_dir = self.root / "state"
        self.run_dir = self.root / "run"
        self.catalog_dir = self.root / "apps"
        self.log = self.root / "homeport.log"
        self.address = f"127.0.0.1:{free_port()}"
        self.base_url = f"http://{self.address}"
        self.environment = self._environment({**QUICK, **_proxy_ports(settings), **settings})
        self._process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()

    def __enter__(self) -> Self:
        """Makes the catalog and starts it."""
        self.root.mkdir(mode=0o755)
        shutil.copytree(REPOSITORY / "apps", self.catalog_dir)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops it; nothing that it started may be left."""
        self.stop()

    def start(self) -> None:
        """Runs `homeport up` and waits until it says that it is ready."""
        program = Path(sys.executable).with_name("homeport")
        self._process = start([str(program), "up"], log=self.log, environment=self.environment)
        wait_until(self._is_ready_or_ended, what="Homeport", timeout_s=60, log=self.log)
        if self._process.poll() is not None:
            raise RuntimeError(
                f"Homeport ended with {self._process.returncode}:\n{self.log.read_text()[-4000:]}"
            )

    def stop(self) -> None:
        """Ends it with SIGTERM.

        Raises:
            AssertionError: it did not end, or left processes behind (which are killed then).
        """
        if self._process is None:
            return
        processes = self.processes()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(45)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process = None
        _, left = psutil.wait_procs(processes, timeout=3)
        names = [f"{process.pid} {_command(process)}" for process in left]
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert not names, f"left running after SIGTERM: {names}"

    def kill(self) -> None:
        """Ends the supervisor with SIGKILL, as a crash would; all that it started has to die with it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self._process = None

    def processes(self) -> list[psutil.Process]:
        """The supervisor and all that it has started."""
        if self._process is None:
            return []
        supervisor = psutil.Process(self._process.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def component(self, module: str) -> psutil.Process:
        """The process of an entry point: `api`, `workers` or `workers.steward`."""
        found = [process for process in self.processes() if _command(process).endswith(f"-m {module}")]
        assert found, f"{module} is not running"
        return found[0]

    @property
    def token(self) -> str:
        """The first token."""
        return (self.state_dir / "token").read_text().strip()

    @contextlib.contextmanager
    def keyed(self, key: str) -> Iterator[None]:
        """Sends every request with this Idempotency-Key, until the block ends."""
        self._session.headers["Idempotency-Key"] = key
        try:
            yield
        finally:
            del self._session.headers["Idempotency-Key"]

    def request(
        self, method: str, path: str, *, token: str | None = None, **options: Any
    ) -> requests.Response:
        """A raw request, with the first token unless another is given; an empty one sends none."""
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        headers |= options.pop("headers", {})
        options.setdefault("timeout", 30)
        return self._session.request(method, self.base_url + path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Json:
        """The JSON under a path."""
        return self._json(self.request("GET", path, **options))

    def post(self, path: str, body: Json, **options: Any) -> requests.Response:
        """A raw POST of JSON."""
        return self.request("POST", path, json=body, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        """A raw DELETE."""
        return self.request("DELETE", path, **options)

    def install(self, definition: str, **body: object) -> Json:
        """Asks for an app; the accepted job. `body`: identifier, app_id, host_name."""
        return self._accepted(self.post("/v1/apps", {"definition": definition, **body}))

    def uninstall(self, identifier: str, *, purge: bool = False, remove_images: bool = False) -> Json:
        """Asks for its end; the accepted job."""
        wanted = {"purge": purge, "remove_images": remove_images}
        query = "&".join(f"{name}=true" for name, value in wanted.items() if value)
        return self._accepted(self.delete(f"/v1/apps/{identifier}" + (f"?{query}" if query else "")))

    def clear(self) -> None:
        """Uninstalls all its apps with their data, so that nothing of them is in the way of another test."""
        for app in self.apps():
            self.succeed(self.uninstall(app["identifier"], purge=True))

    def cancel(self, job: Json) -> requests.Response:
        """Asks a job to stop."""
        return self.delete(f"/v1/jobs/{job['id']}")

    def job(self, job: Json | str) -> Json:
        """A job as it is now, with its steps."""
        return self.get(f"/v1/jobs/{job if isinstance(job, str) else job['id']}")

    def job_log(self, job: Json) -> str:
        """What a job has logged."""
        return self.request("GET", f"/v1/jobs/{job['id']}/log").text

    def wait(self, job: Json, *, timeout_s: float = 120) -> Json:
        """The job when it has ended.

        Raises:
            TimeoutError: it has not in time; with its log.
        """
        deadline = time.monotonic() + timeout_s
        while (now := self.job(job))["state"] not in ENDED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {now}\n{self.job_log(job)[-4000:]}\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)
        return now

    def succeed(self, job: Json, *, timeout_s: float = 120) -> Json:
        """The job when it has ended well.

        Raises:
            AssertionError: it failed; with its problem and log.
        """
        ended = self.wait(job, timeout_s=timeout_s)
        assert ended["state"] == "succeeded", f"{ended['problem']}\n{self.job_log(job)[-4000:]}"
        return ended

    def fail(self, job: Json, *, timeout_s: float = 120) -> Json:
        """The problem of a job that has to fail.

        Raises:
            AssertionError: it did not.
        """
        ended = self.wait(job, timeout_s=timeout_s)
        assert ended["state"] == "failed", ended
        problem: Json = ended["problem"]
        return problem

    def wait_for_step(self, job: Json, step: str, *, timeout_s: float = 60) -> Json:
        """The job as soon as it works on a step (or is past its start).

        Raises:
            TimeoutError: it never came there.
        """
        reached: list[Json] = []

        def is_there() -> bool:
            now = self.job(job)
            begun = {row["name"] for row in now["steps"] if row["started_at"]}
            reached[:] = [now] if step in begun else []
            return bool(reached)

        wait_until(is_there, what=f"step {step!r}", timeout_s=timeout_s)
        return reached[0]

    def apps(self) -> list[Json]:
        """All apps."""
        items: list[Json] = self.get("/v1/apps?limit=100")["items"]
        return items

    def app(self, identifier: str) -> Json:
        """One app."""
        return self.get(f"/v1/apps/{identifier}")

    def visit(self, identifier: str, path: str | None = None) -> requests.Response:
        """What the app itself answers on its host port."""
        app = self.app(identifier)
        return requests.get(f"http://127.0.0.1:{app['host_port']}{path or app['path']}", timeout=10)

    def answers(self, identifier: str) -> bool:
        """Whether the app answers on its host port."""
        try:
            return self.visit(identifier).ok
        except requests.RequestException:
            return False

    @property
    def http_port(self) -> int:
        """Where its reverse proxy listens."""
        return int(self.environment["HOMEPORT_HTTP_PORT"])

    def visit_at(self, host: str, path: str = "/", **options: Any) -> requests.Response:
        """What its reverse proxy answers for the host."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        return requests.get(url, headers={"Host": host}, timeout=10, allow_redirects=False, **options)

    def answers_at(self, host: str) -> bool:
        """Whether the app of the host answers through the proxy."""
        try:
            return bool(self.visit_at(host).status_code < requests.codes.server_error)
        except requests.RequestException:
            return False

    def served_names(self) -> set[str]:
        """The hosts of the map that HAProxy reads when it starts."""
        lines = (self.state_dir / "proxy" / "routes.map").read_text().splitlines()
        return {line.split()[0] for line in lines}

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says, or does, behind Homeport's back."""
        path = self.state_dir / "db" / "homeport.sqlite"
        with closing(sqlite3.connect(path, timeout=10)) as database, database:
            return database.execute(query, values).fetchall()

    def events(self, kind: str) -> list[Json]:
        """The events of a kind, oldest first: `{app, job, facts}`."""
        found = self.sql("SELECT app, job, facts FROM events WHERE kind = ? ORDER BY seq", kind)
        return [{"app": app, "job": job, "facts": json.loads(facts)} for app, job, facts in found]

    def add_definition(self, name: str, files: Mapping[str, str]) -> Path:
        """Puts a definition into the catalog, replacing one of the same name; its folder."""
        folder = self.catalog_dir / name
        shutil.rmtree(folder, ignore_errors=True)
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        return folder

    def _accepted(self, answer: requests.Response) -> Json:
        assert answer.status_code == requests.codes.accepted, f"{answer.status_code} {answer.text}"
        job: Json = answer.json()
        assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
        return job

    def _json(self, answer: requests.Response) -> Json:
        assert answer.ok, f"{answer.status_code} {answer.text}"
        body: Json = answer.json()
        return body

    def _is_ready_or_ended(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            return True
        return self.is_ready()

    def is_ready(self) -> bool:
        """Whether it says that all works."""
        try:
            return requests.get(f"{self.base_url}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    def _environment(self, settings: Mapping[str, object]) -> dict[str, str]:
        own = {
            "state_dir": self.state_dir,
            "run_dir": self.run_dir,
            "catalog_dir": self.catalog_dir,
            "docker_host": self.engine.docker_host,
            "listen": self.address,
            "config": self.root / "none.toml",
        }
        named = {f"HOMEPORT_{name.upper()}": str(value) for name, value in {**own, **settings}.items()}
        return {**os.environ, **named}


def _proxy_ports(settings: Mapping[str, object]) -> dict[str, object]:
    """Ports of its own for a reverse proxy, of which several boxes may have one."""
    if settings.get("proxy") != "haproxy":
        return {}
    return {"http_port": free_port(), "https_port": free_port()}


def free_port() -> int:
    """A TCP port of loopback that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""

"""The private Docker Engine of a test run."""

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests
from docker import DockerClient
from docker.errors import APIError, DockerException

from tests.harness.namespace import Namespace
from tests.harness.programs import REPOSITORY, run, start, wait_until
from tests.harness.registry import Registry

SUITES = ("bookworm", "trixie")


def base_tar(suite: str) -> Path:
    """The root file system of a base image, made by the project's own script where it is missing."""
    script = REPOSITORY / "scripts" / "base-image"
    return Path(run(["bash", str(script), "--tar", suite], timeout_s=600).strip().splitlines()[-1])


OWN_NAME = "files.example.org"
"""A public name that a test may give to a server of its own, with `EngineBox.called`."""

NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there: what the registry does not have must not come from the real outside."""


class EngineBox:
    """A Docker Engine with its own network, processes, mounts, data and control groups, and its registry.

    Create it inside the network namespace. `client` is docker-py's; `docker_host` is for everybody else.
    """

    launcher: Sequence[str] = ()
    """What starts the engine, such as `unshare --net`."""

    def __init__(self, namespace: Namespace, registry: Registry) -> None:
        self.namespace = namespace
        self.netns = namespace.name
        self.registry = registry
        self.line = registry.line
        self.root = namespace.root
        self.socket = namespace.root / "docker.sock"
        self.docker_host = f"unix://{self.socket}"
        self.client = DockerClient(base_url=self.docker_host, version="1.44", timeout=120)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = namespace.root / "dockerd.log"

    @property
    def pid(self) -> int:
        """dockerd's own process, by the machine's count."""
        assert self._process is not None
        return next(child.pid for child in psutil.Process(self._process.pid).children())

    def start(self) -> None:
        """Starts the engine and waits until it answers."""
        (self.root / "dockerd.pid").unlink(missing_ok=True)
        argv = [
            "dockerd",
            "--config-file",
            str(self._configuration()),
            "--cgroup-parent",
            self.namespace.cgroup,
        ]
        argv += ["--data-root", str(self.root / "data"), "--exec-root", str(self.root / "exec")]
        argv += ["-p", str(self.root / "dockerd.pid"), "-H", self.docker_host]
        self._process = start(
            self.namespace.inside([*self.launcher, "setpriv", "--pdeathsig", "KILL", "--", *argv]),
            log=self._log,
        )
        wait_until(self.answers, what="the private Docker Engine", timeout_s=60, log=self._log)

    def stop(self) -> None:
        """Stops the engine as a service manager would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the engine as a crash would; containers' processes stay until it is back."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stops the engine and starts it again."""
        self.stop()
        self.start()

    def answers(self) -> bool:
        """Whether the engine can be talked to."""
        try:
            return bool(self.client.ping())
        except (DockerException, requests.RequestException):
            return False

    def import_base(self, suite: str, tar: Path) -> None:
        """Makes `debian:SUITE-slim` from its root file system."""
        self.client.api.import_image(
            src=str(tar), repository="debian", tag=f"{suite}-slim", changes=["CMD bash"]
        )

    @contextmanager
    def called(self, address: str) -> Iterator[str]:
        """Lets the engine, and nobody else, find the address under the public name that is given."""
        hosts = self.root / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{address} {OWN_NAME}\n")
        run(self.namespace.inside(["mount", "--bind", str(hosts), "/etc/hosts"]))
        yield OWN_NAME
        run(self.namespace.inside(["umount", "/etc/hosts"]))

    def remove_image(self, reference: str) -> None:
        """Removes an image by name; nothing happens when it is not there."""
        try:
            self.client.api.remove_image(reference)
        except APIError as error:
            if error.status_code != requests.codes.not_found:
                raise

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        psutil.Process(self.pid).send_signal(number)
        self._process.wait(60)
        self._process = None

    def _configuration(self) -> Path:
        path = self.root / "daemon.json"
        # Two tries of a download instead of five, or a cut line would be noticed after 15 s only.
        # The proxy is for the outside alone: loopback, and so the registry, is never asked for through one.
        settings = {
            "registry-mirrors": [self.registry.mirror],
            "max-download-attempts": 2,
            "proxies": {
                "http-proxy": NOWHERE,
                "https-proxy": NOWHERE,
                "no-proxy": f"127.0.0.0/8,localhost,{OWN_NAME}",
            },
        }
        path.write_text(json.dumps(settings))
        return path

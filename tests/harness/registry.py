"""The registry that stands for the outside: Debian's docker-registry on loopback, behind a line."""

import signal
import subprocess
from http import HTTPStatus

import requests
from docker import DockerClient

from tests.harness.line import Line
from tests.harness.namespace import Namespace
from tests.harness.programs import start, wait_until

PORT = 5000

CONFIGURATION = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}", secret: of-a-test}}
"""


class Registry:
    """A private registry; the engine reaches it through `line`, as a mirror of the outside.

    Create it inside the network namespace.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"127.0.0.1:{PORT}"
        self.line = Line(PORT)

    @property
    def mirror(self) -> str:
        """The address for the engine's `registry-mirrors`."""
        return f"http://127.0.0.1:{self.line.port}"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        configuration = self._namespace.root / "registry.yml"
        storage = self._namespace.root / "registry"
        storage.mkdir(exist_ok=True)
        configuration.write_text(CONFIGURATION.format(storage=storage, port=PORT))
        log = self._namespace.root / "registry.log"
        argv = self._namespace.inside(["setpriv", "--pdeathsig", "KILL", "--", "docker-registry"])
        self._process = start([*argv, "serve", str(configuration)], log=log)
        wait_until(self._answers, what="the registry", timeout_s=15, log=log)

    def stop(self) -> None:
        """Ends it at once; what it holds stays."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None
            wait_until(lambda: not self._answers(), what="the registry's end", timeout_s=5)

    kill = stop

    def restart(self) -> None:
        """Ends it and starts it again with what it holds."""
        self.stop()
        self.start()

    def push(self, docker: DockerClient, image_id: str, reference: str) -> str:
        """Puts an image of the engine under `name:tag` into the registry; the digest it has there.

        The engine keeps neither that name nor one of the registry's for it.
        """
        name, tag = reference.rsplit(":", 1)
        there = f"{self.address}/{name}"
        docker.images.get(image_id).tag(there, tag)
        try:
            for record in docker.api.push(there, tag, stream=True, decode=True):
                if "error" in record:
                    raise RuntimeError(f"pushing {reference}: {record['error']}")
        finally:
            docker.api.remove_image(f"{there}:{tag}")
        return self.digest(reference)

    def digest(self, reference: str) -> str:
        """The digest of what the registry has under `name:tag`."""
        answer = self._manifest("HEAD", reference)
        answer.raise_for_status()
        return answer.headers["Docker-Content-Digest"]

    def has(self, reference: str) -> bool:
        """Whether the registry has something under `name:tag`."""
        return self._manifest("HEAD", reference).status_code == HTTPStatus.OK

    def delete(self, reference: str) -> None:
        """Makes the registry forget `name:tag`."""
        name, _ = reference.rsplit(":", 1)
        url = f"http://{self.address}/v2/{name}/manifests/{self.digest(reference)}"
        requests.delete(url, timeout=10).raise_for_status()

    def _manifest(self, method: str, reference: str) -> requests.Response:
        name, tag = reference.rsplit(":", 1)
        kind = "application/vnd.docker.distribution.manifest.v2+json"
        url = f"http://{self.address}/v2/{name}/manifests/{tag}"
        return requests.request(method, url, headers={"Accept": kind}, timeout=10)

    def _answers(self) -> bool:
        try:
            return requests.get(f"http://{self.address}/v2/", timeout=2).status_code == HTTPStatus.OK
        except requests.RequestException:
            return False

"""A real HAProxy as `python -m proxy` runs it, with files, ports and a socket of its own."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from homeport.names import api_names
from proxy.haproxy import HAProxy
from proxy.haproxy_conf import HAProxyPlan
from proxy.haproxy_process import find_haproxy, prepare_files, start_words
from tests.harness.programs import start, wait_until

Json = dict[str, Any]


class RunningHAProxy:
    """An HAProxy that runs, and the driver that speaks to it.

    Args:
        root: a folder whose path is short: a Unix socket lies in it.
        api_port: where the API would be.
        changes: of the plan, by its fields.
    """

    def __init__(self, root: Path, *, api_port: int = 9, **changes: Any) -> None:
        plan = HAProxyPlan(
            folder=root / "proxy",
            socket=root / "run" / "h.sock",
            addresses=("*", "[::]"),
            http_port=unused_port(),
            https_port=unused_port(),
            redirects=False,
            api=("127.0.0.1", api_port),
            api_names=api_names("hda", "homeport"),
            connections=2000,
            idle_s=3600,
        )
        self.plan = replace(plan, **changes)
        self.driver = HAProxy(self.plan.folder, self.plan.socket, api_names=self.plan.api_names)
        self.log = root / "haproxy.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Prepares and starts it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self.end(signal.SIGTERM)

    def start(self, *, user: str | None = None) -> None:
        """Runs it until it answers."""
        words = start_words(prepare_files(self.plan, user), program=find_haproxy(), user=user)
        self._process = start(words, log=self.log, environment=dict(os.environ))
        wait_until(self._answers_or_ended, what="HAProxy", timeout_s=20, log=self.log)
        assert self._process.poll() is None, self.log.read_text()

    def end(self, number: signal.Signals) -> None:
        """Ends it with that signal."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def get(self, host: str, path: str = "/", **more: Any) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers (names in lower case) and body of a GET of that host."""
        return self.ask("GET", host, path, **more)

    def ask(
        self,
        method: str,
        host: str,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        tls: ssl.SSLContext | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Likewise of any request; with a context, over TLS."""
        connection = self.connect(host, tls=tls)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            given = {"Host": host, **(headers or {})}
            if isinstance(body, bytes):
                given["Content-Length"] = str(len(body))
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def app(self, host: str, path: str = "/", **more: Any) -> Json:
        """What a `WebApp` behind the host says.

        Raises:
            AssertionError: none does.
        """
        status, _, body = self.get(host, path, **more)
        assert status == http.client.OK, (status, body)
        said: Json = json.loads(body)
        return said

    def connect(self, host: str, *, tls: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        """A connection to it, not used yet."""
        if tls is None:
            return http.client.HTTPConnection("127.0.0.1", self.plan.http_port, timeout=30)
        assert self.plan.https_port is not None
        connection = http.client.HTTPSConnection("127.0.0.1", self.plan.https_port, timeout=30)
        raw = socket.create_connection(("127.0.0.1", self.plan.https_port), timeout=30)
        connection.sock = tls.wrap_socket(raw, server_hostname=host)
        return connection

    def _answers_or_ended(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            return True
        try:
            self.get("nobody.invalid")
        except OSError:
            return False
        return True


def unused_port() -> int:
    """A TCP port on which nothing listens just now, on no address."""
    with socket.create_server(("", 0)) as server:
        port: int = server.getsockname()[1]
        return port

"""A real Apache with a configuration of its own, and the driver that speaks to it."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from homeport.names import api_names
from proxy.apache import Apache
from proxy.apache_server import ApacheServer
from proxy.apache_vhost import TEMPLATE
from tests.harness.haproxy import unused_port
from tests.harness.programs import start, wait_until

Json = dict[str, Any]

MODULES = ("mpm_event", "authz_core", "proxy", "proxy_http", "headers", "unixd")
_FOLDERS = (Path("/usr/lib/apache2/modules"), Path("/usr/lib64/httpd/modules"))


class RunningApache:
    """An Apache that runs in the foreground, whose apachectl is a script of the test's own.

    Args:
        root: a folder.
        api_port: where the API would be.
        modules: a folder of Apache's modules.
        port: where it listens; a free one by default.
        has_own_host: whether what it serves itself has a virtual host.
    """

    def __init__(
        self,
        root: Path,
        *,
        api_port: int = 9,
        modules: Path | None = None,
        port: int | None = None,
        has_own_host: bool = True,
    ) -> None:
        self.root = root
        self.port = port or unused_port()
        self.sites = root / "sites"
        self.log = root / "error.log"
        self.own = root / "own.conf"
        self._modules = modules or next(folder for folder in _FOLDERS if folder.is_dir())
        self._has_own_host = has_own_host
        self._process: subprocess.Popen[bytes] | None = None
        template = root / "template.conf"
        for folder in (self.sites, root / "options", root / "projects"):
            folder.mkdir(parents=True)
        template.write_text(TEMPLATE.read_text().replace("*:80>", f"*:{self.port}>"))
        self.control = self._write_control()
        self.driver = Apache(
            sites_dir=self.sites,
            own_dir=root / "state" / "apache",
            options_dir=root / "options",
            projects_dir=root / "projects",
            server=ApacheServer(str(self.control), self.port),
            rotatelogs=shutil.which("rotatelogs") or "/usr/bin/rotatelogs",
            api=(api_names("hda", "homeport"), api_port),
            template=template,
        )

    def __enter__(self) -> Self:
        """Starts it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self.stop()

    def start(self) -> None:
        """Starts it."""
        words = [_program(), "-f", str(self._write_configuration()), "-DFOREGROUND"]
        self._process = start(words, log=self.log, environment=dict(os.environ))
        # One that ends by itself must be gone, or the next one takes it for one that runs.
        threading.Thread(target=self._process.wait, name="reaping Apache").start()
        wait_until(self._answers, what="Apache", timeout_s=20, log=self.log)

    def stop(self) -> None:
        """Ends it, and one that its driver started in its place."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        pid = self.root / "apache.pid"
        if pid.exists():
            with suppress(ProcessLookupError):  # it ended without its own doing, and left the file
                os.kill(int(pid.read_text()), signal.SIGTERM)
                wait_until(lambda: not pid.exists(), what="Apache's end", timeout_s=20, log=self.log)

    @property
    def pid(self) -> int:
        """Its first process."""
        assert self._process is not None
        return self._process.pid

    def reloads(self) -> int:
        """How often it was reloaded."""
        return (self.root / "reloads").read_text().count("\n") if (self.root / "reloads").exists() else 0

    def get(
        self, host: str, path: str = "/", *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of a GET of that host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers={"Host": host, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def app(self, host: str, path: str = "/", *, headers: Mapping[str, str] | None = None) -> Json:
        """What a `WebApp` behind the host says; an empty object where none does."""
        status, body = self.get(host, path, headers=headers)
        if status != http.client.OK or not body.startswith(b"{"):
            return {}
        said: Json = json.loads(body)
        return said

    def serves(self, host: str, app: str) -> None:
        """Waits until that app answers under the host: a graceful reload takes effect by and by."""
        wait_until(lambda: self.app(host).get("app") == app, what=f"{app} at {host}", timeout_s=10)

    def _write_control(self) -> Path:
        script = self.root / "apachectl"
        configuration = self.root / "apache.conf"
        script.write_text(
            f"""#!/bin/sh
case $1 in
  configtest) exec {_program()} -f {configuration} -t ;;
  start) setsid sh -c '{_program()} -f {configuration} -DFOREGROUND; : # and see its end' & ;;
  graceful) echo >>{self.root}/reloads; exec {_program()} -f {configuration} -k graceful ;;
  *) exec {_program()} -f {configuration} "$@" ;;
esac
"""
        )
        script.chmod(0o755)
        return script

    def _write_configuration(self) -> Path:
        configuration = self.root / "apache.conf"
        loaded = "\n".join(f"LoadModule {name}_module {self._modules}/mod_{name}.so" for name in self._here())
        self.own.write_text("")
        configuration.write_text(
            f"""ServerRoot {self.root}
PidFile {self.root}/apache.pid
ErrorLog {self.log}
ServerName platform.hda
{loaded}
LogFormat "%h %t \\"%r\\" %>s" combined
Listen 127.0.0.1:{self.port}
{self._platform()}
Include {self.own}
IncludeOptional {self.sites}/*.conf
"""
        )
        (self.root / "htdocs").mkdir(exist_ok=True)
        (self.root / "htdocs" / "index.html").write_text("the platform")
        return configuration

    def _platform(self) -> str:
        """What it serves itself: in a virtual host, or in the main server."""
        folder = f"DocumentRoot {self.root}/htdocs"
        if not self._has_own_host:
            return folder
        return f"<VirtualHost *:{self.port}>\n  ServerName platform.hda\n  {folder}\n</VirtualHost>"

    def _here(self) -> list[str]:
        return [name for name in (*MODULES, "log_config") if (self._modules / f"mod_{name}.so").exists()]

    def _answers(self) -> bool:
        try:
            self.get("platform.hda")
        except OSError:
            return False
        return True


def _program() -> str:
    return shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin") or "apache2"

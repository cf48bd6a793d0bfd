"""The reverse proxies of the benchmark `proxy`, each brought to a table of hosts in its own way."""

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import psutil

from build_cache.caches.nginx import find_nginx
from proxy.haproxy_process import find_haproxy
from proxy.routes import Route, RouteState
from tests.harness.apache import RunningApache
from tests.harness.haproxy import RunningHAProxy, unused_port
from tests.harness.programs import start

_SECTION: Final = "\n"

Table = Mapping[str, int]
"""The port of each host."""


class Peer(ABC):
    """A proxy that runs. `port` is where it listens."""

    name: str
    port: int

    @abstractmethod
    def __enter__(self) -> Self:
        """Starts it."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Ends it."""

    @abstractmethod
    def bring_to(self, table: Table) -> None:
        """Changes what it serves."""

    @property
    @abstractmethod
    def pid(self) -> int:
        """Its first process."""

    def memory_bytes(self) -> int:
        """What its processes hold; what they share is counted once (proportional set size)."""
        first = psutil.Process(self.pid)
        found = 0
        for process in [first, *first.children(recursive=True)]:
            try:
                found += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        return found


def routes_of_table(table: Table) -> list[Route]:
    """The table as Homeport's drivers take it."""
    return [
        Route(identifier=host.partition(".")[0], names=(host,), port=port, state=RouteState.SERVING)
        for host, port in table.items()
    ]


class Ours(Peer):
    """HAProxy as Homeport runs it: its map is changed over the runtime API, and written for a restart."""

    name = "HAProxy by its map (Homeport)"

    def __init__(self, root: Path) -> None:
        self._proxy = RunningHAProxy(root)
        self.port = self._proxy.plan.http_port

    def __enter__(self) -> Self:
        """See `Peer`."""
        self._proxy.start()
        return self

    def __exit__(self, *_: object) -> None:
        """See `Peer`."""
        self._proxy.end(signal.SIGTERM)

    def bring_to(self, table: Table) -> None:
        """See `Peer`."""
        applied = self._proxy.driver.apply(routes_of_table(table), [])
        assert not applied.routes, applied

    @property
    def pid(self) -> int:
        """See `Peer`."""
        return self._proxy.pid


class Apache(Peer):
    """Apache as Homeport drives it: a file for each app, a test, a graceful reload."""

    name = "Apache, graceful reload (Homeport)"

    def __init__(self, root: Path) -> None:
        self._apache = RunningApache(root)
        self.port = self._apache.port

    def __enter__(self) -> Self:
        """See `Peer`."""
        self._apache.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """See `Peer`."""
        self._apache.__exit__()

    def bring_to(self, table: Table) -> None:
        """See `Peer`."""
        applied = self._apache.driver.apply(routes_of_table(table), [])
        assert not applied.routes, applied

    @property
    def pid(self) -> int:
        """See `Peer`."""
        return self._apache.pid


class Reloaded(Peer):
    """A proxy whose file is written anew, and which reads it at a signal."""

    reload: signal.Signals

    def __init__(self, root: Path) -> None:
        self.port = unused_port()
        self._root = root
        self._file = root / "proxy.conf"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """See `Peer`."""
        self._file.write_text(self.render({}))
        self._process = start(self.words(), log=self._root / "log", environment=dict(os.environ))
        return self

    def __exit__(self, *_: object) -> None:
        """See `Peer`."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def bring_to(self, table: Table) -> None:
        """See `Peer`."""
        self._file.write_text(self.render(table))
        os.kill(self.pid, self.reload)

    @property
    def pid(self) -> int:
        """See `Peer`."""
        assert self._process is not None
        return self._process.pid

    @abstractmethod
    def words(self) -> list[str]:
        """The command that runs it in the foreground."""

    @abstractmethod
    def render(self, table: Table) -> str:
        """Its configuration."""


class HAProxyReloaded(Reloaded):
    """HAProxy as it is reloaded: a new process takes the sockets over, the old one ends its connections."""

    name = "HAProxy, reload"
    reload = signal.SIGUSR2

    def words(self) -> list[str]:
        """See `Reloaded`."""
        return [find_haproxy(), "-W", "-db", "-f", str(self._file)]

    def render(self, table: Table) -> str:
        """See `Reloaded`."""
        (self._root / "hosts.map").write_text("".join(f"{host} {port}\n" for host, port in table.items()))
        return f"""global
  maxconn 2000
  stats socket {self._root}/sock mode 600 level admin expose-fd listeners
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 3600s
frontend hosts
  bind 127.0.0.1:{self.port}
  http-request set-var(txn.port) req.hdr(host),host_only,map_str({self._root}/hosts.map)
  http-request return status 404 if !{{ var(txn.port) -m found }}
  default_backend apps
backend apps
  http-request set-dst str(127.0.0.1)
  http-request set-dst-port var(txn.port)
  server app 0.0.0.0:0
"""


class NginxReloaded(Reloaded):
    """nginx as it is reloaded: new workers, the old ones end when their connections do."""

    name = "nginx, reload"
    reload = signal.SIGHUP

    def words(self) -> list[str]:
        """See `Reloaded`."""
        return [find_nginx(), "-p", str(self._root), "-c", str(self._file), "-e", "stderr"]

    def render(self, table: Table) -> str:
        """See `Reloaded`."""
        servers = _SECTION.join(
            f"server {{ listen 127.0.0.1:{self.port}; server_name {host};"
            f" location / {{ proxy_pass http://127.0.0.1:{port}; }} }}"
            for host, port in table.items()
        )
        paths = _SECTION.join(
            f"{kind}_temp_path {self._root}/tmp;"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""daemon off;
worker_processes 2;
pid {self._root}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
access_log off;
keepalive_requests 1000000;
{paths}
server_names_hash_bucket_size 128;
map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
proxy_http_version 1.1;
proxy_set_header Host $http_host;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_upgrade;
proxy_read_timeout 3600s;
server {{ listen 127.0.0.1:{self.port} default_server; return 404; }}
{servers}
}}
"""


PEERS: Final = (Ours, HAProxyReloaded, NginxReloaded, Apache)

"""`python -m build_cache.caches.devpi`: devpi-server as a mirror of one Python index, on loopback.

Its store is a convenience: nginx in front of it keeps what was downloaded. So it is made anew whenever that
is simpler than mending it: when it has grown too large, was asked for, belongs to another upstream or
version, or is broken.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import socket
import sqlite3
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from build_cache.caches.nginx import find_authorities
from build_cache.caches.store import REMAKE_MARKER, folder_bytes
from build_cache.caches.upstreams import Upstream
from homeport.caches import DEVPI_OFFSET
from homeport.host.files import write_atomic
from homeport.logs import set_up_logging
from homeport.settings import Settings, load_settings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)

_PROBED = "/+api"  # what nginx asks for to see whether devpi answers
_PASSED_ON = "x-accel-buffering"  # devpi says so of files that it has not got yet, and of nothing else
_LOOK_S = 2.0
_MEASURE_S = 30.0
_THREADS = 8  # a build's client asks for a few things at a time; nginx joins equal questions
_REQUEST_S = 30  # devpi's own 5 s are short for a slow line
_KEYFS_ENTRIES = 2000  # of about 1 kB each in memory
# devpi stretches its secret by five seconds and 512 MiB, for short ones; ours is random, new at every start.
_CHEAP_KEYS = ("--argon2-memory-cost", 8, "--argon2-time-cost", 1, "--argon2-parallelism", 1)


def main() -> None:
    """Makes the store where it is missing and serves; ends by itself when the store is to be made anew."""
    settings = load_settings()
    set_up_logging(settings.log_format, process="devpi")
    folder = settings.caches_dir / "devpi"
    folder.mkdir(exist_ok=True)
    os.utime(folder)  # says that it starts
    _quieten()
    os.environ["REQUESTS_CA_BUNDLE"] = str(find_authorities(settings, os.environ.get("SSL_CERT_FILE", "")))
    port = settings.cache_port + DEVPI_OFFSET
    _refuse_taken_port(port)
    if why := why_remake(folder, origin=_origin_of(settings), max_bytes=settings.devpi_max_bytes):
        _log.info("devpi's store is made anew: %s", why)
        _empty(folder)
    try:
        code = _serve(settings, folder, port)
    except Exception:
        _log.exception("devpi could not start: its store is made anew")
        (folder / REMAKE_MARKER).touch()
        code = 1
    sys.exit(code)


def _quieten() -> None:
    """Keeps the log to what devpi was asked and did: no probes, no lines of its libraries."""
    warnings.filterwarnings("ignore", module="pyramid")
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for destination in logging.getLogger().handlers:
        destination.addFilter(lambda record: not record.getMessage().endswith(f"GET {_PROBED}"))


def why_remake(folder: Path, *, origin: str, max_bytes: int) -> str:
    """Why the store cannot be used as it is, in words; empty where it can."""
    server, known = folder / "server", folder / "origin.json"
    if (folder / REMAKE_MARKER).exists():
        return "it was asked for"
    if not (server / ".nodeinfo").exists() or not known.exists():
        return "there is none, or not all of it"
    if known.read_text(encoding="utf-8") != origin:
        return "it is another upstream's or another version's"
    if folder_bytes(server) > max_bytes:
        return f"it is larger than {max_bytes} bytes"
    return _why_broken(server / ".sqlite")


def _why_broken(database: Path) -> str:
    try:
        with sqlite3.connect(f"file:{database}?mode=rw", uri=True) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
    finally:
        if "connection" in locals():
            connection.close()
    return "" if found == "ok" else f"its database is broken ({found})"


def _origin_of(settings: Settings) -> str:
    """What a store is good for: one upstream, one version."""
    from devpi_server import __version__

    return json.dumps({"upstream": settings.pip_upstream, "devpi": __version__})


def _empty(folder: Path) -> None:
    """Removes all of the store, the marker last: killed in between, it is asked for still."""
    for name in ("origin.json", "server"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (folder / REMAKE_MARKER).unlink(missing_ok=True)


def _serve(settings: Settings, folder: Path, port: int) -> int:
    """Becomes devpi-server, after initialising the store where it is missing; its exit code."""
    from devpi_server.config import get_pluginmanager, parseoptions
    from devpi_server.init import init
    from devpi_server.main import xom_from_config

    server = folder / "server"
    if not server.exists():
        password = secrets.token_hex(32)  # nobody is to log in, so nobody keeps it; it begins with no dash
        init(argv=["devpi-init", "--serverdir", server, "--root-passwd", password])  # type: ignore[no-untyped-call]
    words = ["devpi-server", "--serverdir", server, "--host", "127.0.0.1", "--port", port]
    words += ["--threads", _THREADS, "--request-timeout", _REQUEST_S, "--keyfs-cache-size", _KEYFS_ENTRIES]
    words += ["--restrict-modify", "root", *_CHEAP_KEYS]
    config = parseoptions(get_pluginmanager(), [str(word) for word in words])
    xom = xom_from_config(config)  # type: ignore[no-untyped-call]
    make_app = xom.create_app
    xom.create_app = lambda: hold_back(make_app())
    _set_mirror(xom, settings.pip_upstream)
    write_atomic(folder / "origin.json", _origin_of(settings))
    threading.Thread(target=_watch, args=(folder, settings.devpi_max_bytes), daemon=True).start()
    return int(xom.main() or 0)


def hold_back(app: WSGIApplication) -> WSGIApplication:
    """devpi, keeping back the last piece of a file that it passes on, until it has verified and stored all.

    It verifies a file's length and hash when all of it has gone out already: whoever keeps the answer, nginx,
    would keep a wrong file. Now the answer ends short where there is an error, and nginx keeps nothing.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        passed_on = False

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            nonlocal passed_on
            passed_on = any(name.lower() == _PASSED_ON for name, _ in headers)
            return start_response(status, headers, *rest)

        pieces = app(environ, start)
        return _one_behind(pieces) if passed_on else pieces

    return serve


def _one_behind(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    try:
        for piece in pieces:
            if held:
                yield held
            held = piece
    finally:
        if close := getattr(pieces, "close", None):
            close()
    yield held


def _set_mirror(xom: Any, upstream: str) -> None:
    """The one index mirrors the upstream, and never asks it for the list of all projects."""
    changes: dict[str, Any] = {"mirror_no_project_list": True}
    if upstream:
        changes["mirror_url"] = Upstream.parse(upstream, setting="pip_upstream").url + "/"
    with xom.keyfs.write_transaction():
        index = xom.model.getstage("root/pypi")
        if any(index.ixconfig.get(name) != value for name, value in changes.items()):
            index.modify(**changes)


def _watch(folder: Path, max_bytes: int) -> None:
    """Ends the process when its store is to be made anew: the supervisor starts it again."""
    next_measure = time.monotonic() + _MEASURE_S
    while True:
        time.sleep(_LOOK_S)
        asked = (folder / REMAKE_MARKER).exists() or not (folder / "origin.json").exists()
        if not asked and time.monotonic() > next_measure:
            asked = folder_bytes(folder / "server") > max_bytes
            next_measure = time.monotonic() + _MEASURE_S
        if asked:
            _log.info("devpi ends, so that its store is made anew")
            os._exit(0)


def _refuse_taken_port(port: int) -> None:
    """Ends the process where the port is held: the store is not to blame for that."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            sys.exit(f"devpi cannot listen on 127.0.0.1:{port}: {error.strerror}. Set cache_port to another.")


if __name__ == "__main__":
    main()

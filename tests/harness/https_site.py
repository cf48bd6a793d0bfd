"""A site over HTTPS with an authority of its own, and an index of definitions on it."""

import hashlib
import io
import json
import os
import ssl
import subprocess
import tarfile
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

HERE = "127.0.0.1"


class HttpsSite:
    """Serves `files` by path; `redirects` leads elsewhere, `cut` ends answers early, `stuck` holds back.

    Git repositories in the folder `repositories` are served, too.
    """

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.cut: set[str] = set()
        self.stuck = threading.Event()
        self.asked: list[str] = []
        self.repositories: Path | None = None
        self.authority = folder / "authority.pem"
        self._key = folder / "key.pem"
        self._make_certificate()
        self._server = self._listen()
        self.url = f"https://{HERE}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def offer(self, *definitions: Mapping[str, str], **wrong: Any) -> str:
        """Serves an index of these definitions; its address. `wrong` replaces fields of its entries."""
        listed = []
        for files in definitions:
            name = _value(files["app.yml"], "name")
            archive = packed(files)
            self.files[f"/{name}.tar.gz"] = archive
            listed.append(
                {
                    "name": name,
                    "version": _value(files["app.yml"], "version"),
                    "url": f"{name}.tar.gz",
                    "sha256": hashlib.sha256(archive).hexdigest(),
                    "size_bytes": len(archive),
                    **wrong,
                }
            )
        self.files["/index.json"] = json.dumps({"format": 1, "definitions": listed}).encode()
        return f"{self.url}/index.json"

    def _make_certificate(self) -> None:
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-nodes", "-days", "2"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
                *("-subj", "/CN=catalog", "-addext", f"subjectAltName=IP:{HERE}"),
                *("-keyout", str(self._key), "-out", str(self.authority)),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )

    def _listen(self) -> ThreadingHTTPServer:
        server = _Server(self)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority, self._key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        return server


class _Server(ThreadingHTTPServer):
    def __init__(self, site: HttpsSite) -> None:
        super().__init__((HERE, 0), _Answers)
        self.site = site


class _Answers(BaseHTTPRequestHandler):
    server: "_Server"

    def do_POST(self) -> None:
        self._ask_git()

    def _ask_git(self) -> None:
        """Answers by git's own program for it (git-http-backend(1))."""
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.defpath, "GIT_PROJECT_ROOT": str(self.server.site.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": HERE,
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        run = subprocess.run(
            ["git", "http-backend"],
            check=True,
            input=sent,
            env=environment,
            capture_output=True,
            timeout=60,
        )
        head, _, body = run.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.server.site.asked.append(self.path)
        if self.server.site.repositories is not None and ".git/" in self.path:
            self._ask_git()
            return
        while self.server.site.stuck.is_set():
            time.sleep(0.05)
        if target := self.server.site.redirects.get(self.path):
            self.send_response(302)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.server.site.files.get(self.path)
        self.send_response(404 if content is None else 200)
        content = content or b""
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path in self.server.site.cut else content)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def packed(files: Mapping[str, str], *, more: tarfile.TarInfo | None = None) -> bytes:
    """A tar archive, packed by gzip, of these files, and of one entry more."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
        if more is not None:
            archive.addfile(more)
    return target.getvalue()


def write_tree(folder: Path, files: Mapping[str, str]) -> Path:
    """Writes files by their paths; the folder."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def commit(folder: Path, message: str = "A change") -> str:
    """Makes a git repository of a folder, where it is none, with all that it holds; the commit's id."""
    words = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "safe.directory=*"]

    def git(*more: str) -> str:
        run = subprocess.run(
            [*words, *more], cwd=folder, check=True, capture_output=True, text=True, timeout=60
        )
        return run.stdout.strip()

    if not (folder / ".git").exists():
        git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "-m", message)
    return git("rev-parse", "HEAD")


def _value(text: str, key: str) -> str:
    line = next(line for line in text.splitlines() if line.startswith(f"{key}:"))
    return line.partition(":")[2].strip().strip('"')

"""What is left of an app, wherever something could be."""

import sqlite3
from pathlib import Path

import requests

from tests.harness.homeport_box import HomeportBox

FIRST_PORT = 35000
DATA = ("volume ", "folder ")


def leftovers(box: HomeportBox, identifier: str, *, but_data: bool = False) -> list[str]:
    """All that Docker, the database, the disk and the kernel still have of an app, each in words.

    Args:
        box: the Homeport that had it; no other install may be going on.
        identifier: the app's.
        but_data: leave out volumes and the project folder, which an uninstall without purge keeps.
    """
    found = _in_docker(box, identifier) + _in_state(box, identifier) + _reserved_ports(box)
    found += [f"route {name}" for name in _routes(box) if name.partition(".")[0] == identifier]
    return [what for what in found if not (but_data and what.startswith(DATA))]


def reserved_ports() -> set[int]:
    """The ports that the kernel keeps out of the ephemeral range of this network namespace."""
    text = Path("/proc/sys/net/ipv4/ip_local_reserved_ports").read_text().strip()
    ports: set[int] = set()
    for part in text.split(",") if text else []:
        first, _, last = part.partition("-")
        ports.update(range(int(first), int(last or first) + 1))
    return ports


def _routes(box: HomeportBox) -> set[str]:
    return box.served_names() if (box.state_dir / "proxy" / "routes.map").exists() else set()


def _in_docker(box: HomeportBox, identifier: str) -> list[str]:
    client = box.engine.client
    labels = (f"homeport.app={identifier}", f"com.docker.compose.project=homeport-{identifier}")
    found: set[str] = set()
    for label in labels:
        wanted: dict[str, str | list[str] | bool] = {"label": label}
        found |= {f"container {one.name}" for one in client.containers.list(all=True, filters=wanted)}
        found |= {f"network {one.name}" for one in client.networks.list(filters=wanted)}
        found |= {f"volume {one.name}" for one in client.volumes.list(filters=wanted)}
    named = client.containers.list(all=True, filters={"name": f"^/{identifier}$"})
    return sorted(found | {f"container {one.name}" for one in named})


def _in_state(box: HomeportBox, identifier: str) -> list[str]:
    found = []
    if box.request("GET", f"/v1/apps/{identifier}").status_code != requests.codes.not_found:
        found.append(f"app {identifier}")
    if (folder := box.state_dir / "projects" / identifier).exists():
        found.append(f"folder {folder}")
    database = sqlite3.connect(f"file:{box.state_dir / 'db' / 'homeport.sqlite'}?mode=ro", uri=True)
    try:
        rows = database.execute(
            "SELECT kind, value FROM claims WHERE identifier = ?", (identifier,)
        ).fetchall()
    finally:
        database.close()
    return found + [f"claim {kind} {value}" for kind, value in rows]


def _reserved_ports(box: HomeportBox) -> list[str]:
    """Reserved host ports that belong to no app that there is."""
    used = {FIRST_PORT + int(app["app_id"]) for app in box.apps()}
    return [f"reserved port {port}" for port in sorted(reserved_ports() - used) if port > FIRST_PORT]

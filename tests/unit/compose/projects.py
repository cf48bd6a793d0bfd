"""A rendered project, and what Compose and Docker say of it when all is as it should be."""

import copy
import json
from pathlib import Path
from typing import Any

from compose.render import render_project
from compose.values import ProjectFacts, RenderedProject
from homeport.host.engine_values import ProjectInspection
from tests.unit.compose.definitions import definition, settings

FOLDER = Path("/srv/projects/wiki")

COMPOSE = """
services:
  web:
    image: example/web:1
    ports: ["2224:22"]
    volumes: ["./files:/files", "/etc/localtime:/etc/localtime:ro", "store:/store:ro"]
    environment: {PRICE: "5$$ $${HOME}"}
    cap_drop: [ALL]
    read_only: true
    user: "1000"
  db:
    image: example/db:1
    volumes: ["store:/store"]
    restart: on-failure:3
volumes:
  store:
"""
APP = "web: {service: web, port: 80}\nlimits: {cpus: 0.5, memory: 64M}\n"


def rendered(tmp_path: Path, compose: str = COMPOSE, app: str = APP) -> RenderedProject:
    """The project of an app `wiki`, with all permissions that it declares."""
    loaded = definition(tmp_path / "definition", compose, app)
    facts = ProjectFacts(
        app_id=12,
        identifier="wiki",
        host_name="wiki.example.org",
        host_port=35012,
        project_dir=FOLDER,
        version="1.0",
        host_cpus=2,
    )
    images = {name: f"example/{name}:1" for name in loaded.services}
    return render_project(
        loaded, facts, images=images, settings=settings(tmp_path), granted=loaded.permissions
    )


def resolved(project: RenderedProject) -> dict[str, Any]:
    """What Compose answers: everything in the long form, names of networks and volumes written out."""
    document: dict[str, Any] = json.loads(json.dumps(project.document))
    for service in document["services"].values():
        service |= {"command": None, "entrypoint": None, "deploy": {"placement": {}}}
        service["networks"] = {"default": None}
        service["mem_limit"] = str(service["mem_limit"])
    document["networks"]["default"] |= {"name": f"{project.project}_default", "ipam": {}}
    document["volumes"]["store"]["name"] = f"{project.project}_store"
    document["services"]["web"]["volumes"] = [
        {"type": "bind", "source": f"{FOLDER}/files", "target": "/files", "bind": {}},
        {"type": "bind", "source": "/etc/localtime", "target": "/etc/localtime", "read_only": True},
        {"type": "volume", "source": "store", "target": "/store", "read_only": True, "volume": {}},
    ]
    return document


def inspected(project: RenderedProject) -> ProjectInspection:
    """What Docker answers; Engine 26.1's words."""
    labels = project.document["services"]["web"]["labels"]
    ours = {name: value for name, value in labels.items() if name != "homeport.service"}
    network = {
        "Name": f"{project.project}_default", "Driver": "bridge", "Internal": False, "Attachable": False,
        "Options": {}, "Labels": {**ours, "com.docker.compose.network": "default"},
        "IPAM": {"Driver": "default", "Options": None, "Config": [{"Subnet": "172.18.0.0/16"}]},
    }  # fmt: skip
    volume = {"Name": f"{project.project}_store", "Driver": "local", "Options": None, "Labels": dict(ours)}
    ports = {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "35012"}],
        "22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "2224"}],
    }
    store = {
        "Type": "volume", "Name": f"{project.project}_store", "Destination": "/store", "Driver": "local",
        "RW": True, "Propagation": "",
    }  # fmt: skip
    clock = {"Type": "bind", "Source": "/etc/localtime", "Destination": "/etc/localtime"}
    files = {"Type": "bind", "Source": f"{FOLDER}/files", "Destination": "/files"}
    web = container(project, "web", "wiki", [
        {**files, "RW": True, "Propagation": "rprivate"},
        {**clock, "RW": False, "Propagation": "rprivate"},
        {**store, "RW": False},
    ], PortBindings=ports, CapDrop=["ALL"], ReadonlyRootfs=True)  # fmt: skip
    restart = {"Name": "on-failure", "MaximumRetryCount": 3}
    db = container(project, "db", f"{project.project}-db-1", [store], RestartPolicy=restart)
    return ProjectInspection(containers=[web, db], networks=[network], volumes=[volume])


def container(
    project: RenderedProject, service: str, name: str, mounts: list[dict[str, Any]], **changed: Any
) -> dict[str, Any]:
    """A container that Docker made and did not start."""
    wanted = project.document["services"][service]
    of_compose = {
        "com.docker.compose.project": project.project,
        "com.docker.compose.service": service,
    }
    host = {
        "Binds": None, "ContainerIDFile": "", "NetworkMode": f"{project.project}_default",
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10485760"}},
        "PortBindings": {}, "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        "AutoRemove": False, "VolumeDriver": "", "VolumesFrom": None, "ConsoleSize": [0, 0],
        "CapAdd": None, "CapDrop": None, "CgroupnsMode": "private", "Dns": [], "ExtraHosts": [],
        "GroupAdd": None, "IpcMode": "private", "Cgroup": "", "Links": None, "OomScoreAdj": 0, "PidMode": "",
        "Privileged": False, "PublishAllPorts": False, "ReadonlyRootfs": False,
        "SecurityOpt": ["no-new-privileges:true"], "UTSMode": "", "UsernsMode": "", "ShmSize": 67108864,
        "Runtime": "runc", "Isolation": "", "CpuShares": 0, "Memory": 64 << 20, "MemorySwap": 64 << 20,
        "NanoCpus": 500_000_000, "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": None,
        "CpusetCpus": "", "Devices": None, "DeviceCgroupRules": None, "DeviceRequests": None,
        "MemoryReservation": 0, "MemorySwappiness": None, "OomKillDisable": False, "PidsLimit": 2048,
        "Ulimits": None, "Mounts": None,
        "MaskedPaths": ["/proc/acpi", "/proc/kcore", "/sys/firmware"],
        "ReadonlyPaths": ["/proc/bus", "/proc/sys"],
    }  # fmt: skip
    joined = {f"{project.project}_default": {"IPAMConfig": None, "Links": None, "DriverOpts": None}}
    return {
        "Id": f"{service:0<64}",
        "Name": f"/{name}",
        "Config": {
            "Image": wanted["image"],
            "Labels": {**wanted["labels"], **of_compose},
            "User": str(wanted.get("user", "")),
        },
        "HostConfig": copy.deepcopy(host | changed),
        "Mounts": copy.deepcopy(mounts),
        "NetworkSettings": {"Networks": joined},
    }

"""What Compose understands and Docker makes of a project is judged before anything of it runs."""

import json
import time
from pathlib import Path

from tests.harness.engine import EngineBox
from tests.system.projects import IMAGE, scratch

STAYS = ["sleep", "1000"]
WEB = "web: {service: web, port: 8080}\n"
PAIR = json.dumps(
    {
        "services": {
            "web": {
                "image": IMAGE,
                "command": STAYS,
                "init": True,
                "depends_on": ["db"],
                "links": ["db:store"],
                "volumes": ["./files:/files", "/etc/localtime:/etc/localtime:ro", "/cache"],
                "ports": ["2224:22", "6060:6060/udp"],
                "environment": {"PRICE": "5$$ $${HOME}"},
                "tmpfs": ["/scratch"],
                "cap_drop": ["ALL"],
                "cap_add": ["CHOWN"],
                "configs": [{"source": "words", "target": "/words", "mode": 292}],
                "networks": {"front": {"aliases": ["pages"]}, "default": None},
            },
            "db": {
                "image": IMAGE,
                "command": STAYS,
                "restart": "on-failure:3",
                "volumes": ["store:/store", {"type": "tmpfs", "target": "/quick"}],
                "healthcheck": {"test": ["CMD", "true"]},
                "ulimits": {"nofile": 1024},
                "shm_size": "32m",
            },
            "side": {
                "image": IMAGE,
                "command": STAYS,
                "network_mode": "service:db",
                "volumes_from": ["web:ro"],
            },
            "alone": {"image": IMAGE, "command": STAYS, "network_mode": "none", "read_only": True},
        },
        "volumes": {"store": None},
        "networks": {"front": {"internal": True}},
        "configs": {"words": {"content": "costs 5$$"}},
    }
)


def test_what_every_app_may_have_is_made_and_nothing_of_it_runs(
    engine_box: EngineBox, tmp_path: Path
) -> None:
    with scratch(
        engine_box.docker_host, tmp_path, PAIR, WEB + "limits: {memory: 64M, cpus: 0.5}\n"
    ) as project:
        for _ in range(3):
            began = time.monotonic()
            project.create()
            print("create", time.monotonic() - began)

        states = {one.service: one.state for one in project.engine.project_containers(project.project)}
        began = time.monotonic()
        project.up()
        print("up", time.monotonic() - began)
        project.create()

    assert states == {"web": "created", "db": "created", "side": "created", "alone": "created"}

"""What a definition says and what Homeport adds to it, read back from the running containers."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.definitions import headless_app, pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers
from tests.harness.standins import publish_standin

MIB = 1024 * 1024

APP = """
name: odd
title: Odd
version: "1.0"
description: Everything that is easily misread
main: web
web: {service: web, port: 80, path: /, health: /}
limits: {cpus: 0.5, memory: 96M, services: {helper: {memory: 48M, pids: 77}}}
"""
COMPOSE = """
services:
  web:
    image: acme/odd-web:1
    ports:
      - HOST_PORT:80
      - 2224:22
      - 2225:2225/udp
    environment:
      OCTAL: 0755
      ANSWER: no
      SWITCH: on
      TIME: 22:22
      HEX: 0x1F
      PRICE: 5$$ $${HOME}
      NAME: db_APP_IDENTIFIER at APP_HOSTNAME:HOST_PORT, MY_HOST_PORT
    healthcheck:
      test: ["CMD", "true"]
      interval: 30s
  helper:
    image: acme/odd-ends:1
    restart: no
  retrier:
    image: acme/odd-ends:1
    restart: on-failure
"""


@pytest.fixture(scope="module")
def odd_images(engine_box: EngineBox) -> EngineBox:
    publish_standin(engine_box, "acme/odd-web:1")
    publish_standin(engine_box, "acme/odd-ends:1", mode="ends")
    return engine_box


def test_what_a_definition_says_arrives_as_it_was_meant_and_nothing_of_ours_is_missing(
    homeport_box: HomeportBox, odd_images: EngineBox
) -> None:
    homeport_box.add_definition("odd", {"app.yml": APP, "docker-compose.yml": COMPOSE})

    homeport_box.succeed(homeport_box.install("odd", app_id=650))
    services = {
        one.labels["homeport.service"]: one.attrs
        for one in odd_images.client.containers.list(all=True, filters={"label": "homeport.app=odd"})
    }
    app = homeport_box.app("odd")
    homeport_box.succeed(homeport_box.uninstall("odd", purge=True))

    check_environment(services["web"])
    check_ports(services["web"])
    check_rules(services)
    check_limits(services, app)
    assert leftovers(homeport_box, "odd") == []


def check_environment(web: dict[str, Any]) -> None:
    environment = dict(line.split("=", 1) for line in web["Config"]["Env"])
    expected = {
        "OCTAL": "0755",
        "ANSWER": "no",
        "SWITCH": "on",
        "TIME": "22:22",
        "HEX": "31",
        "PRICE": "5$ ${HOME}",
        "NAME": "db_odd at odd.localhost:35650, MY_HOST_PORT",
    }
    assert {name: environment.get(name) for name in expected} == expected


def check_ports(web: dict[str, Any]) -> None:
    bindings = web["HostConfig"]["PortBindings"]
    assert {inner: bound[0]["HostPort"] for inner, bound in bindings.items()} == {
        "80/tcp": "35650",
        "22/tcp": "2224",
        "2225/udp": "2225",
    }


def check_rules(services: dict[str, Any]) -> None:
    rules = {name: found["HostConfig"]["RestartPolicy"]["Name"] for name, found in services.items()}
    assert rules == {"web": "unless-stopped", "helper": "no", "retrier": "on-failure"}
    assert services["web"]["Name"] == "/odd"
    assert services["web"]["Config"]["Healthcheck"]["StartInterval"] == 10**9
    for found in services.values():
        assert found["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]
        assert found["HostConfig"]["LogConfig"] == {
            "Type": "json-file",
            "Config": {"max-size": str(10 * MIB), "max-file": "3"},
        }
        assert found["Config"]["Labels"]["homeport.app"] == "odd"
        assert found["Config"]["Labels"]["homeport.version"] == "1.0"


def check_limits(services: dict[str, Any], app: dict[str, Any]) -> None:
    limits = {
        name: (
            found["HostConfig"]["NanoCpus"],
            found["HostConfig"]["Memory"],
            found["HostConfig"]["PidsLimit"],
        )
        for name, found in services.items()
    }
    assert limits == {
        "web": (5 * 10**8, 96 * MIB, 2048),
        "helper": (5 * 10**8, 48 * MIB, 77),
        "retrier": (5 * 10**8, 96 * MIB, 2048),
    }
    assert app["limits"]["memory_bytes"] == (96 + 48 + 96) * MIB
    assert app["limits"]["cpus"] == 1.5
    assert app["limits"]["pids"] == 2048 * 2 + 77


@pytest.mark.parametrize(("publish", "address"), [("loopback", "127.0.0.1"), ("lan", "0.0.0.0")])
def test_every_port_is_published_on_the_address_that_the_setting_names(
    fresh_homeport: Callable[..., HomeportBox], odd_images: EngineBox, publish: str, address: str
) -> None:
    box = fresh_homeport(publish=publish)
    box.add_definition("published", pulled_app("published", "acme/odd-web:1"))

    box.succeed(box.install("published", app_id=651))

    found = odd_images.client.containers.get("published").attrs
    bound = [each for bindings in found["HostConfig"]["PortBindings"].values() for each in bindings]
    assert bound == [{"HostIp": address, "HostPort": "35651"}]
    assert box.visit("published").ok
    box.succeed(box.uninstall("published", purge=True))


def test_what_a_container_writes_is_rotated_away(homeport_box: HomeportBox, engine_box: EngineBox) -> None:
    publish_standin(engine_box, "acme/loud:1")
    service = "    command: [yes, it is loud]\n    stop_signal: SIGKILL\n"
    homeport_box.add_definition("loud", headless_app("loud", "acme/loud:1", service=service))

    homeport_box.succeed(homeport_box.install("loud"))
    log = engine_box.root / "data" / "containers" / str(engine_box.client.containers.get("loud").id)
    sizes: list[int] = []
    deadline = time.monotonic() + 30
    while len(sizes) < 3 and time.monotonic() < deadline:
        sizes = [file.stat().st_size for file in log.glob("*-json.log*")]
        time.sleep(0.2)
    homeport_box.succeed(homeport_box.uninstall("loud", purge=True))

    assert len(sizes) == 3, "the log was never rotated"
    assert sum(sizes) < 32 * MIB

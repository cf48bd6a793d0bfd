"""Definitions that are sent with the install request itself."""

import json
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

import pytest
import requests

from tests.harness.definitions import pulled_app
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.https_site import packed
from tests.harness.leftovers import leftovers
from tests.harness.points import killed_at
from tests.harness.programs import wait_until
from tests.harness.standins import publish_standin

IMAGE = "acme/pushed:1"
POINTS = "pushed-points"
MORE = """
permissions: ["capability:NET_ADMIN"]
settings:
  GREETING: {default: hello, description: What it says}
"""
SERVICE = "    cap_add: [NET_ADMIN]\n    environment: [GREETING]\n    volumes: ['./files:/files']\n"
FILES = pulled_app("pushed", IMAGE, service=SERVICE, more=MORE + "data: [files]\n")


@pytest.fixture(scope="module")
def box(engine_box: EngineBox) -> Iterator[HomeportBox]:
    publish_standin(engine_box, IMAGE, payload_bytes=2_000_000)
    (engine_box.root / POINTS).mkdir()
    with HomeportBox(engine_box, "pushed", fail_points=engine_box.root / POINTS) as homeport:
        yield homeport
    engine_box.line.mend()


def push(box: HomeportBox, files: Mapping[str, str] = FILES, /, **query: str) -> requests.Response:
    """Sends a definition to be installed; the answer."""
    given = {"permissions": "capability:NET_ADMIN", **query}
    return box.request(
        "POST",
        f"/v1/apps?{urlencode({name: value for name, value in given.items() if value})}",
        data=packed(files),
        headers={"Content-Type": "application/gzip"},
    )


def pushed(box: HomeportBox, **query: str) -> Json:
    answer = push(box, **query)
    assert answer.status_code == 202, answer.text
    job: Json = answer.json()
    return job


def sources(box: HomeportBox) -> list[str]:
    """What lies in the folders of uploads, and of what was unpacked."""
    return [path.name for name in ("uploads", "unpacked") for path in (box.state_dir / name).glob("*")]


def test_a_definition_that_is_sent_is_installed_with_what_was_granted_and_set(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    job = pushed(box, identifier="sent", app_id="700", settings=json.dumps({"GREETING": "good day"}))
    box.succeed(job)

    app = box.app("sent")
    assert (app["catalog"], app["definition"], app["settings"]) == (None, "pushed", {"GREETING": "good day"})
    assert [one["permission"] for one in app["permissions"]] == ["capability:NET_ADMIN"]
    container = engine_box.client.containers.get("sent")
    assert container.attrs["HostConfig"]["CapAdd"] == ["CAP_NET_ADMIN"]
    assert "GREETING=good day" in container.attrs["Config"]["Env"]
    assert box.visit("sent").ok
    assert sources(box) == []
    box.succeed(box.uninstall("sent", purge=True))
    assert leftovers(box, "sent") == []


def test_an_app_in_the_boxs_own_network_is_reached_where_it_listens_and_its_port_is_claimed(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    publish_standin(engine_box, "acme/open:1", port=8123)
    app_yml = 'name: open\ntitle: Open\nversion: "1"\npermissions: [host_network]\n'
    files = {
        "app.yml": app_yml + "web: {service: web, port: 8123, health: /}\n",
        "docker-compose.yml": "services: {web: {image: 'acme/open:1', network_mode: host}}\n",
    }

    ended = box.succeed(push(box, files, permissions="host_network").json())
    second = push(box, files, permissions="host_network", identifier="second")

    assert (box.app("open")["host_port"], ended["result"]["host_port"]) == (8123, 8123)
    assert box.visit("open").ok
    assert (second.status_code, second.json()["facts"]["value"]) == (409, "8123")
    box.succeed(box.uninstall("open", purge=True))
    assert leftovers(box, "open") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"permissions": ""}, "permissions_not_granted"),
        ({"permissions": "capability:SYS_ADMIN"}, "permissions_not_granted"),
        ({"settings": '{"UNKNOWN": "x"}'}, "invalid_input"),
    ],
)
def test_what_was_not_granted_or_is_wrong_is_refused_and_leaves_nothing(
    box: HomeportBox, query: dict[str, str], code: str
) -> None:
    answer = push(box, **query)

    assert answer.json()["code"] == code
    assert answer.status_code == (403 if code == "permissions_not_granted" else 422)
    assert leftovers(box, "pushed") == []
    assert sources(box) == []


def test_a_permission_that_the_compose_file_needs_and_app_yml_does_not_name_is_refused(
    box: HomeportBox,
) -> None:
    files = {**FILES, "app.yml": FILES["app.yml"].replace('permissions: ["capability:NET_ADMIN"]', "")}

    answer = push(box, files)

    assert (answer.status_code, answer.json()["code"]) == (422, "policy_refused")
    assert "permission-undeclared" in answer.text
    assert sources(box) == []


def test_the_worker_looks_again_at_what_was_granted(box: HomeportBox) -> None:
    box.add_definition("changing", pulled_app("changing", IMAGE))
    worker = box.component("workers")
    worker.suspend()
    job = box.install("changing", identifier="late", app_id=712)
    box.add_definition(
        "changing",
        pulled_app("changing", IMAGE, service="    privileged: true\n", more="permissions: [privileged]\n"),
    )
    worker.resume()

    problem = box.fail(job)

    assert problem["code"] == "permissions_not_granted"
    assert problem["facts"]["missing"][0]["permission"] == "privileged"
    assert leftovers(box, "late") == []
    assert sources(box) == []


def test_an_install_of_what_was_sent_that_is_cancelled_leaves_nothing(
    box: HomeportBox, engine_box: EngineBox
) -> None:
    engine_box.remove_image(IMAGE)
    engine_box.line.throttle(50_000)
    job = pushed(box)
    box.wait_for_step(job, "fetch images")

    box.cancel(job)
    ended = box.wait(job)
    engine_box.line.mend()

    assert ended["state"] == "cancelled"
    assert leftovers(box, "pushed") == []
    assert sources(box) == []


@pytest.mark.parametrize("step", ["read definition", "fetch images", "create", "record"])
def test_an_install_of_what_was_sent_goes_on_after_its_worker_was_killed(
    box: HomeportBox, engine_box: EngineBox, step: str
) -> None:
    job = killed_at(box, engine_box.root / POINTS, f"install/{step}:acted", lambda: pushed(box))

    box.succeed(job, timeout_s=60)

    assert box.visit("pushed").ok
    wait_until(lambda: sources(box) == [], what="nothing that was sent", timeout_s=10)
    box.succeed(box.uninstall("pushed", purge=True))
    assert leftovers(box, "pushed") == []

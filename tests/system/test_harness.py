"""The machinery itself: engine, registry and network are real, and the machine's own are left alone."""

import time
from pathlib import Path

import pytest
import requests
from docker.errors import APIError

from tests.harness.engine import EngineBox
from tests.harness.programs import wait_until
from tests.harness.standins import build_standin, publish_standin


def test_a_published_port_answers_on_loopback(engine_box: EngineBox) -> None:
    image = build_standin(engine_box, says="hello")
    container = engine_box.client.containers.run(image, detach=True, ports={"80/tcp": ("127.0.0.1", 35999)})

    try:
        wait_until(lambda: _says("http://127.0.0.1:35999/") == "hello\n", what="the port", timeout_s=10)
    finally:
        container.remove(force=True)
        engine_box.remove_image(image)


def test_services_of_one_network_find_each_other_by_name(engine_box: EngineBox) -> None:
    client = engine_box.client
    network = client.networks.create("names")
    image = build_standin(engine_box, says="neighbour")
    server = client.containers.run(image, detach=True, name="neighbour", network="names")

    try:
        ask = "use IO::Socket::INET; my $s = IO::Socket::INET->new('neighbour:80') or die; "
        ask += "print $s qq(GET / HTTP/1.0\\r\\n\\r\\n); print <$s>"
        said = client.containers.run(image, ["perl", "-e", ask], network="names", remove=True)
        assert b"neighbour\n" in said
    finally:
        server.remove(force=True)
        network.remove()
        engine_box.remove_image(image)


def test_images_are_pulled_from_the_registry_by_their_outside_names(pulled_images: EngineBox) -> None:
    image = pulled_images.client.images.pull("gitlab/gitlab-ce", tag="latest")

    digest = pulled_images.registry.digest("gitlab/gitlab-ce:latest")
    assert image.attrs["RepoDigests"] == [f"gitlab/gitlab-ce@{digest}"]
    pulled_images.remove_image("gitlab/gitlab-ce:latest")


def test_what_the_registry_does_not_have_is_not_asked_for_outside(engine_box: EngineBox) -> None:
    began = time.monotonic()

    with pytest.raises(APIError):
        engine_box.client.images.pull("library/not-there", tag="latest")

    assert time.monotonic() - began < 10


def test_a_pull_over_a_line_that_is_cut_fails(line: EngineBox) -> None:
    publish_standin(line, "acme/large:1", payload_bytes=4_000_000)
    line.line.cut_after(1_000_000)

    with pytest.raises(APIError):
        line.client.images.pull("acme/large", tag="1")

    line.line.mend()
    line.client.images.pull("acme/large", tag="1")
    line.remove_image("acme/large:1")


def test_a_slow_line_shows_a_pull_in_its_middle(line: EngineBox) -> None:
    publish_standin(line, "acme/slow:1", payload_bytes=4_000_000)
    line.line.throttle(4_000_000)

    records = line.client.api.pull("acme/slow", tag="1", stream=True, decode=True)
    shown = [record["progressDetail"]["current"] for record in records if record.get("progressDetail")]

    assert any(0 < current < 4_000_000 for current in shown)
    line.remove_image("acme/slow:1")


def test_a_killed_engine_comes_back_with_its_images(engine_box: EngineBox) -> None:
    engine_box.kill()
    assert not engine_box.answers()

    engine_box.start()

    assert engine_box.client.images.get("debian:bookworm-slim")


def test_the_machine_s_own_firewall_keeps_its_chains(engine_box: EngineBox) -> None:
    before = engine_box.namespace.chains_before

    assert before <= engine_box.namespace.outer_chains()


def test_containers_live_in_control_groups_of_the_run_s_own(engine_box: EngineBox) -> None:
    image = build_standin(engine_box, mode="waits")
    container = engine_box.client.containers.run(image, detach=True)

    try:
        groups = list(Path("/sys/fs/cgroup").glob(f"**/{engine_box.netns}/{container.id}"))
        assert groups
    finally:
        container.remove(force=True)
        engine_box.remove_image(image)


def _says(url: str) -> str:
    try:
        return requests.get(url, timeout=2).text
    except requests.RequestException:
        return ""

"""The Docker adapter on a real engine: pulls over good, slow, stuck and cut lines; containers, logs."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.errors import (
    CancelledError,
    CeilingReachedError,
    EngineRefusedError,
    EngineUnavailableError,
    NotFoundError,
    PullFailedError,
    StalledError,
)
from homeport.host.engine import Engine, PullProgress
from tests.harness.engine import EngineBox
from tests.harness.programs import wait_until
from tests.harness.standins import build_standin, publish_standin

IMAGE = "acme/adapter:1"
PAYLOAD = 6_000_000


class Never:
    def check(self) -> None:
        """Lets everything go on."""


class CancelWhen:
    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.at = 0.0

    def cancel(self) -> None:
        if not self.cancelled.is_set():
            self.at = time.monotonic()
            self.cancelled.set()

    def check(self) -> None:
        if self.cancelled.is_set():
            raise CancelledError("Cancelled.")


@pytest.fixture
def engine(engine_box: EngineBox) -> Engine:
    return Engine(engine_box.docker_host)


@pytest.fixture
def large(line: EngineBox) -> Iterator[EngineBox]:
    """The engine and its line; the registry has a fresh `IMAGE`, which no earlier pull has left parts of."""
    publish_standin(line, IMAGE, payload_bytes=PAYLOAD)
    yield line
    line.line.mend()
    line.remove_image(IMAGE)


@pytest.fixture
def waiting(engine_box: EngineBox) -> Iterator[str]:
    """The id of a running container with labels of a compose project, which prints to both streams."""
    image = build_standin(engine_box, mode="waits")
    container = engine_box.client.containers.run(
        image,
        ["sh", "-c", "echo out; sleep 0.1; echo err >&2; exec sleep 600"],
        name="adapter-waiting",
        detach=True,
        ports={"80/tcp": ("127.0.0.1", 35777)},
        labels={
            "com.docker.compose.project": "homeport-adapter",
            "com.docker.compose.service": "web",
            "homeport.app": "adapter",
        },
    )
    yield str(container.id)
    Engine(engine_box.docker_host).remove_container(str(container.id))
    engine_box.remove_image(image)


def test_a_pull_over_a_slow_line_shows_bytes_that_grow_and_ends_with_the_image(
    large: EngineBox, engine: Engine
) -> None:
    large.line.throttle(4_000_000)
    shown: list[PullProgress] = []

    image = engine.pull(IMAGE, on_progress=shown.append, control=Never(), stall_s=20, ceiling_s=60)

    fractions = [progress.fraction for progress in shown]
    assert IMAGE in image.tags
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert any(0 < progress.current_bytes < PAYLOAD and progress.speed > 0 for progress in shown)
    assert shown[-1].layers_done == shown[-1].layers


def test_a_cancelled_pull_returns_in_two_seconds_and_the_engine_stops_pulling(
    large: EngineBox, engine: Engine
) -> None:
    large.line.throttle(500_000)
    control = CancelWhen()

    def cancel_in_the_middle(progress: PullProgress) -> None:
        if progress.current_bytes > 0:
            control.cancel()

    with pytest.raises(CancelledError):
        engine.pull(IMAGE, on_progress=cancel_in_the_middle, control=control, stall_s=20, ceiling_s=60)

    assert time.monotonic() - control.at < 2
    time.sleep(1.5)
    before = large.line.passed_bytes
    time.sleep(1.5)
    assert large.line.passed_bytes - before < 200_000
    assert engine.image(IMAGE) is None


def test_a_pull_is_cancelled_also_while_the_registry_says_nothing_at_all(
    large: EngineBox, engine: Engine
) -> None:
    large.line.stick()
    control = CancelWhen()
    threading.Timer(1, control.cancel).start()

    with pytest.raises(CancelledError):
        engine.pull(IMAGE, on_progress=lambda _: None, control=control, stall_s=20, ceiling_s=60)

    assert time.monotonic() - control.at < 2


def test_a_line_that_gets_stuck_is_a_stall(large: EngineBox, engine: Engine) -> None:
    large.line.throttle(2_000_000)
    began = time.monotonic()

    def stick(progress: PullProgress) -> None:
        if progress.current_bytes > 0:
            large.line.stick()

    with pytest.raises(StalledError) as raised:
        engine.pull(IMAGE, on_progress=stick, control=Never(), stall_s=2, ceiling_s=60)

    assert raised.value.facts["stall_s"] == 2
    assert time.monotonic() - began < 15


def test_a_pull_that_takes_too_long_is_ended(large: EngineBox, engine: Engine) -> None:
    large.line.throttle(200_000)

    with pytest.raises(CeilingReachedError):
        engine.pull(IMAGE, on_progress=lambda _: None, control=Never(), stall_s=20, ceiling_s=2)


def test_a_line_that_is_cut_fails_the_pull_in_words_and_the_next_one_works(
    large: EngineBox, engine: Engine
) -> None:
    large.line.cut_after(1_000_000)

    with pytest.raises(PullFailedError) as raised:
        engine.pull(IMAGE, on_progress=lambda _: None, control=Never(), stall_s=30, ceiling_s=60)

    assert raised.value.facts["image"] == IMAGE
    assert raised.value.remedy
    large.line.mend()
    assert engine.pull(IMAGE, on_progress=lambda _: None, control=Never(), stall_s=30, ceiling_s=60)


def test_an_image_that_nobody_has_is_named(engine: Engine) -> None:
    with pytest.raises(PullFailedError) as raised:
        engine.pull("acme/nowhere:7", on_progress=lambda _: None, control=Never(), stall_s=20, ceiling_s=60)

    assert "acme/nowhere:7" in raised.value.what
    assert raised.value.why


def test_the_engine_says_who_it_is(engine: Engine, engine_box: EngineBox) -> None:
    assert engine.version().os == "linux"
    assert engine.root_dir() == engine_box.root / "data"


def test_an_engine_that_is_not_there_is_told_with_a_remedy() -> None:
    absent = Engine("unix:///nonexistent/docker.sock")

    with pytest.raises(EngineUnavailableError) as raised:
        absent.containers()

    assert raised.value.remedy


def test_an_engine_that_is_there_all_the_time_stays(engine: Engine) -> None:
    assert engine.stays(2)


@pytest.mark.parametrize("way", ["restarted", "killed"])
def test_an_engine_that_goes_away_for_a_moment_did_not_stay(
    way: str, engine: Engine, engine_box: EngineBox
) -> None:
    stayed: list[bool] = []
    watcher = threading.Thread(target=lambda: stayed.append(engine.stays(60)))
    watcher.start()
    time.sleep(1)  # it watches

    engine_box.stop() if way == "restarted" else engine_box.kill()
    engine_box.start()
    watcher.join(timeout=10)

    assert stayed == [False]
    assert engine.stays(1)


def test_an_engine_that_is_not_there_does_not_stay(tmp_path: Path) -> None:
    assert not Engine(f"unix://{tmp_path}/nobody.sock").stays(60)


def test_containers_are_found_by_name_label_and_project(engine: Engine, waiting: str) -> None:
    found = engine.container_named("adapter-waiting")

    assert found is not None
    assert (found.id, found.state, found.service, found.project) == (
        waiting,
        "running",
        "web",
        "homeport-adapter",
    )
    assert [state.id for state in engine.project_containers("homeport-adapter")] == [waiting]
    assert [state.id for state in engine.containers({"homeport.app": "adapter"})] == [waiting]
    assert [state.id for state in engine.containers(["homeport.app=adapter"])] == [waiting]
    assert engine.containers({"homeport.app": "other"}) == []
    assert engine.container_named("no-such-container") is None


def test_who_publishes_a_port_is_known_by_its_protocol(engine: Engine, waiting: str) -> None:
    publisher = engine.publisher_of(35777)

    assert publisher is not None
    assert publisher.id == waiting
    assert engine.publisher_of(35777, "udp") is None
    assert engine.publisher_of(35778) is None


def test_a_log_s_last_lines_come_from_both_streams(engine: Engine, waiting: str) -> None:
    wait_until(lambda: len(engine.container_log(waiting, tail=10)) == 2, what="the log", timeout_s=10)

    assert engine.container_log(waiting, tail=10) == ["out", "err"]
    assert engine.container_log(waiting, tail=1) == ["err"]
    with pytest.raises(NotFoundError):
        engine.container_log("no-such-container", tail=1)


def test_a_followed_log_ends_when_another_thread_closes_it(engine: Engine, waiting: str) -> None:
    wait_until(lambda: len(engine.container_log(waiting, tail=10)) == 2, what="the log", timeout_s=10)

    with engine.stream_log(waiting, tail=10, follow=True) as log:
        lines: list[bytes] = []
        reader = threading.Thread(target=lambda: lines.extend(log))
        reader.start()
        time.sleep(0.5)
        assert reader.is_alive()
        log.close()
        reader.join(2)

    assert not reader.is_alive()
    assert lines == [b"out", b"err"]


def test_a_log_that_is_not_followed_ends_by_itself(engine: Engine, waiting: str) -> None:
    wait_until(lambda: len(engine.container_log(waiting, tail=10)) == 2, what="the log", timeout_s=10)

    with engine.stream_log(waiting, tail=10, follow=False) as log:
        assert list(log) == [b"out", b"err"]


def test_what_is_gone_is_removed_already(engine: Engine) -> None:
    engine.remove_container("no-such-container", stop_s=1)
    engine.remove_network("no-such-network")
    engine.remove_volume("no-such-volume")
    engine.remove_image("no-such-image:1")


def test_networks_and_volumes_are_found_by_label_and_removed(engine: Engine, engine_box: EngineBox) -> None:
    labels = {"homeport.app": "adapter-things"}
    engine_box.client.networks.create("adapter-net", labels=labels)
    engine_box.client.volumes.create("adapter-volume", labels=labels)

    assert [network.name for network in engine.networks(labels)] == ["adapter-net"]
    assert [volume.name for volume in engine.volumes(labels)] == ["adapter-volume"]
    engine.remove_network("adapter-net")
    engine.remove_volume("adapter-volume")
    assert engine.networks(labels) == []
    assert engine.volumes(labels) == []


def test_an_image_in_use_is_not_removed(engine: Engine, waiting: str) -> None:
    container = engine.container_named(waiting)
    assert container is not None

    with pytest.raises(EngineRefusedError) as raised:
        engine.remove_image(container.image_id)

    assert raised.value.facts["status"] == 409
    assert engine.image(container.image_id) is not None


def test_an_adapter_works_for_many_threads_at_once(engine: Engine, waiting: str) -> None:
    found: list[int] = []

    def look() -> None:
        found.extend(len(engine.project_containers("homeport-adapter")) for _ in range(10))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert waiting
    assert found == [1] * 80

"""Rewritten Dockerfiles on a real engine: what their RUNs see, and what is left of it in the image."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from homeport.caches import PORT_OFFSETS
from homeport.host.engine import Engine
from tests.harness.building import BASE, TAG, BuildBench, fresh
from tests.harness.engine import EngineBox
from tests.harness.saved_image import SavedImage, save_images

FIRST_PORT, OTHER_PORT = 9341, 9351
TARGETS = {
    *("/etc/apt/apt.conf.d/00homeport", "/etc/xdg/pip/pip.conf", "/etc/uv/uv.toml", "/etc/npmrc"),
    *("/usr/etc/npmrc", "/usr/local/etc/npmrc", "/etc/gemrc", "/usr/local/etc/gemrc", "/root/.bundle/config"),
}
# What names one of the files would be taken for a configuration of its own.
SHOW = "grep -r 'http://[0-9]' /etc/apt/apt.conf.d /etc/[n-z]* /etc/gem* /usr/etc /usr/local/etc /root"
OTHER_BASE = "test-rewritten:base"  # no `homeport/…`: nothing is built upon those


class _Healthy(BaseHTTPRequestHandler):
    """What every cache says to whoever asks whether it is there."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def gateway(engine_box: EngineBox) -> Iterator[str]:
    """The bridge's address, where at two rows of ports something passes for the caches."""
    address = Engine(engine_box.docker_host).bridge().gateway
    ports = [first + offset for first in (FIRST_PORT, OTHER_PORT) for offset in PORT_OFFSETS.values()]
    with ExitStack() as stack:
        for port in ports:
            server = stack.enter_context(ThreadingHTTPServer((address, port), _Healthy))
            Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        yield address


@pytest.fixture
def bench(engine_box: EngineBox, gateway: str, tmp_path: Path) -> Iterator[BuildBench]:
    (tmp_path / "context").mkdir()
    yield BuildBench(engine_box, tmp_path / "context", cache_port=FIRST_PORT)
    for tag in (TAG, OTHER_BASE):
        engine_box.remove_image(tag)


def saved(bench: BuildBench, tmp_path: Path) -> SavedImage:
    return save_images(bench.docker_host, [TAG], tmp_path / "image.tar")[0]


def test_a_run_sees_every_clients_configuration_and_the_image_has_none_of_it(
    bench: BuildBench, gateway: str, tmp_path: Path
) -> None:
    word = fresh()

    bench.build(f"FROM {BASE}\nRUN echo {word}; {SHOW}\n")

    found = re.findall(rf"\| (/\S+?):.*http://{re.escape(gateway)}:(\d+)/?", bench.said())
    assert {path for path, _ in found} == TARGETS
    assert {int(port) - FIRST_PORT for _, port in found} == set(PORT_OFFSETS.values())
    image = saved(bench, tmp_path)
    traces = re.compile(re.escape(gateway).encode() + rb"|hp-[a-z]+|homeport-scratch|00homeport")
    assert image.places_of(traces, above=1) == []
    assert not traces.search(repr(image.config).encode())
    above = image.entries(first=1)
    assert [path for path, entry in above.items() if not entry.is_folder] == []
    made = {
        "etc/xdg",
        "etc/uv",
        "usr/etc",
        "root/.bundle",
        "root/.cache",
        "root/.local",
        "var/cache/homeport",
    }
    assert made.isdisjoint(path.rstrip("/") for path in above)


def test_layers_stay_cached_when_the_caches_are_elsewhere_or_away(bench: BuildBench, tmp_path: Path) -> None:
    text = f"FROM {BASE}\nRUN echo {fresh()} > /word\nRUN <<EOF\ndate +%N > /then\nEOF\n"
    layers = []

    for changed in ({}, {"cache_port": OTHER_PORT}, {"cache_port": 9399}, {"package_caches": False}):
        bench.build(text, **changed)
        layers.append(saved(bench, tmp_path).diff_ids)

    assert len(layers[0]) == 3
    assert layers == [layers[0]] * 4


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_way_of_writing_a_run_does_what_it_did(bench: BuildBench, end: str) -> None:
    lines = [
        "# syntax=docker/dockerfile:1",
        "# escape=`",
        f"FROM {BASE} AS first",
        f"ENV WORD {fresh()} and more",
        "LABEL maintainer Some One",
        "RUN echo one `",
        "  # in between",
        "  two > /joined",
        'RUN ["/bin/sh", "-c", "echo exec > /exec"]',
        "run\techo $((1<<4)) > /shifted",
        "RUN --network=none echo alone > /alone",
        "RUN --mount=type=tmpfs,target=/t touch /t/x && echo mounted > /mounted",
        'SHELL ["/bin/bash", "-c"]',
        "RUN cat <<< here > /string",
        "FROM first",
        "RUN head -n 1 /joined /exec /shifted /alone /mounted /string",
    ]

    bench.build(end.join(lines) + end)

    for word in ("one two", "exec", "16", "alone", "mounted", "here"):
        assert any(line.endswith(f"| {word}") for line in bench.lines), word


def test_here_documents_are_given_to_their_commands_untouched(bench: BuildBench) -> None:
    bench.build(
        f"FROM {BASE}\nCOPY <<ONE <<-'TWO' /docs/\nRUN not this {fresh()}\nONE\n\tRUN nor this\n\tTWO\n"
        "RUN <<EOF cat > /docs/EOF\nRUN nor that\nEOF\nRUN cat /docs/* && ! grep -r mount /docs"
    )

    assert "| RUN nor this" in bench.said()
    assert "| RUN nor that" in bench.said()


def test_a_user_who_is_not_root_can_use_what_clients_need_and_nothing_of_it_stays(
    bench: BuildBench, tmp_path: Path
) -> None:
    bench.build(
        f"FROM {BASE}\nRUN useradd -m -d /srv/app app\nUSER app\n"
        f"RUN echo {fresh()}; cat ~/.bundle/c* && touch ~/.bundle/x /run/homeport/x\n"
        "RUN ls -A /run/homeport ~/.bundle"
    )

    assert "BUNDLE_MIRROR" in bench.said()
    names = saved(bench, tmp_path).entries(first=1)
    assert not any("bundle" in name or "cache/homeport" in name for name in names)


def test_an_images_own_configuration_of_pip_stays_in_sight(bench: BuildBench) -> None:
    bench.build(f"FROM {BASE}\nCOPY <<EOF /etc/pip.conf\n[global]\nretries = 7\nEOF", tag=OTHER_BASE)

    bench.build(f"FROM {OTHER_BASE}\nRUN echo {fresh()}; cat /etc/p*.conf /etc/x*/pip/*")

    assert "| retries = 7" in bench.said()
    assert "| index-url = " in bench.said()


@pytest.mark.parametrize(
    "line",
    [
        "rm -rf /var/cache/* /tmp/*",
        "rm -rf /root/.cache",
        "rm -rf ~/.cache ~/.local",
        "rm -rf /run/*",
        "sh -c 'cd /; rm -rf r*t/.c*/gem'",
    ],
)
def test_a_run_may_clear_the_folders_that_mounts_of_ours_lie_in(bench: BuildBench, line: str) -> None:
    bench.build(f"FROM {BASE}\nRUN echo {fresh()} && mkdir -p /root/.cache/gem && {line} && echo cleared")

    assert "| cleared" in bench.said()


def test_a_user_whose_home_is_no_folder_runs_what_there_is_to_run(bench: BuildBench) -> None:
    bench.build(
        f"FROM {BASE}\nRUN useradd -d /dev/null nobody-else\nUSER nobody-else\nRUN echo {fresh()}; id -un"
    )

    assert "| nobody-else" in bench.said()

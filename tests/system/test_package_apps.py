"""Apps by every package manager, from the real registries: installed, and again with the line cut.

No public gem server is asked: gems come from an index of the test's own, made of what Debian packages.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from build_cache.caches.addresses import find_caches
from homeport.host.engine import Engine
from homeport.settings import Settings
from tests.harness.caches import free_cache_port
from tests.harness.debian_gems import DebianGems
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox, Json
from tests.harness.leftovers import leftovers
from tests.harness.programs import REPOSITORY, wait_until

BUILD_S = 900

UV_DOCKERFILE = """FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/tools && /opt/tools/bin/pip install --no-cache-dir uv==0.13.9
RUN python3 -m venv /opt/app && /opt/tools/bin/uv pip install --python /opt/app bottle==0.13.4
CMD ["/opt/app/bin/python", "-m", "bottle", "--bind", "0.0.0.0:8080"]
"""
UV_APP = {
    "app.yml": 'name: uv-app\ntitle: By uv\nversion: "1"\nweb: {service: web, port: 8080}\n'
    "images:\n  web: {context: ./web}\n",
    "docker-compose.yml": "services:\n  web:\n    container_name: APP_IDENTIFIER\n",
    "web/Dockerfile": UV_DOCKERFILE,
}


class Shop:
    """A Homeport with package caches, and the line between these and the registries."""

    def __init__(self, box: HomeportBox, engine: EngineBox, gems: DebianGems) -> None:
        self.box = box
        self.engine = engine
        self.gems = gems

    def install(self, name: str) -> dict[str, Json]:
        """Installs an app whose images are all built; what the builds say of themselves, by service."""
        job = self.box.succeed(self.box.install(name), timeout_s=BUILD_S)
        reports: dict[str, Json] = job["result"]["builds"]
        return reports

    def forget(self, name: str) -> None:
        """Uninstalls the app with its data, its images and all layers that were built."""
        self.box.succeed(self.box.uninstall(name, purge=True, remove_images=True))
        self.engine.client.api.prune_builds(all=True)
        assert leftovers(self.box, name) == []
        assert self.engine.client.images.list(filters={"reference": f"homeport/{name}-*"}) == []

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Meanwhile nothing of the outside can be reached, nor the test's own gem server."""
        self.engine.namespace.cut_off()
        self.gems.cut()
        try:
            yield
        finally:
            self.gems.mend()
            self.engine.namespace.reconnect()


@pytest.fixture(scope="module")
def shop(engine_box: EngineBox) -> Iterator[Shop]:
    engine_box.client.api.prune_builds(all=True)  # what other tests have built is not built again
    port = free_cache_port()
    with (
        DebianGems(engine_box, REPOSITORY / "apps" / "adsf" / "adsf" / "Gemfile") as gems,
        HomeportBox(engine_box, "shop", package_caches=True, cache_port=port, gem_upstream=gems.url) as box,
    ):
        settings = Settings.model_validate({"cache_port": port})
        gateway = Engine(engine_box.docker_host).bridge().gateway
        wait_until(
            lambda: not find_caches(settings, gateway).down, what="the caches", timeout_s=60, log=box.log
        )
        yield Shop(box, engine_box, gems)


@pytest.mark.parametrize(
    ("name", "ecosystems", "says"),
    [
        ("radicale", {"apt", "pip"}, "Radicale"),
        ("node-red", {"apt", "npm"}, "Node-RED"),
        ("archivebox", {"apt", "pip", "npm"}, "Archived Sites"),
        ("adsf", {"apt", "gem"}, "Your pages"),
    ],
)
def test_an_app_is_installed_again_with_the_line_cut_and_nothing_is_fetched(
    shop: Shop, name: str, ecosystems: set[str], says: str
) -> None:
    cold = shop.install(name)
    assert says in shop.box.visit(name).text
    assert all(used(report) == ecosystems for report in cold.values())
    assert all(report["direct"] == [] for report in cold.values()), "downloads went round the caches"
    assert all(report["warnings"] == [] for report in cold.values())
    shop.forget(name)

    with shop.cut_off():
        again = shop.install(name)
        assert says in shop.box.visit(name).text
    assert all(used(report) == ecosystems for report in again.values()), "it was not built again"
    assert fetched(again) == 0
    shop.forget(name)


def test_bundler_asks_for_the_compact_index_and_not_for_the_old_one(shop: Shop) -> None:
    if not shop.gems.served:  # where no test before has installed it
        shop.install("adsf")
        shop.forget("adsf")

    asked = set(shop.gems.paths)
    assert {"/versions", "/info/adsf", "/info/rack", "/gems/adsf-1.5.2.gem"} <= asked
    assert [path for path in asked if "specs.4.8" in path or path.startswith("/quick/")] == []


def test_what_pip_and_uv_download_cold_passes_devpi(shop: Shop) -> None:
    shop.box.add_definition("uv-app", UV_APP)

    reports = shop.install("uv-app")

    assert used(reports["web"]) == {"apt", "pip"}
    assert shop.box.visit("uv-app").status_code == requests.codes.not_found  # bottle's own page
    log = shop.box.log.read_text()
    downloads = [line for line in log.splitlines() if "/root/pypi/+f/" in line]
    for package in ("uv-0.13.9", "bottle-0.13.4"):
        assert [line for line in downloads if package in line], package
    shop.forget("uv-app")


def used(report: Json) -> set[str]:
    """The ecosystems whose caches a build asked for something."""
    return {name for name, traffic in report["caches"].items() if traffic["requests"]}


def fetched(reports: dict[str, Json]) -> int:
    """The bytes that the caches asked their upstreams for."""
    return sum(
        traffic["bytes_fetched"] for report in reports.values() for traffic in report["caches"].values()
    )

"""Apps by every package manager, from the real registries: installed, and again with the line cut.

No public gem server is asked: gems come from an index of the test's own, made of what Debian packages.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

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
COPY app.py /opt/app/
CMD ["/opt/app/bin/python", "/opt/app/app.py"]
"""
UV_APP = {
    "app.yml": 'name: uv-app\ntitle: By uv\nversion: "1"\nweb: {service: web, port: 8080}\n'
    "images:\n  web: {context: ./web}\n",
    "docker-compose.yml": "services:\n  web:\n    container_name: APP_IDENTIFIER\n",
    "web/Dockerfile": UV_DOCKERFILE,
    "web/app.py": "import bottle as b\nb.route('/')(lambda: 'by uv')\nb.run(host='0.0.0.0', port=8080)\n",
}


@dataclass(frozen=True)
class App:
    """Whose caches an app's builds use, and what its page says."""

    ecosystems: frozenset[str]
    says: str


APPS = {
    "radicale": App(frozenset({"apt", "pip"}), "Radicale"),
    "node-red": App(frozenset({"apt", "npm"}), "Node-RED"),
    "archivebox": App(frozenset({"apt", "pip", "npm"}), "Archived Sites"),
    "adsf": App(frozenset({"apt", "gem"}), "Your pages"),
}
ONCE = {"node-red"}
"""Not installed again with the line cut unless `--all-shapes` is given: the others show as much."""


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rebuilt" in metafunc.fixturenames:
        every = metafunc.config.getoption("--all-shapes")
        metafunc.parametrize("rebuilt", [name for name in APPS if every or name not in ONCE])


def test_an_app_is_installed_again_with_the_line_cut_and_nothing_is_fetched(shop: Shop, rebuilt: str) -> None:
    app = APPS[rebuilt]
    cold = shop.install(rebuilt)
    assert app.says in shop.box.visit(rebuilt).text
    assert all_used(cold) == app.ecosystems
    assert all(report["direct"] == [] for report in cold.values()), "downloads went round the caches"
    assert all(report["warnings"] == [] for report in cold.values())
    shop.forget(rebuilt)

    with shop.cut_off():
        again = shop.install(rebuilt)
        assert app.says in shop.box.visit(rebuilt).text
    assert all_used(again) == app.ecosystems, "it was not built again"
    assert fetched(again) == 0
    shop.forget(rebuilt)


@pytest.mark.parametrize("name", sorted(ONCE))
def test_a_large_app_is_installed_from_the_registries(shop: Shop, name: str) -> None:
    reports = shop.install(name)

    assert APPS[name].says in shop.box.visit(name).text
    assert all_used(reports) == APPS[name].ecosystems
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

    assert all_used(reports) == {"apt", "pip"}
    assert shop.box.visit("uv-app").text == "by uv"
    log = shop.box.log.read_text()
    downloads = [line for line in log.splitlines() if "devpi" in line and "GET" in line]
    for package in ("uv-0.13.9", "bottle-0.13.4"):
        assert [line for line in downloads if package in line], package
    shop.forget("uv-app")


def all_used(reports: dict[str, Json]) -> set[str]:
    """The ecosystems whose caches builds asked for something."""
    return {
        name
        for report in reports.values()
        for name, traffic in report["caches"].items()
        if traffic["requests"]
    }


def fetched(reports: dict[str, Json]) -> int:
    """The bytes that the caches asked their upstreams for."""
    return sum(
        traffic["bytes_fetched"] for report in reports.values() for traffic in report["caches"].values()
    )

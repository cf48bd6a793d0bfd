"""The shipped definitions, installed for real: they answer, keep their data, and leave nothing."""

import requests

from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers


def test_wordpress_keeps_its_database_until_it_is_purged(homeport_box: HomeportBox) -> None:
    homeport_box.succeed(homeport_box.install("wordpress", identifier="blog"), timeout_s=400)
    assert "WordPress" in homeport_box.visit("blog", "/wp-admin/install.php").text

    homeport_box.succeed(homeport_box.uninstall("blog"))
    assert leftovers(homeport_box, "blog", but_data=True) == []
    assert "volume homeport-blog_database" in leftovers(homeport_box, "blog")

    homeport_box.succeed(homeport_box.install("wordpress", identifier="blog"))
    homeport_box.succeed(homeport_box.uninstall("blog", purge=True))
    assert leftovers(homeport_box, "blog") == []


def test_a_headless_app_is_healthy_by_staying_up(homeport_box: HomeportBox) -> None:
    homeport_box.succeed(homeport_box.install("syncthing"), timeout_s=300)
    assert homeport_box.app("syncthing")["host_port"] is None

    homeport_box.succeed(homeport_box.uninstall("syncthing", purge=True))

    assert leftovers(homeport_box, "syncthing") == []


def test_definitions_with_pulled_images_install_unchanged(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    jobs = [homeport_box.install(name) for name in ("gitlab", "hydra")]
    for job in jobs:
        homeport_box.succeed(job)

    for name in ("gitlab", "hydra"):
        assert homeport_box.visit(name).status_code == requests.codes.ok
        assert pulled_images.client.containers.get(name).status == "running"
        homeport_box.succeed(homeport_box.uninstall(name, purge=True, remove_images=True))
        assert leftovers(homeport_box, name) == []

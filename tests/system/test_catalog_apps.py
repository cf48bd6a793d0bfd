"""Every shipped definition: installed, used, uninstalled with and without its data."""

import pytest
import requests

from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers
from tests.harness.programs import wait_until

BUILD_S = 600


def exec_in(engine: EngineBox, container: str, *argv: str) -> str:
    code, output = engine.client.containers.get(container).exec_run(list(argv))
    assert code == 0, output
    assert isinstance(output, bytes)
    return output.decode()


def test_dokuwiki_is_built_used_and_comes_back_with_its_pages(
    homeport_box: HomeportBox, engine_box: EngineBox
) -> None:
    homeport_box.succeed(homeport_box.install("dokuwiki"), timeout_s=BUILD_S)
    answer = homeport_box.visit("dokuwiki")
    assert answer.status_code == 200
    assert "dokuwiki" in answer.text.lower()

    folders = [
        homeport_box.state_dir / "projects" / "dokuwiki" / name
        for name in homeport_box.app("dokuwiki")["data"]
    ]
    (folders[0] / "kept.txt").write_text("mine")
    homeport_box.succeed(homeport_box.uninstall("dokuwiki"))
    assert (folders[0] / "kept.txt").read_text() == "mine"
    assert leftovers(homeport_box, "dokuwiki", but_data=True) == []

    again = homeport_box.succeed(homeport_box.install("dokuwiki"))
    assert (folders[0] / "kept.txt").read_text() == "mine"
    assert "exporting" not in homeport_box.job_log(again).lower()  # the image was still there

    homeport_box.succeed(homeport_box.uninstall("dokuwiki", purge=True))
    assert leftovers(homeport_box, "dokuwiki") == []


def test_wordpress_keeps_its_database_until_it_is_purged(
    homeport_box: HomeportBox, engine_box: EngineBox
) -> None:
    homeport_box.succeed(homeport_box.install("wordpress", identifier="blog"), timeout_s=BUILD_S)
    assert "WordPress" in homeport_box.visit("blog", "/wp-admin/install.php").text

    volumes = engine_box.client.volumes.list(filters={"label": "homeport.app=blog"})
    assert volumes
    homeport_box.succeed(homeport_box.uninstall("blog"))
    kept = {volume.name for volume in engine_box.client.volumes.list(filters={"label": "homeport.app=blog"})}
    assert kept == {volume.name for volume in volumes}
    assert leftovers(homeport_box, "blog", but_data=True) == []

    homeport_box.succeed(homeport_box.install("wordpress", identifier="blog"), timeout_s=BUILD_S)
    assert homeport_box.visit("blog").status_code == 200
    homeport_box.succeed(homeport_box.uninstall("blog", purge=True))
    assert leftovers(homeport_box, "blog") == []


def test_two_apps_with_different_versions_of_php_run_side_by_side(
    homeport_box: HomeportBox, engine_box: EngineBox
) -> None:
    first = homeport_box.install("dokuwiki", identifier="wiki")
    second = homeport_box.install("wordpress", identifier="press")
    homeport_box.succeed(first, timeout_s=BUILD_S)
    homeport_box.succeed(second, timeout_s=BUILD_S)

    versions = {
        name: exec_in(engine_box, name, "php", "-r", "echo PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;")
        for name in ("wiki", "press")
    }
    assert versions == {"wiki": "8.2", "press": "8.4"}
    assert homeport_box.visit("wiki").status_code == 200
    assert homeport_box.visit("press").status_code == 200

    for identifier in ("wiki", "press"):
        homeport_box.succeed(homeport_box.uninstall(identifier, purge=True))
        assert leftovers(homeport_box, identifier) == []


def test_a_headless_app_runs_without_a_port_of_its_own(
    homeport_box: HomeportBox, engine_box: EngineBox
) -> None:
    homeport_box.succeed(homeport_box.install("syncthing"), timeout_s=BUILD_S)

    app = homeport_box.app("syncthing")
    assert (app["state"], app["host_port"]) == ("running", None)
    container = engine_box.client.containers.get("syncthing")
    published = [binding for bindings in container.ports.values() if bindings for binding in bindings]
    assert all(int(binding["HostPort"]) != 35000 + app["app_id"] for binding in published)
    set_up = "syncthing cli --home=/srv/config"
    assert set_up in homeport_box.get("/v1/catalog/syncthing")["description"]
    wait_until(
        lambda: b"myID" in container.exec_run(f"{set_up} show system").output, what="its cli", timeout_s=20
    )

    homeport_box.succeed(homeport_box.uninstall("syncthing", purge=True))
    assert leftovers(homeport_box, "syncthing") == []


@pytest.mark.parametrize("name", ["gitlab", "hydra"])
def test_amahis_pulled_apps_install_unchanged(
    homeport_box: HomeportBox, pulled_images: EngineBox, name: str
) -> None:
    homeport_box.succeed(homeport_box.install(name))

    container = pulled_images.client.containers.get(name)
    assert container.attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert homeport_box.visit(name).text == f"{name}\n"

    homeport_box.succeed(homeport_box.uninstall(name, purge=True))
    assert leftovers(homeport_box, name) == []


def test_gitlab_gets_its_name_its_address_and_its_ssh_port(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    homeport_box.succeed(homeport_box.install("gitlab", identifier="code", app_id=331))

    settings = pulled_images.client.containers.get("code").attrs
    environment = "\n".join(settings["Config"]["Env"])
    assert settings["Config"]["Hostname"] == "code.localhost"
    assert "external_url 'http://code.localhost:35331'" in environment
    assert settings["HostConfig"]["PortBindings"]["22/tcp"][0]["HostPort"] == "2224"
    project = homeport_box.state_dir / "projects" / "code"
    sources = {mount["Source"] for mount in settings["Mounts"]}
    assert sources == {str(project / "srv" / "gitlab" / part) for part in ("config", "logs", "data")}
    assert homeport_box.app("code")["ports"][0]["host_port"] == 2224

    homeport_box.succeed(homeport_box.uninstall("code", purge=True))
    assert leftovers(homeport_box, "code") == []


def test_images_are_removed_only_when_they_are_ours_and_nobody_needs_them(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    client = pulled_images.client
    pulled_images.remove_image("linuxserver/hydra:latest")
    homeport_box.succeed(homeport_box.install("hydra"))
    homeport_box.succeed(homeport_box.install("hydra", identifier="hydra2"))

    homeport_box.succeed(homeport_box.uninstall("hydra", purge=True, remove_images=True))
    assert client.images.list("linuxserver/hydra"), "the second app still needs it"

    homeport_box.succeed(homeport_box.uninstall("hydra2", purge=True, remove_images=True))
    assert client.images.list("linuxserver/hydra") == []

    client.images.pull("linuxserver/hydra", tag="latest")  # now it is the owner's own
    homeport_box.succeed(homeport_box.install("hydra"))
    homeport_box.succeed(homeport_box.uninstall("hydra", purge=True, remove_images=True))
    assert client.images.list("linuxserver/hydra"), "it was there before"
    pulled_images.remove_image("linuxserver/hydra:latest")


def test_limits_labels_and_log_rotation_reach_the_container(
    homeport_box: HomeportBox, pulled_images: EngineBox
) -> None:
    homeport_box.succeed(homeport_box.install("hydra"))

    container = pulled_images.client.containers.get("hydra")
    host = container.attrs["HostConfig"]
    assert host["Memory"] > 0
    assert host["MemorySwap"] == host["Memory"]
    assert host["PidsLimit"] > 0
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["LogConfig"]["Config"]["max-size"]
    app = homeport_box.app("hydra")
    assert container.labels["homeport.app"] == "hydra"
    assert container.labels["homeport.version"] == app["version"]
    assert app["limits"]["memory_bytes"] == host["Memory"]
    assert requests.get(f"http://127.0.0.1:{app['host_port']}/", timeout=5).ok

    homeport_box.succeed(homeport_box.uninstall("hydra", purge=True))

"""What a definition becomes before Compose sees it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from compose.render import HealthExpectation, ProjectFacts, RenderedProject, render_project
from homeport.catalog.yaml12 import load_yaml
from homeport.errors import PermissionsNotGrantedError, PolicyRefusedError
from homeport.models import Limits
from tests.unit.compose.definitions import HYDRA, PAIR, definition, settings

MIB = 1024 * 1024
HYDRA_APP = "web: {service: hydra, port: 5075, health: /}\ndata: [config, downloads]\n"
PAIR_APP = """
web: {service: web, port: 80}
limits: {cpus: 0.5, memory: 100M, services: {db: {memory: 200M, pids: 99}}}
"""


def render(
    tmp_path: Path,
    compose: str,
    app: str = "",
    image_volumes: Mapping[str, list[str]] | None = None,
    **changed: Any,
) -> RenderedProject:
    """The rendered project of an app `wiki` with app_id 12 on a host with two cores."""
    loaded = definition(tmp_path / "definition", compose, app)
    facts = ProjectFacts(
        app_id=12,
        identifier="wiki",
        host_name="wiki.example.org",
        host_port=35012,
        project_dir=Path("/srv/projects/wiki"),
        version=loaded.definition.version,
        host_cpus=2,
    )
    images = {name: f"sha-of/{name}" for name in loaded.services}
    return render_project(
        loaded, facts, images=images, image_volumes=image_volumes, settings=settings(tmp_path, **changed)
    )


def test_volumes_that_only_the_image_asks_for_get_names_and_labels(tmp_path: Path) -> None:
    wanted = {"hydra": ["/config/", "/var/lib/hydra"]}

    rendered = render(tmp_path, HYDRA, HYDRA_APP, image_volumes=wanted)

    mounts = service(rendered, "hydra")["volumes"]
    assert {"type": "volume", "source": "hydra-var-lib-hydra", "target": "/var/lib/hydra"} in mounts
    assert not any("/config/" in str(mount) for mount in mounts), "the definition mounts that itself"
    assert rendered.document["volumes"]["hydra-var-lib-hydra"]["labels"]["homeport.app"] == "wiki"


def service(rendered: RenderedProject, name: str) -> dict[str, Any]:
    found: dict[str, Any] = rendered.document["services"][name]
    return found


def test_the_text_reads_back_as_the_document(tmp_path: Path) -> None:
    rendered = render(tmp_path, HYDRA, HYDRA_APP)

    assert load_yaml(rendered.text.encode(), file="x").value == rendered.document


def test_placeholders_are_replaced_and_the_main_container_is_named_as_the_identifier(tmp_path: Path) -> None:
    hydra = service(render(tmp_path, HYDRA, HYDRA_APP), "hydra")

    assert hydra["container_name"] == "wiki"
    assert hydra["environment"]["HOST"] == "wiki.example.org"
    assert hydra["volumes"][1] == "/srv/projects/wiki/downloads:/downloads"


def test_two_volumes_that_become_one_for_this_app_are_refused(tmp_path: Path) -> None:
    compose = (
        "services: {web: {image: x, volumes: ['wiki-APP_IDENTIFIER:/a', 'APP_IDENTIFIER-wiki:/b']}}\n"
        "volumes: {wiki-APP_IDENTIFIER: , APP_IDENTIFIER-wiki: }\n"
    )

    with pytest.raises(PolicyRefusedError) as caught:
        render(tmp_path, compose)

    (finding,) = caught.value.findings
    assert (finding.rule, finding.key) == ("name-placeholder", "volumes.APP_IDENTIFIER-wiki")
    assert "'wiki-wiki'" in finding.what


def test_a_volume_may_have_the_identifier_in_its_name(tmp_path: Path) -> None:
    compose = (
        "services: {web: {image: x, volumes: ['APP_IDENTIFIER_db:/a']}}\nvolumes: {APP_IDENTIFIER_db: }\n"
    )

    assert render(tmp_path, compose).volumes == ("homeport-wiki_wiki_db",)


def test_dollar_signs_reach_the_app_as_they_were_meant(tmp_path: Path) -> None:
    hydra = service(render(tmp_path, HYDRA, HYDRA_APP), "hydra")

    assert hydra["environment"]["PRICE"] == "5$$ a$$HOME"


def test_a_dollar_sign_in_the_project_folder_is_not_interpolated(tmp_path: Path) -> None:
    loaded = definition(tmp_path, HYDRA, HYDRA_APP)
    facts = ProjectFacts(
        app_id=1, identifier="wiki", host_name="wiki.localhost", host_port=35001,
        project_dir=Path("/srv/$HOME/wiki"), version="1.0",
    )  # fmt: skip

    rendered = render_project(loaded, facts, images={"hydra": "x"}, settings=settings(tmp_path))

    assert service(rendered, "hydra")["volumes"][1] == "/srv/$$HOME/wiki/downloads:/downloads"
    assert rendered.bind_folders == ("config", "downloads")


def test_the_image_is_the_one_given_and_never_pulled(tmp_path: Path) -> None:
    hydra = service(render(tmp_path, HYDRA, HYDRA_APP), "hydra")

    assert (hydra["image"], hydra["pull_policy"]) == ("sha-of/hydra", "never")
    assert "build" not in hydra


def test_a_published_host_port_is_kept_once_and_all_ports_get_the_box_s_address(tmp_path: Path) -> None:
    rendered = render(tmp_path, HYDRA, HYDRA_APP, publish="loopback")

    ports = service(rendered, "hydra")["ports"]
    assert [(port["published"], port["target"], port["protocol"]) for port in ports] == [
        ("35012", 5075, "tcp"),
        ("2224", 22, "tcp"),
        ("6060", 6060, "udp"),
    ]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert [port.host_port for port in rendered.ports] == [2224, 6060]


def test_the_web_port_is_published_where_the_template_does_not(tmp_path: Path) -> None:
    rendered = render(tmp_path, PAIR, PAIR_APP, publish="lan")

    (port,) = service(rendered, "web")["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("0.0.0.0", "35012", 80)
    assert "ports" not in service(rendered, "db")


def test_a_headless_app_publishes_nothing(tmp_path: Path) -> None:
    rendered = render(tmp_path, "services: {sync: {image: example/sync:1}}")

    assert "ports" not in service(rendered, "sync")
    assert service(rendered, "sync")["container_name"] == "wiki"


def test_a_further_container_keeps_a_name_of_its_own_only_if_it_has_one(tmp_path: Path) -> None:
    rendered = render(tmp_path, PAIR, PAIR_APP)

    assert service(rendered, "web")["container_name"] == "wiki"
    assert service(rendered, "db")["container_name"] == "wiki_db"
    assert "container_name" not in service(rendered, "seed")


def test_everything_docker_makes_carries_our_labels(tmp_path: Path) -> None:
    document = render(tmp_path, PAIR, PAIR_APP).document
    ours = {
        "homeport.app": "wiki",
        "homeport.app_id": "12",
        "homeport.definition": "sample",
        "homeport.version": "1.0",
    }
    box = {"homeport.box": str(tmp_path / "state")}

    assert document["services"]["web"]["labels"] == {
        **ours,
        **box,
        "homeport.service": "web",
        "colour": "blue",
    }
    assert document["networks"] == {
        "front": {"labels": {"use": "pages", **ours, **box}},
        "default": {"labels": {**ours, **box}},
    }
    assert all(volume == {"labels": ours} for volume in document["volumes"].values())


def test_a_volume_without_a_name_gets_one_so_that_it_survives(tmp_path: Path) -> None:
    rendered = render(tmp_path, PAIR, PAIR_APP)

    assert service(rendered, "db")["volumes"] == ["store:/var/lib/db", "db-scratch:/scratch"]
    assert rendered.volumes == ("homeport-wiki_store", "homeport-wiki_db-scratch")
    assert rendered.networks == ("homeport-wiki_front", "homeport-wiki_default")
    assert rendered.objects == 7


def test_a_service_is_kept_running_unless_it_says_otherwise_or_its_end_is_awaited(tmp_path: Path) -> None:
    rendered = render(tmp_path, PAIR, PAIR_APP)

    assert service(rendered, "web")["restart"] == "unless-stopped"
    assert service(rendered, "db")["restart"] == "on-failure:3"
    assert service(rendered, "seed")["restart"] == "no"
    assert rendered.one_shot == ("db", "seed")


def test_limits_come_from_the_most_particular_that_says_something(tmp_path: Path) -> None:
    rendered = render(tmp_path, PAIR, PAIR_APP, service_pids=500)

    assert rendered.limits["web"] == Limits(cpus=0.5, memory_bytes=64 * MIB, pids=500)
    assert rendered.limits["db"] == Limits(cpus=0.5, memory_bytes=200 * MIB, pids=99)
    assert rendered.limits["seed"] == Limits(cpus=0.5, memory_bytes=100 * MIB, pids=500)
    assert rendered.limits_sum == Limits(cpus=1.5, memory_bytes=364 * MIB, pids=1099)


def test_limits_are_written_with_no_swap_beyond_the_memory(tmp_path: Path) -> None:
    web = service(render(tmp_path, PAIR, PAIR_APP), "web")

    assert web["mem_limit"] == web["memswap_limit"] == 64 * MIB
    assert (web["cpus"], web["pids_limit"]) == (0.5, 2048)
    assert "deploy" not in web


def test_no_service_gets_more_cores_than_the_host_has(tmp_path: Path) -> None:
    rendered = render(tmp_path, HYDRA, HYDRA_APP + "limits: {cpus: 8, disk: 5G}\n")

    assert rendered.limits_sum.cpus == 2
    assert rendered.limits_sum.disk_bytes == 5 * 1024 * MIB


def test_without_any_limit_of_cores_there_is_none(tmp_path: Path) -> None:
    rendered = render(tmp_path, HYDRA, HYDRA_APP)

    assert rendered.limits_sum.cpus is None
    assert "cpus" not in service(rendered, "hydra")


def test_a_health_check_is_looked_at_every_second_while_the_app_starts(tmp_path: Path) -> None:
    rendered = render(tmp_path, PAIR, PAIR_APP, healthy_s=120)

    assert service(rendered, "db")["healthcheck"] == {
        "test": ["CMD", "ready"],
        "interval": "30s",
        "start_interval": "1s",
        "start_period": "120s",
    }
    assert service(rendered, "seed")["healthcheck"] == {"disable": True}
    assert "healthcheck" not in service(rendered, "web")


def test_logs_are_rotated_and_privileges_are_not_gained(tmp_path: Path) -> None:
    hydra = service(render(tmp_path, HYDRA, HYDRA_APP), "hydra")

    assert hydra["logging"] == {
        "driver": "json-file",
        "options": {"max-size": str(10 * MIB), "max-file": "3"},
    }
    assert hydra["security_opt"] == ["no-new-privileges:true"]


def test_the_summary_is_json_without_the_document(tmp_path: Path) -> None:
    summary = render(tmp_path, HYDRA, HYDRA_APP).summary()

    assert json.loads(json.dumps(summary)) == summary
    assert summary["bind_folders"] == ["config", "downloads"]
    assert "PRICE" not in json.dumps(summary)


def test_an_app_in_the_host_s_network_answers_where_it_listens(tmp_path: Path) -> None:
    compose = "services: {web: {image: example/web:1, network_mode: host}}"
    loaded = definition(tmp_path, compose, "web: {service: web, port: 8123}\npermissions: [host_network]\n")
    facts = ProjectFacts(
        app_id=1, identifier="wiki", host_name="wiki.localhost", host_port=35001,
        project_dir=Path("/srv/projects/wiki"), version="1.0",
    )  # fmt: skip

    rendered = render_project(
        loaded, facts, images={"web": "x"}, settings=settings(tmp_path), granted=loaded.permissions
    )

    assert HealthExpectation.of(rendered, facts, loaded.definition.web).host_port == 8123


def test_what_was_not_granted_is_not_rendered(tmp_path: Path) -> None:
    with pytest.raises(PermissionsNotGrantedError):
        render(
            tmp_path, "services: {web: {image: example/web:1, pid: host}}", "permissions: ['namespace:pid']\n"
        )


def test_granted_folders_of_the_host_are_never_made(tmp_path: Path) -> None:
    compose = "services: {web: {image: example/web:1, volumes: ['/srv/media:/media:ro']}}"
    loaded = definition(tmp_path, compose, "permissions: ['bind:/srv/media:ro']\n")
    facts = ProjectFacts(
        app_id=1, identifier="wiki", host_name="wiki.localhost", host_port=35001,
        project_dir=Path("/srv/projects/wiki"), version="1.0",
    )  # fmt: skip

    rendered = render_project(
        loaded, facts, images={"web": "x"}, settings=settings(tmp_path), granted=loaded.permissions
    )

    (mount,) = service(rendered, "web")["volumes"]
    assert mount == {
        "type": "bind",
        "source": "/srv/media",
        "target": "/media",
        "bind": {"create_host_path": False},
        "read_only": True,
    }
    assert rendered.host_paths == ("/srv/media",)
    assert rendered.bind_folders == ()

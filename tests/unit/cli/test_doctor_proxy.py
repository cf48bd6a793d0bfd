"""What doctor says of the reverse proxy and of names."""

from pathlib import Path
from typing import Any

import pytest

from homeport.cli.doctor_proxy import haproxy_verdict, names_verdict
from homeport.cli.verdict import Verdict
from homeport.host.low_ports import with_ports
from homeport.host.ports import Listener
from homeport.settings import Settings


def box(**changed: Any) -> Settings:
    folders = {"state_dir": Path("/s"), "run_dir": Path("/r"), "catalog_dir": Path("/c")}
    return Settings.model_validate({**folders, "domain": "hda", **changed})


def listening(**by_port: str) -> Any:
    ports = {int(port.removeprefix("p")): process for port, process in by_port.items()}

    def find(port: int) -> Listener | None:
        if port not in ports:
            return None
        process = ports[port]
        return Listener(port=port, address="0.0.0.0", pid=7 if process else None, process=process)

    return find


def verdict_on(settings: Settings, *, free: bool = True, **by_port: str) -> Verdict:
    return haproxy_verdict(
        settings,
        "/usr/sbin/haproxy",
        find_listener=listening(**by_port),
        is_own=lambda listener: listener.process == "our haproxy",
        can_bind=lambda _port: free,
    )


def test_a_haproxy_that_is_not_there_is_said_how_to_get() -> None:
    verdict = haproxy_verdict(
        box(), None, find_listener=listening(), is_own=lambda _: False, can_bind=lambda _: True
    )

    assert (verdict.level, verdict.mend) == ("bad", "sudo apt-get install haproxy")


def test_its_own_haproxy_on_its_ports_is_well() -> None:
    verdict = verdict_on(box(), p80="our haproxy", p443="our haproxy")

    assert verdict.level == "ok"
    assert "80 and 443" in verdict.found


def test_somebody_else_s_haproxy_is_none_of_ours() -> None:
    verdict = verdict_on(box(), p80="haproxy")

    assert verdict.level == "warn"
    assert "haproxy (process 7)" in verdict.found


def test_where_apache_holds_port_80_the_apache_driver_is_offered() -> None:
    verdict = verdict_on(box(), p80="apache2")

    assert verdict.level == "warn"
    assert "apache2 (process 7) on 0.0.0.0:80" in verdict.found
    assert 'set proxy to "apache"' in verdict.mend


def test_whoever_else_holds_a_port_is_named_and_what_is_used_instead() -> None:
    verdict = verdict_on(box(), p443="caddy")

    assert verdict.level == "warn"
    assert "port 443 is held by caddy (process 7)" in verdict.found
    assert verdict.found.endswith("; 8443 in place of 443")


def test_a_port_that_is_free_by_now_is_had_after_a_start() -> None:
    verdict = verdict_on(box(), p8080="our haproxy", p443="our haproxy")

    assert (verdict.level, verdict.mend) == ("warn", "start Homeport again")
    assert verdict.found == "HAProxy listens on 8080 in place of 80, which something had when it was started"


def test_a_port_that_was_set_and_is_held_is_wrong() -> None:
    verdict = verdict_on(box(http_port=81), p81="caddy")

    assert verdict.level == "bad"
    assert "http_port" in verdict.mend


def test_whose_a_port_is_that_cannot_be_seen_is_not_guessed() -> None:
    verdict = verdict_on(box(), p80="")

    assert verdict.level == "ok"
    assert "sudo" in verdict.mend


@pytest.mark.parametrize(("settings", "level"), [({}, "ok"), ({"http_port": 81}, "bad")])
def test_without_root_low_ports_cannot_be_had(settings: dict[str, Any], level: str) -> None:
    verdict = verdict_on(box(**settings), free=False)

    assert verdict.level == level
    assert ("8080 in place of 80" in verdict.found) is (not settings)
    assert "8443 in place of 443" in verdict.found


def test_without_https_its_port_is_nobody_s_concern() -> None:
    assert verdict_on(box(https=False), p443="caddy").level == "ok"


@pytest.mark.parametrize(
    ("settings", "found", "level", "words"),
    [
        ({}, ["192.0.2.5"], "ok", "homeport.hda is 192.0.2.5"),
        ({}, ["192.0.2.5", "192.0.2.9"], "warn", "which is not this machine"),
        ({}, ["192.0.2.9"], "warn", "which is not this machine"),
        ({}, [], "warn", "homeport.hda is not known"),
        ({"domain": "localhost"}, [], "ok", "homeport.localhost is this machine"),
        ({"proxy": "none"}, [], "ok", "not needed"),
        ({"api_name": "box"}, ["192.0.2.5"], "ok", "box.hda is 192.0.2.5"),
    ],
)
def test_a_name_that_leads_elsewhere_is_told(
    settings: dict[str, Any], found: list[str], level: str, words: str
) -> None:
    verdict = names_verdict(box(**settings), found, {"192.0.2.5", "127.0.0.1"})

    assert verdict.level == level
    assert words in verdict.found
    assert ("docs/names.md" in verdict.mend) is (level == "warn")


@pytest.mark.parametrize(
    ("settings", "free", "ports"),
    [
        ({}, {80, 443, 8080, 8443}, (80, 443)),
        ({}, {443, 8080, 8443}, (8080, 443)),
        ({}, {8080, 8443}, (8080, 8443)),
        ({}, set(), (8080, 8443)),
        ({"http_port": 81}, {80, 443}, (81, 443)),
        ({"http_port": 81, "https_port": 444}, set(), (81, 444)),
    ],
)
def test_the_webs_ports_are_taken_or_others_where_they_cannot_be_had(
    settings: dict[str, Any], free: set[int], ports: tuple[int, int]
) -> None:
    chosen = with_ports(box(**settings), is_free=lambda port: port in free)

    assert (chosen.http_port, chosen.https_port) == ports

"""How HAProxy is started, and what is said where it cannot be."""

from pathlib import Path
from typing import Any

import pytest

from homeport.errors import InvalidInputError, ProgramMissingError
from homeport.host.ports import Listener
from homeport.settings import Settings
from proxy import haproxy_process
from proxy.haproxy_conf import render_haproxy


def box(**changed: Any) -> Settings:
    folders = {"state_dir": Path("/s"), "run_dir": Path("/r"), "catalog_dir": Path("/c")}
    return Settings.model_validate(
        {**folders, "domain": "hda", "http_port": 80, "https_port": 443, **changed}
    )


def test_one_that_is_not_installed_is_said_how_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_given, **_more: None)

    with pytest.raises(ProgramMissingError, match="HAProxy is not installed") as raised:
        haproxy_process.find_haproxy()

    assert "apt-get install haproxy" in raised.value.remedy
    assert "apt-get install haproxy" in haproxy_process.why_down(box())


@pytest.mark.parametrize("folder", ["/home/jörg/state", "/srv/my files", "/srv/a,b", "/srv/a)#"])
def test_a_folder_that_its_configuration_cannot_name_is_said_to_be_one(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_given, **_more: "/usr/sbin/haproxy")

    with pytest.raises(InvalidInputError, match="cannot name"):
        haproxy_process.make_plan(box(state_dir=Path(folder)))

    assert "Set state_dir" in haproxy_process.why_down(box(state_dir=Path(folder)))


def test_whoever_has_its_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    holders = {443: Listener(port=443, address="0.0.0.0", pid=7, process="caddy")}
    monkeypatch.setattr("shutil.which", lambda *_given, **_more: "/usr/sbin/haproxy")
    monkeypatch.setattr(haproxy_process, "listener_on", holders.get)

    monkeypatch.setattr(haproxy_process, "is_own_proxy", lambda listener, _: listener.process == "ours")

    assert haproxy_process.why_down(box()) == "Port 443 is held by caddy (process 7) on 0.0.0.0:443."
    holders[443] = Listener(port=443, address="0.0.0.0", pid=7, process="ours")
    assert haproxy_process.why_down(box()) == ""
    holders.clear()
    assert haproxy_process.why_down(box()) == ""


def test_the_api_is_led_to_where_it_listens() -> None:
    for listen, api in {"0.0.0.0:8035": ("127.0.0.1", 8035), "192.0.2.5:9000": ("192.0.2.5", 9000)}.items():
        plan = haproxy_process.make_plan(box(listen=listen))

        assert plan.api == api
        assert f"server api {api[0]}:{api[1]}" in render_haproxy(plan)


def test_its_own_names_lead_to_the_api() -> None:
    text = render_haproxy(haproxy_process.make_plan(box(api_name="box")))

    assert "acl is_api var(txn.host) -m str box.hda box\n" in text


def test_http_is_led_to_https_only_where_that_is_turned_on() -> None:
    assert "code 308" not in render_haproxy(haproxy_process.make_plan(box()))
    text = render_haproxy(haproxy_process.make_plan(box(https_redirect=True)))
    assert "https://%[var(txn.host)]%[pathq] code 308" in text
    text = render_haproxy(haproxy_process.make_plan(box(https_redirect=True, https_port=8443)))
    assert "https://%[var(txn.host)]:8443%[pathq] code 308" in text


def test_without_root_nothing_is_given_up() -> None:
    words = haproxy_process.start_words(Path("/s/haproxy.cfg"), program="/usr/sbin/haproxy", user=None)

    assert words == [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("/usr/sbin/haproxy", "-db", "-f", "/s/haproxy.cfg"),
    ]

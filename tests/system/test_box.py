"""Homeport as a whole: it starts, says that it is ready, and leaves no process behind."""

import requests

from tests.harness.homeport_box import HomeportBox
from tests.harness.leftovers import leftovers


def test_homeport_is_ready_and_offers_the_catalog(homeport_box: HomeportBox) -> None:
    names = {item["name"] for item in homeport_box.get("/v1/catalog")["items"]}

    assert {"dokuwiki", "wordpress", "syncthing", "gitlab", "hydra"} <= names


def test_an_unknown_token_gets_nothing(homeport_box: HomeportBox) -> None:
    answer = homeport_box.request("GET", "/v1/apps", token="hp_wrong")

    assert answer.status_code == requests.codes.unauthorized


def test_the_demo_app_comes_up_and_goes_without_a_trace(homeport_box: HomeportBox) -> None:
    homeport_box.succeed(homeport_box.install("dokuwiki", identifier="wiki"), timeout_s=300)
    assert homeport_box.visit("wiki").status_code == requests.codes.ok

    homeport_box.succeed(homeport_box.uninstall("wiki", purge=True))

    assert leftovers(homeport_box, "wiki") == []

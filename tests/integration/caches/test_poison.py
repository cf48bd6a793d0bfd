"""Whatever one client asks for, the next one gets what it would have got without it."""

import http.client
import re
from urllib.parse import urlsplit

import pytest

from homeport.caches import Ecosystem
from tests.harness.upstream import Upstream
from tests.integration.caches.conftest import CacheBox, Devpi
from tests.integration.caches.test_devpi import PAGE, wheel_of, wheel_path

PIPS = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"


def test_a_wheel_is_kept_as_itself_whatever_form_was_asked_for(
    box: CacheBox, devpi: Devpi, line: Upstream
) -> None:
    path = wheel_path(box)

    box.get(Ecosystem.PIP, path, headers={"Accept": "application/json"})

    assert box.get(Ecosystem.PIP, path).content == wheel_of(line)


@pytest.mark.parametrize("accept", [PIPS, "text/html"])
def test_a_page_of_the_index_leads_to_no_host_that_a_client_named(
    box: CacheBox, devpi: Devpi, accept: str
) -> None:
    foreign = {"Host": "elsewhere.example", "X-Devpi-Absolute-Urls": "1", "User-Agent": "nobody"}

    for page in (PAGE, PAGE.rstrip("/")):
        box.get(Ecosystem.PIP, page, headers={"Accept": accept, **foreign}, allow_redirects=False)
        answer = box.get(Ecosystem.PIP, page, headers={"Accept": accept, "User-Agent": "pip/24.0"})

        assert re.search(r"lantern_media-1\.2\.0.*\.whl", answer.text)
        assert "elsewhere.example" not in answer.text
        assert answer.headers["Content-Type"].partition(";")[0] in accept


@pytest.mark.parametrize(
    "path",
    [
        "/lantern-words/-/../../lantern-media/-/lantern-media-1.2.0.tgz",
        "/lantern-words/-/%2e%2e/x.tgz",
        "/lantern-media/-/lantern-media-1.2.0.tgz#/../../x.tgz",
        "/lantern-words%3f/../lantern-media/-/lantern-media-1.2.0.tgz",
    ],
)
def test_a_path_that_could_be_read_in_two_ways_is_refused(
    shared_box: CacheBox, line: Upstream, path: str
) -> None:
    connection = http.client.HTTPConnection(urlsplit(shared_box.url(Ecosystem.NPM)).netloc, timeout=10)

    connection.putrequest("GET", path)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()

    assert status == 403
    assert line.served() == []


def test_no_request_makes_the_log_of_requests_grow_by_much(box: CacheBox) -> None:
    answers = [
        box.get(Ecosystem.NPM, path).status_code for path in ("/lantern%3fx", f"/lantern?{'x' * 3000}")
    ]

    (line,) = box.log_lines()
    assert answers == [403, 404]
    assert line["uri"] == f"/lantern?{'x' * 3000}"[:500]

"""A real Apache as the front of the host: virtual hosts, tested before a reload, and taken back."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from homeport.errors import ComponentUnavailableError, InvalidInputError
from proxy.apache_server import ApacheServer
from proxy.driver import Applied
from proxy.routes import Route, RouteState
from tests.harness.apache import RunningApache
from tests.harness.programs import wait_until
from tests.harness.web_app import WebApp, web_app


@pytest.fixture
def apache(tmp_path: Path) -> Iterator[RunningApache]:
    with web_app("api") as api, RunningApache(tmp_path, api_port=api.port) as running:
        yield running


def route(app: WebApp, *names: str, state: RouteState = RouteState.SERVING) -> Route:
    given = names or (f"{app.name}.hda", app.name)
    return Route(identifier=app.name, names=given, port=app.port, state=state)


def files(apache: RunningApache) -> set[str]:
    return {path.name for path in apache.sites.iterdir()}


def test_apps_and_the_api_answer_under_their_names_and_the_platform_under_its_own(
    apache: RunningApache, wiki: WebApp, blog: WebApp
) -> None:
    problems = apache.driver.apply([route(wiki, "wiki.hda", "docs.example.org", "wiki"), route(blog)], [])

    assert problems == Applied()
    for host, app in {
        "wiki.hda": "wiki",
        "docs.example.org": "wiki",
        "wiki": "wiki",
        "blog.hda": "blog",
    }.items():
        apache.serves(host, app)
    apache.serves("homeport.hda", "api")
    assert apache.get("platform.hda", "/index.html") == (200, b"the platform")
    assert apache.get("nobody.hda", "/index.html") == (200, b"the platform")


def test_what_a_client_says_of_its_way_never_reaches_the_app(apache: RunningApache, wiki: WebApp) -> None:
    apache.driver.apply([route(wiki)], [])
    apache.serves("wiki.hda", "wiki")
    told = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Server": "evil",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "Connection": "close, x-forwarded-for, X-Forwarded-Proto,x-mine , Keep-Alive-Not",
        "X-Mine": "kept",
    }

    headers = apache.app("wiki.hda", headers=told)["headers"]

    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-host"] == "wiki.hda"
    assert headers["x-forwarded-proto"] == "http"
    assert "forwarded" not in headers
    assert "x-real-ip" not in headers
    assert headers["x-mine"] == "kept"
    assert headers["host"] == "wiki.hda"


def test_websockets_pass(apache: RunningApache, wiki: WebApp) -> None:
    apache.driver.apply([route(wiki)], [])
    apache.serves("wiki.hda", "wiki")

    async def talk() -> str:
        url = f"http://127.0.0.1:{apache.port}/ws"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, headers={"Host": "wiki.hda"}) as ws,
        ):
            await ws.send_str("hello")
            return str((await ws.receive(timeout=10)).data)

    assert asyncio.run(talk()) == "wiki: hello"


def test_what_is_withdrawn_is_served_no_more(apache: RunningApache, wiki: WebApp, blog: WebApp) -> None:
    apache.driver.apply([route(wiki), route(blog)], [])
    apache.serves("blog.hda", "blog")

    apache.driver.apply([route(wiki), route(blog, state=RouteState.STOPPED)], [])

    assert files(apache) == {"homeport-api.conf", "homeport-app-wiki.conf"}
    wait_until(lambda: apache.app("blog.hda") == {}, what="its end", timeout_s=10)
    apache.serves("wiki.hda", "wiki")


def test_nothing_is_reloaded_where_nothing_differs(apache: RunningApache, wiki: WebApp) -> None:
    apache.driver.apply([route(wiki)], [])
    before = apache.reloads()

    apache.driver.apply([route(wiki)], [])

    assert (before, apache.reloads()) == (1, 1)


def test_the_owner_s_options_stand_in_the_app_s_virtual_host_alone(
    apache: RunningApache, wiki: WebApp, blog: WebApp
) -> None:
    (apache.root / "options" / "wiki.conf").write_text('RequestHeader set X-Owner "yes"\n')

    apache.driver.apply([route(wiki), route(blog)], [])
    apache.serves("wiki.hda", "wiki")
    apache.serves("blog.hda", "blog")

    assert apache.app("wiki.hda")["headers"]["x-owner"] == "yes"
    assert "x-owner" not in apache.app("blog.hda")["headers"]


@pytest.mark.parametrize(
    "options",
    [
        b"NoSuchDirective on",
        b"</VirtualHost>",
        b"<VirtualHost *:1>",
        b"ProxyPass /x http://a/ \\",
        b"# caf\xe9",
    ],
)
def test_a_bad_app_is_left_out_and_told_and_no_other_is_touched(
    apache: RunningApache, wiki: WebApp, blog: WebApp, options: bytes
) -> None:
    apache.driver.apply([route(wiki), route(blog)], [])
    apache.serves("wiki.hda", "wiki")
    before = (apache.sites / "homeport-app-wiki.conf").read_text()
    (apache.root / "options" / "wiki.conf").write_bytes(options)

    with web_app("shop") as shop:
        table = [route(wiki), route(blog), route(shop)]
        problems = apache.driver.apply(table, [])

        assert list(problems.routes) == ["wiki"]
        apache.serves("shop.hda", "shop")
        apache.serves("blog.hda", "blog")
        reloads = apache.reloads()
        assert apache.driver.apply(table, []) == problems
        assert apache.reloads() == reloads, "nothing has changed since"
    assert (apache.sites / "homeport-app-wiki.conf").read_text() == before, "the old file is there"
    apache.serves("wiki.hda", "wiki")


@pytest.mark.parametrize("earlier", [True, False], ids=["one is new", "all are new"])
def test_an_apache_that_ends_when_it_reloads_is_started_again_without_what_ended_it(
    apache: RunningApache, wiki: WebApp, blog: WebApp, earlier: bool
) -> None:
    if earlier:
        assert apache.driver.apply([route(wiki), route(blog)], []) == Applied()
        apache.serves("wiki.hda", "wiki")
    (apache.root / "options" / "wiki.conf").write_text('ErrorLog "|/nowhere/log"\n')

    problems = apache.driver.apply([route(wiki), route(blog)], [])

    assert list(problems.routes) == ["wiki"]
    assert "Apache ended" in problems.routes["wiki"]
    apache.serves("blog.hda", "blog")
    assert apache.get("platform.hda", "/index.html") == (200, b"the platform")
    assert (apache.app("wiki.hda").get("app") == "wiki") is earlier, "as it was before"
    reloads = apache.reloads()
    with web_app("shop") as shop:
        later = replace(apache.driver, again_s=0).apply([route(wiki), route(blog), route(shop)], [])
    assert list(later.routes) == ["wiki"]
    assert apache.reloads() == reloads + 1, "for the shop's, and never again for what ended it"
    (apache.root / "options" / "wiki.conf").write_text("")
    assert apache.driver.apply([route(wiki), route(blog)], []) == Applied()
    apache.serves("wiki.hda", "wiki")


class Killed(BaseException):
    """What the process was killed with: nothing of the driver hears it."""


class Dying(ApacheServer):
    """Its process dies when Apache has ended, before it is started again."""

    def start_again(self) -> None:
        raise Killed


def test_an_apache_that_ended_under_a_worker_that_was_killed_then_is_started_by_the_next_one(
    apache: RunningApache, wiki: WebApp, blog: WebApp
) -> None:
    apache.driver.apply([route(wiki), route(blog)], [])
    apache.serves("wiki.hda", "wiki")
    (apache.root / "options" / "wiki.conf").write_text('ErrorLog "|/nowhere/log"\n')
    dying = replace(apache.driver, server=Dying(str(apache.control), apache.port))
    with pytest.raises(Killed):
        dying.apply([route(wiki), route(blog)], [])
    with pytest.raises(ConnectionRefusedError):
        apache.get("platform.hda")

    problems = apache.driver.apply([route(wiki), route(blog)], [])

    assert list(problems.routes) == ["wiki"]
    assert apache.get("platform.hda", "/index.html") == (200, b"the platform")
    apache.serves("blog.hda", "blog")


def test_a_platform_without_a_virtual_host_of_its_own_is_not_taken_over(tmp_path: Path, wiki: WebApp) -> None:
    with RunningApache(tmp_path, has_own_host=False) as apache:
        assert apache.get("platform.hda", "/index.html") == (200, b"the platform")

        with pytest.raises(ComponentUnavailableError) as raised:
            apache.driver.apply([route(wiki)], [])

        assert "Give what Apache serves now a <VirtualHost" in raised.value.why
        assert files(apache) == set()
        assert apache.reloads() == 0
        assert apache.get("platform.hda", "/index.html") == (200, b"the platform")


def test_without_rotatelogs_nothing_is_written_and_it_is_said_how_to_get_it(
    apache: RunningApache, wiki: WebApp
) -> None:
    with pytest.raises(InvalidInputError, match="rotatelogs") as raised:
        replace(apache.driver, rotatelogs="").apply([route(wiki)], [])

    assert "apache2-utils" in raised.value.remedy
    assert files(apache) == set()


@pytest.mark.parametrize("path", ["/a%2Fb?q=%2F", "/a//b", "/a%3Bb%20c", "/a/./b%2e"])
def test_a_request_goes_to_the_app_as_it_came(apache: RunningApache, wiki: WebApp, path: str) -> None:
    apache.driver.apply([route(wiki)], [])
    apache.serves("wiki.hda", "wiki")

    assert apache.app("wiki.hda", path)["path"] == path


def test_an_apache_that_does_not_run_is_not_started_and_reads_the_files_when_it_is(
    apache: RunningApache, wiki: WebApp
) -> None:
    apache.stop()

    assert apache.driver.apply([route(wiki)], []) == Applied()

    with pytest.raises(ConnectionRefusedError):
        apache.get("wiki.hda")
    apache.start()
    apache.serves("wiki.hda", "wiki")


@pytest.mark.parametrize("is_installed", [True, False])
def test_what_was_put_into_an_apache_that_runs_no_more_is_taken_out_and_it_stays_away(
    apache: RunningApache, wiki: WebApp, is_installed: bool
) -> None:
    apache.driver.apply([route(wiki)], [])
    apache.stop()
    if not is_installed:
        (apache.root / "apachectl").unlink()

    apache.driver.withdraw()

    assert files(apache) == set()
    with pytest.raises(ConnectionRefusedError):
        apache.get("wiki.hda")


def test_what_it_remembers_and_somebody_spoiled_is_forgotten(apache: RunningApache, wiki: WebApp) -> None:
    (apache.root / "options" / "wiki.conf").write_text("NoSuchDirective on\n")
    problems = apache.driver.apply([route(wiki)], [])
    assert list(problems.routes) == ["wiki"]

    for text in (b"\xff", b"[1]", b"{}", b'{"homeport-app-wiki.conf": 3}'):
        (apache.driver.own_dir / "refused.json").write_bytes(text)
        (apache.driver.own_dir / "reloaded").write_bytes(text)
        assert apache.driver.apply([route(wiki)], []) == problems, text


def test_what_was_refused_is_tried_again_after_a_while(apache: RunningApache, wiki: WebApp) -> None:
    driver = replace(apache.driver, again_s=0)
    module = apache.root / "module.conf"
    (apache.root / "options" / "wiki.conf").write_text(f"Include {module}\n")
    assert list(driver.apply([route(wiki)], []).routes) == ["wiki"]

    module.write_text("")

    assert driver.apply([route(wiki)], []) == Applied()
    apache.serves("wiki.hda", "wiki")


def test_an_app_that_was_good_and_is_so_no_more_keeps_no_other_from_its_own(
    apache: RunningApache, wiki: WebApp, blog: WebApp
) -> None:
    module = apache.root / "module.conf"
    module.write_text("")
    (apache.root / "options" / "wiki.conf").write_text(f"Include {module}\n")
    apache.driver.apply([route(wiki)], [])
    apache.serves("wiki.hda", "wiki")

    module.unlink()
    problems = apache.driver.apply([route(wiki), route(blog)], [])

    assert list(problems.routes) == ["wiki"]
    apache.serves("blog.hda", "blog")


def test_a_box_with_another_proxy_takes_its_own_out_of_apache(apache: RunningApache, wiki: WebApp) -> None:
    (apache.sites / "mine.conf").write_text("# mine\n")
    apache.driver.apply([route(wiki)], [])
    apache.serves("wiki.hda", "wiki")

    apache.driver.withdraw()
    apache.driver.withdraw()

    assert files(apache) == {"mine.conf"}
    assert apache.reloads() == 2


def test_an_apache_that_is_broken_without_us_is_left_as_it_is(apache: RunningApache, wiki: WebApp) -> None:
    apache.driver.apply([route(wiki)], [])
    apache.serves("wiki.hda", "wiki")
    reloads, before = apache.reloads(), files(apache)
    apache.own.write_text("NoSuchDirective on\n")

    with (
        web_app("shop") as shop,
        pytest.raises(ComponentUnavailableError, match="could not be told") as raised,
    ):
        apache.driver.apply([route(wiki), route(shop)], [])

    assert "NoSuchDirective" in raised.value.why
    assert (files(apache), apache.reloads()) == (before, reloads)
    apache.serves("wiki.hda", "wiki")


def test_a_file_that_a_kill_left_untested_is_taken_back(
    apache: RunningApache, wiki: WebApp, blog: WebApp
) -> None:
    apache.driver.apply([route(wiki), route(blog)], [])
    apache.serves("wiki.hda", "wiki")
    good = (apache.sites / "homeport-app-wiki.conf").read_text()
    (apache.sites / "homeport-app-wiki.conf").write_text("NoSuchDirective on\n")
    (apache.sites / "homeport-app-gone.conf").write_text("NoSuchDirective on\n")

    assert apache.driver.apply([route(wiki), route(blog)], []) == Applied()

    assert (apache.sites / "homeport-app-wiki.conf").read_text() == good
    assert files(apache) == {"homeport-api.conf", "homeport-app-blog.conf", "homeport-app-wiki.conf"}


def test_a_host_name_that_is_none_reaches_no_configuration(
    apache: RunningApache, wiki: WebApp, blog: WebApp
) -> None:
    bad = route(wiki, "a.hda\nInclude /etc/passwd", "x y.hda")

    problems = apache.driver.apply([bad, route(blog)], [])

    assert list(problems.routes) == ["wiki"]
    apache.serves("blog.hda", "blog")
    assert not any("Include" in path.read_text() for path in apache.sites.iterdir())


def test_a_file_of_the_owner_s_in_the_folder_is_never_touched(apache: RunningApache, wiki: WebApp) -> None:
    own = apache.sites / "mine.conf"
    own.write_text("# mine\n")

    apache.driver.apply([route(wiki)], [])
    apache.driver.apply([], [])

    assert own.read_text() == "# mine\n"
    assert files(apache) == {"homeport-api.conf", "mine.conf"}

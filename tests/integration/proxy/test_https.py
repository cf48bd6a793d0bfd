"""Certificates in a real HAProxy: added, replaced and removed while it runs."""

import errno
import hashlib
import http.client
import signal
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from homeport.host.files import drafts_of
from homeport.models import Certificate
from homeport.state.given_certificate import LARGEST_PEM, read_certificate
from proxy.driver import Applied
from proxy.routes import Route, RouteState
from tests.harness.authority import Authority
from tests.harness.haproxy import RunningHAProxy
from tests.harness.web_app import WebApp

AUTHORITY = Authority()
TRUSTING = AUTHORITY.trusting()


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHAProxy]:
    with RunningHAProxy(tmp_path_factory.mktemp("h"), redirects=True) as running:
        yield running


def certificate(
    name: str, *hosts: str, authority: Authority = AUTHORITY, by_rsa: bool = False
) -> Certificate:
    issued = authority.issue(*hosts, by_rsa=by_rsa)
    return read_certificate(name, chain=issued.chain, key=issued.key, now=datetime.now(UTC))


def route(app: WebApp, *names: str) -> Route:
    return Route(identifier=app.name, names=names, port=app.port, state=RouteState.SERVING)


def served(proxy: RunningHAProxy, host: str, trusting: ssl.SSLContext = TRUSTING) -> str:
    """What answers over verified TLS under that name."""
    return str(proxy.app(host, tls=trusting)["app"])


def test_a_certificate_is_served_as_soon_as_it_is_given_and_nothing_is_reloaded(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    pid = proxy.pid
    proxy.driver.apply([route(wiki, "wiki.hda", "a.apps.hda")], [])
    with pytest.raises(ssl.SSLError):
        served(proxy, "wiki.hda")

    given = [certificate("one", "wiki.hda"), certificate("many", "*.apps.hda")]
    assert proxy.driver.apply([route(wiki, "wiki.hda", "a.apps.hda")], given) == Applied()

    assert (served(proxy, "wiki.hda"), served(proxy, "a.apps.hda")) == ("wiki", "wiki")
    assert proxy.pid == pid
    headers = proxy.app("wiki.hda", tls=TRUSTING)["headers"]
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-port"] == str(proxy.plan.https_port)


def test_http_leads_to_https_for_names_that_are_covered_and_for_no_others(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    proxy.driver.apply([route(wiki, "wiki.hda", "plain.hda")], [certificate("one", "wiki.hda")])

    status, headers, _ = proxy.get("wiki.hda", "/page?x=1")
    assert status == http.client.PERMANENT_REDIRECT
    assert headers["location"] == f"https://wiki.hda:{proxy.plan.https_port}/page?x=1"
    assert proxy.app("plain.hda")["app"] == "wiki"
    long = f"/page?x={'y' * 3000}"
    assert proxy.get("wiki.hda", long)[1]["location"].endswith(long), "nothing of it is cut off"


def test_the_api_is_led_to_https_like_an_app(proxy: RunningHAProxy) -> None:
    proxy.driver.apply([], [certificate("one", "homeport.hda")])

    status, headers, _ = proxy.get("homeport.hda", "/v1/apps")

    assert (status, headers["location"]) == (308, f"https://homeport.hda:{proxy.plan.https_port}/v1/apps")


def test_a_chain_that_was_completed_is_served_though_the_host_s_own_certificate_is_the_same(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    root = Authority("root")
    issued = Authority("middle", above=root).issue("wiki.hda")
    own = f"-----BEGIN{issued.chain.split('-----BEGIN')[1]}"
    now, table = datetime.now(UTC), [route(wiki, "wiki.hda")]
    proxy.driver.apply(table, [read_certificate("one", chain=own, key=issued.key, now=now)])
    with pytest.raises(ssl.SSLError):
        served(proxy, "wiki.hda", root.trusting())

    proxy.driver.apply(table, [read_certificate("one", chain=issued.chain, key=issued.key, now=now)])

    assert served(proxy, "wiki.hda", root.trusting()) == "wiki"
    proxy.end(signal.SIGKILL)
    proxy.start()
    assert served(proxy, "wiki.hda", root.trusting()) == "wiki"


def presented(proxy: RunningHAProxy, host: str, given: Sequence[Certificate]) -> str:
    """The name of the certificate that a client of that host is shown; "" where it is refused."""
    anyone = ssl._create_unverified_context()
    try:
        connection = proxy.connect(host, tls=anyone)
    except ssl.SSLError:
        return ""
    assert isinstance(connection.sock, ssl.SSLSocket)
    shown = hashlib.sha256(connection.sock.getpeercert(binary_form=True) or b"").hexdigest()
    connection.close()
    return next(one.name for one in given if one.fingerprint == shown)


@pytest.mark.parametrize("exact_comes_first", [True, False])
def test_a_name_counts_more_than_a_star_whatever_the_keys_are(
    proxy: RunningHAProxy, wiki: WebApp, exact_comes_first: bool
) -> None:
    star = certificate("star", "*.apps.hda")
    exact = certificate("exact", "wiki.apps.hda", by_rsa=True)
    given, table = [exact, star], [route(wiki, "wiki.apps.hda", "other.apps.hda")]
    proxy.driver.apply(table, given[:1] if exact_comes_first else given[1:])

    for _ in range(2):
        assert proxy.driver.apply(table, given) == Applied()

        assert presented(proxy, "wiki.apps.hda", given) == "exact"
        assert presented(proxy, "other.apps.hda", given) == "star"
        assert presented(proxy, "deep.wiki.apps.hda", given) == ""
        proxy.end(signal.SIGKILL)
        proxy.start()
    assert proxy.driver.apply(table, [star]) == Applied()
    assert presented(proxy, "wiki.apps.hda", given) == "star"
    assert len(list((proxy.plan.folder / "certificates").iterdir())) == 1


def test_a_star_that_no_client_takes_is_in_no_other_certificate_s_way(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    given = [certificate("broad", "a.hda", "*.hda"), certificate("own", "wiki.hda", by_rsa=True)]

    proxy.driver.apply([route(wiki, "wiki.hda", "a.hda")], given)

    assert [presented(proxy, host, given) for host in ("wiki.hda", "a.hda", "nosuch.hda")] == [
        "own", "broad", "",
    ]  # fmt: skip


def test_a_certificate_that_haproxy_refuses_is_told_and_keeps_no_route_and_no_other_one(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    good = certificate("good", "wiki.hda")
    bad = replace(
        certificate("bad", "b.hda"), pem="-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n"
    )

    applied = proxy.driver.apply([route(wiki, "wiki.hda", "b.hda")], [bad, good])

    assert list(applied.certificates) == ["bad"]
    assert applied.routes == {}
    assert served(proxy, "wiki.hda") == "wiki"
    assert proxy.app("b.hda")["app"] == "wiki", "not led to an HTTPS that is not served"
    proxy.end(signal.SIGKILL)
    proxy.start()
    assert served(proxy, "wiki.hda") == "wiki"


def test_a_renewed_certificate_that_haproxy_refuses_leaves_the_one_before_it(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    old = certificate("one", "wiki.hda")
    spoiled = replace(old, pem="-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    table = [route(wiki, "wiki.hda")]
    proxy.driver.apply(table, [old])

    for _ in range(2):
        refused = proxy.driver.apply(table, [spoiled]).certificates
        assert list(refused) == ["one"]
        assert refused["one"].endswith("The one before it is served still.")
        assert str(proxy.plan.folder) not in refused["one"]

        assert served(proxy, "wiki.hda") == "wiki"
        assert proxy.get("wiki.hda")[0] == http.client.PERMANENT_REDIRECT
    proxy.end(signal.SIGKILL)
    proxy.start()
    assert served(proxy, "wiki.hda") == "wiki"
    assert proxy.driver.apply(table, [certificate("one", "wiki.hda")]) == Applied()
    assert len(list((proxy.plan.folder / "certificates").iterdir())) == 1


def test_the_largest_certificate_that_is_accepted_is_served(proxy: RunningHAProxy, wiki: WebApp) -> None:
    given = certificate("many", "wiki.hda", *(f"host-{n:03}.long.name.example.org" for n in range(313)))
    assert 0 <= LARGEST_PEM - len(given.pem) < 100

    assert proxy.driver.apply([route(wiki, "wiki.hda")], [given]) == Applied()

    assert served(proxy, "wiki.hda") == "wiki"


def test_a_certificate_is_served_where_its_file_cannot_be_written(
    proxy: RunningHAProxy, wiki: WebApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    given, table = [certificate("one", "wiki.hda")], [route(wiki, "wiki.hda")]
    with monkeypatch.context() as patch:
        patch.setattr("proxy.own_files.write_atomic", full)
        assert proxy.driver.apply(table, given) == Applied()
    assert served(proxy, "wiki.hda") == "wiki"

    assert proxy.driver.apply(table, given) == Applied()

    proxy.end(signal.SIGKILL)
    proxy.start()
    assert served(proxy, "wiki.hda") == "wiki"


def test_keys_that_a_kill_left_half_written_are_swept(proxy: RunningHAProxy, wiki: WebApp) -> None:
    draft = proxy.plan.folder / "certificates" / drafts_of("one-00.pem").replace("?", "a")
    draft.write_text("a key")

    proxy.driver.apply([route(wiki, "wiki.hda")], [certificate("one", "wiki.hda")])

    assert [path.suffix for path in draft.parent.iterdir()] == [".pem"]


def test_a_new_certificate_of_the_name_takes_the_old_ones_place(proxy: RunningHAProxy, wiki: WebApp) -> None:
    other = Authority("other")
    proxy.driver.apply([route(wiki, "wiki.hda")], [certificate("one", "wiki.hda")])

    proxy.driver.apply([route(wiki, "wiki.hda")], [certificate("one", "wiki.hda", authority=other)])

    assert served(proxy, "wiki.hda", other.trusting()) == "wiki"
    with pytest.raises(ssl.SSLError):
        served(proxy, "wiki.hda")


def test_a_certificate_that_is_removed_is_served_no_more_and_its_key_is_gone(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    proxy.driver.apply([route(wiki, "wiki.hda")], [certificate("one", "wiki.hda")])

    proxy.driver.apply([route(wiki, "wiki.hda")], [])

    with pytest.raises(ssl.SSLError):
        served(proxy, "wiki.hda")
    assert proxy.app("wiki.hda")["app"] == "wiki"
    assert list((proxy.plan.folder / "certificates").iterdir()) == []


def test_a_restarted_proxy_serves_the_same_certificates(proxy: RunningHAProxy, wiki: WebApp) -> None:
    given = certificate("one", "wiki.hda")
    proxy.driver.apply([route(wiki, "wiki.hda")], [given])

    proxy.end(signal.SIGKILL)
    proxy.start()
    assert served(proxy, "wiki.hda") == "wiki"
    proxy.driver.apply([route(wiki, "wiki.hda")], [given])

    assert served(proxy, "wiki.hda") == "wiki"


def test_a_certificate_that_was_given_while_the_proxy_was_away_is_served_when_it_is_back(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    given, table = [certificate("one", "wiki.hda")], [route(wiki, "wiki.hda")]
    proxy.end(signal.SIGTERM)
    with pytest.raises(Exception, match="does not answer"):
        proxy.driver.apply(table, given)

    proxy.start()
    proxy.driver.apply(table, given)

    assert served(proxy, "wiki.hda") == "wiki"


def test_a_lost_certificate_keeps_no_proxy_from_starting_and_comes_back(
    proxy: RunningHAProxy, wiki: WebApp
) -> None:
    given, table = (
        [certificate("one", "wiki.hda"), certificate("two", "b.hda")],
        [route(wiki, "wiki.hda", "b.hda")],
    )
    proxy.driver.apply(table, given)
    next((proxy.plan.folder / "certificates").glob("one-*")).unlink()

    proxy.end(signal.SIGKILL)
    proxy.start()

    assert served(proxy, "b.hda") == "wiki"
    proxy.driver.apply(table, given)
    assert served(proxy, "wiki.hda") == "wiki"


def test_http_2_is_spoken_where_the_client_does(proxy: RunningHAProxy, wiki: WebApp) -> None:
    proxy.driver.apply([route(wiki, "wiki.hda")], [certificate("one", "wiki.hda")])

    connection = proxy.connect("wiki.hda", tls=AUTHORITY.trusting(["h2", "http/1.1"]))

    assert isinstance(connection.sock, ssl.SSLSocket)
    assert connection.sock.selected_alpn_protocol() == "h2"
    connection.close()

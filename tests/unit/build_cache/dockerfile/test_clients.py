from urllib.parse import urlsplit

from packageurl.contrib.purl2url import get_download_url

from build_cache.dockerfile import Client, render_configurations, rewrite_dockerfile
from homeport.caches import CacheAddresses, Ecosystem

ALL = CacheAddresses(urls={member: f"http://10.0.0.1:{number}" for number, member in enumerate(Ecosystem, 1)})


def test_every_client_is_shown_its_ecosystems_cache() -> None:
    contents = render_configurations(ALL)

    assert 'Acquire::http::Proxy "http://10.0.0.1:1";' in contents["hp-apt"]
    assert 'Acquire::https::Proxy "DIRECT";' in contents["hp-apt"]
    assert "index-url = http://10.0.0.1:2/root/pypi/+simple/\ntrusted-host = 10.0.0.1\n" in contents["hp-pip"]
    assert 'index-url = "http://10.0.0.1:2/root/pypi/+simple/"' in contents["hp-uv"]
    assert "registry=http://10.0.0.1:3/\n" in contents["hp-npm"]
    assert ":sources:\n- http://10.0.0.1:4/\n" in contents["hp-gem"]
    assert ': "http://10.0.0.1:4/"\n' in contents["hp-bundler"]


def test_bundlers_mirror_is_the_public_servers_alone() -> None:
    host = urlsplit(str(get_download_url("pkg:gem/x@1"))).hostname or ""  # type: ignore[no-untyped-call]
    key = f"BUNDLE_MIRROR__HTTPS://{host.upper().replace('.', '__')}/:"

    assert key in render_configurations(ALL)["hp-bundler"]


def test_without_caches_the_same_secrets_name_no_address() -> None:
    contents = render_configurations(CacheAddresses(down=dict.fromkeys(Ecosystem, "off")))
    mounted = rewrite_dockerfile(b"FROM a\nRUN b\n", context_files=(), args={}).secrets

    assert contents.keys() == render_configurations(ALL).keys() == mounted.keys()
    assert set(mounted.values()) == set(Client)
    assert not any("http" in content.lower() for content in contents.values())


def test_what_the_official_ruby_images_say_is_said_for_them() -> None:
    for addresses in (ALL, CacheAddresses()):
        assert (
            "install: --no-document\nupdate: --no-document\n"
            in render_configurations(addresses)["hp-gem-local"]
        )

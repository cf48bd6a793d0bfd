import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.permissions import (
    SECURITY_OPTIONS,
    Permission,
    PermissionKind,
    compare_permissions,
    missing_permissions,
    parse_permissions,
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("privileged", "privileged"),
        ("docker_socket", "docker_socket"),
        ("host_network", "host_network"),
        ("gpus", "gpus"),
        ("namespace:pid", "namespace:pid"),
        ("capability:cap_net_admin", "capability:NET_ADMIN"),
        ("capability:ALL", "capability:ALL"),
        ("device:/dev/bus/usb", "device:/dev/bus/usb"),
        ("group:44", "group:44"),
        ("bind:/srv/media", "bind:/srv/media"),
        ("bind:/srv/my films:ro", "bind:/srv/my films:ro"),
        ("port:53", "port:53/tcp"),
        ("port:53/udp", "port:53/udp"),
        ("security_opt:label=disable", "security_opt:label=disable"),
        ("sysctl:kernel.sem=250 32000", "sysctl:kernel.sem=250 32000"),
    ],
)
def test_a_permission_has_one_text(text: str, written: str) -> None:
    permission = Permission.parse(text)

    assert str(permission) == written
    assert Permission.parse(written) == permission


@pytest.mark.parametrize(
    "text",
    [
        "",
        "everything",
        "Privileged",
        "privileged:",
        "privileged:true",
        "gpus:all",
        "namespace:host",
        "namespace:",
        "capability:",
        "capability:NET ADMIN",
        "capability:*",
        "device:/dev",
        "device:/dev/../etc",
        "device:sda",
        "device:/dev/sda:rw",
        "group:a b",
        "group:$GID",
        "bind:srv",
        "bind:~/x",
        "bind:/srv/",
        "bind://srv",
        "bind:/srv/../etc",
        "bind:/srv/a:rw",
        "bind:/srv/*",
        "bind:/srv/a ",
        "bind:/srv/a\n",
        "bind:/srv/\u202ea",
        "bind:/" + "a" * 255,
        "port:0",
        "port:1024",
        "port:53/sctp",
        "port:53-54",
        "security_opt:seccomp=/x.json",
        "sysctl:net.core.somaxconn",
        "sysctl:net.core.somaxconn=",
        "sysctl:net.core.somaxconn=1\n",
    ],
)
def test_what_is_no_permission_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+") as caught:
        Permission.parse(text)

    assert len(str(caught.value)) < 400


@given(st.text(max_size=80))
def test_every_text_that_is_taken_is_read_back_the_same(text: str) -> None:
    for kind in PermissionKind:
        try:
            permission = Permission.parse(f"{kind.value}:{text}")
        except ValueError:
            continue
        assert Permission.parse(str(permission)) == permission
        assert str(permission).isprintable()


def test_reading_is_part_of_writing_and_of_nothing_else() -> None:
    writing, reading = parse_permissions(["bind:/srv/a", "bind:/srv/a:ro"])

    assert writing.covers(reading)
    assert not reading.covers(writing)
    assert not Permission.parse("bind:/srv").covers(writing)
    assert not Permission.parse("privileged").covers(reading)
    assert (reading.is_read_only, reading.path, writing.is_read_only) == (True, "/srv/a", False)


def test_permissions_are_sorted_and_each_is_there_once() -> None:
    listed = parse_permissions(["port:53", "gpus", "port:53/tcp", "capability:cap_bpf"])

    assert [str(permission) for permission in listed] == ["capability:BPF", "gpus", "port:53/tcp"]


def test_what_is_missing_is_what_nothing_covers() -> None:
    needed = parse_permissions(["bind:/a:ro", "bind:/b", "gpus"])

    assert missing_permissions(needed, parse_permissions(["bind:/a", "bind:/b:ro"])) == parse_permissions(
        ["bind:/b", "gpus"]
    )


def test_two_versions_differ_by_what_is_new_and_what_is_gone() -> None:
    change = compare_permissions(
        parse_permissions(["bind:/a:ro", "gpus", "port:53"]), parse_permissions(["bind:/a", "port:53"])
    )

    assert change.added == parse_permissions(["bind:/a"])
    assert change.removed == parse_permissions(["gpus"])


def test_security_options_are_written_with_an_equals_sign() -> None:
    assert all("=" in option and ":" not in option for option in SECURITY_OPTIONS)

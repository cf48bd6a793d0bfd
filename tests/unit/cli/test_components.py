import configparser
import shlex
from pathlib import Path

from homeport.cli.components import render_supervisord
from homeport.settings import Settings


def settings(**given: object) -> Settings:
    return Settings(**{"state_dir": "/s", "run_dir": "/r", "catalog_dir": "/c", **given})  # type: ignore[arg-type]


def parsed(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(text)
    return parser


def test_a_private_valkey_runs_only_where_no_redis_url_is_set() -> None:
    private = parsed(render_supervisord(settings(), python="/p", as_root=False))
    given = parsed(render_supervisord(settings(redis_url="redis://x"), python="/p", as_root=False))

    assert "program:valkey" in private
    assert "program:valkey" not in given


def test_only_the_worker_side_and_the_entries_to_nginx_and_haproxy_keep_root() -> None:
    given = settings(api_user="hp", cache_user="hpc")
    configuration = parsed(render_supervisord(given, python="/p", as_root=True))

    users = {}
    for name in configuration.sections():
        if name.startswith("program:"):
            words = shlex.split(configuration[name]["command"])
            kept = "--reuid" not in words
            users[name.removeprefix("program:")] = "root" if kept else words[words.index("--reuid") + 1]

    assert users == {
        "valkey": "hp",
        "api": "hp",
        "steward": "root",
        "worker": "root",
        "nginx": "root",
        "devpi": "hpc",
        "proxy": "root",
    }


def test_haproxy_runs_where_it_is_the_proxy_alone() -> None:
    for proxy, runs in {"haproxy": True, "apache": False, "none": False}.items():
        configuration = parsed(render_supervisord(settings(proxy=proxy), python="/p", as_root=True))

        assert ("program:proxy" in configuration) is runs, proxy


def test_no_cache_runs_where_none_is_wanted() -> None:
    configuration = parsed(render_supervisord(settings(package_caches=False), python="/p", as_root=True))

    assert not {"program:nginx", "program:devpi"} & set(configuration.sections())


def test_nothing_changes_its_user_without_root() -> None:
    assert "--reuid" not in render_supervisord(settings(), python="/p", as_root=False)


def test_every_component_dies_with_its_parent() -> None:
    configuration = parsed(render_supervisord(settings(), python="/p", as_root=True))

    commands = [configuration[name]["command"] for name in configuration.sections() if "program:" in name]

    assert all("--pdeathsig KILL" in command for command in commands)


def test_an_interpreter_with_a_space_and_a_percent_sign_stays_one_word() -> None:
    text = render_supervisord(settings(), python="/my dir/100%/python", as_root=False)

    words = shlex.split(parsed(text)["program:api"]["command"])

    assert "/my dir/100%/python" in words


def test_supervisor_never_gives_a_component_up() -> None:
    configuration = parsed(render_supervisord(settings(), python="/p", as_root=False))

    assert int(configuration["program:api"]["startretries"]) > 10**5
    assert configuration["program:api"]["autorestart"] == "true"


def test_the_socket_of_the_supervisor_is_its_owners_alone() -> None:
    configuration = parsed(render_supervisord(settings(), python="/p", as_root=False))

    assert configuration["unix_http_server"]["chmod"] == "0700"
    assert Path(configuration["unix_http_server"]["file"]).parent == Path("/r")

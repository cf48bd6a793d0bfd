from pathlib import Path

import pytest

from homeport.errors import InvalidInputError
from homeport.settings import Settings, default_folders, load_settings, program_environment


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "homeport.toml"
    file.write_text('domain = "hda"\nlisten = "127.0.0.1:1"\n')

    settings = load_settings({"HOMEPORT_CONFIG": str(file), "HOMEPORT_LISTEN": "127.0.0.1:2", "HOME": "/h"})

    assert (settings.domain, settings.listen) == ("hda", "127.0.0.1:2")


@pytest.mark.parametrize("line", ['colour = "red"', "app_threads = 0", 'publish = "everywhere"', "= 1"])
def test_a_wrong_setting_is_named_with_the_file(tmp_path: Path, line: str) -> None:
    file = tmp_path / "homeport.toml"
    file.write_text(line)

    with pytest.raises(InvalidInputError) as caught:
        load_settings({"HOMEPORT_CONFIG": str(file), "HOME": "/h"})

    assert str(file) in str(caught.value)
    assert (line.split(" ", maxsplit=1)[0] in str(caught.value)) or line.startswith("=")


def test_a_name_in_the_environment_that_is_no_setting_gets_the_nearest_one() -> None:
    with pytest.raises(InvalidInputError, match=r"HOMEPORT_DOMIAN.*Did you mean HOMEPORT_DOMAIN"):
        load_settings({"HOMEPORT_CONFIG": "/dev/null", "HOMEPORT_DOMIAN": "hda"})


def test_other_names_of_ours_in_the_environment_are_no_settings() -> None:
    others = {"HOMEPORT_TOKEN": "t", "HOMEPORT_URL": "http://box", "HOMEPORT_DEV_PORT": "1", "HOMEPORTS": "x"}

    assert load_settings({"HOMEPORT_CONFIG": "/dev/null", **others}).domain == "localhost"


def test_root_uses_the_systems_folders_and_others_use_xdgs() -> None:
    root = default_folders(0, {})
    user = default_folders(1000, {"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/1000"})

    assert (root["state_dir"], root["run_dir"]) == ("/var/lib/homeport", "/run/homeport")
    assert user["state_dir"] == Path("/home/u/.local/state/homeport")
    assert user["run_dir"] == Path("/run/user/1000/homeport")


FOLDERS = {"state_dir": "/s", "run_dir": "/r", "catalog_dir": "/c"}


@pytest.mark.parametrize(
    ("publish", "domain", "address"),
    [
        ("auto", "localhost", "0.0.0.0"),
        ("auto", "hda", "0.0.0.0"),
        ("lan", "hda", "0.0.0.0"),
        ("loopback", "localhost", "127.0.0.1"),
    ],
)
def test_without_a_proxy_auto_publishes_to_the_lan(publish: str, domain: str, address: str) -> None:
    settings = Settings.model_validate({**FOLDERS, "publish": publish, "domain": domain, "proxy": "none"})

    assert settings.publish_address == settings.further_address == address


@pytest.mark.parametrize("proxy", ["haproxy", "apache"])
@pytest.mark.parametrize(
    ("publish", "domain", "address", "further"),
    [
        ("auto", "localhost", "0.0.0.0", "0.0.0.0"),
        ("auto", "hda", "127.0.0.1", "0.0.0.0"),
        ("lan", "hda", "0.0.0.0", "0.0.0.0"),
        ("loopback", "hda", "127.0.0.1", "127.0.0.1"),
    ],
)
def test_behind_a_proxy_auto_publishes_to_it_alone_but_for_ports_that_it_does_not_lead_to(
    proxy: str, publish: str, domain: str, address: str, further: str
) -> None:
    settings = Settings.model_validate({**FOLDERS, "publish": publish, "domain": domain, "proxy": proxy})

    assert (settings.publish_address, settings.further_address) == (address, further)


def test_programs_get_neither_tokens_nor_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEPORT_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert "secret" not in program_environment(HOME="/x").values()

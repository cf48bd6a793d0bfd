"""What `homeport doctor` says of a real Apache that is to lead to the apps."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.cli.doctor_proxy import check_proxy
from homeport.settings import Settings
from tests.harness.apache import RunningApache


@pytest.fixture
def apache(tmp_path: Path) -> Iterator[RunningApache]:
    with RunningApache(tmp_path) as running:
        yield running


def box(apache: RunningApache, **changed: object) -> Settings:
    return Settings.model_validate(
        {
            "state_dir": apache.root / "state",
            "run_dir": apache.root / "run",
            "catalog_dir": apache.root,
            "proxy": "apache",
            "apache_sites_dir": apache.sites,
            "apache_control": str(apache.control),
            **changed,
        }
    )


def test_one_that_is_ready_is_said_to_be(apache: RunningApache) -> None:
    verdict = check_proxy(box(apache))

    assert (verdict.level, verdict.found) == ("ok", f"Apache, {apache.sites}")


def test_a_folder_that_is_not_there_is_named(apache: RunningApache) -> None:
    verdict = check_proxy(box(apache, apache_sites_dir=apache.root / "none"))

    assert verdict.level == "bad"
    assert str(apache.root / "none") in verdict.found


def test_a_configuration_that_it_does_not_take_is_told_in_its_words(apache: RunningApache) -> None:
    apache.own.write_text("NoSuchDirective on\n")

    verdict = check_proxy(box(apache))

    assert verdict.level == "bad"
    assert "NoSuchDirective" in verdict.found
    assert f"{apache.control} configtest" in verdict.mend


def test_a_module_that_is_missing_is_said_how_to_get(apache: RunningApache) -> None:
    configuration = apache.root / "apache.conf"
    lines = configuration.read_text().splitlines()
    configuration.write_text("\n".join(line for line in lines if "headers_module" not in line))

    verdict = check_proxy(box(apache))

    assert verdict.level == "bad"
    assert verdict.mend == "sudo a2enmod headers"


def test_a_program_that_is_missing_is_said(apache: RunningApache, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which

    def without_rotatelogs(name: str, mode: int = os.X_OK, path: str | None = None) -> str | None:
        return None if name == "rotatelogs" else which(name, mode, path)

    monkeypatch.setattr("shutil.which", without_rotatelogs)

    verdict = check_proxy(box(apache))

    assert verdict.level == "bad"
    assert "rotatelogs" in verdict.found
    assert "apache2-utils" in verdict.mend


def test_an_apachectl_that_is_not_installed_is_said(apache: RunningApache) -> None:
    verdict = check_proxy(box(apache, apache_control="no-such-apachectl"))

    assert verdict.level == "bad"
    assert "no-such-apachectl" in verdict.found

"""What `homeport new` begins with."""

from pathlib import Path

import pytest

from homeport.catalog.advice import advise
from homeport.catalog.reader import read_definition
from homeport.catalog.starter import PORT, write_starter


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", ["wiki", "family-wiki", "123", "true", "null", "1e5", "a" * 63])
@pytest.mark.parametrize("port", [None, 80])
def test_what_is_written_is_a_definition_about_which_there_is_no_advice(
    tmp_path: Path, name: str, port: int | None
) -> None:
    loaded = read_definition(written(tmp_path, write_starter(name, port=port)))

    assert loaded.definition.name == name
    assert loaded.definition.web is not None
    assert loaded.definition.web.port == (port or PORT)
    assert list(loaded.built_services) == [name]
    assert loaded.permissions == ()
    assert advise(loaded) == []


def test_anothers_image_is_pulled_and_its_tag_is_the_version(tmp_path: Path) -> None:
    loaded = read_definition(written(tmp_path, write_starter("wiki", image="ghcr.io/acme/wiki:2.1", port=80)))

    assert loaded.pulled_services == {"wiki": "ghcr.io/acme/wiki:2.1"}
    assert loaded.definition.version == "2.1"
    assert loaded.definition.web is not None
    assert advise(loaded) == []


def test_anothers_image_without_a_port_has_no_web_page(tmp_path: Path) -> None:
    digest = f"acme/wiki@sha256:{'0' * 64}"

    loaded = read_definition(written(tmp_path, write_starter("wiki", image=digest)))

    assert loaded.definition.web is None
    assert loaded.definition.version == "1.0"
    assert loaded.pulled_services == {"wiki": digest}


def test_the_same_words_give_the_same_files() -> None:
    assert write_starter("wiki") == write_starter("wiki")

import re
from pathlib import Path

import pytest

from homeport.catalog.catalog import SHIPPED, CatalogFolder, list_definitions
from homeport.catalog.owner_settings import settle_settings
from homeport.catalog.reader import read_definition
from homeport.errors import InvalidInputError

APPS = Path(__file__).parents[3] / "apps"
BUILT_FROM_SOURCE = {"osticket": "OSTICKET", "coppermine": "COPPERMINE"}


def test_every_shipped_definition_is_sound() -> None:
    entries = list_definitions([CatalogFolder(name=SHIPPED, path=APPS)])

    assert {entry.name for entry in entries} >= {"dokuwiki", "wordpress", "gitlab", "hydra"}
    assert {entry.name: entry.problem and entry.problem.why for entry in entries if entry.problem} == {}
    assert {entry.name for entry in entries} == {folder.name for folder in APPS.iterdir() if folder.is_dir()}


def test_every_shipped_definition_stands_on_the_page_of_the_catalog() -> None:
    page = (APPS.parent / "docs" / "catalog.md").read_text(encoding="utf-8")

    listed = set(
        re.findall(r"^\| `([a-z0-9-]+)` \| [^|]+ \| [^|]+ \|$", page.partition("\n## ")[0], re.MULTILINE)
    )
    assert listed == {folder.name for folder in APPS.iterdir() if folder.is_dir()}


@pytest.mark.parametrize(("name", "prefix"), BUILT_FROM_SOURCE.items())
def test_a_source_is_a_setting_and_its_hash_must_be_given(name: str, prefix: str) -> None:
    definition = read_definition(APPS / name).definition

    source, digest = definition.settings[f"{prefix}_SOURCE"], definition.settings[f"{prefix}_SHA256"]
    assert source.default.startswith("https://")
    assert (source.build, digest.build, digest.required, digest.default) == (True, True, True, "")
    with pytest.raises(InvalidInputError, match=f"{prefix}_SHA256"):
        settle_settings(definition, {f"{prefix}_SOURCE": "source.zip"})


@pytest.mark.parametrize(("name", "prefix"), BUILT_FROM_SOURCE.items())
def test_what_the_owner_sets_reaches_the_build(name: str, prefix: str) -> None:
    given = {f"{prefix}_SOURCE": "source.zip", f"{prefix}_SHA256": "0" * 64}

    loaded = read_definition(APPS / name, settings=given)

    assert given.items() <= loaded.built_services["web"].args.items()


@pytest.mark.parametrize("name", BUILT_FROM_SOURCE)
def test_no_hash_that_was_not_computed_from_the_file_is_shipped(name: str) -> None:
    for path in (APPS / name).rglob("*"):
        assert path.is_dir() or not re.search(r"\b[0-9a-fA-F]{64}\b", path.read_text(encoding="utf-8")), path

from pathlib import Path

from homeport.catalog.catalog import SHIPPED, CatalogFolder, list_definitions

APPS = Path(__file__).parents[3] / "apps"


def test_every_shipped_definition_is_sound() -> None:
    entries = list_definitions([CatalogFolder(name=SHIPPED, path=APPS)])

    assert {entry.name for entry in entries} >= {"dokuwiki", "wordpress", "gitlab", "hydra"}
    assert {entry.name: entry.problem and entry.problem.why for entry in entries if entry.problem} == {}
    assert {entry.name for entry in entries} == {folder.name for folder in APPS.iterdir() if folder.is_dir()}

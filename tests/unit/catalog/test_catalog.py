from pathlib import Path

import pytest

from homeport.catalog.catalog import SHIPPED, CatalogFolder, find_definition, list_definitions
from homeport.errors import DefinitionInvalidError, NotFoundError

from .conftest import APP, MakeDefinition


def shipped(folder: Path) -> CatalogFolder:
    return CatalogFolder(name=SHIPPED, path=folder)


def test_definitions_are_listed_by_name_and_broken_ones_with_their_problem(
    make_definition: MakeDefinition, tmp_path: Path
) -> None:
    make_definition(name="wiki")
    make_definition({"app.yml": "name: [\n"}, name="broken")
    (tmp_path / "no-definition").mkdir()

    broken, wiki = list_definitions([shipped(tmp_path)])

    assert (broken.name, broken.loaded, broken.definition) == ("broken", None, None)
    assert broken.problem is not None
    assert broken.problem.code == "definition_invalid"
    assert broken.problem.facts["findings"][0]["file"] == "app.yml"
    assert wiki.definition is not None
    assert wiki.definition.title == "Wiki"
    assert wiki.problem is None


def test_a_catalog_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert list_definitions([shipped(tmp_path / "absent")]) == []


@pytest.mark.parametrize("name", ["absent", "../wiki", "", ".", "/etc", "Wiki"])
def test_a_name_that_the_catalog_lacks_is_not_found(
    make_definition: MakeDefinition, tmp_path: Path, name: str
) -> None:
    make_definition(name="wiki")

    with pytest.raises(NotFoundError) as caught:
        find_definition([shipped(tmp_path)], name)

    assert caught.value.facts == {"kind": "definition", "name": name}


def test_a_misspelt_name_gets_the_nearest_one(make_definition: MakeDefinition, tmp_path: Path) -> None:
    make_definition(name="wiki")

    for name, near in (("wikki", True), ("photos", False)):
        with pytest.raises(NotFoundError) as caught:
            find_definition([shipped(tmp_path)], name)
        assert ("Did you mean 'wiki'?" in caught.value.remedy) is near


def test_a_definition_of_another_name_than_its_folder_is_refused(
    make_definition: MakeDefinition, tmp_path: Path
) -> None:
    make_definition({"app.yml": APP.replace("name: wiki", "name: other")}, name="wiki")

    with pytest.raises(DefinitionInvalidError) as caught:
        find_definition([shipped(tmp_path)], "wiki")

    assert caught.value.findings[0].rule == "name-differs"

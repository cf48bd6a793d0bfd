import os
from pathlib import Path

import pytest

from homeport.catalog.catalog import (
    SHIPPED,
    CatalogFolder,
    copy_definition,
    find_definition,
    find_in_force,
    list_definitions,
)
from homeport.catalog.sources import copy_folder
from homeport.errors import DefinitionInvalidError, InvalidInputError, NotFoundError

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


def added(folder: Path, name: str) -> CatalogFolder:
    return CatalogFolder(name=name, path=folder / name)


@pytest.fixture
def several(make_definition: MakeDefinition, tmp_path: Path) -> list[CatalogFolder]:
    """The shipped catalog with a wiki, and two more with a wiki and notes each; one has photos."""
    names = ["shipped/wiki", "one/wiki", "one/notes", "two/wiki", "two/notes", "two/photos"]
    for name in names:
        made = make_definition(
            {"app.yml": APP.replace("name: wiki", f"name: {name.partition('/')[2]}")}, name="x"
        )
        (tmp_path / name).parent.mkdir(exist_ok=True)
        made.rename(tmp_path / name)
    return [shipped(tmp_path / "shipped"), added(tmp_path, "one"), added(tmp_path, "two")]


def test_a_name_is_listed_bare_where_one_catalog_has_it_and_else_with_its_catalog(
    several: list[CatalogFolder],
) -> None:
    entries = list_definitions(several)

    assert [entry.name for entry in entries] == [
        "one/notes", "two/notes", "photos", "homeport/wiki", "one/wiki", "two/wiki",
    ]  # fmt: skip
    assert [entry.qualified for entry in entries][2] == "two/photos"
    assert all(entry.problem is None for entry in entries)


@pytest.mark.parametrize(
    ("name", "qualified"),
    [
        ("wiki", "homeport/wiki"),
        ("homeport/wiki", "homeport/wiki"),
        ("two/wiki", "two/wiki"),
        ("photos", "two/photos"),
        ("one/notes", "one/notes"),
    ],
)
def test_a_definition_is_found_by_either_name(
    several: list[CatalogFolder], name: str, qualified: str
) -> None:
    assert find_definition(several, name).qualified == qualified


def test_a_bare_name_of_several_added_catalogs_is_refused_with_the_whole_names(
    several: list[CatalogFolder],
) -> None:
    with pytest.raises(InvalidInputError, match="They are one/notes, two/notes"):
        find_definition(several, "notes")


@pytest.mark.parametrize("name", ["three/wiki", "one/photos", "one/", "/wiki", "one/../wiki", "a/b/wiki"])
def test_a_qualified_name_that_no_catalog_has_is_not_found(several: list[CatalogFolder], name: str) -> None:
    with pytest.raises(NotFoundError):
        find_definition(several, name)


def test_a_catalog_that_is_replaced_while_it_is_read_is_read_again(
    several: list[CatalogFolder], tmp_path: Path
) -> None:
    asked: list[None] = []

    def folders() -> list[CatalogFolder]:
        asked.append(None)
        return [added(tmp_path, "swept" if len(asked) == 1 else "one")]

    copy_definition(folders, "notes", tmp_path / "copy")

    assert (tmp_path / "copy" / "app.yml").is_file()
    assert find_in_force(folders, "notes").catalog == "one"


def test_a_definition_whose_folder_is_an_owner_s_link_is_copied(
    make_definition: MakeDefinition, tmp_path: Path
) -> None:
    made = make_definition(name="elsewhere/wiki")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "wiki").symlink_to(made)

    copy_definition(lambda: [shipped(tmp_path / "apps")], "wiki", tmp_path / "copy")

    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["app.yml", "docker-compose.yml"]


def test_copying_follows_no_link_and_leaves_nothing_where_it_fails(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to("/etc")
    (tmp_path / "piped").mkdir()
    (tmp_path / "piped" / "app.yml").write_text("x")
    os.mkfifo(tmp_path / "piped" / "pipe")

    for name, rule in (("linked", "file-missing"), ("piped", "file-special"), ("absent", "file-unreadable")):
        with pytest.raises(DefinitionInvalidError) as caught:
            copy_folder(tmp_path / name, tmp_path / "copy")
        assert caught.value.findings[0].rule == rule

    assert sorted(path.name for path in tmp_path.iterdir()) == ["linked", "piped"]

import pytest

from homeport.catalog.definition import Definition
from homeport.catalog.owner_settings import settle_settings
from homeport.catalog.reader import read_definition
from homeport.errors import DefinitionInvalidError, InvalidInputError

from .conftest import APP, MakeDefinition

SETTINGS = APP + (
    "settings:\n"
    "  LANGUAGE: {default: en}\n"
    "  TOKEN: {required: true, description: from its web page}\n"
    "  SOURCE: {build: true, default: here}\n"
)
COMPOSE = """\
services:
  web:
    build: {context: ., args: {OWN: "1"}}
    environment: {LANGUAGE: , TOKEN: }
  db:
    image: mariadb:11
    environment: [LANGUAGE, TOKEN, OTHER=LANGUAGE]
"""


@pytest.fixture
def definition() -> Definition:
    settings = {"LANGUAGE": {"default": "en"}, "TOKEN": {"required": True}, "SOURCE": {"build": True}}
    return Definition.model_validate({"name": "wiki", "title": "W", "version": "1", "settings": settings})


def refused(definition: Definition, given: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        settle_settings(definition, given)
    assert caught.value.remedy
    return [error["pointer"] for error in caught.value.facts["errors"]]


def test_what_the_owner_set_is_kept_and_defaults_are_not(definition: Definition) -> None:
    assert settle_settings(definition, {"TOKEN": "ü $x"}) == {"TOKEN": "ü $x"}


def test_a_required_setting_must_be_given_and_not_be_empty(definition: Definition) -> None:
    assert refused(definition, {}) == ["/settings/TOKEN"]
    assert refused(definition, {"TOKEN": ""}) == ["/settings/TOKEN"]


def test_what_is_missing_is_named_as_it_is_given(definition: Definition) -> None:
    with pytest.raises(InvalidInputError) as caught:
        settle_settings(definition, {})

    assert caught.value.remedy == "Add: --set TOKEN=…"


def test_unknown_names_are_refused_together_with_what_else_is_wrong(definition: Definition) -> None:
    assert refused(definition, {"language": "de", "SOURCE": "x"}) == [
        "/settings/language", "/settings/TOKEN",
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "\x1b[2J", "\x7f", "x" * 4097])
def test_a_value_is_one_line_of_bounded_length(definition: Definition, value: str) -> None:
    assert refused(definition, {"TOKEN": value}) == ["/settings/TOKEN"]


def test_the_longest_value_is_taken(definition: Definition) -> None:
    assert len(settle_settings(definition, {"TOKEN": "x" * 4096})["TOKEN"]) == 4096


def test_the_owners_values_fill_variables_and_build_arguments(make_definition: MakeDefinition) -> None:
    folder = make_definition({"app.yml": SETTINGS, "docker-compose.yml": COMPOSE, "Dockerfile": "FROM x\n"})

    loaded = read_definition(folder, settings={"TOKEN": "a$b", "SOURCE": "there"})

    assert loaded.template["services"]["web"]["environment"] == {"LANGUAGE": "en", "TOKEN": "a$$b"}
    assert loaded.template["services"]["db"]["environment"] == [
        "LANGUAGE=en", "TOKEN=a$$b", "OTHER=LANGUAGE",
    ]  # fmt: skip
    assert loaded.built_services["web"].args == {"SOURCE": "there", "OWN": "1"}


def test_a_definition_is_read_without_the_owners_values_too(make_definition: MakeDefinition) -> None:
    folder = make_definition({"app.yml": SETTINGS, "docker-compose.yml": COMPOSE, "Dockerfile": "FROM x\n"})

    loaded = read_definition(folder)

    assert loaded.template["services"]["web"]["environment"] == {"LANGUAGE": "en", "TOKEN": ""}
    assert loaded.built_services["web"].args["SOURCE"] == "here"


@pytest.mark.parametrize("value", ["${HOME}", "$HOME", "/srv:/x", "WEBAPP_PATH"])
def test_an_owners_value_reaches_a_variable_and_nothing_else(
    make_definition: MakeDefinition, value: str
) -> None:
    folder = make_definition({"app.yml": SETTINGS, "docker-compose.yml": COMPOSE, "Dockerfile": "FROM x\n"})
    plain = read_definition(folder).template

    filled = read_definition(folder, settings={"TOKEN": value}).template

    assert filled["services"]["web"]["environment"].pop("TOKEN") == value.replace("$", "$$")
    plain["services"]["web"]["environment"].pop("TOKEN")
    assert filled["services"]["web"] == plain["services"]["web"]


def test_a_required_setting_has_no_default(make_definition: MakeDefinition) -> None:
    app = APP + "settings:\n  TOKEN:\n    required: true\n    default: x\n"

    with pytest.raises(DefinitionInvalidError) as caught:
        read_definition(make_definition({"app.yml": app}))

    (finding,) = caught.value.findings
    assert (finding.key, finding.line, finding.rule) == ("settings.TOKEN.default", 8, "setting")

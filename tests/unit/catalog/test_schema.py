import pytest

from homeport.catalog.schema import check_schema
from homeport.catalog.yaml12 import load_yaml
from homeport.errors import Finding


def check(text: str) -> list[Finding]:
    return check_schema(load_yaml(text.encode(), file="c.yml"))


@pytest.mark.parametrize(
    ("text", "key", "line", "remedy"),
    [
        ("services:\n  a:\n    image: 5\n", "services.a.image", 3, 'Put it in quotes: "5".'),
        ("services:\n  a:\n    restart: true\n", "services.a.restart", 3, 'Put it in quotes: "true".'),
        ("services:\n  a:\n    ports: {a: b}\n", "services.a.ports", 3, "Write a list."),
        (
            "services:\n  a:\n    volumes:\n      - 5\n",
            "services.a.volumes[0]",
            4,
            "Write text or a mapping.",
        ),
        ("services:\n  a:\n    build: [x]\n", "services.a.build", 3, "Write text or a mapping."),
        (
            "services:\n  a:\n    build: {context: 5}\n",
            "services.a.build.context",
            3,
            'Put it in quotes: "5".',
        ),
        ("services:\n  a:\n    volumes: [{source: x}]\n", "services.a.volumes[0]", 3, "Add `type: …`."),
        ("services:\n  a:\n    ports: ['1', '1']\n", "services.a.ports", 3, "Keep one of the two."),
        ("services: [a]\n", "services", 1, "Write a mapping."),
        ("services:\n  a: nginx\n", "services.a", 2, "Write a mapping."),
        ("- a\n", "document", 1, "Write a mapping."),
        ("services:\n  a:\n    environment: [1]\n", "services.a.environment[0]", 3, 'Put it in quotes: "1".'),
        (
            "services:\n  a:\n    healthcheck: {test: {}}\n",
            "services.a.healthcheck.test",
            3,
            "Write text or a list.",
        ),
    ],
)
def test_one_wrong_value_gives_one_finding_that_says_what_is_right(
    text: str, key: str, line: int, remedy: str
) -> None:
    (finding,) = check(text)

    assert (finding.key, finding.line, finding.remedy) == (key, line, remedy)


def test_choices_are_named() -> None:
    (finding,) = check("services:\n  a:\n    depends_on: {b: {condition: x}}\n")

    assert finding.key == "services.a.depends_on.b.condition"
    assert "service_healthy" in finding.remedy


def test_unknown_keys_are_left_to_the_policy() -> None:
    assert check("foo: 1\nservices:\n  a: {bar: 1, build: {baz: 1}, ports: [{target: 1, qux: 1}]}\n") == []


def test_placeholders_fit_the_schema() -> None:
    assert check("services:\n  a:\n    ports: ['HOST_PORT:80', {target: 1, published: HOST_PORT}]\n") == []

"""What a template's services, volumes and networks may be named, and that services come after each other."""

import pytest

from homeport.catalog.judgement import Judgement
from homeport.catalog.policy import judge_compose
from homeport.catalog.schema import check_schema
from homeport.catalog.yaml12 import load_yaml
from homeport.errors import Finding


def judge(text: str) -> Judgement:
    document = load_yaml(text.encode(), file="docker-compose.yml")
    assert check_schema(document) == []
    return judge_compose(document.value, lines=document.line_of, file="docker-compose.yml")


def services(**keys: str) -> str:
    """A file with services by these names, each with these keys."""
    return "services:\n" + "".join(f"  {name}: {{image: x, {text}}}\n" for name, text in keys.items())


def the_one(text: str) -> Finding:
    (finding,) = judge(text).findings
    assert finding.line is not None
    assert finding.remedy
    return finding


@pytest.mark.parametrize("name", ["APP_IDENTIFIER", "APP_IDENTIFIER_db", "db_APP_IDENTIFIER", "HOST_PORT"])
def test_a_service_has_no_placeholder_in_its_name(name: str) -> None:
    finding = the_one(services(**{name: ""}))

    assert (finding.rule, finding.key) == ("name-placeholder", f"services.{name}")
    assert "Homeport names the containers" in finding.remedy


@pytest.mark.parametrize("name", ["MY_HOST_PORT", "HOST_PORTS", "app_identifier"])
def test_what_only_looks_like_a_placeholder_is_a_name(name: str) -> None:
    assert judge(services(**{name: ""})).findings == ()


@pytest.mark.parametrize("section", ["volumes", "networks", "configs"])
@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("APP_IDENTIFIER_db", "APP_IDENTIFIER_data", "MY_HOST_PORT"), None),
        (("APP_IDENTIFIER_db", "db"), None),
        (("APP_IDENTIFIER_db", "wiki_db"), "APP_IDENTIFIER_db"),
        (("wiki", "APP_IDENTIFIER"), "APP_IDENTIFIER"),
        (("a.APP_HOSTNAME", "a.b"), "a.APP_HOSTNAME"),
        (("WEBAPP_PATH_x",), "WEBAPP_PATH_x"),
    ],
)
def test_no_two_names_may_become_one(section: str, names: tuple[str, ...], found: str | None) -> None:
    value = "{content: x}" if section == "configs" else ""
    listed = "".join(f"  {name}: {value}\n" for name in names)

    findings = judge(f"{services(web='')}{section}:\n{listed}").findings

    expected = [("name-placeholder", f"{section}.{found}")] if found else []
    assert [(finding.rule, finding.key) for finding in findings] == expected


@pytest.mark.parametrize(
    ("text", "key", "circle"),
    [
        (services(a="depends_on: [a]"), "a.depends_on[0]", "a -> a"),
        (services(a="network_mode: 'service:a'"), "a.network_mode", "a -> a"),
        (
            services(a="links: [b]", b="depends_on: {a: {condition: service_started}}"),
            "b.depends_on.a",
            "a -> b -> a",
        ),
        (services(a="volumes_from: ['b:ro']", b="links: ['a:x']"), "b.links[0]", "a -> b -> a"),
        (
            services(x="depends_on: [a]", a="depends_on: [b, c]", b="", c="depends_on: [d]", d="links: [a]"),
            "d.links[0]",
            "a -> c -> d -> a",
        ),
    ],
)
def test_services_that_wait_for_each_other_are_refused_and_named(text: str, key: str, circle: str) -> None:
    finding = the_one(text)

    assert (finding.rule, finding.key) == ("depends-circle", f"services.{key}")
    assert finding.what == f"These wait for each other: {circle}."


def test_services_that_come_after_each_other_pass_however_they_meet() -> None:
    text = services(
        a="depends_on: [b, c, d]", b="depends_on: [d]", c="links: [d]", d="", e="network_mode: 'service:a'"
    )

    assert judge(text).findings == ()


def test_a_long_way_round_is_told_in_short_and_many_circles_are_not_all_told() -> None:
    ring = services(**{f"s{number}": f"depends_on: [s{(number + 1) % 1000}]" for number in range(1000)})
    selves = services(**{f"s{number}": f"depends_on: [s{number}]" for number in range(1000)})

    assert len(the_one(ring).what) < 400
    assert len(judge(selves).findings) == 20

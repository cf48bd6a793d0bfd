"""Statuses, problem documents and the description of the interface."""

from collections.abc import Iterator

import pytest

from api.openapi import describe
from api.problems import STATUS_OF, problem_document
from api.routes import ROUTES
from homeport.errors import HomeportError, InvalidInputError, Problem
from homeport.metrics import render_metric
from homeport.server_sent import server_sent_event
from homeport.wire import cursor_of, key_of, number_of


def _codes(root: type[HomeportError]) -> Iterator[str]:
    yield root.code
    for inner in root.__subclasses__():
        yield from _codes(inner)


def test_every_error_code_has_a_status_and_no_status_lacks_its_error() -> None:
    assert set(STATUS_OF) - {"method_not_allowed"} == set(_codes(HomeportError))


def test_a_problem_document_has_the_members_of_rfc_9457() -> None:
    problem = Problem(
        code="taken", what="It is taken.", why="Because.", remedy="Choose.", facts={"kind": "port"}
    )

    assert problem_document(problem) == {
        "type": "urn:homeport:problem:taken",
        "title": "It is taken.",
        "status": 409,
        "detail": "Because.",
        "code": "taken",
        "restored": "",
        "remedy": "Choose.",
        "facts": {"kind": "port"},
    }


def test_every_reference_of_the_description_leads_somewhere() -> None:
    document = describe(ROUTES, "1")
    schemas = document["components"]["schemas"]

    references = set(_references(document))

    assert references > {"#/components/responses/Problem"}
    assert references <= {
        *(f"#/components/schemas/{name}" for name in schemas),
        "#/components/responses/Problem",
    }


def test_every_operation_has_a_summary_and_an_id_of_its_own() -> None:
    operations = [
        operation for methods in describe(ROUTES, "1")["paths"].values() for operation in methods.values()
    ]

    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(ROUTES)


def test_a_list_in_a_query_is_described_as_one_parameter_with_commas() -> None:
    parameters = describe(ROUTES, "1")["paths"]["/v1/apps"]["post"]["parameters"]

    assert [one["name"] for one in parameters if one.get("explode") is False] == ["aliases", "permissions"]


def _references(value: object) -> Iterator[str]:
    match value:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for inner in value.values():
                yield from _references(inner)
        case list():
            for inner in value:
                yield from _references(inner)


@pytest.mark.parametrize("key", ["wiki", "a" * 63, "0", "ö"])
def test_a_cursor_gives_back_its_key(key: str) -> None:
    assert key_of(cursor_of(key)) == key


@pytest.mark.parametrize("cursor", ["!", "a", "____", cursor_of("abc"), cursor_of("-1"), cursor_of("9" * 19)])
def test_what_is_no_number_is_no_cursor_of_jobs(cursor: str) -> None:
    with pytest.raises(InvalidInputError):
        number_of(cursor)


def test_a_label_of_a_metric_is_escaped() -> None:
    text = render_metric("a", "gauge", "Words.", [("a", {"b": 'x"y\\z\n'}, 1)])

    assert text == '# HELP a Words.\n# TYPE a gauge\na{b="x\\"y\\\\z\\n"} 1.0\n'


def test_an_event_of_several_lines_has_a_data_line_each() -> None:
    assert server_sent_event("a\nb", event="k", event_id=3) == b"id: 3\nevent: k\ndata: a\ndata: b\n\n"

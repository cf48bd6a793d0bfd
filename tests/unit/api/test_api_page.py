"""docs/api.md against the code: every route is told of, and every code with its status."""

import re
from pathlib import Path

import pytest

from api.problems import STATUS_OF
from api.routes import ROUTES
from homeport.events import EventKind

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (`[a-z_`, ]+`) \| ([0-9, ]+) \|", re.MULTILINE)


@pytest.mark.parametrize(("method", "path"), [(route.method, route.path) for route in ROUTES])
def test_every_route_is_told_of(method: str, path: str) -> None:
    pattern = re.escape("$url") + re.sub(r"\\\{\w+\\\}", r'[^/?"\\s]+', re.escape(path)) + r"(?=[?\"\s]|$)"
    calls = [line for line in PAGE.splitlines() if line.startswith("curl") and re.search(pattern, line)]
    verbs = {"POST": " -d ", "DELETE": " -X DELETE "}

    assert any(verbs[method] in line for line in calls) if method in verbs else calls


@pytest.mark.parametrize(
    ("path", "word"),
    sorted(
        {
            (route.path, word)
            for route in ROUTES
            for model in (route.query, *route.bodies.values())
            for word in (model.model_fields if model else ())
        }
        | {(route.path, media_type) for route in ROUTES for media_type in route.bodies}
        - {(route.path, "application/json") for route in ROUTES}
    ),
)
def test_every_parameter_and_field_and_media_type_is_told_of(path: str, word: str) -> None:
    assert re.search(rf"[`?&\"]{re.escape(word)}[=`\"]", PAGE), f"{path}: {word}"


def test_the_codes_have_the_statuses_that_are_told() -> None:
    told = {
        code: status
        for codes, statuses in ROW.findall(PAGE)
        for code, status in _pairs(re.findall(r"[a-z_]+", codes), statuses)
    }

    assert len(told) >= 13
    assert {code: STATUS_OF[code] for code in told} == told


def _pairs(codes: list[str], statuses: str) -> list[tuple[str, int]]:
    numbers = [int(number) for number in statuses.split(",")]
    return list(zip(codes, numbers if len(numbers) > 1 else numbers * len(codes), strict=True))


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_of_event_is_told_of(kind: EventKind) -> None:
    assert f"`{kind.value}`" in PAGE

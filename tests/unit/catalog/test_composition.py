from typing import Any

import pytest

from homeport.catalog.composition import merge_service


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ({"image": "a", "user": "1"}, {"image": "b"}, {"image": "b", "user": "1"}),
        ({"command": ["a", "b"]}, {"command": ["c"]}, {"command": ["c"]}),
        ({"environment": ["A=1", "B"]}, {"environment": {"A": 2}}, {"environment": {"A": 2, "B": None}}),
        ({"labels": {"a": "1"}}, {"labels": ["b=2=3"]}, {"labels": {"a": "1", "b": "2=3"}}),
        ({"ports": ["1:1", "2:2"]}, {"ports": ["2:2", "3:3"]}, {"ports": ["1:1", "2:2", "3:3"]}),
        ({"dns": "1.1.1.1"}, {"dns": ["9.9.9.9"]}, {"dns": ["1.1.1.1", "9.9.9.9"]}),
        (
            {"volumes": ["./a:/x", "./b:/y", "/z"]},
            {"volumes": [{"type": "bind", "source": "./c", "target": "/x"}]},
            {"volumes": ["./b:/y", "/z", {"type": "bind", "source": "./c", "target": "/x"}]},
        ),
        (
            {"depends_on": ["a"]},
            {"depends_on": {"b": {"condition": "service_healthy"}}},
            {"depends_on": {"a": {"condition": "service_started"}, "b": {"condition": "service_healthy"}}},
        ),
        ({"networks": ["a"]}, {"networks": {"b": None}}, {"networks": {"a": None, "b": None}}),
        (
            {"healthcheck": {"test": ["CMD", "a"], "retries": 3}},
            {"healthcheck": {"test": ["CMD", "b"]}},
            {"healthcheck": {"test": ["CMD", "b"], "retries": 3}},
        ),
        (
            {"build": {"args": ["A=1"]}},
            {"build": {"args": {"B": 2}}},
            {"build": {"args": {"A": "1", "B": 2}}},
        ),
        ({"user": "1"}, {"user": None}, {"user": None}),
    ],
)
def test_an_extending_service_joins_and_replaces(
    below: dict[str, Any], above: dict[str, Any], merged: dict[str, Any]
) -> None:
    assert merge_service(below, above) == merged

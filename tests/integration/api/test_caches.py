"""What the package caches hold and did is told, and trimming them is accepted."""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from api.app import create_app
from homeport.caches import CacheTraffic, Ecosystem
from homeport.state.caches import add_traffic, record_sizes

MEGABYTE = 1_000_000


def test_caches_that_nobody_used_or_looked_at_are_told_so(box: Any, settings: Any) -> None:
    found = box.call("GET", "/v1/caches").json()

    assert [item["ecosystem"] for item in found["items"]] == ["apt", "pip", "npm", "gem"]
    assert found["next"] is None
    assert found["items"][0] == {
        "ecosystem": "apt",
        "status": "down",
        "size_bytes": None,
        "files": None,
        "max_bytes": settings.cache_max_bytes,
        "requests": 0,
        "hits": 0,
        "hit_rate": None,
        "bytes_served": 0,
        "bytes_fetched": 0,
        "bytes_saved": 0,
        "seconds_saved": 0.0,
        "line_mbit_s": 50.0,
        "since": None,
    }


def test_what_a_cache_saved_is_reckoned_at_the_lines_speed(box: Any) -> None:
    did = CacheTraffic(requests=8, hits=6, bytes_served=120 * MEGABYTE, bytes_fetched=20 * MEGABYTE)
    with box.database.write() as connection:
        add_traffic(connection, {Ecosystem.NPM: did}, {}, datetime(2026, 1, 2, tzinfo=UTC))
        record_sizes(connection, {Ecosystem.NPM: (4096, 3)})

    npm = box.call("GET", "/v1/caches").json()["items"][2]
    figures = box.call("GET", "/metrics").text

    assert (npm["size_bytes"], npm["files"], npm["requests"], npm["hits"]) == (4096, 3, 8, 6)
    assert (npm["hit_rate"], npm["bytes_saved"], npm["seconds_saved"]) == (0.75, 100 * MEGABYTE, 16.0)
    assert npm["since"].startswith("2026-01-02T00:00:00")
    assert 'homeport_cache_requests_total{ecosystem="npm"} 8.0' in figures
    assert 'homeport_cache_hits_total{ecosystem="apt"} 0.0' in figures
    assert 'homeport_cache_size_bytes{ecosystem="npm"} 4096.0' in figures


@pytest.mark.parametrize(
    ("body", "ecosystems", "to_bytes"),
    [
        ({}, ["apt", "pip", "npm", "gem"], 0),
        ({"ecosystems": ["npm"], "to_bytes": 1024}, ["npm"], 1024),
    ],
)
def test_trimming_is_a_job_of_upkeep(
    box: Any, body: dict[str, Any], ecosystems: list[str], to_bytes: int
) -> None:
    answer = box.call("POST", "/v1/caches/trim", json=body)

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["subject"], job["queue"]) == ("cleanup", "box:caches", "upkeep")
    assert job["parameters"] == {"ecosystems": ecosystems, "to_bytes": to_bytes}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ecosystems": ["cargo"]}, "/ecosystems/0"),
        ({"ecosystems": []}, "/ecosystems"),
        ({"to_bytes": -1}, "/to_bytes"),
        ({"to_bytes": "1G"}, "/to_bytes"),
        ({"dry_run": True}, "/dry_run"),
    ],
)
def test_a_wrong_field_of_a_trim_is_named(box: Any, body: dict[str, Any], pointer: str) -> None:
    answer = box.call("POST", "/v1/caches/trim", json=body)

    assert answer.status_code == 422
    assert answer.json()["facts"]["errors"][0]["pointer"] == pointer


def test_caches_that_the_box_is_to_do_without_are_off(settings: Any, token: str, serve: Any) -> None:
    without = settings.model_copy(update={"package_caches": False})
    serve(create_app(without), port=int(settings.listen.rpartition(":")[2]))

    headers = {"Authorization": f"Bearer {token}"}
    found = requests.get(f"http://{settings.listen}/v1/caches", headers=headers, timeout=20).json()

    assert {item["status"] for item in found["items"]} == {"off"}

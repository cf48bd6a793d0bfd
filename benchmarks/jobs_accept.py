"""How fast jobs are accepted, also when thousands wait: parts of the benchmark `jobs`."""

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

from benchmarks.figures import Figure, median, percentile
from benchmarks.jobs_load import CLIENTS, Load, send_messages, send_requests
from benchmarks.jobs_peer import Peer
from benchmarks.jobs_times import APP, redis_url
from tests.harness.homeport_box import HomeportBox
from workers.fail_points import point_file

QUEUED = 10_000
ROUNDS = 5
LISTS = 50
PAGE = 100


def accepts(box: HomeportBox, fail_points: Path) -> Iterator[Figure]:
    """Fills the queue in rounds, each beside as many raw messages; then asks for what waits.

    The worker holds the first installs, so that what is accepted waits, as behind long ones.
    """
    file = point_file(fail_points, "install:taken")
    file.write_text("pause")
    api = box.component("api")
    box.get("/v1/catalog")
    before = api.memory_info().rss
    ours, peers = _rounds(box)
    after = api.memory_info().rss
    waiting = _waiting(box)
    assert waiting == QUEUED, f"{waiting} of {QUEUED} that were acknowledged are there"
    rates, peer_rates = [load.rate for load in ours], [load.rate for load in peers]
    answers = list(chain.from_iterable(load.answers_ms for load in ours))
    peer_answers = list(chain.from_iterable(load.answers_ms for load in peers))
    name = f"accepts at {CLIENTS} clients"
    yield Figure(figure=f"{name}, durable", value=median(rates), unit="1/s", aim=1000, better="higher")
    yield Figure(figure=f"{name}, p50", value=percentile(answers, 50), unit="ms")
    yield Figure(figure=f"{name}, p99", value=percentile(answers, 99), unit="ms", aim=50)
    name = f"raw Dramatiq send, {CLIENTS} threads"
    yield Figure(figure=f"{name}, not durable", value=median(peer_rates), unit="1/s")
    yield Figure(figure=f"{name}, p99", value=percentile(peer_answers, 99), unit="ms")
    yield Figure(figure="ratio of rates", value=median(rates) / median(peer_rates), unit="x")
    name = f"{QUEUED} queued"
    yield Figure(figure=f"{name}: accepts of the last {QUEUED // ROUNDS}", value=rates[-1], unit="1/s")
    yield Figure(figure=f"{name}: list of {PAGE} jobs, median", value=_list_ms(box), unit="ms")
    yield Figure(figure=f"{name}: list of all, by pages", value=_list_all_s(box), unit="s")
    yield Figure(figure=f"{name}: memory of the API before", value=before / 1e6, unit="MB")
    yield Figure(figure=f"{name}: memory of the API after", value=after / 1e6, unit="MB")
    for job in box.get("/v1/jobs?state=running&limit=100")["items"]:
        box.cancel(job)
    file.unlink()


def _rounds(box: HomeportBox) -> tuple[list[Load], list[Load]]:
    ours, peers = [], []
    peer = Peer(redis_url(box))
    for number in range(ROUNDS):
        ours.append(
            send_requests(
                box.address, box.token, definition=APP, prefix=f"app-{number}", count=QUEUED // ROUNDS
            )
        )
        peers.append(send_messages(redis_url(box), QUEUED // ROUNDS))
        peer.forget()
        for name, load in (("ours", ours[-1]), ("raw", peers[-1])):
            _say(f"{name} {load.rate:.0f}/s, p99 {percentile(load.answers_ms, 99):.1f} ms")
    return ours, peers


def _waiting(box: HomeportBox) -> int:
    """How many installs the database has, of those that were acknowledged."""
    with closing(sqlite3.connect(box.state_dir / "db" / "homeport.sqlite", timeout=10)) as database:
        query = "SELECT count(*) FROM jobs WHERE subject LIKE 'app-%' AND state IN ('queued', 'running')"
        (found,) = database.execute(query).fetchone()
    return int(found)


def _list_ms(box: HomeportBox) -> float:
    took = []
    for _ in range(LISTS):
        began = time.perf_counter()
        box.get(f"/v1/jobs?limit={PAGE}")
        took.append((time.perf_counter() - began) * 1000)
    return median(took)


def _list_all_s(box: HomeportBox) -> float:
    began = time.perf_counter()
    path: str | None = f"/v1/jobs?limit={PAGE}"
    seen = 0
    while path:
        page = box.get(path)
        seen += len(page["items"])
        path = f"/v1/jobs?limit={PAGE}&cursor={page['next']}" if page["next"] else None
    assert seen >= QUEUED, f"{seen} jobs are listed"
    return time.perf_counter() - began


def _say(text: str) -> None:
    print(text, file=sys.stderr)

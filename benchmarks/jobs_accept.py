"""How fast jobs are accepted, also when thousands wait: parts of the benchmark `jobs`."""

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from benchmarks.figures import Figure, median, percentile
from benchmarks.jobs_load import CLIENTS, Load, send_messages, send_requests
from benchmarks.jobs_peer import Peer
from benchmarks.jobs_times import APP, redis_url
from homeport.state.fail_points import point_file
from tests.harness.homeport_box import HomeportBox

QUEUED = 10_000
ROUNDS = 5
LISTS = 50
PAGE = 100

_SHARE = QUEUED // ROUNDS // 2  # of a round: so many with an Idempotency-Key, as many without


def accepts(box: HomeportBox, fail_points: Path) -> Iterator[Figure]:
    """Fills the queue in rounds, each beside as many raw messages; then asks for what waits.

    The worker holds the first installs, so that what is accepted waits, as behind long ones.
    """
    file = point_file(fail_points, "install:taken")
    file.write_text("pause")
    api = box.component("api")
    box.get("/v1/catalog")
    before = api.memory_info().rss
    rounds = _rounds(box)
    after = api.memory_info().rss
    waiting = _waiting(box)
    assert waiting == QUEUED, f"{waiting} of {QUEUED} that were acknowledged are there"
    yield from _rate_figures(rounds)
    name = f"{QUEUED} queued"
    last = rounds.keyed[-1].rate
    yield Figure(figure=f"{name}: accepts of the last {_SHARE} with a key", value=last, unit="1/s")
    yield Figure(figure=f"{name}: list of {PAGE} jobs, median", value=_list_ms(box), unit="ms")
    yield Figure(figure=f"{name}: list of all, by pages", value=_list_all_s(box), unit="s")
    yield Figure(figure=f"{name}: memory of the API before", value=before / 1e6, unit="MB")
    yield Figure(figure=f"{name}: memory of the API after", value=after / 1e6, unit="MB")
    for job in box.get("/v1/jobs?state=running&limit=100")["items"]:
        box.cancel(job)
    file.unlink()


@dataclass(frozen=True, kw_only=True)
class _Rounds:
    """What each round took: requests with an `Idempotency-Key`, requests without one, raw messages."""

    keyed: list[Load] = field(default_factory=list)
    bare: list[Load] = field(default_factory=list)
    raw: list[Load] = field(default_factory=list)


def _rounds(box: HomeportBox) -> _Rounds:
    rounds = _Rounds()
    peer = Peer(redis_url(box))
    for number in range(ROUNDS):
        rounds.bare.append(_send_share(box, f"app-{number}-bare", has_keys=False))
        rounds.keyed.append(_send_share(box, f"app-{number}-keyed", has_keys=True))
        rounds.raw.append(send_messages(redis_url(box), _SHARE))
        peer.forget()
        for name, loads in (("bare", rounds.bare), ("keyed", rounds.keyed), ("raw", rounds.raw)):
            _say(f"{name} {loads[-1].rate:.0f}/s, p99 {percentile(loads[-1].answers_ms, 99):.1f} ms")
    return rounds


def _send_share(box: HomeportBox, prefix: str, *, has_keys: bool) -> Load:
    return send_requests(
        box.address, box.token, definition=APP, prefix=prefix, count=_SHARE, has_keys=has_keys
    )


def _rate_figures(rounds: _Rounds) -> Iterator[Figure]:
    """The accepts as the `homeport` command asks for them, with a key, have the aims."""
    rate = _rate(rounds.keyed)
    name = f"accepts at {CLIENTS} clients, with a key"
    yield Figure(figure=f"{name}, durable", value=rate, unit="1/s", aim=1000, better="higher")
    yield Figure(figure=f"{name}, p50", value=_answer_ms(rounds.keyed, 50), unit="ms")
    yield Figure(figure=f"{name}, p99", value=_answer_ms(rounds.keyed, 99), unit="ms", aim=50)
    name = f"accepts at {CLIENTS} clients, without a key"
    yield Figure(figure=f"{name}, durable", value=_rate(rounds.bare), unit="1/s")
    yield Figure(figure=f"{name}, p99", value=_answer_ms(rounds.bare, 99), unit="ms")
    name = f"raw Dramatiq send, {CLIENTS} threads"
    yield Figure(figure=f"{name}, not durable", value=_rate(rounds.raw), unit="1/s")
    yield Figure(figure=f"{name}, p99", value=_answer_ms(rounds.raw, 99), unit="ms")
    yield Figure(figure="ratio of rates, with a key", value=rate / _rate(rounds.raw), unit="x")


def _rate(loads: list[Load]) -> float:
    return median([load.rate for load in loads])


def _answer_ms(loads: list[Load], percent: int) -> float:
    return percentile(list(chain.from_iterable(load.answers_ms for load in loads)), percent)


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

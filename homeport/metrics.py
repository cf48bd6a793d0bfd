"""The figures of /metrics, in Prometheus' text exposition format, version 0.0.4."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from homeport.caches import CacheTraffic, Ecosystem
from homeport.models import AppState, Catalog, JobKind, JobState

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]

_CACHE_FIGURES: Final = (
    ("requests", "requests", "Requests that the package caches answered."),
    ("hits", "hits", "Requests that were answered from the store."),
    ("served_bytes", "bytes_served", "Bytes that the package caches served."),
    ("fetched_bytes", "bytes_fetched", "Bytes that the package caches fetched for that from upstream."),
)


class RequestCounts:
    """How many requests there were and how long they took, by method, route and status."""

    def __init__(self) -> None:
        self._count: Counter[tuple[str, str, int]] = Counter()
        self._seconds: Counter[tuple[str, str, int]] = Counter()

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request; `route` is the pattern, not the path, so that the figures stay few."""
        self._count[method, route, status] += 1
        self._seconds[method, route, status] += seconds  # type: ignore[assignment] # a Counter adds floats as well

    def rendered(self) -> str:
        """Both figures as a summary without quantiles."""
        name = "homeport_http_request_duration_seconds"
        samples = [
            (name + suffix, {"method": method, "route": route, "status": str(status)}, float(value))
            for suffix, figures in (("_count", self._count), ("_sum", self._seconds))
            for (method, route, status), value in sorted(figures.items())
        ]
        return render_metric(name, "summary", "Requests answered and the time they took.", samples)


def render_metric(name: str, kind: str, words: str, samples: Iterable[Sample]) -> str:
    """One metric with its HELP and TYPE lines."""
    lines = [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
    lines += [f"{sample}{_render_labels(labels)} {float(value)!r}" for sample, labels, value in samples]
    return "\n".join(lines) + "\n"


def render_state(
    version: str, jobs: Mapping[tuple[JobKind, JobState], int], apps: Mapping[AppState, int], streams: int
) -> str:
    """What the box has and does."""
    by_kind = [({"kind": kind, "state": state}, count) for (kind, state), count in sorted(jobs.items())]
    by_state = [({"state": state}, count) for state, count in sorted(apps.items())]
    queued = sum(count for (_, state), count in jobs.items() if state is JobState.QUEUED)
    return (
        _gauge("homeport_build_info", "Always 1; the version is its label.", [({"version": version}, 1)])
        + _gauge("homeport_jobs", "Jobs by kind and state.", by_kind)
        + _gauge("homeport_jobs_queued", "Jobs that no worker has taken yet.", [({}, queued)])
        + _gauge("homeport_apps", "Installed apps by state.", by_state)
        + _gauge("homeport_streams", "Open streams: events and logs.", [({}, streams)])
    )


def render_caches(totals: Mapping[Ecosystem, CacheTraffic], sizes: Mapping[Ecosystem, int | None]) -> str:
    """What the package caches did in all and hold, by ecosystem; a size that nobody knows yet is left out."""
    held = [({"ecosystem": ecosystem.value}, size) for ecosystem, size in sizes.items() if size is not None]
    figures = [(traffic.as_json(), {"ecosystem": ecosystem.value}) for ecosystem, traffic in totals.items()]
    return "".join(
        render_metric(
            f"homeport_cache_{name}_total",
            "counter",
            words,
            [(f"homeport_cache_{name}_total", labels, counts[key]) for counts, labels in figures],
        )
        for name, key, words in _CACHE_FIGURES
    ) + _gauge("homeport_cache_size_bytes", "Bytes on disk that the package caches hold.", held)


def render_catalogs(catalogs: Iterable[Catalog]) -> str:
    """The added catalogs: what each has, and whether its last refresh failed."""
    counts, failures = [], []
    for catalog in catalogs:
        counts.append(({"catalog": catalog.name}, catalog.definitions))
        failures.append(({"catalog": catalog.name}, int(catalog.problem is not None)))
    return _gauge("homeport_catalog_definitions", "Definitions of each added catalog.", counts) + _gauge(
        "homeport_catalog_refresh_failed", "1 where a catalog's last refresh failed.", failures
    )


def _gauge(name: str, words: str, values: Iterable[tuple[Labels, int]]) -> str:
    return render_metric(name, "gauge", words, [(name, labels, value) for labels, value in values])


def _render_labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

"""What jobs that cannot be lost cost: accepting, starting, going on, being cancelled; beside raw Dramatiq.

A real `homeport up`. The peer is Dramatiq as it is shipped, on the same Valkey, which keeps nothing on disk:
what is accepted is a synced commit, what the peer sends is gone with the Valkey. Both are measured in turn.
"""

import sys
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, publish
from benchmarks.jobs_accept import QUEUED, accepts
from benchmarks.jobs_times import add_definitions, cancels, idle_cpu, idle_starts, recoveries
from homeport.settings import Settings
from tests.harness.engine import EngineBox
from tests.harness.homeport_box import HomeportBox
from tests.harness.private import private_engine

_LEASE_S = Settings.model_fields["lease_s"].default
_LOSSES = 1000  # one job is killed a hundred times, which is no reason to fail it here


def main() -> None:
    """Measures and prints the figures."""
    began = time.monotonic()
    with private_engine() as engine:
        figures = list(_measure(engine))
    print(f"measured in {time.monotonic() - began:.0f} s", file=sys.stderr)
    publish(figures)


def _measure(engine: EngineBox) -> Iterator[Figure]:
    fail_points = engine.root / "fail-points"
    fail_points.mkdir()
    box = HomeportBox(
        engine,
        "jobs",
        lease_s=_LEASE_S,
        worker_losses=_LOSSES,
        queue_max=2 * QUEUED,
        fail_points=fail_points,
    )
    with box:
        add_definitions(box)
        yield from idle_cpu(box)
        yield from idle_starts(box)
        yield from recoveries(box, fail_points)
        yield from cancels(box)
        yield from accepts(box, fail_points)


if __name__ == "__main__":
    main()

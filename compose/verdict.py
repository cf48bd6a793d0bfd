"""Whether an app is healthy, by what was seen of it. Pure.

Compose's own `--wait` takes a container that its restart policy restarts again and again for a healthy one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compose.values import HealthExpectation
from homeport.host.engine_values import ContainerState

RESTARTS_ALONE = 3
"""So many restarts, while all other services were healthy, make a crash loop: a second."""

RESTARTS_EVER = 10
"""Likewise while other services still start: some apps restart until their database answers. Docker pauses
twice as long each time, so that this takes a minute and a half."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What was seen of one container.

    `steady_s` is how long it has run since its last start, as far as we have watched; `restarts` counts since
    the watch began, `restarts_alone` since all other services were healthy; `answers` says whether the host
    port answered (None: nothing is asked there), `said` what came of it.
    """

    container: ContainerState
    steady_s: float
    restarts: int = 0
    restarts_alone: int = 0
    answers: bool | None = None
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the sightings mean: `waiting` says for each service that is not healthy yet what it lacks.

    `failed` is the one that will not become healthy, and `reason` why.
    """

    waiting: Mapping[str, str]
    failed: Sighting | None = None
    reason: str = ""

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is waited for and nothing failed."""
        return not self.waiting and self.failed is None


def judge(
    expectation: HealthExpectation, sightings: Mapping[str, Sequence[Sighting]], *, steady_s: float
) -> Verdict:
    """What the sightings of a project's services mean.

    Args:
        expectation: the services, and what each has to show.
        sightings: each service's containers.
        steady_s: how long a service without any check must have run.
    """
    waiting: dict[str, str] = {}
    for service in expectation.services:
        seen = sightings.get(service) or ()
        if not seen:
            waiting[service] = "has no container yet"
        for sighting in seen:
            may_end = service in expectation.one_shot
            if reason := failure(sighting, may_end=may_end):
                return Verdict(waiting=waiting, failed=sighting, reason=reason)
            if lack := missing(sighting, may_end=may_end, steady_s=steady_s):
                waiting[service] = lack
    return Verdict(waiting=waiting)


def failure(sighting: Sighting, *, may_end: bool) -> str:
    """Why the container will not become healthy; "" if it still may."""
    container = sighting.container
    memory = "; it had used more memory than its limit" if container.oom_killed else ""
    if sighting.restarts_alone >= RESTARTS_ALONE or sighting.restarts >= RESTARTS_EVER:
        return f"It ends and is started again and again, {sighting.restarts} times by now{memory}."
    if container.state == "dead":
        return "Docker could not remove it cleanly and calls it dead."
    if container.state == "exited" and not (may_end and container.exit_code == 0):
        return f"It ended with exit code {container.exit_code}{memory}."
    return ""


def missing(sighting: Sighting, *, may_end: bool, steady_s: float) -> str:
    """What the container lacks to be healthy, as the end of a sentence about it; "" if nothing."""
    container = sighting.container
    if container.state == "exited" and may_end:
        return ""
    if container.state != "running":
        return f"is {container.state}"
    if container.health is not None:
        return "" if container.health == "healthy" else f"is {container.health} by its own check"
    if sighting.answers is not None:
        return "" if sighting.answers else sighting.said
    return "" if sighting.steady_s >= steady_s else "must run a little longer"

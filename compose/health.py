"""Waiting until an app is healthy, or sure not to become so."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from compose.probe import Probe
from compose.values import HealthExpectation
from compose.verdict import Sighting, Verdict, judge, missing
from homeport.errors import ContainerExitedError, NotFoundError, UnhealthyError
from homeport.host.engine import Engine
from homeport.host.engine_values import ContainerState
from homeport.plans import Control
from homeport.settings import Settings

__all__ = ["HealthExpectation", "Watch", "judge", "wait_until_healthy"]

LOG_LINES = 30
"""How many of a container's last lines an error quotes."""

_FIRST_PAUSE_S = 0.05
_PAUSE_S = 0.25
_BRISK_S = 3.0  # how long it looks often: most apps are there by then


def wait_until_healthy(
    engine: Engine,
    project: str,
    expectation: HealthExpectation,
    *,
    settings: Settings,
    run_check: Control,
    on_progress: Callable[[float, str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Returns when every service of the project is healthy.

    A service is healthy by its own health check, as Docker tells; without one, the web service by answering
    on the host port, and any other by having run for `settings.steady_s` without a restart. One that may end
    is healthy when it has ended with 0.

    Args:
        engine: where the project runs.
        project: its name.
        expectation: what has to be seen.
        settings: `healthy_s` and `steady_s`.
        run_check: asked between two looks.
        on_progress: gets the share of services that are healthy, and what is waited for.
        clock: seconds that only grow.
        sleep: waits so many seconds.

    Raises:
        ContainerExitedError: a container ended, or restarts again and again; as soon as that is seen.
        UnhealthyError: not every service was healthy within `settings.healthy_s`.
    """
    began = clock()
    watch = Watch(engine, project, expectation, settings=settings, clock=clock)
    while True:
        run_check.check()
        verdict = watch.look()
        if verdict.failed is not None:
            raise exited_error(engine, project, verdict)
        if verdict.is_healthy:
            return
        on_progress(*_progress(verdict, expectation))
        waited_s = clock() - began
        if waited_s >= settings.healthy_s:
            raise _unhealthy(engine, project, verdict, watch.last_seen, settings.healthy_s)
        sleep(_FIRST_PAUSE_S if waited_s < _BRISK_S else _PAUSE_S)


@dataclass(kw_only=True)
class _Memory:
    """What is remembered of a container between two looks."""

    started_at: str
    since: float
    restarts_before: int
    restarts_with_others: int


class Watch:
    """Looks at a project's containers time and again, and remembers what has to be compared."""

    def __init__(
        self,
        engine: Engine,
        project: str,
        expectation: HealthExpectation,
        *,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.last_seen: Mapping[str, Sequence[Sighting]] = {}
        """The sightings of the last look, by service."""
        self._engine = engine
        self._project = project
        self._expectation = expectation
        self._steady_s = settings.steady_s
        self._clock = clock
        self._memories: dict[str, _Memory] = {}
        self._probe = _probe_for(expectation)

    def look(self) -> Verdict:
        """What is to be thought of the project now."""
        containers = self._engine.project_containers(self._project)
        seen: dict[str, list[Sighting]] = {}
        for container in containers:
            seen.setdefault(container.service, []).append(self._sighting(container))
        self.last_seen = self._with_restarts_alone(seen)
        return judge(self._expectation, self.last_seen, steady_s=self._steady_s)

    def _sighting(self, container: ContainerState) -> Sighting:
        now = self._clock()
        memory = self._memories.get(container.id)
        if memory is None:
            # a container that restarts while it is first seen did all its restarts in this start
            before = 0 if container.restarting else container.restart_count
            memory = _Memory(
                started_at=container.started_at,
                since=now,
                restarts_before=before,
                restarts_with_others=before,
            )
            self._memories[container.id] = memory
        was_restarted = memory.started_at != container.started_at
        if was_restarted or container.state != "running":
            memory.started_at, memory.since = container.started_at, now
        answers, said = self._answer(container, was_restarted=was_restarted)
        return Sighting(
            container=container,
            steady_s=now - memory.since,
            restarts=container.restart_count - memory.restarts_before,
            answers=answers,
            said=said,
        )

    def _answer(self, container: ContainerState, *, was_restarted: bool) -> tuple[bool | None, str]:
        """What the host port says; None for a container that is not asked."""
        if self._probe is None or container.service != self._expectation.web_service:
            return None, ""
        if was_restarted or container.state != "running":
            self._probe.forget()
        if container.state == "running" and container.health is None:
            self._probe.look()
        return self._probe.answers, self._probe.said

    def _with_restarts_alone(self, seen: Mapping[str, list[Sighting]]) -> dict[str, list[Sighting]]:
        """The sightings, with the restarts counted that no other service excuses."""
        unready = {
            service
            for service in self._expectation.services
            if not seen.get(service) or any(self._lacks(service, sighting) for sighting in seen[service])
        }
        return {
            service: [self._excused(sighting, bool(unready - {service})) for sighting in sightings]
            for service, sightings in seen.items()
        }

    def _lacks(self, service: str, sighting: Sighting) -> bool:
        may_end = service in self._expectation.one_shot
        return bool(missing(sighting, may_end=may_end, steady_s=self._steady_s))

    def _excused(self, sighting: Sighting, others_start: bool) -> Sighting:
        memory = self._memories[sighting.container.id]
        if others_start:
            memory.restarts_with_others = sighting.container.restart_count
            return sighting
        return replace(
            sighting, restarts_alone=sighting.container.restart_count - memory.restarts_with_others
        )


def exited_error(engine: Engine, project: str, verdict: Verdict) -> ContainerExitedError:
    """The error for a verdict with a container that failed."""
    assert verdict.failed is not None  # noqa: S101 - the caller has looked
    return _exited(engine, project, verdict.failed.container, verdict.reason)


def dependency_error(
    engine: Engine, project: str, container: ContainerState
) -> ContainerExitedError | UnhealthyError:
    """The error for a container that others waited for in vain while the project started."""
    if container.state != "running" or container.restart_count:
        reason = f"Other services wait for it, and it ended with exit code {container.exit_code}."
        return _exited(engine, project, container, reason)
    lines = _last_lines(engine, container)
    return UnhealthyError(
        f"The service {container.service} of {project} is not healthy, and others wait for it.",
        why=_quoted(f"Its check printed: {container.health_output or 'nothing'}.", lines),
        remedy="Look at its last lines; if it only needs longer, give its check a longer start_period.",
        service=container.service,
        check_output=container.health_output,
        last_lines=lines,
    )


def _exited(engine: Engine, project: str, container: ContainerState, reason: str) -> ContainerExitedError:
    lines = _last_lines(engine, container)
    return ContainerExitedError(
        f"The service {container.service} of {project} does not stay up.",
        why=_quoted(reason, lines),
        remedy=(
            "Give it more memory (`limits` in app.yml)."
            if container.oom_killed
            else "Its last lines say what it lacks; correct the definition, or its settings."
        ),
        service=container.service,
        exit_code=container.exit_code,
        restarts=container.restart_count,
        oom_killed=container.oom_killed,
        last_lines=lines,
    )


def _unhealthy(
    engine: Engine,
    project: str,
    verdict: Verdict,
    seen: Mapping[str, Sequence[Sighting]],
    healthy_s: float,
) -> UnhealthyError:
    service = next(iter(verdict.waiting))
    container = next((sighting.container for sighting in seen.get(service, ())), None)
    lines = _last_lines(engine, container) if container else []
    check = container.health_output if container else ""
    words = "; ".join(f"{name} {what}" for name, what in verdict.waiting.items()) + "."
    return UnhealthyError(
        f"{project} did not become healthy within {healthy_s:g} seconds.",
        why=_quoted(words + (f" Its check printed: {check}" if check else ""), lines),
        remedy="Look at its last lines; if it only needs longer, raise the setting healthy_s.",
        service=service,
        waiting=dict(verdict.waiting),
        check_output=check,
        last_lines=lines,
    )


def _probe_for(expectation: HealthExpectation) -> Probe | None:
    if expectation.web_service is None or expectation.host_port is None:
        return None
    return Probe(expectation.host_port, host_name=expectation.host_name, path=expectation.health_path)


def _progress(verdict: Verdict, expectation: HealthExpectation) -> tuple[float, str]:
    total = len(expectation.services)
    words = "; ".join(f"{service} {lack}" for service, lack in verdict.waiting.items())
    return (total - len(verdict.waiting)) / total, words


def _last_lines(engine: Engine, container: ContainerState) -> list[str]:
    try:
        return engine.container_log(container.id, tail=LOG_LINES)
    except NotFoundError:  # it was removed meanwhile
        return []


def _quoted(reason: str, lines: Sequence[str]) -> str:
    return f"{reason} Its last line: {lines[-1]}" if lines else f"{reason} It wrote nothing."

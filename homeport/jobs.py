"""The job's own rules, pure: its queue, its progress over weighted steps, Amahi's number."""

from collections.abc import Mapping, Sequence
from typing import Final

from homeport.models import Job, JobKind, JobState, Queue

AMAHI_FAILED: Final = 999
"""Amahi's platform shows an installation with this progress as failed."""

AMAHI_WAITING: Final = 950
"""Amahi's platform shows an installation with this progress as waiting for another one."""


CACHES_SUBJECT: Final = "box:caches"
"""The subject of jobs that change the package caches; a colon is in no app's identifier."""

CATALOGS_SUBJECT: Final = "box:catalogs"
"""The subject of jobs that fetch added catalogs."""

HISTORY_SUBJECT: Final = "box:history"
"""The subject of jobs that forget old jobs, their logs, and events."""

_BUILD_PREFIX: Final = "build:"  # a colon is in no identifier, so a build never waits for an app of its name
APP_JOBS: Final = (JobKind.INSTALL, JobKind.UNINSTALL, JobKind.REPAIR)
"""The kinds whose subject is an app's identifier."""


def build_subject(name: str) -> str:
    """The subject of the jobs that build what has this name: two of them take turns."""
    return _BUILD_PREFIX + name


def shown_subject(subject: str) -> str:
    """The subject as a sentence names it: `The build of 'hydra'`."""
    return subject.removeprefix(_BUILD_PREFIX)


def app_of(kind: JobKind, subject: str) -> str | None:
    """The app that a job changes; None where it changes none."""
    return subject if kind in APP_JOBS else None


def queue_of(*, builds_images: bool) -> Queue:
    """The queue of a job: what builds an image must wait for other builds, nothing else does."""
    return Queue.BUILDS if builds_images else Queue.APPS


def overall_progress(weights: Sequence[tuple[str, float]], done: Mapping[str, float]) -> float:
    """The progress of a whole plan, 0 to 1.

    Args:
        weights: each step's name and weight, in order; a weight is roughly the share of time it takes.
        done: how far each step is, 0 to 1; a step that is not named has not begun.
    """
    total = sum(weight for _, weight in weights)
    if total <= 0:
        return 0.0
    return min(1.0, sum(weight * min(1.0, max(0.0, done.get(name, 0.0))) for name, weight in weights) / total)


def amahi_progress(job: Job) -> int:
    """The job as the number that Amahi's platform expects: 0 to 100, 999 failed, 950 waiting for another job.

    100 is kept for success: a job that is nearly done shows 99.
    """
    match job.state:
        case JobState.SUCCEEDED:
            return 100
        case JobState.FAILED | JobState.CANCELLED | JobState.UNDOING:
            return AMAHI_FAILED
        case JobState.QUEUED if job.waiting_for is not None:
            return AMAHI_WAITING
        case _:
            return min(99, int(job.progress * 100))

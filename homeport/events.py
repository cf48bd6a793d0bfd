"""Which events there are, and what each carries. Those of jobs that change no app name no app."""

from enum import StrEnum


class EventKind(StrEnum):
    """The kinds of event on the stream; `facts` of each in its words."""

    JOB_QUEUED = "job.queued"
    """A job was accepted, or handed back: kind, subject."""
    JOB_STARTED = "job.started"
    """A worker took it: attempt."""
    JOB_WAITING = "job.waiting"
    """It waits for another job of the same subject: waiting_for."""
    JOB_STEP = "job.step"
    """A step changed its state: step, state."""
    JOB_PROGRESS = "job.progress"
    """It moved: progress (0 to 1), step, detail."""
    JOB_FINISHED = "job.finished"
    """It ended: state, and problem where it failed."""
    APP_INSTALLED = "app.installed"
    """An app was recorded: app_id, host_name, host_port, version."""
    APP_ROUTED = "app.routed"
    """The reverse proxy leads to it, which it had not before although it should: host_name."""
    APP_NO_ROUTE = "app.no_route"
    """The reverse proxy does not lead to it although it should: host_name, why."""
    APP_UNINSTALLED = "app.uninstalled"
    """An app was removed: purged (true or false)."""
    BOX_REPAIRED = "box.repaired"
    """What stood against the database was put right: found (words, of an app); or claims and ports that were
    given back, files that were removed, and ports that were reserved again (claims, ports, files, reserved).
    Of an app whose install or uninstall was broken off it is told as soon as its uninstall is queued."""
    SCHEDULE_SKIPPED = "schedule.skipped"
    """Slots were not run because the clock had jumped over them: name, slots (how many), upto (the last)."""
    CATALOG_REFRESHED = "catalog.refreshed"
    """What was fetched of a catalog is in force: catalog, definitions, revision, and problem where one is."""
    CATALOG_FAILED = "catalog.failed"
    """Nothing could be fetched of a catalog, and what was in force stays so: catalog, problem."""

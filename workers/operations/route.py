"""Two steps of every operation that brings an app up or takes it down: publishing its route, and withdrawing
it.

The database says whether an app is published; the proxy follows. A proxy that cannot be told fails no job:
the app is recorded as having no route, with the reason, and the steward tries again.
"""

from typing import Protocol

from homeport.errors import ComponentUnavailableError
from homeport.plans import StepRun
from homeport.state import apps
from homeport.state.routes import note_route
from workers.operation import RunningJob
from workers.tools import Tools


class RoutedContext(Protocol):
    """What the steps need of an operation."""

    tools: Tools
    running: RunningJob

    @property
    def identifier(self) -> str:
        """The app's."""


def publish_route(context: RoutedContext, run: StepRun) -> None:
    """Has the app's host names lead to it."""
    _set_published(context, to=True)
    tell_proxy(context, run)


def withdraw_route(context: RoutedContext, run: StepRun) -> None:
    """Has the app's host names lead to it no more."""
    _set_published(context, to=False)
    tell_proxy(context, run)


def tell_proxy(context: RoutedContext, run: StepRun) -> None:
    """Has the proxy serve what the database says, and notes whether it serves this app."""
    with context.tools.database.read() as connection:
        app = apps.find_app(connection, context.identifier)
    if app is not None and app.web is None:
        return
    try:
        why = context.tools.routes.apply(run.check).routes.get(context.identifier, "")
    except ComponentUnavailableError as error:
        why = error.why or error.what
    if app is not None and app.published:
        if why:
            run.log(f"The reverse proxy does not lead to it yet, and is asked again by and by: {why}")
        with context.running.writing() as connection:
            note_route(
                connection, context.identifier, why, job=context.running.job.id, now=context.tools.now()
            )
    elif why:
        run.log(f"The reverse proxy could not be told that it leads there no more, and is told later: {why}")


def _set_published(context: RoutedContext, *, to: bool) -> None:
    with context.running.writing() as connection:
        app = apps.find_app(connection, context.identifier)
        if app is not None and app.published is not to:
            changed = {"published": to, "no_route": "", "updated_at": context.tools.now()}
            apps.update_app(connection, context.identifier, **changed)

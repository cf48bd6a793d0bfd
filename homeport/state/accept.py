"""Accepting requests: what must be true together when the answer is 202."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from homeport.models import Job, JobKind, Queue
from homeport.names import host_port
from homeport.state.apps import no_such_app
from homeport.state.claims import claim_app
from homeport.state.jobs import add_job
from homeport.state.schema import APPS


def accept_install(
    conn: Connection,
    *,
    job_id: str,
    identifier: str,
    host_name: str,
    app_id: int | None,
    definition: str,
    queue: Queue,
    now: datetime,
    ports: Sequence[int] = (),
    parameters: Mapping[str, Any] | None = None,
) -> Job:
    """Claims what the app needs and queues its install, in the caller's transaction.

    The job's parameters are `{"definition", "identifier", "app_id", "host_name", "host_port"}`, and those
    given.

    Raises:
        TakenError: another app, or a waiting install, holds the identifier, app_id, host name or a port.
        InvalidInputError: no port belongs to that app_id.
        NotPossibleNowError: no app_id is left.
    """
    chosen = claim_app(
        conn, job_id=job_id, identifier=identifier, host_name=host_name, app_id=app_id, ports=ports
    )
    settled = {
        "definition": definition,
        "identifier": identifier,
        "app_id": chosen,
        "host_name": host_name,
        "host_port": host_port(chosen),
    }
    return add_job(
        conn,
        id=job_id,
        kind=JobKind.INSTALL,
        subject=identifier,
        queue=queue,
        parameters={**(parameters or {}), **settled},
        now=now,
    )


def accept_uninstall(
    conn: Connection, *, job_id: str, identifier: str, parameters: Mapping[str, Any], now: datetime
) -> Job:
    """Queues an app's uninstall, in the caller's transaction; `identifier` joins the parameters.

    Raises:
        NotFoundError: there is no such app.
    """
    if conn.execute(select(APPS.c.app_id).where(APPS.c.identifier == identifier)).first() is None:
        raise no_such_app(identifier)
    return add_job(
        conn,
        id=job_id,
        kind=JobKind.UNINSTALL,
        subject=identifier,
        queue=Queue.APPS,
        parameters={**parameters, "identifier": identifier},
        now=now,
    )

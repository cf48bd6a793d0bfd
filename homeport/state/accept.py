"""Accepting requests: what must be true together when the answer is 202."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from homeport.caches import Ecosystem
from homeport.jobs import CACHES_SUBJECT, CATALOGS_SUBJECT, HISTORY_SUBJECT, build_subject
from homeport.models import SHIPPED, Job, JobKind, Queue
from homeport.names import host_port
from homeport.state.apps import no_such_app
from homeport.state.catalogs import list_catalogs, no_such_catalog
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
    aliases: Sequence[str] = (),
    ports: Sequence[int] = (),
    catalog: str | None = SHIPPED,
    upload: str | None = None,
    permissions: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Job:
    """Claims what the app needs and queues its install, in the caller's transaction.

    The job's parameters are `{"definition", "catalog", "upload", "identifier", "app_id", "host_name",
    "aliases", "host_port", "permissions", "settings"}`.

    Args:
        conn: a transaction that writes.
        job_id: the job's id.
        identifier: the app's.
        host_name: its full host name.
        app_id: the one that the platform gave; None takes the next.
        definition: the definition's own name.
        queue: `builds`, if an image has to be built.
        now: the time.
        aliases: its further host names.
        ports: the further host ports that it publishes.
        catalog: the one that the definition is found in; None where it was uploaded.
        upload: the id of what was uploaded; None for a catalog's definition.
        permissions: those that the owner grants, as text.
        settings: what the owner set of the definition's settings.

    Raises:
        TakenError: another app, or a waiting install, holds the identifier, app_id, host name or a port.
        InvalidInputError: no port belongs to that app_id.
        NotPossibleNowError: no app_id is left.
    """
    if (catalog is None) == (upload is None):
        raise ValueError("an install is of a catalog's definition or of an upload")
    chosen = claim_app(
        conn,
        job_id=job_id,
        identifier=identifier,
        host_names=(host_name, *aliases),
        app_id=app_id,
        ports=ports,
    )
    settled = {
        "definition": definition,
        "catalog": catalog,
        "upload": upload,
        "identifier": identifier,
        "app_id": chosen,
        "host_name": host_name,
        "aliases": list(aliases),
        "host_port": host_port(chosen),
        "permissions": list(permissions),
        "settings": dict(settings or {}),
    }
    return add_job(
        conn, id=job_id, kind=JobKind.INSTALL, subject=identifier, queue=queue, parameters=settled, now=now
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


def accept_build(
    conn: Connection,
    *,
    job_id: str,
    definition: str | None,
    upload: str | None,
    name: str,
    queue: Queue,
    now: datetime,
    dockerfile: str = "Dockerfile",
    catalog: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Job:
    """Queues a build, in the caller's transaction.

    Its parameters are `{"definition": name, "catalog"}` for a catalog's, else `{"upload", "name",
    "dockerfile"}`; and `settings`.

    Args:
        conn: a transaction that writes.
        job_id: the job's id.
        definition: a catalog's definition, as it was asked for; None where something was uploaded.
        upload: the id of what was uploaded; None for a catalog's definition.
        name: what is built, for people; builds of one name take turns.
        queue: `builds`, unless nothing has to be built.
        now: the time.
        dockerfile: which file of an uploaded context is built, where it has no app.yml.
        catalog: the one that the definition is found in; None: the one that its name says.
        settings: what the owner set of the definition's settings.
    """
    if (definition is None) == (upload is None):
        raise ValueError("a build is of a definition or of an upload")
    what: dict[str, Any] = (
        {"definition": definition, "catalog": catalog}
        if upload is None
        else {"upload": upload, "name": name, "dockerfile": dockerfile}
    )
    return add_job(
        conn,
        id=job_id,
        kind=JobKind.BUILD,
        subject=build_subject(name),
        queue=queue,
        parameters={**what, "settings": dict(settings or {})},
        now=now,
    )


def accept_trim(
    conn: Connection, *, job_id: str, ecosystems: Collection[Ecosystem], to_bytes: int, now: datetime
) -> Job:
    """Queues the trimming of package caches, in the caller's transaction.

    Its parameters are `{"ecosystems": […], "to_bytes"}`: the caches, and what each may keep at most.
    """
    return add_job(
        conn,
        id=job_id,
        kind=JobKind.CLEANUP,
        subject=CACHES_SUBJECT,
        queue=Queue.UPKEEP,
        parameters={"ecosystems": [ecosystem.value for ecosystem in ecosystems], "to_bytes": to_bytes},
        now=now,
    )


def accept_history(conn: Connection, *, job_id: str, now: datetime) -> Job:
    """Queues the forgetting of old jobs and events, in the caller's transaction: `{"history": true}`."""
    return add_job(
        conn,
        id=job_id,
        kind=JobKind.CLEANUP,
        subject=HISTORY_SUBJECT,
        queue=Queue.UPKEEP,
        parameters={"history": True},
        now=now,
    )


def accept_refresh(conn: Connection, *, job_id: str, catalogs: Sequence[str], now: datetime) -> Job:
    """Queues the fetching of added catalogs, in the caller's transaction.

    Its parameters are `{"catalogs": [names]}`; without names, all that there are.

    Raises:
        NotFoundError: there is no such catalog.
    """
    known = [catalog.name for catalog in list_catalogs(conn)]
    for name in catalogs:
        if name not in known:
            raise no_such_catalog(name)
    return add_job(
        conn,
        id=job_id,
        kind=JobKind.REFRESH,
        subject=CATALOGS_SUBJECT,
        queue=Queue.UPKEEP,
        parameters={"catalogs": list(dict.fromkeys(catalogs)) or known},
        now=now,
    )

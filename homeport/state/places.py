"""Where jobs stand in their queues, and what they wait for, in words."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, func, select

from homeport.jobs import shown_subject
from homeport.models import Job, JobState, Place, Queue
from homeport.state.schema import JOBS


def places_of(conn: Connection, jobs: Iterable[Job]) -> Mapping[str, Place]:
    """The places of those of the jobs that are queued, by id."""
    queued = {job.id: job for job in jobs if job.state is JobState.QUEUED}
    if not queued:
        return {}
    positions = _positions(conn, queued)
    others = _named(conn, {job.waiting_for for job in queued.values() if job.waiting_for is not None})
    return {
        id_: Place(position=positions[id_], waits=_words(job, positions[id_], others))
        for id_, job in queued.items()
        if id_ in positions  # else a worker took it meanwhile
    }


def _positions(conn: Connection, queued: Mapping[str, Job]) -> dict[str, int]:
    if len(queued) == 1:  # who asks for one job need not rank them all
        ((id_, job),) = queued.items()
        same = select(func.count()).where(JOBS.c.state == JobState.QUEUED, JOBS.c.queue == job.queue)
        return {id_: int(conn.execute(same.where(JOBS.c.seq < job.seq)).scalar_one())}
    ahead = func.row_number().over(partition_by=JOBS.c.queue, order_by=JOBS.c.seq) - 1
    ranked = select(JOBS.c.id, ahead.label("ahead")).where(JOBS.c.state == JobState.QUEUED).subquery()
    found = conn.execute(select(ranked).where(ranked.c.id.in_(list(queued))))
    return {row.id: int(row.ahead) for row in found}


def _named(conn: Connection, ids: Iterable[str]) -> dict[str, str]:
    """Jobs as a sentence names them."""
    found = conn.execute(select(JOBS.c.id, JOBS.c.kind, JOBS.c.subject).where(JOBS.c.id.in_(list(ids))))
    return {row.id: f"the {row.kind} of {shown_subject(row.subject)!r} (job {row.id})" for row in found}


def _words(job: Job, position: int, others: Mapping[str, str]) -> str:
    if job.waiting_for is not None:
        return others.get(job.waiting_for, f"the job {job.waiting_for}")
    worker = "its turn, for one build runs at a time" if job.queue is Queue.BUILDS else "a free worker"
    match position:
        case 0:
            return worker
        case 1:
            return f"{worker}; 1 job comes first"
        case _:
            return f"{worker}; {position} jobs come first"

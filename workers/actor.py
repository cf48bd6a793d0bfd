"""The one Dramatiq actor: it is given a job's id, and the job runs inside it."""

from collections.abc import Callable

import dramatiq

from homeport.models import Queue
from homeport.state.doorbell import ACTOR_NAME
from workers.broker import BellBroker


def declare_run_job(broker: BellBroker, queue: Queue, run: Callable[[str], None]) -> None:
    """Declares the actor on the broker: each message on the queue becomes one call of `run(job_id)`."""

    def run_job(job_id: str) -> None:
        run(job_id)

    dramatiq.actor(actor_name=ACTOR_NAME, queue_name=queue.value, broker=broker)(run_job)

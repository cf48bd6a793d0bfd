"""The worker process: Dramatiq's workers in a main of our own, one per queue, until a signal."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from dramatiq import Worker

from homeport.catalog.catalog import SHIPPED, CatalogFolder, list_definitions
from homeport.errors import HomeportError
from homeport.host.ports import add_reserved_port
from homeport.models import JobKind, Queue
from homeport.names import MAX_APP_ID
from homeport.settings import Settings
from homeport.state import apps
from homeport.state.database import Database
from homeport.state.doorbell import Doorbell
from workers.actor import declare_run_job
from workers.broker import BellBroker
from workers.job import JobRunner
from workers.operation import Operation
from workers.operations import operations_with
from workers.tools import create_tools

_log = logging.getLogger(__name__)

_STOP_S = 8.0  # running programs are killed within half a second; what takes longer is left to its lease


def create_runner(
    settings: Settings,
    stopping: threading.Event,
    *,
    operations: Mapping[JobKind, Operation] | None = None,
) -> JobRunner:
    """What runs jobs in this process, with all that it uses; `operations` other than ours are for tests."""
    database = Database(settings.database)
    return JobRunner(
        settings=settings,
        database=database,
        doorbell=Doorbell(settings.redis),
        operations=operations
        if operations is not None
        else operations_with(create_tools(settings, database)),
        stopping=stopping,
        now=lambda: datetime.now(UTC),
    )


def warm_up(settings: Settings) -> None:
    """Reads the catalog once, in a thread, so that the first install finds schema and parsers loaded."""

    def read() -> None:
        try:
            list_definitions([CatalogFolder(name=SHIPPED, path=settings.catalog_dir)])
        except OSError as error:
            _log.warning("the catalog cannot be read: %s", error)

    threading.Thread(target=read, name="warm-up", daemon=True).start()


def reserve_ports(settings: Settings, database: Database) -> None:
    """Keeps every app's host port out of the ephemeral ones: after a boot the kernel's list is empty."""
    try:
        with database.read() as connection:
            ports = [app.host_port for app in apps.list_apps(connection, after=None, limit=MAX_APP_ID)]
        for port in ports:
            add_reserved_port(port, run_dir=settings.run_dir)
    except HomeportError as error:
        _log.warning("the apps' host ports are not reserved again: %s", error)


def run_workers(settings: Settings, runner: JobRunner) -> bool:
    """Takes jobs until `runner.stopping` is set, then hands back what runs.

    Returns:
        Whether every thread ended in time.
    """
    reserve_ports(settings, runner.database)
    threads = {Queue.BUILDS: 1, Queue.APPS: settings.app_threads, Queue.UPKEEP: 1}
    brokers: list[BellBroker] = []
    workers: list[Worker] = []
    for queue, count in threads.items():
        broker = BellBroker(settings.redis, name=f"homeport-{queue.value}")
        declare_run_job(broker, queue, runner.run)
        worker = Worker(broker, queues={queue.value}, worker_threads=count)
        worker.start()
        brokers.append(broker)
        workers.append(worker)
    _log.info("ready: %s", ", ".join(f"{queue.value} x {count}" for queue, count in threads.items()))
    runner.stopping.wait()
    _log.info("stopping: running jobs are handed back")
    return _stop(brokers, workers)


def _stop(brokers: list[BellBroker], workers: list[Worker]) -> bool:
    """Stops all workers side by side, within `_STOP_S`."""
    for broker in brokers:
        broker.stop_taking()
    stops = [
        threading.Thread(target=worker.stop, kwargs={"timeout": int(_STOP_S * 1000)}, daemon=True)
        for worker in workers
    ]
    for stop in stops:
        stop.start()
    for stop in stops:
        stop.join(_STOP_S)
    for broker in brokers:
        broker.close()
    has_ended = not any(thread.is_alive() for worker in workers for thread in worker.workers)
    return has_ended and not any(stop.is_alive() for stop in stops)

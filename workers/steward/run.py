"""The steward's process: its duties in threads, its socket in the main one."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from build_cache.traffic import request_log_dir
from homeport.host.engine import Engine
from homeport.settings import Settings
from homeport.state.catalogs import sweep_generations
from homeport.state.database import Database
from homeport.state.doorbell import CHANNEL_JOBS, CHANNEL_ROUTES, Doorbell
from homeport.state.reserve import fill_reserve
from workers.routing import create_routes
from workers.steward import cache_totals, outbox, reclaim, reconcile, routes, scheduler
from workers.steward.app_logs import AppLogs, serve
from workers.steward.duty import Duty
from workers.steward.reclaim import LeaseWatch
from workers.steward.reconcile import Reconciler, Rounds
from workers.steward.routes import RouteKeeper
from workers.steward.scheduler import Scheduler

_log = logging.getLogger(__name__)

_STOP_S = 3.0
_END_LOOK_S = 1.0
_SWEEP_S = 60.0  # how soon what was fetched of a removed catalog is gone
_RESERVE_S = 30.0  # how soon space is held back again once the disk has it
_SIGNAL_LOOK_S = 0.2  # how soon a signal is noticed


def run_steward(settings: Settings, stopping: threading.Event) -> None:
    """Does the duties and answers on the socket until `stopping` is set."""
    database = Database(settings.database)
    doorbell = Doorbell(settings.redis)
    keeper = RouteKeeper(routes=create_routes(settings, database), now=now_utc)
    duties = create_duties(settings, database, doorbell, keeper, stopping)
    for duty in duties:
        duty.start()
    asyncio.run(_serve_until(settings, keeper, stopping))
    for duty in duties:
        if not duty.join(_STOP_S):
            _log.warning("a duty did not end in time")
    doorbell.close()
    database.close()


def create_duties(
    settings: Settings,
    database: Database,
    doorbell: Doorbell,
    keeper: RouteKeeper,
    stopping: threading.Event,
) -> list[Duty]:
    """The steward's duties, not started yet."""
    now = now_utc
    watch = LeaseWatch(lease_s=settings.lease_s)
    return [
        Duty(
            "catalogs",
            turn=lambda: sweep_generations(database, settings),
            wait=partial(stopping.wait, _SWEEP_S),
            stopping=stopping,
        ),
        Duty(
            "outbox",
            turn=lambda: outbox.send_queued(database, doorbell, now),
            wait=_listening(doorbell, CHANNEL_JOBS, outbox.LOOK_S, stopping),
            stopping=stopping,
        ),
        Duty(
            "reclaim",
            turn=lambda: reclaim.reclaim_lost(
                database, doorbell, watch, now, max_losses=settings.worker_losses
            ),
            wait=partial(stopping.wait, reclaim.LOOK_S),
            stopping=stopping,
        ),
        *_reconciling(settings, database, doorbell, now, stopping),
        Duty(
            "routes",
            turn=keeper.turn,
            wait=_listening(doorbell, CHANNEL_ROUTES, routes.LOOK_S, stopping),
            stopping=stopping,
        ),
        Duty(
            "reserve",
            turn=lambda: fill_reserve(settings),
            wait=partial(stopping.wait, _RESERVE_S),
            stopping=stopping,
        ),
        Duty(
            "schedules",
            turn=Scheduler(
                settings=settings,
                database=database,
                doorbell=doorbell,
                clock=partial(scheduler.read_clock, now),
            ).turn,
            wait=partial(stopping.wait, scheduler.LOOK_S),
            stopping=stopping,
        ),
        Duty(
            "cache totals",
            turn=lambda: cache_totals.add_new_traffic(
                database, request_log_dir(settings), now, keep_s=settings.ceiling_s + cache_totals.SPARE_S
            ),
            wait=partial(stopping.wait, cache_totals.LOOK_S),
            stopping=stopping,
        ),
        Duty(
            "cache sizes",
            turn=lambda: cache_totals.record_cache_sizes(database, settings),
            wait=partial(stopping.wait, cache_totals.SIZES_S),
            stopping=stopping,
        ),
    ]


def _reconciling(
    settings: Settings,
    database: Database,
    doorbell: Doorbell,
    now: Callable[[], datetime],
    stopping: threading.Event,
) -> tuple[Duty, Duty]:
    reconciler = Reconciler(
        settings=settings, database=database, doorbell=doorbell, engine=Engine(settings.docker_host), now=now
    )
    rounds, wait = Rounds(reconciler), partial(stopping.wait, reconcile.LOOK_S)
    return (
        Duty("reconcile", turn=rounds.turn, wait=wait, stopping=stopping),
        Duty("engine", turn=rounds.watch, wait=wait, stopping=stopping, is_awaited=False),
    )


def _listening(
    doorbell: Doorbell, channel: str, wait_s: float, stopping: threading.Event
) -> Callable[[], object]:
    """Waits for an announcement on the channel, or so long; the steward's end is noticed within a second."""
    heard = doorbell.listen(channel, wait_s=min(wait_s, _END_LOOK_S))

    def wait() -> None:
        until = time.monotonic() + wait_s
        while not next(heard) and time.monotonic() < until and not stopping.is_set():
            pass

    return wait


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)


async def _serve_until(settings: Settings, keeper: RouteKeeper, stopping: threading.Event) -> None:
    until: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    logs = AppLogs(Engine(settings.docker_host), lambda: keeper.why)
    serving = asyncio.create_task(
        serve(logs.application(), settings.steward_socket, settings.api_user, until)
    )
    while not stopping.is_set() and not serving.done():
        await asyncio.sleep(_SIGNAL_LOOK_S)
    until.set_result(None)
    await serving

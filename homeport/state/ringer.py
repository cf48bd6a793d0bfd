"""Tells workers and event streams of what was committed; where it fails, the steward sends again."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from homeport.errors import HomeportError
from homeport.models import Job
from homeport.state.doorbell import CHANNEL_JOBS, CHANNEL_ROUTES, Doorbell
from homeport.state.outbox import mark_sent
from homeport.state.writer import Writer

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_GATHER_S = 0.2  # who is rung for writes just then, and two that write wait for each other in steps of ms
_WAITING = 1024  # jobs that wait for the doorbell; more are left to the steward


class Ringer:
    """Rings for jobs behind the answers' backs, so that no answer waits for Redis or fails with it."""

    def __init__(self, doorbell: Doorbell, writer: Writer) -> None:
        self._doorbell = doorbell
        self._writer = writer
        self._waiting: asyncio.Queue[Job | None] = asyncio.Queue(_WAITING)
        self._sent: asyncio.Queue[str] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ringer")

    def ring(self, job: Job | None = None) -> None:
        """Sends the job's message and wakes the event streams, soon. Without a job, only the latter."""
        try:
            self._waiting.put_nowait(job)
        except asyncio.QueueFull:
            _LOG.debug("the doorbell is slow: the steward will send job %s", job and job.id)

    async def tell_proxy(self) -> None:
        """Has the steward look at once what the reverse proxy is to serve; without Redis, it looks soon."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._doorbell.announce, CHANNEL_ROUTES)

    async def run(self) -> None:
        """Rings until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ring())
            tasks.create_task(self._mark())

    async def _ring(self) -> None:
        while True:
            gathered = await _all_of(self._waiting)
            jobs = [job for job in gathered if job is not None]
            if await asyncio.get_running_loop().run_in_executor(self._thread, self._send, jobs):
                for job in jobs:
                    self._sent.put_nowait(job.id)

    async def _mark(self) -> None:
        """Writes down later what was sent. Should it never come to that, the steward sends once more."""
        while True:
            sent = await _all_of(self._sent, after_s=_GATHER_S)
            try:
                await self._writer.write(partial(mark_sent, job_ids=sent, now=datetime.now(UTC)))
            except HomeportError as error:
                _LOG.warning("sent jobs could not be marked: %s", error)

    def _send(self, jobs: list[Job]) -> bool:
        # Without a job of its own, a change may still have set one free: the steward looks and sends it.
        rang = self._doorbell.ring(jobs) if jobs else self._doorbell.announce(CHANNEL_JOBS)
        self._doorbell.announce()
        return rang

    def close(self) -> None:
        """Ends the thread, without waiting for a Redis that does not answer."""
        self._thread.shutdown(wait=False, cancel_futures=True)


async def _all_of(queue: asyncio.Queue[T], *, after_s: float = 0) -> list[T]:
    """All that waits in the queue, so long after the first of it came."""
    gathered = [await queue.get()]
    if after_s:
        await asyncio.sleep(after_s)
    while not queue.empty():
        gathered.append(queue.get_nowait())
    return gathered

"""Tells workers and event streams of what was committed; where it fails, the steward sends again."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from homeport.errors import HomeportError
from homeport.models import Job
from homeport.state.doorbell import CHANNEL_JOBS, Doorbell
from homeport.state.outbox import mark_sent
from homeport.state.writer import Writer

_LOG = logging.getLogger(__name__)
_WAITING = 1024  # jobs that wait for the doorbell; more are left to the steward


class Ringer:
    """Rings for jobs behind the answers' backs, so that no answer waits for Redis or fails with it."""

    def __init__(self, doorbell: Doorbell, writer: Writer) -> None:
        self._doorbell = doorbell
        self._writer = writer
        self._waiting: asyncio.Queue[Job | None] = asyncio.Queue(_WAITING)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ringer")

    def ring(self, job: Job | None = None) -> None:
        """Sends the job's message and wakes the event streams, soon. Without a job, only the latter."""
        try:
            self._waiting.put_nowait(job)
        except asyncio.QueueFull:
            _LOG.debug("the doorbell is slow: the steward will send job %s", job and job.id)

    async def run(self) -> None:
        """Rings until it is cancelled."""
        while True:
            gathered = [await self._waiting.get()]
            while not self._waiting.empty():
                gathered.append(self._waiting.get_nowait())
            await self._ring([job for job in gathered if job is not None])

    async def _ring(self, jobs: list[Job]) -> None:
        rang = await asyncio.get_running_loop().run_in_executor(self._thread, self._send, jobs)
        if not rang or not jobs:
            return
        try:
            now = datetime.now(UTC)
            await self._writer.write(lambda connection: mark_sent(connection, [job.id for job in jobs], now))
        except HomeportError as error:  # the steward sends them once more, which is harmless
            _LOG.warning("sent jobs could not be marked: %s", error)

    def _send(self, jobs: list[Job]) -> bool:
        # Without a job of its own, a change may still have set one free: the steward looks and sends it.
        rang = self._doorbell.ring(jobs) if jobs else self._doorbell.announce(CHANNEL_JOBS)
        self._doorbell.announce()
        return rang

    def close(self) -> None:
        """Ends the thread, without waiting for a Redis that does not answer."""
        self._thread.shutdown(wait=False, cancel_futures=True)

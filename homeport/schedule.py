"""What is done by the clock: which slots a schedule has, and which of them is due. Pure.

A slot is a moment at which a cron expression says that its work is to be done. In time zones with summer time
a slot of the hour that is left out comes right after it, and one of the hour that comes twice comes once
(cronsim, which keeps to Debian's cron).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import dropwhile, islice
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from homeport.errors import InvalidInputError
from homeport.settings import Settings

_LOCAL_TIME: Final = Path("/etc/localtime")
_FIELDS: Final = 5
_COUNTED: Final = 1000  # slots that are passed over are counted so far

JUMP_S: Final = 60.0
"""A clock that moves by more than that against the time that has passed has jumped; less is corrected so."""

SETTLING_S: Final = 900.0
"""So long after a boot a jump is the clock being set, on machines whose clock stands still while off."""


class Work(StrEnum):
    """What is done by the clock."""

    REFRESH = "refresh"
    """Added catalogs are fetched anew."""
    HISTORY = "history"
    """Old jobs, their logs, and events are forgotten."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A work and the cron expression that says when."""

    work: Work
    expression: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The clock on the wall and the time since boot, suspended time included, read together."""

    wall: datetime
    since_boot_s: float


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do about a schedule now.

    `run` is the slot whose work is to be done, once, however many were missed; `reached` is the slot up to
    which all is settled then; `passed_over` counts the slots that a clock jumped over.
    """

    reached: datetime
    run: datetime | None = None
    passed_over: int = 0


def schedules_of(settings: Settings) -> tuple[Schedule, ...]:
    """The schedules that are on.

    Raises:
        InvalidInputError: an expression or the time zone is wrong.
    """
    zone = time_zone_of(settings)
    given = {Work.REFRESH: settings.refresh_schedule, Work.HISTORY: settings.history_schedule}
    texts = {work: text.strip() for work, text in given.items()}
    found = tuple(Schedule(work=work, expression=text) for work, text in texts.items() if text)
    for schedule in found:
        _check(schedule, zone)
    return found


def time_zone_of(settings: Settings) -> tzinfo:
    """The time zone of the schedules: the setting's, else the system's, else UTC.

    Raises:
        InvalidInputError: there is none of that name.
    """
    if settings.time_zone:
        try:
            return ZoneInfo(settings.time_zone)
        except (KeyError, ValueError, OSError) as error:  # there is none; it is no name; it leads to a folder
            raise InvalidInputError(
                f"There is no time zone {settings.time_zone!r}.",
                why="The setting time_zone names it.",
                remedy="Give a name of the IANA's table such as Europe/Berlin, or leave it empty.",
            ) from error
    try:
        name = str(_LOCAL_TIME.resolve()).partition("zoneinfo/")[2]
        with _LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file, key=name or "localtime")
    except (ValueError, OSError):
        return UTC


def next_slot(expression: str, after: datetime, zone: tzinfo) -> datetime | None:
    """The first slot later than that moment; None where there is none in fifty years."""
    return next(_slots(expression, after, zone), None)


def newest_slot(expression: str, upto: datetime, zone: tzinfo) -> datetime | None:
    """The last slot that is not later than that moment."""
    begin = upto + timedelta(seconds=1)
    while (found := _slot_before(expression, begin, zone)) is not None and found > upto:
        begin -= timedelta(minutes=1)  # a slot of the hour that is left out comes after it
    # in the hour that comes twice, what is later on the clock than that moment may have come an hour ago
    while found is not None and (later := next_slot(expression, found, zone)) is not None and later <= upto:
        found = later
    return found


def is_settling(now: Reading) -> bool:
    """Whether the clock may still be that of a machine that does not keep time while off, until it is set."""
    return now.since_boot_s < SETTLING_S


def jumped_from(before: Reading | None, now: Reading) -> datetime | None:
    """What the clock would show had it not jumped forward since; None where it has not.

    After a boot it is being set, which is no jump: what was missed until then was missed by being off.
    """
    if before is None or now.since_boot_s < before.since_boot_s or is_settling(now):
        return None
    expected = before.wall + timedelta(seconds=now.since_boot_s - before.since_boot_s)
    return expected if now.wall - expected > timedelta(seconds=JUMP_S) else None


def decide(
    expression: str,
    reached: datetime | None,
    now: datetime,
    zone: tzinfo,
    *,
    expected: datetime | None = None,
    may_go_back: bool = True,
) -> Decision | None:
    """What is to be done about a schedule; None where nothing is.

    Args:
        expression: the schedule's.
        reached: the slot up to which all is settled; None for a schedule that is new, which begins now.
        now: what the clock shows.
        zone: the schedule's time zone.
        expected: what it would show had it not jumped forward; None where it has not.
        may_go_back: whether a clock that is behind all that is settled counts; not while it `is_settling`.
    """
    newest = newest_slot(expression, now, zone)
    if reached is None:
        return Decision(reached=newest or now)
    following = next_slot(expression, now, zone)
    if following is not None and reached > following:  # settled by a clock that was ahead by more than a slot
        return Decision(reached=newest or now) if may_go_back else None
    if newest is None or newest <= reached:
        return None
    if expected is None:
        return Decision(reached=newest, run=newest)
    due = newest_slot(expression, expected, zone)
    begin = max(reached, expected)
    between = _slots(expression, begin, zone)
    passed = sum(1 for slot in islice(between, _COUNTED) if slot <= now)
    return Decision(
        reached=newest, run=due if due is not None and due > reached else None, passed_over=passed
    )


def _slots(expression: str, after: datetime, zone: tzinfo) -> Iterator[datetime]:
    """The slots later than that moment; in an hour that comes again, cronsim begins with those it had."""
    found = _turned_utc(CronSim(expression, after.astimezone(zone)))
    return dropwhile(lambda slot: slot <= after, found)


def _slot_before(expression: str, moment: datetime, zone: tzinfo) -> datetime | None:
    return next(_turned_utc(CronSim(expression, moment.astimezone(zone), reverse=True)), None)


def _turned_utc(found: CronSim) -> Iterator[datetime]:
    for slot in found:
        yield slot.astimezone(UTC)


def _check(schedule: Schedule, zone: tzinfo) -> None:
    if (why := _fault(schedule.expression, zone)) is not None:
        raise InvalidInputError(
            f"{schedule.expression!r} is no schedule (setting {schedule.work}_schedule).",
            why=why,
            remedy="Write a cron expression such as '23 3 * * *' (every night at 03:23), or leave it empty.",
        )


def _fault(expression: str, zone: tzinfo) -> str | None:
    if len(expression.split()) != _FIELDS:
        return "An expression has five fields: minute, hour, day, month, day of the week."
    try:
        first = next_slot(expression, datetime(2026, 1, 1, tzinfo=UTC), zone)
    except CronSimError as error:
        return f"{error}."
    return "There is no such day." if first is None else None

"""Which slots a schedule has, which is due, and what a clock that jumps makes of it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.errors import InvalidInputError
from homeport.schedule import (
    SETTLING_S,
    Decision,
    Reading,
    Work,
    decide,
    jumped_from,
    newest_slot,
    next_slot,
    schedules_of,
    time_zone_of,
)
from homeport.settings import Settings


def settings(**given: str) -> Settings:
    """Settings of which only these matter."""
    return Settings.model_validate(given)


BERLIN = ZoneInfo("Europe/Berlin")
NIGHTLY = "30 3 * * *"
EXPRESSIONS = ["30 3 * * *", "30 2 * * *", "0 * * * *", "41 4 * * 0", "*/7 1-5 * * 1-5", "0 0 31 * *"]
ZONES = [ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu"), UTC]
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - naive bounds


def at(day: int, hour: int, minute: int = 0, month: int = 6) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@given(moment=MOMENTS, expression=st.sampled_from(EXPRESSIONS), zone=st.sampled_from(ZONES))
def test_the_newest_slot_and_the_next_one_stand_on_both_sides_of_a_moment(
    moment: datetime, expression: str, zone: ZoneInfo
) -> None:
    newest, following = newest_slot(expression, moment, zone), next_slot(expression, moment, zone)

    assert newest is not None
    assert following is not None
    assert newest <= moment < following
    assert next_slot(expression, newest, zone) == following, "no slot lies between them"


@given(
    moments=st.lists(MOMENTS, min_size=2, max_size=40),
    expression=st.sampled_from(EXPRESSIONS),
    zone=st.sampled_from(ZONES),
)
def test_however_often_it_is_looked_no_slot_is_run_twice_and_none_that_is_newest_is_left(
    moments: list[datetime], expression: str, zone: ZoneInfo
) -> None:
    reached, runs = newest_slot(expression, min(moments), zone), list[datetime]()
    for moment in sorted(moments):
        decision = decide(expression, reached, moment, zone)
        if decision is not None:
            assert decision.run == decision.reached == newest_slot(expression, moment, zone)
            runs.append(decision.reached)
            reached = decision.reached
    assert len(runs) == len(set(runs))
    assert runs == sorted(runs)


@given(
    moments=st.lists(MOMENTS, min_size=2, max_size=40),
    expression=st.sampled_from(EXPRESSIONS),
)
def test_a_clock_that_goes_anywhere_runs_no_slot_twice_while_it_stays_near(
    moments: list[datetime], expression: str
) -> None:
    reached, runs = moments[0], list[datetime]()
    for moment in moments:
        following = next_slot(expression, moment, BERLIN)
        decision = decide(expression, reached, moment, BERLIN)
        if decision is None:
            continue
        if decision.run is not None:
            assert decision.run > reached
            runs.append(decision.run)
        else:
            assert following is not None
            assert reached > following, "only a clock that was ahead by more than a slot begins anew"
        reached = decision.reached


def test_a_slot_that_the_summer_leaves_out_comes_right_after_it() -> None:
    before = at(29, 0, 59, month=3)  # 01:59 in Berlin, where 03:00 follows

    assert next_slot("30 2 * * *", before, BERLIN) == at(29, 1, month=3)
    assert newest_slot("30 2 * * *", at(29, 0, 59, month=3), BERLIN) == at(28, 1, 30, month=3)
    assert newest_slot("30 2 * * *", at(29, 1, month=3), BERLIN) == at(29, 1, month=3)


def test_a_slot_of_the_hour_that_comes_twice_comes_once() -> None:
    first = next_slot("30 2 * * *", at(24, 12, month=10), BERLIN)

    assert first == at(25, 0, 30, month=10)
    assert next_slot("30 2 * * *", first, BERLIN) == at(26, 1, 30, month=10)


def test_a_new_schedule_begins_with_its_next_slot() -> None:
    assert decide(NIGHTLY, None, at(10, 12), UTC) == Decision(reached=at(10, 3, 30))


def test_a_slot_is_due_once() -> None:
    assert decide(NIGHTLY, at(9, 3, 30), at(10, 3, 29), UTC) is None
    assert decide(NIGHTLY, at(9, 3, 30), at(10, 3, 30), UTC) == Decision(
        reached=at(10, 3, 30), run=at(10, 3, 30)
    )
    assert decide(NIGHTLY, at(10, 3, 30), at(10, 3, 31), UTC) is None


def test_slots_that_were_missed_are_caught_up_once() -> None:
    assert decide(NIGHTLY, at(1, 3, 30), at(10, 12), UTC) == Decision(
        reached=at(10, 3, 30), run=at(10, 3, 30)
    )


def test_slots_that_the_clock_jumped_over_are_not_run() -> None:
    decision = decide(NIGHTLY, at(1, 3, 30), at(10, 12), UTC, expected=at(1, 12))

    assert decision == Decision(reached=at(10, 3, 30), run=None, passed_over=9)


def test_a_slot_that_was_due_before_the_clock_jumped_is_run() -> None:
    decision = decide(NIGHTLY, at(1, 3, 30), at(10, 12), UTC, expected=at(2, 12))

    assert decision == Decision(reached=at(10, 3, 30), run=at(2, 3, 30), passed_over=8)


def test_a_clock_that_goes_back_runs_no_slot_again() -> None:
    assert decide(NIGHTLY, at(10, 3, 30), at(10, 3, 0), UTC) is None
    assert decide(NIGHTLY, at(10, 3, 30), at(10, 3, 30), UTC) is None
    assert decide(NIGHTLY, at(10, 3, 30), at(11, 3, 30), UTC) is not None


def test_a_clock_that_was_far_ahead_does_not_silence_a_schedule() -> None:
    in_2040 = datetime(2040, 1, 1, 3, 30, tzinfo=UTC)

    assert decide(NIGHTLY, in_2040, at(10, 12), UTC) == Decision(reached=at(10, 3, 30))


LATER = SETTLING_S + 1000


@pytest.mark.parametrize(
    ("wall_s", "boot_s", "has_jumped"),
    [(100, 100, False), (130, 100, False), (3700, 100, True), (-3600, 100, False), (86400, 86400, False)],
    ids=["none", "a correction", "forward", "back", "suspended: both clocks count it"],
)
def test_a_jump_is_what_the_clock_moves_more_than_time_has_passed(
    wall_s: float, boot_s: float, has_jumped: bool
) -> None:
    before = Reading(wall=at(1, 0), since_boot_s=LATER)
    now = Reading(wall=at(1, 0) + timedelta(seconds=wall_s), since_boot_s=LATER + boot_s)

    expected = jumped_from(before, now)

    assert expected == (at(1, 0) + timedelta(seconds=boot_s) if has_jumped else None)


def test_a_clock_that_is_set_after_a_boot_has_not_jumped() -> None:
    stood_still = Reading(wall=at(1, 0), since_boot_s=20)

    assert jumped_from(stood_still, Reading(wall=at(9, 0), since_boot_s=60)) is None
    assert jumped_from(None, Reading(wall=at(9, 0), since_boot_s=LATER)) is None
    assert (
        jumped_from(Reading(wall=at(1, 0), since_boot_s=9e6), Reading(wall=at(9, 0), since_boot_s=LATER))
        is None
    )


def test_the_settings_name_the_schedules_that_are_on() -> None:
    both = schedules_of(settings())
    assert [schedule.work for schedule in both] == [Work.REFRESH, Work.HISTORY]
    assert schedules_of(settings(refresh_schedule="", history_schedule=" ")) == ()


@pytest.mark.parametrize(
    "text", ["daily", "1 2 3 4", "61 * * * *", "* * * * * *", "0 0 31 2 *", "@reboot", "* * * * mon-xyz"]
)
def test_what_is_no_schedule_is_refused_by_the_name_of_its_setting(text: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        schedules_of(settings(refresh_schedule=text))

    assert "refresh_schedule" in refused.value.what
    assert refused.value.why
    assert "'23 3 * * *'" in refused.value.remedy


def test_the_time_zone_is_the_settings_or_the_systems() -> None:
    assert time_zone_of(settings(time_zone="Europe/Berlin")) == BERLIN
    assert datetime(2026, 1, 1, tzinfo=time_zone_of(settings())).utcoffset() is not None
    with pytest.raises(InvalidInputError, match="Mars"):
        time_zone_of(settings(time_zone="Mars/Olympus"))
    with pytest.raises(InvalidInputError):
        time_zone_of(settings(time_zone="../etc/passwd"))

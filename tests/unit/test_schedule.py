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
    is_settling,
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
NEW_YORK = ZoneInfo("America/New_York")
EXPRESSIONS = [
    *("30 3 * * *", "30 2 * * *", "0 * * * *", "41 4 * * 0", "*/7 1-5 * * 1-5", "0 0 31 * *"),
    *("10,30 2 * * *", "15,45 1 * * *", "5-50/15 1,2 * * *", "0,59 1-3 * * *"),
]
ZONES = [BERLIN, NEW_YORK, ZoneInfo("Europe/London"), ZoneInfo("Asia/Kathmandu"), UTC]


def at(day: int, hour: int, minute: int = 0, month: int = 6) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


CLOCKS_ARE_PUT = [at(8, 7, month=3), at(29, 1, month=3), at(25, 1, month=10), at(1, 6, month=11)]
NEAR = timedelta(hours=3)
MOMENTS = st.one_of(
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - naive bounds
    st.builds(datetime.__add__, st.sampled_from(CLOCKS_ARE_PUT), st.timedeltas(-NEAR, NEAR)),
)


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


@pytest.mark.parametrize(
    ("expression", "zone", "slots"),
    [
        ("30 2 * * *", BERLIN, [at(25, 0, 30, month=10)]),
        ("10,30 2 * * *", BERLIN, [at(25, 0, 10, month=10), at(25, 0, 30, month=10)]),
        ("10,30 1 * * *", NEW_YORK, [at(1, 5, 10, month=11), at(1, 5, 30, month=11)]),
        ("15,45 1 * * *", ZoneInfo("Europe/London"), [at(25, 0, 15, month=10), at(25, 0, 45, month=10)]),
        (
            "5-50/15 2 * * *",
            BERLIN,
            [at(25, 0, minute, month=10) for minute in (5, 20, 35, 50)],
        ),
        (
            "*/30 2 * * *",  # what repeats all the time goes on in both hours
            BERLIN,
            [at(25, hour, minute, month=10) for hour in (0, 1) for minute in (0, 30)],
        ),
    ],
)
def test_in_the_hour_that_comes_twice_each_slot_is_run_once_at_its_time_and_the_next_one_lies_ahead(
    expression: str, zone: ZoneInfo, slots: list[datetime]
) -> None:
    now = slots[0] - timedelta(hours=2)
    reached, runs = newest_slot(expression, now, zone), list[tuple[datetime, datetime | None]]()
    while now < slots[-1] + timedelta(hours=3):
        now += timedelta(minutes=1)
        following = next_slot(expression, now, zone)
        assert following is not None
        assert following > now
        if (decision := decide(expression, reached, now, zone)) is not None:
            runs.append((now, decision.run))
            reached = decision.reached

    assert runs == [(slot, slot) for slot in slots]


def test_slots_that_were_missed_in_the_first_of_the_two_hours_are_caught_up_in_the_second() -> None:
    settled, slot = at(24, 0, 30, month=10), at(25, 0, 30, month=10)
    twice = at(25, 1, 10, month=10)  # 02:10 in Berlin, for the second time

    assert decide("30 2 * * *", None, twice, BERLIN) == Decision(reached=slot)
    assert decide("30 2 * * *", settled, twice, BERLIN) == Decision(reached=slot, run=slot)
    assert decide("30 2 * * *", slot, twice, BERLIN) is None
    assert decide("30 2 * * *", settled, twice, BERLIN, expected=at(25, 0, 10, month=10)) == Decision(
        reached=slot, passed_over=1
    )


def test_where_the_clock_is_put_between_full_hours_a_newest_slot_is_found_also() -> None:
    second_coming = at(4, 14, 14, month=4)  # 02:59 in Chatham, where 03:45 became 02:45

    newest = newest_slot("0,59 */2 * * *", second_coming, ZoneInfo("Pacific/Chatham"))

    assert newest is not None
    assert newest <= second_coming


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


def test_a_clock_that_goes_back_by_more_than_a_slot_was_wrong_and_its_slots_come_again() -> None:
    began_anew = decide("0 * * * *", at(10, 12), at(10, 10, 5), UTC)

    assert began_anew == Decision(reached=at(10, 10))
    assert decide("0 * * * *", began_anew.reached, at(10, 11), UTC) == Decision(
        reached=at(10, 11), run=at(10, 11)
    )


def test_a_clock_that_may_yet_be_set_takes_back_nothing_that_is_settled() -> None:
    in_2025 = datetime(2025, 1, 1, tzinfo=UTC)

    assert decide(NIGHTLY, at(10, 3, 30), in_2025, UTC, may_go_back=False) is None
    assert decide(NIGHTLY, at(10, 3, 30), at(10, 12), UTC, may_go_back=False) is None
    assert decide(NIGHTLY, at(9, 3, 30), at(10, 12), UTC, may_go_back=False) == Decision(
        reached=at(10, 3, 30), run=at(10, 3, 30)
    )


def test_the_clock_may_yet_be_set_for_a_while_after_a_boot() -> None:
    assert is_settling(Reading(wall=at(10, 12), since_boot_s=20))
    assert not is_settling(Reading(wall=at(10, 12), since_boot_s=SETTLING_S))


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

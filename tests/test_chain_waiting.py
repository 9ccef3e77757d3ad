"""How long a transition waits, also when the clocks change."""

import datetime
import itertools
import zoneinfo

import pytest

from automation.chains.waiting import Unit, Wait

pytestmark = pytest.mark.sqlite_only

ZURICH, NEW_YORK = zoneinfo.ZoneInfo("Europe/Zurich"), zoneinfo.ZoneInfo("America/New_York")
KATHMANDU, APIA = zoneinfo.ZoneInfo("Asia/Kathmandu"), zoneinfo.ZoneInfo("Pacific/Apia")
NINE = datetime.time(9)
MONDAY, SUNDAY = 0, 6


def local(text: str, zone: zoneinfo.ZoneInfo = ZURICH, fold: int = 0) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def over(wait: Wait, entered: str, zone: zoneinfo.ZoneInfo = ZURICH, fold: int = 0) -> str:
    """When a wait is over, by the clock of the same zone."""
    moment = wait.over(local(entered, zone, fold), zone)
    assert moment.tzinfo is datetime.UTC
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %z")


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (Wait(), "2026-03-11 10:30 +0100"),
        (Wait(45, Unit.MINUTES), "2026-03-11 11:15 +0100"),
        (Wait(36, Unit.HOURS), "2026-03-12 22:30 +0100"),
        (Wait(2, Unit.DAYS), "2026-03-13 10:30 +0100"),
        (Wait(1, Unit.WEEKS), "2026-03-18 10:30 +0100"),
        (Wait(time=NINE), "2026-03-12 09:00 +0100"),
        (Wait(time=datetime.time(11)), "2026-03-11 11:00 +0100"),
        (Wait(weekday=MONDAY), "2026-03-16 00:00 +0100"),
        (Wait(weekday=MONDAY, time=NINE), "2026-03-16 09:00 +0100"),
        (Wait(2, Unit.DAYS, time=NINE), "2026-03-14 09:00 +0100"),
        (Wait(2, Unit.DAYS, weekday=4), "2026-03-13 10:30 +0100"),
        (Wait(2, Unit.DAYS, weekday=4, time=NINE), "2026-03-20 09:00 +0100"),
        (Wait(5, Unit.DAYS, weekday=MONDAY, time=datetime.time(18)), "2026-03-16 18:00 +0100"),
    ],
)
def test_a_wait_ends_on_a_wednesday_or_later(wait: Wait, expected: str):
    assert over(wait, "2026-03-11 10:30") == expected


def test_who_comes_at_the_very_moment_that_is_waited_for_waits_for_the_next_one():
    assert over(Wait(weekday=MONDAY, time=NINE), "2026-03-16 09:00") == "2026-03-23 09:00 +0100"
    assert over(Wait(time=NINE), "2026-03-16 09:00") == "2026-03-17 09:00 +0100"
    assert over(Wait(weekday=MONDAY), "2026-03-16 00:00") == "2026-03-23 00:00 +0100"
    assert over(Wait(weekday=MONDAY), "2026-03-16 15:00") == "2026-03-23 00:00 +0100"


def test_a_time_of_day_that_is_reached_by_waiting_is_reached():
    assert over(Wait(2, Unit.DAYS, time=NINE), "2026-03-11 09:00") == "2026-03-13 09:00 +0100"


def test_days_are_the_same_time_of_day_when_the_clocks_changed_between():
    assert over(Wait(2, Unit.DAYS), "2026-03-28 10:30") == "2026-03-30 10:30 +0200"
    assert over(Wait(1, Unit.WEEKS), "2026-10-24 10:30") == "2026-10-31 10:30 +0100"
    assert over(Wait(2, Unit.DAYS), "2026-03-07 10:30", NEW_YORK) == "2026-03-09 10:30 -0400"


def test_hours_are_hours_when_the_clocks_changed_between():
    assert over(Wait(48, Unit.HOURS), "2026-03-28 10:30") == "2026-03-30 11:30 +0200"
    assert over(Wait(48, Unit.HOURS), "2026-10-24 10:30") == "2026-10-26 09:30 +0100"
    assert over(Wait(120, Unit.MINUTES), "2026-03-29 01:30") == "2026-03-29 04:30 +0200"


def test_a_time_that_the_clocks_skip_is_taken_after_the_gap():
    assert over(Wait(2, Unit.DAYS), "2026-03-27 02:30") == "2026-03-29 03:30 +0200"
    half_past_two = datetime.time(2, 30)
    assert over(Wait(time=half_past_two), "2026-03-28 12:00") == "2026-03-29 03:30 +0200"


def test_a_time_that_comes_twice_is_taken_the_first_time():
    assert over(Wait(1, Unit.DAYS), "2026-10-24 02:30") == "2026-10-25 02:30 +0200"
    half_past_two = datetime.time(2, 30)
    assert over(Wait(time=half_past_two), "2026-10-24 12:00") == "2026-10-25 02:30 +0200"


def test_who_came_the_second_time_of_an_hour_that_came_twice_waits_whole_days():
    assert over(Wait(1, Unit.DAYS), "2026-10-25 02:30", fold=1) == "2026-10-26 02:30 +0100"
    half_past_two = datetime.time(2, 30)
    assert over(Wait(time=half_past_two), "2026-10-25 02:15", fold=1) == "2026-10-26 02:30 +0100"


def test_days_are_those_of_the_person():
    """In Kathmandu it is Monday already, and the clocks are three quarters of an hour off."""
    sunday_evening = datetime.datetime(2026, 3, 15, 20, tzinfo=datetime.UTC)
    tuesday = datetime.datetime(2026, 3, 17, 3, 15, tzinfo=datetime.UTC)
    assert Wait(weekday=1, time=NINE).over(sunday_evening, KATHMANDU) == tuesday


def test_a_day_begins_where_midnight_is_skipped():
    beirut = zoneinfo.ZoneInfo("Asia/Beirut")
    assert over(Wait(weekday=SUNDAY), "2026-03-28 10:00", beirut) == "2026-03-29 01:00 +0300"


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("number", [0, 1, 5])
@pytest.mark.parametrize("weekday", [None, MONDAY, SUNDAY])
@pytest.mark.parametrize("time", [None, NINE, datetime.time(2, 30)])
def test_a_wait_is_never_over_before_it_began_and_takes_time_if_it_says_so(
    unit: Unit, number: int, weekday: int | None, time: datetime.time | None
):
    wait = Wait(number, unit, weekday, time)
    moment = local("2026-03-27 02:30")
    for _hour in range(0, 24 * 8, 7):
        ended = wait.over(moment, ZURICH)
        assert ended == moment if wait.is_none else ended > moment
        moment += datetime.timedelta(hours=7)


# Which of two waits is over first ---------------------------------------------------------------

WAITS = [
    Wait(number, unit, weekday, time)
    for number, unit in [
        (0, Unit.DAYS), (90, Unit.MINUTES), (1, Unit.HOURS), (26, Unit.HOURS), (1, Unit.DAYS),
        (2, Unit.DAYS), (7, Unit.DAYS), (1, Unit.WEEKS),
    ]
    for weekday in (None, MONDAY, SUNDAY)
    for time in (None, datetime.time(2, 30), NINE)
]  # fmt: skip


def moments(zone: zoneinfo.ZoneInfo, first_day: str) -> list[datetime.datetime]:
    """Moments of the days around one on which the clocks change."""
    began = local(first_day, zone)
    hours = (0, 5, 9, 23, 25, 33, 47, 49.5, 50, 50.5, 57, 72, 95)
    return [began.astimezone(datetime.UTC) + datetime.timedelta(hours=hour) for hour in hours]


@pytest.mark.parametrize(
    ("zone", "first_day"),
    [(ZURICH, "2026-03-27"), (ZURICH, "2026-10-23"), (APIA, "2011-12-28")],  # it had no 30th there
)
def test_what_ends_no_later_never_does_when_the_clocks_change(zone, first_day):
    entered = moments(zone, first_day)
    ends = {wait: [wait.over(moment, zone) for moment in entered] for wait in WAITS}
    pairs = [pair for pair in itertools.permutations(WAITS, 2) if pair[0].ends_no_later(pair[1])]
    late = [
        (one, other)
        for one, other in pairs
        if any(mine > its for mine, its in zip(ends[one], ends[other], strict=True))
    ]
    assert late == []
    assert len(pairs) > 400


@pytest.mark.parametrize(
    ("one", "other", "known"),
    [
        (Wait(), Wait(time=NINE), True),
        (Wait(2), Wait(2), True),
        (Wait(3), Wait(2), False),
        (Wait(7), Wait(1, Unit.WEEKS), True),
        (Wait(60, Unit.MINUTES), Wait(1, Unit.HOURS), True),
        (Wait(24, Unit.HOURS), Wait(1), False),
        (Wait(24, Unit.HOURS), Wait(2), True),
        (Wait(2), Wait(2, time=NINE), True),
        (Wait(2, time=NINE), Wait(3), False),
        (Wait(time=NINE), Wait(1, time=NINE), True),
        (Wait(weekday=MONDAY), Wait(1, Unit.HOURS, weekday=MONDAY), False),
        (Wait(1, weekday=MONDAY), Wait(2, weekday=MONDAY), True),
    ],
)
def test_which_of_two_waits_ends_no_later_is_known_or_not(one: Wait, other: Wait, known: bool):
    assert one.ends_no_later(other) is known

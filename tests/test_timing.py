"""When generators run, also when the clocks change."""

import datetime
import zoneinfo

import pytest
from django.core.exceptions import ValidationError

from automation.rules.dates import at
from generators.timing import next_run, next_runs, period, validate_cron

pytestmark = pytest.mark.sqlite_only  # none of these asks the database

ZURICH = zoneinfo.ZoneInfo("Europe/Zurich")


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=ZURICH).astimezone(datetime.UTC)


@pytest.mark.parametrize(
    ("trigger", "after", "expected", "values"),
    [
        ("minutes", "2026-03-10T12:01", "2026-03-10T12:05", {"every_minutes": 5}),
        ("minutes", "2026-03-10T12:05", "2026-03-10T12:10", {"every_minutes": 5}),
        ("minutes", "2026-03-10T23:50", "2026-03-11T00:00", {"every_minutes": 50}),
        ("hourly", "2026-03-10T12:59", "2026-03-10T13:00", {}),
        ("daily", "2026-03-10T08:59", "2026-03-10T09:00", {"at_time": datetime.time(9)}),
        ("daily", "2026-03-10T09:00", "2026-03-11T09:00", {"at_time": datetime.time(9)}),
        # 02:30 does not exist on 29 March 2026: it is taken after the gap.
        ("daily", "2026-03-28T12:00", "2026-03-29T03:30", {"at_time": datetime.time(2, 30)}),
        ("daily", "2026-03-29T03:30", "2026-03-30T02:30", {"at_time": datetime.time(2, 30)}),
        # 10 March 2026 is a Tuesday.
        ("weekly", "2026-03-10T12:00", "2026-03-16T09:00", {"weekday": 0}),
        ("weekly", "2026-03-10T08:00", "2026-03-10T09:00", {"weekday": 1}),
        ("weekly", "2026-03-10T09:00", "2026-03-17T09:00", {"weekday": 1}),
        ("cron", "2026-03-10T12:00", "2026-03-11T08:30", {"cron": "30 8 * * 1-5"}),
        ("cron", "2026-03-13T12:00", "2026-03-16T08:30", {"cron": "30 8 * * 1-5"}),
        ("cron", "2026-03-28T12:00", "2026-03-29T03:30", {"cron": "30 2 * * *"}),
        ("cron", "2026-03-29T03:30", "2026-03-30T02:30", {"cron": "30 2 * * *"}),
    ],
)
def test_the_next_run(trigger, after, expected, values):
    found = next_run(trigger, after=moment(after), zone=ZURICH, **values)
    assert found == moment(expected)


def test_a_time_that_comes_twice_counts_once():
    first = next_run(
        "daily", after=moment("2026-10-24T12:00"), zone=ZURICH, at_time=datetime.time(2, 30)
    )
    assert first == datetime.datetime(2026, 10, 25, 0, 30, tzinfo=datetime.UTC)
    second = next_run("daily", after=first, zone=ZURICH, at_time=datetime.time(2, 30))
    assert second == moment("2026-10-26T02:30")


def test_hours_go_on_through_the_night_the_clocks_change():
    now, seen = moment("2026-10-25T00:30"), []
    for _hour in range(4):
        now = next_run("hourly", after=now, zone=ZURICH)
        seen.append(now.astimezone(ZURICH).strftime("%H:%M%z"))
    assert seen == ["01:00+0200", "02:00+0200", "02:00+0100", "03:00+0100"]


@pytest.mark.parametrize(
    ("repeat", "name"),
    [
        ("once", ""),
        ("day", "2027-01-01"),
        ("week", "2026-W53"),
        ("month", "2027-01"),
        ("year", "2027"),
    ],
)
def test_a_period_has_a_name(repeat, name):
    assert period(repeat, datetime.datetime(2027, 1, 1, 0, 30, tzinfo=ZURICH)) == name


def test_a_moment_of_a_local_time():
    assert at(datetime.date(2026, 7, 1), datetime.time(9), ZURICH) == datetime.datetime(
        2026, 7, 1, 7, tzinfo=datetime.UTC
    )


def test_a_cron_time_that_comes_twice_counts_once():
    first, second = next_runs(
        2, trigger="cron", after=moment("2026-10-24T12:00"), zone=ZURICH, cron="30 2 * * *"
    )
    assert first == datetime.datetime(2026, 10, 25, 0, 30, tzinfo=datetime.UTC)
    assert second == moment("2026-10-26T02:30")


def test_what_has_no_schedule_has_no_next_run():
    assert next_run("never", after=moment("2026-03-10T12:00"), zone=ZURICH) is None


@pytest.mark.parametrize(
    "expression", ["", "often", "61 * * * *", "* * * *", "* * * * * *", "@daily"]
)
def test_what_is_no_cron_expression_is_refused_with_an_example(expression):
    with pytest.raises(
        ValidationError, match="30 8 \\* \\* 1-5 for half past eight on working days"
    ):
        validate_cron(expression)


def test_a_day_that_never_comes_is_refused():
    with pytest.raises(ValidationError, match="there is no such day"):
        validate_cron("0 0 30 2 *")


@pytest.mark.parametrize(
    "trigger", [{"trigger": "daily", "at_time": datetime.time(2, 30)},
                {"trigger": "cron", "cron": "30 2 * * *"},
                {"trigger": "weekly", "weekday": 6, "at_time": datetime.time(2, 30)}],
)  # fmt: skip
@pytest.mark.parametrize(
    ("day", "utc"), [((2026, 3, 29), "01:30"), ((2026, 10, 25), "00:30")], ids=["gap", "twice"]
)
def test_the_hour_that_does_not_exist_or_comes_twice_is_one_run(trigger, day, utc):
    before = datetime.datetime(*day, 0, 0, tzinfo=ZURICH)
    coming = next_runs(3, after=before, zone=ZURICH, **trigger)
    that_day = [each for each in coming if each.astimezone(ZURICH).date() == before.date()]
    assert [f"{each.astimezone(datetime.UTC):%H:%M}" for each in that_day] == [utc]

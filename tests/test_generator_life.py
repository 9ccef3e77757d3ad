"""Copies, exports and activity of generators."""

import datetime
import zoneinfo

import pytest

from automation.events import Event
from automation.events.recording import Writer
from automation.rules import definitions
from generators.activity import events_per_day
from generators.models import Generator
from tests import shop

pytestmark = pytest.mark.django_db

ZURICH = zoneinfo.ZoneInfo("Europe/Zurich")


def test_a_clone_is_a_draft_that_asks_the_same():
    generator = shop.generator(
        ("status", "field.one_of", "open"),
        ("items:sum:price", "related.more", "100", "or"),
        ("customer__birthday", "anniversary.anniversary_in", "7"),
        slug="left",
        name="Left",
        trigger="weekly",
        weekday=3,
        repeat="month",
    )
    copies = [generator.clone(), generator.clone()]
    assert [copy.slug for copy in copies] == ["left-copy", "left-copy-2"]
    copy = Generator.objects.get(pk=copies[0].pk)
    assert (copy.name, copy.state, copy.next_run_at) == ("Left (copy)", "draft", None)
    one, other = (
        {**entry, "slug": "", "name": ""} for entry in definitions.dump()["generators"][:2]
    )
    assert one == other
    assert generator.conditions.count() == copy.conditions.count() == 3


def test_only_what_was_chosen_is_exported():
    chosen, _other = shop.generator(slug="one"), shop.generator(slug="two")
    data = definitions.dump(Generator.objects.filter(pk=chosen.pk))
    assert [entry["slug"] for entry in data["generators"]] == ["one"]
    assert set(data) == {"version", "generators"}


def test_events_are_counted_by_day_where_the_site_lives(django_assert_num_queries):
    busy, idle = shop.generator(), shop.generator()
    now = datetime.datetime(2026, 4, 19, 10, 0, tzinfo=datetime.UTC)
    for moment in (
        now,
        now - datetime.timedelta(hours=10, minutes=30),  # the 18th in UTC, the 19th in Zurich
        now - datetime.timedelta(days=29),
        now - datetime.timedelta(days=30),
    ):
        writer = Writer(now=moment, rule_id=busy.pk)
        writer.write([Event("g", f"at {moment}")])
    with django_assert_num_queries(1):
        found = events_per_day([busy.pk, idle.pk], now, ZURICH)
    assert found == {busy.pk: [1, *[0] * 28, 2], idle.pk: [0] * 30}

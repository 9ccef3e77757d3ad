"""Why a row matches, or does not."""

import datetime

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from automation.demo.models import Cart
from automation.events.models import EventRecord
from automation.rules.explaining import explain, matches
from automation.rules.models import BrokenRule
from generators import running
from tests import shop

pytestmark = pytest.mark.django_db

NOW = shop.NOW


def test_each_condition_is_said_with_the_value_it_looked_at(django_assert_num_queries):
    ann = shop.customer(country="CH")
    cart = shop.cart(ann, days_old=3)
    shop.order(ann, status="paid")
    generator = shop.generator(
        ("status", "field.one_of", "open"),
        ("customer__country", "field.one_of", "DE"),
        ("customer__birthday", "field.is_not_empty", "", "or"),
        ("paid_orders", "field.at_least", "2"),
        ("items:sum:price", "related.more", "100"),
        time_zone="Europe/Zurich",
    )
    lines = explain(generator, cart.pk, NOW)
    assert lines is not None
    assert [(line.sentence, line.shown, line.passed) for line in lines] == [
        ("status is Open", "Open", True),
        ("customer country is Germany", "Switzerland", False),
        ("customer birthday is not empty", "empty", False),
        ("number of paid orders before is at least 2", "1", False),
        ("cart items sum of price for one is more than 100", "129.90", True),
    ]
    assert not matches(lines)
    assert str(lines[1]) == "customer country is Germany? no: Switzerland"


def test_a_moment_is_shown_where_the_rule_lives():
    cart = shop.cart(days_old=3)
    generator = shop.generator(shop.OLD, time_zone="Pacific/Kiritimati")
    lines = explain(generator, cart.pk, NOW)
    assert lines is not None
    assert lines[0].shown == "8 Mar, 02:00"


def test_a_row_that_is_not_there_is_none():
    assert explain(shop.generator(), 999, NOW) is None


def test_a_rule_that_cannot_be_asked_says_so():
    generator = shop.generator()
    generator.conditions.update(field="vanished")
    with pytest.raises(BrokenRule, match="“vanished” is not a field"):
        explain(generator, 1, NOW)


def test_the_command_says_it_all(capsys):
    cart = shop.cart(days_old=3, now=timezone.now())
    generator = shop.generator()
    running.run(generator, timezone.now())
    call_command("explain", generator.slug, str(cart.pk))
    said = capsys.readouterr().out
    assert said.startswith("✓     status is Open")
    assert "It matches." in said
    assert f"It has its event already: generator:{generator.pk}:{cart.pk}, " in said
    for pk, message in (("999", "There is no cart 999"), ("x", "'x' is no primary key")):
        with pytest.raises(CommandError, match=message):
            call_command("explain", generator.slug, pk)


@pytest.mark.parametrize("repeat", ["day", "after", "anew", "key"])
def test_the_command_names_the_event_however_often_a_row_makes_one(capsys, repeat):
    cart = shop.cart(days_old=3, now=timezone.now())
    generator = shop.generator(repeat=repeat, key_template="{{ cart.total }}")
    running.run(generator, timezone.now())
    call_command("explain", generator.slug, str(cart.pk))
    key = EventRecord.objects.get().key
    assert f"It has its event already: {key}, " in capsys.readouterr().out
    Cart.objects.update(total=1)
    EventRecord.objects.update(recorded_at=timezone.now() - datetime.timedelta(days=60))
    call_command("explain", generator.slug, str(cart.pk))
    said = capsys.readouterr().out
    assert ("It has its event already" in said) == (repeat in ("day", "anew"))


def test_the_command_says_why_an_event_cannot_be_made(capsys):
    cart = shop.cart(shop.customer(last_name=""), now=timezone.now())
    generator = shop.generator(group_template="{{ cart.customer.last_name }}")
    call_command("explain", generator.slug, str(cart.pk))
    told = f"Its event cannot be made: The event group is empty. (row {cart.pk})"
    assert told in capsys.readouterr().out

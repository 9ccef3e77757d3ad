"""No page asks the database more often because there is more to show."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from automation.rules.models import Segment
from generators import running
from generators.models import Generator
from mails.models import Message
from tests import shop

pytestmark = pytest.mark.django_db

#: A line of each kind that costs something to show, and what its value names.
LINES = [
    ("status", "field.one_of", "open"),
    ("updated_at", "relative_date.more_than_ago", "2 days"),
    ("segment", "segment.in", "big"),
    ("items:count", "related.at_least", "1"),
    ("event", "event.had_not", "cart_left 30 days"),
]


@pytest.fixture
def segment(db):
    made = Segment.objects.create(name="Big", slug="big", source="demo.cart")
    shop.ask(made, ("total", "field.more", "1"))
    return made


def queries(client, url) -> int:
    client.get(url)  # what is read once and kept, such as content types
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def grows(client, url, make) -> tuple[int, int]:
    """Queries of the page with 2 and with 12 things."""
    for _number in range(2):
        make()
    few = queries(client, url)
    for _number in range(10):
        make()
    return few, queries(client, url)


def page_of(thing, name="change"):
    opts = thing._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=[thing.pk])


def make_message():
    """A generator of its own with an event and a message that it caused."""
    generator = shop.generator(*LINES[:2])
    shop.cart(days_old=3, now=shop.timezone.now())
    shop.mail()
    running.run(generator, shop.timezone.now())


@pytest.mark.parametrize(
    ("listed", "make"),
    [
        ("generators_generator", lambda: make_generator()),
        ("automation_rules_segment", lambda: make_segment()),
        ("mails_mail", shop.mail),
        ("mails_message", make_message),
        ("automation_events_eventrecord", make_message),
    ],
)
def test_a_list_with_more_rows_asks_no_more(admin_client, segment, listed, make):
    few, many = grows(admin_client, reverse(f"admin:{listed}_changelist"), make)
    assert few == many


def make_generator():
    generator = shop.generator(*LINES)
    for _time in range(3):
        generator.runs.create(started_at=shop.NOW, state="failed", error="It failed.")


def make_segment():
    number = Segment.objects.count()
    made = Segment.objects.create(name=f"S{number}", slug=f"s{number}", source="demo.cart")
    shop.ask(made, *LINES)


@pytest.mark.parametrize("page", ["change", "preview"])
def test_a_rule_with_more_conditions_asks_no_more(admin_client, segment, page):
    counts = []
    for times in (1, 5):
        generator = shop.generator(*(LINES * times))
        counts.append(queries(admin_client, page_of(generator, page)))
    assert counts[0] == counts[1]


def test_a_generators_page_asks_no_more_with_more_mails_and_runs(admin_client):
    generator = shop.generator()

    def make():
        shop.mail()
        shop.cart(now=shop.timezone.now())
        running.run(generator, shop.timezone.now())

    few, many = grows(admin_client, page_of(generator), make)
    assert few == many


def test_arming_asks_no_more_with_more_mails_and_rows(admin_client):
    generator = shop.generator(armed=False)

    def make():
        shop.mail()
        shop.cart(now=shop.timezone.now())

    few, many = grows(admin_client, page_of(generator, "arm"), make)
    assert few == many


def test_a_mails_page_asks_no_more_with_more_generators(admin_client):
    mail = shop.mail()
    few, many = grows(admin_client, page_of(mail), shop.generator)
    assert few == many


def test_a_preview_asks_no_more_with_more_events(admin_client):
    mail, generator = shop.mail(), shop.generator()

    def make():
        shop.cart(now=shop.timezone.now())
        running.run(generator, shop.timezone.now())

    few, many = grows(admin_client, page_of(mail, "preview"), make)
    assert few == many


def test_one_event_and_one_message_ask_no_more_among_many(admin_client):
    make_message()
    message = Message.objects.get()
    for url in (page_of(message), page_of(message.event)):
        few, many = grows(admin_client, url, lambda: shop.customer())
        assert few == many
    assert Generator.objects.count() == 1

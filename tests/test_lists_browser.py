"""Lists can be read whole, also on a phone."""

import pytest
from django.urls import reverse
from django.utils import timezone

from automation.rules.models import Segment
from generators import running
from tests import shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: How many cells of the first row can be seen, of how many.
SEEN = """() => {
  const list = document.querySelector("#changelist .results").getBoundingClientRect();
  const cells = [...document.querySelectorAll("#result_list tbody tr:first-child > *")];
  const seen = cells.filter((cell) => {
    const { left, right, height } = cell.getBoundingClientRect();
    return height > 0 && left >= list.left && right <= Math.min(list.right, innerWidth);
  });
  return [seen.length, cells.length];
}"""


@pytest.fixture
def history():
    """A generator with a run, an event and a message, all with long names."""
    long = "A rather long name that somebody from marketing has written"
    shop.mail(name=long)
    shop.ask(
        Segment.objects.create(name=long, slug="long", source="demo.cart"),
        ("status", "field.one_of", "open"),
    )
    owner = shop.customer(email=f"{'somebody.with.a.long.name' * 2}@example.com")
    shop.cart(owner, now=timezone.now())
    running.run(shop.generator(name=long), timezone.now())


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    ("listed", "cells"),
    [
        ("generators_generator", 7),
        ("automation_rules_segment", 4),
        ("automation_events_eventrecord", 4),
        ("mails_mail", 4),
        ("mails_message", 4),
    ],
)
def test_no_column_of_a_list_is_cut_off(superuser_page, history, listed, cells, width):
    superuser_page.set_viewport_size({"width": width, "height": 900})
    superuser_page.goto(reverse(f"admin:{listed}_changelist"))
    seen, there = superuser_page.evaluate(SEEN)
    assert seen == there >= cells


def test_a_card_on_a_phone_says_what_its_figures_are(superuser_page, history):
    superuser_page.set_viewport_size({"width": 390, "height": 900})
    superuser_page.goto(reverse("admin:generators_generator_changelist"))
    card = superuser_page.locator("#result_list tbody tr").inner_text().casefold()
    for label in ("next run", "last run", "events in 30 days"):
        assert label in card
    superuser_page.set_viewport_size({"width": 1280, "height": 900})
    row = superuser_page.locator("#result_list tbody tr").inner_text().casefold()
    assert "next run" not in row

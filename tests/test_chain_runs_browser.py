"""Somebody looks at one run in a real browser, and decides about it."""

import datetime

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from automation.chains.models import ChainRun
from automation.events.models import EventRecord
from tests import sequences, shop

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def press(page: Page, button: str, yes: str) -> None:
    """Ask for something that the page of the run offers, and say yes."""
    page.locator(".object-tools").get_by_text(button).click()
    page.get_by_role("button", name=yes).click()


def test_a_run_is_explained_and_decided_about(superuser_page: Page) -> None:
    page = superuser_page
    shop.mail(group="cart_reminder", name="Your cart waits")
    of = sequences.reminders(name="Left cart")
    ann = shop.customer(first_name="Ann", last_name="Kim", email="ann@example.com")
    run = of.start(shop.cart(ann), timezone.now() - datetime.timedelta(days=1))
    of.start(shop.cart(shop.customer(first_name="Bob", email="bob@example.com")), timezone.now())

    page.goto("/admin/automation_chains/chainrun/")
    page.get_by_role("searchbox").fill("ann kim")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=f"Cart {run.row_pk}").click()

    way = page.locator(".timeline li")
    message = page.locator(".messagelist li")
    expect(way).to_contain_text(["It came in.", "next look"])
    expect(page.locator(".figure-in-words")).to_contain_text("It would stay, and be looked at")
    expect(page.locator(".run-way h3")).to_have_text(["Reminder → REMINDED"])
    expect(page.locator(".run-way p")).to_contain_text(["waits after 2 days:"])
    expect(page.locator(".submit-row")).to_have_count(0)

    press(page, "Look now …", "Look at it now")
    expect(message).to_have_text("It stays where it is. Below is why.")
    press(page, "Pause …", "Yes, pause")
    expect(message).to_have_text("1 run: Paused.")
    expect(page.locator(".errornote")).to_contain_text("This run is paused")
    expect(page.get_by_role("link", name="Take this step now …")).to_have_count(0)
    press(page, "Let go on …", "Yes, let go on")
    expect(page.locator(".errornote")).to_have_count(0)

    page.get_by_role("link", name="Take this step now … Reminder").click()
    expect(page.locator(".figure-in-words")).to_contain_text("The event cart_reminder happens")
    page.get_by_label("Why").fill("She called")
    page.get_by_role("button", name="Yes, take this step now").click()
    expect(message).to_have_text("It went on: Start → REMINDED.")
    taken = way.filter(has_text="Start → REMINDED")
    expect(taken).to_contain_text("Reminder, asked for by admin, She called")
    expect(taken).to_contain_text("Event cart_reminder")
    expect(taken).to_contain_text("Your cart waits → ann@example.com queued")
    expect(page.locator(".run-way h3")).to_have_text(["Voucher → LAST", "Second reminder → LAST"])

    page.locator(".object-tools").get_by_text("Move to another state …").click()
    page.get_by_label("To the state").select_option("LAST")
    page.get_by_role("button", name="Yes, move").click()
    expect(message).to_have_text("1 run: Moved.")
    press(page, "End …", "Yes, end")
    expect(way.filter(has_text="It ended: ended by a person.")).to_be_visible()
    expect(page.locator(".run-way")).to_have_count(0)
    run.refresh_from_db()
    assert (run.state, run.outcome) == ("LAST", "cancelled")
    assert list(EventRecord.objects.values_list("group", "recipient")) == [
        ("cart_reminder", "ann@example.com")
    ]
    assert ChainRun.objects.exclude(pk=run.pk).get().state == "NEW"

"""Webhooks in a real browser, as an editor sets one up."""

import json

import pytest
from playwright.sync_api import Page, expect

from automation.events.models import Webhook, WebhookCall
from tests import shop
from tests.receiver import Receiver
from tests.webhooks import call_due, happen, webhook

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]


def test_an_editor_sets_up_a_webhook_tries_it_and_takes_its_secret(
    superuser_page: Page, receiver: Receiver
):
    receiver.answer = b"<script>document.title = 'attacked'</script>"
    shop.generator(group_template="cart_left")
    page = superuser_page
    page.goto("/admin/automation_events/webhook/add/")
    page.get_by_label("Name:", exact=True).fill("Stock")
    page.get_by_label("On events:").fill("cart_left")
    page.get_by_label("Address:").fill("http://10.0.0.7/")
    page.get_by_role("button", name="Save and look at what it sends").click()
    expect(page.locator(".field-url .errorlist")).to_contain_text("an address inside of a network")
    page.get_by_label("Address:").fill(receiver.url)
    page.get_by_role("button", name="Save and look at what it sends").click()
    expect(page.locator("pre.source")).to_contain_text('"type": "cart_left"')
    page.get_by_role("button", name="Send a test call").click()
    expect(page.locator(".trial")).to_contain_text("The test call was taken. The answer is 200")
    expect(page.locator(".trial pre")).to_have_text(receiver.answer.decode())
    assert "attacked" not in page.title()
    assert json.loads(receiver.received[0].body)["test"] is True

    page.get_by_role("link", name="Back to the webhook").click()
    page.get_by_role("link", name="Show it, or make a new one").click()
    secret = Webhook.objects.get().secret
    expect(page.locator(".webhook-secret")).not_to_contain_text(secret)
    page.get_by_role("button", name="Show it").click()
    expect(page.locator(".webhook-secret")).to_have_text(secret)
    page.get_by_role("button", name="Make a new one").click()
    expect(page.locator(".webhook-secret")).not_to_contain_text(secret)
    page.get_by_role("button", name="Yes, make a new one").click()
    expect(page.locator(".webhook-secret")).to_have_text(Webhook.objects.get().secret)
    assert Webhook.objects.get().secret != secret


def test_no_page_is_wider_than_a_phone(superuser_page: Page, receiver: Receiver):
    receiver.answer = b"x" * 2_000
    made = webhook(f"{receiver.url}/{'long' * 100}")
    happen("k" * 250, context={"long": "y" * 500}, recipient=f"{'a' * 200}@example.com")
    call_due()
    call = WebhookCall.objects.get()
    superuser_page.set_viewport_size({"width": 375, "height": 800})
    wide = {}
    for path in (
        "webhook/", f"webhook/{made.pk}/change/", f"webhook/{made.pk}/sends/",
        f"webhook/{made.pk}/secret/", "webhookcall/", f"webhookcall/{call.pk}/change/",
    ):  # fmt: skip
        superuser_page.goto(f"/admin/automation_events/{path}")
        width = superuser_page.evaluate("document.documentElement.scrollWidth")
        if width > 375:
            wide[path] = width
    assert wide == {}

"""The panel beside a generator's form follows it in a real browser, before anything is saved."""

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from generators import running
from generators.models import Generator
from tests import shop

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
]


def open_form(page: Page, generator: Generator) -> Locator:
    """The generator's page, and its panel once it has counted."""
    page.goto(f"/admin/generators/generator/{generator.pk}/change/")
    panel = page.locator("#rule-panel")
    expect(panel.locator(".figure")).to_be_visible()
    return panel


def test_the_new_rows_and_the_mail_they_reach_follow_the_form(superuser_page: Page) -> None:
    generator = shop.generator()
    shop.cart(shop.customer(country="CH"))
    running.run(generator, timezone.now())
    shop.cart(shop.customer(country="CH"))
    shop.mail(name="Your cart", group="cart_left")
    shop.mail(name="Swiss carts", group="cart_CH")
    panel = open_form(superuser_page, generator)
    new, where = panel.locator(".figure-beside"), panel.locator(".audiences")
    expect(new).to_have_text("1 would be new")
    expect(where).to_have_text("cart_left → Mail Your cart; no listener in code")
    superuser_page.get_by_label("Event group:").fill("cart_{{ cart.customer.country }}")
    expect(where).to_have_text("cart_CH → Mail Swiss carts; no listener in code")
    superuser_page.get_by_label("How often:").select_option("again each day")
    expect(new).to_have_text("2 would be new")
    generator.refresh_from_db()
    assert (generator.group_template, generator.repeat) == ("cart_left", "once")


def test_an_unknown_variable_in_the_event_group_is_told_while_typing(
    superuser_page: Page,
) -> None:
    shop.cart()
    panel = open_form(superuser_page, shop.generator())
    superuser_page.get_by_label("Event group:").fill("cart_{{ cart.custmer.country }}")
    expect(panel.locator(".errorlist")).to_have_text(
        "Event group: Line 1, column 9: “cart.custmer.country” is not known here. "
        "Did you mean “cart.customer.country”?"
    )
    expect(panel.locator(".figure")).to_have_text("1 of 1 carts match now")


def test_a_line_that_is_not_finished_is_told_at_the_line(superuser_page: Page) -> None:
    shop.cart()
    panel = open_form(superuser_page, shop.generator())
    line = superuser_page.locator("#conditions-2")
    line.get_by_label("and / or").select_option("or")
    expect(panel.locator(".unfinished")).to_have_text("1 line is not finished and is left out.")
    expect(line.locator(".line-count")).to_have_text("not finished")


def test_a_link_beside_a_changed_form_opens_elsewhere(superuser_page: Page) -> None:
    shop.cart()
    panel = open_form(superuser_page, shop.generator())
    link = panel.get_by_role("link", name="Write a mail for them")
    expect(link).not_to_have_attribute("target", "_blank")
    superuser_page.get_by_label("Event group:").fill("cart_lost")
    expect(panel.locator(".audiences")).to_contain_text("cart_lost")
    with superuser_page.expect_popup() as opened:
        link.click()
    expect(opened.value.get_by_label("On events:")).to_have_value("cart_lost")
    expect(superuser_page.get_by_label("Event group:")).to_have_value("cart_lost")


def test_what_was_folded_stays_folded(superuser_page: Page) -> None:
    shop.cart()
    panel = open_form(superuser_page, shop.generator())
    panel.locator("summary").click()
    superuser_page.get_by_label("Event group:").fill("cart_lost")
    expect(panel.locator(".audiences")).to_contain_text("cart_lost")
    expect(panel.locator("table")).to_be_hidden()


def test_whoever_was_signed_out_is_told_before_saving_would_lose_the_form(
    superuser_page: Page,
) -> None:
    shop.cart()
    panel = open_form(superuser_page, shop.generator())
    superuser_page.context.clear_cookies(name="sessionid")
    superuser_page.get_by_label("Event group:").fill("cart_lost")
    expect(panel).to_have_text(
        "You are signed out. Sign in again in another tab before you save, or what you typed "
        "is lost."
    )
    with superuser_page.expect_popup() as opened:
        panel.get_by_role("link").click()
    expect(opened.value.get_by_label("Password:")).to_be_visible()
    expect(superuser_page.get_by_label("Event group:")).to_have_value("cart_lost")

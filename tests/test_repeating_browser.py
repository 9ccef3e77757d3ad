"""A generator's form shows the fields that belong to how often a row becomes an event."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests import shop

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def form(superuser_page: Page) -> Page:
    generator = shop.generator(armed=False)
    superuser_page.goto(reverse("admin:generators_generator_change", args=[generator.pk]))
    return superuser_page


@pytest.mark.parametrize(
    ("choice", "shown"),
    [("once", []), ("anew", []), ("after", ["repeat_days"]), ("key", ["key_template"])],
)
def test_only_fields_that_count_are_shown(form: Page, choice: str, shown: list[str]):
    form.select_option("#id_repeat", choice)
    for name in ("repeat_days", "key_template"):
        row = form.locator(f".form-row.field-{name}")
        expect(row).to_be_visible(visible=name in shown)


def test_a_wrong_key_is_told_where_it_is_written(form: Page):
    form.select_option("#id_repeat", "key")
    form.fill("#id_key_template", "{{ cart.customer.mail }}")
    form.get_by_role("button", name="Save", exact=True).click()
    error = form.locator(".field-key_template .errorlist")
    expect(error).to_contain_text("Did you mean “cart.customer.email”?")
    expect(form.locator("#id_key_template")).to_have_value("{{ cart.customer.mail }}")

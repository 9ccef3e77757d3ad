"""What pages say of a project's own rows: in its words, and as sentences have them."""

from typing import Any

import lxml.html
import pytest
from django.urls import reverse

from automation.demo.models import Cart
from automation.rules import Source
from automation.rules.conditions import sentence
from automation.rules.sources import sources
from generators.admin import example_group
from generators.models import Generator
from tests import shop
from tests.sequences import OPEN

pytestmark = pytest.mark.django_db


def test_the_example_of_an_event_group_is_made_of_a_value_that_the_source_shows(
    admin_client: Any,
):
    url = reverse("admin:generators_generator_change", args=[shop.generator().pk])
    page = lxml.html.fromstring(admin_client.get(url).content.decode())
    (help_text,) = page.xpath("//*[@id='id_group_template_helptext']")
    assert help_text.text_content().strip() == (
        "The name of the events it makes. Values of the row can be part of it, such as "
        "cart_{{ cart.status }}."
    )


def test_where_nothing_is_known_of_the_source_there_is_no_example():
    assert example_group(Generator(source="demo.gone")) == ""


def test_rows_have_no_capital_in_the_middle_of_a_sentence():
    source = sources.get("demo.cart")
    assert (str(source), source.plural) == ("Carts", "carts")
    assert sentence(source, []) == "All carts"
    own = Source(source.model, fields=[], label="Open Carts")
    assert own.plural == "Open Carts"


@pytest.mark.parametrize(
    "name",
    [
        "generators_generator",
        "mails_mail",
        "automation_chains_startchain",
        "automation_events_webhook",
    ],
)
def test_a_form_for_something_new_speaks_of_no_shop(admin_client: Any, name: str):
    page = admin_client.get(reverse(f"admin:{name}_add")).content.decode()
    said = lxml.html.fromstring(page).xpath("//*[contains(@class, 'help')]//text()")
    assert [text for text in said if "cart" in text or "customer" in text] == []
    assert "group" in " ".join(said) or "name of the events" in " ".join(said)


@pytest.mark.parametrize(
    ("recipient", "said"),
    [("customer__email", "With {{ cart.customer.email }} it is one for each person."), ("", None)],
)
def test_an_own_key_is_explained_with_the_person_of_the_source(admin_client, recipient, said):
    with sources.registered(Source(Cart, ["status"], recipient=recipient)):
        url = reverse("admin:generators_generator_change", args=[shop.generator(OPEN).pk])
        page = lxml.html.fromstring(admin_client.get(url).content.decode())
    (help_text,) = page.xpath("//*[@id='id_key_template_helptext']")
    found = " ".join(help_text.text_content().split())
    assert found.endswith(said or "make one event together.")

"""What pages say of a project's own rows: in its words, and as sentences have them."""

from typing import Any

import lxml.html
import pytest
from django.urls import reverse

from automation.rules import Source
from automation.rules.conditions import sentence
from automation.rules.sources import sources
from generators.admin import example_group
from generators.models import Generator
from tests import shop

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

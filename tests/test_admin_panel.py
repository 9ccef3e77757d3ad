"""The panel follows the form as it stands, saved or not."""

import re
from typing import Any

import pytest
from django.urls import reverse

from tests import shop
from tests.forms import filled

pytestmark = pytest.mark.django_db


def url(name: str, pk: int) -> str:
    return reverse(f"admin:generators_generator_{name}", args=[pk])


def shown(client: Any, generator: Any, **changed: Any) -> tuple[str, list[str]]:
    """The figure, and the counts of the lines."""
    form = filled(client, url("change", generator.pk), "generator", **changed)
    html = client.post(url("panel", generator.pk), form).content.decode()
    figure = re.sub(r"<.*?>|\s+", " ", re.search(r'<p class="figure">(.*?)</p>', html, re.S)[1])
    counts = re.findall(r'data-line="conditions-(\d+)">(.*?)<', html)
    return " ".join(figure.split()), [f"{line}: {count}" for line, count in counts]


def test_it_counts_the_saved_lines_and_the_unsaved_ones(admin_client: Any):
    shop.cart(shop.customer(country="CH"))
    shop.cart(shop.customer(country="DE"))
    shop.cart(shop.customer(country="DE"), status="ordered")
    generator = shop.generator(("status", "field.one_of", "open"))
    assert shown(admin_client, generator) == ("2 of 3 Carts match now", ["0: 2"])
    unsaved = {
        "conditions-1-field": "customer__country",
        "conditions-1-operator": "field.one_of",
        "conditions-1-value": "DE",
    }
    assert shown(admin_client, generator, **unsaved) == (
        "1 of 3 Carts match now",
        ["0: 2", "1: 2"],
    )
    assert generator.conditions.count() == 1


def test_a_line_that_is_wrong_or_removed_is_left_out(admin_client: Any):
    shop.cart()
    generator = shop.generator(("status", "field.one_of", "ordered"))
    wrong = {
        "conditions-1-field": "paid_orders",
        "conditions-1-operator": "field.at_least",
        "conditions-1-value": "two",
    }
    assert shown(admin_client, generator, **wrong) == ("0 of 1 Carts match now", ["0: 0"])
    gone = {"conditions-0-DELETE": "on"}
    assert shown(admin_client, generator, **gone) == ("1 of 1 Carts match now", [])


def test_it_needs_the_permission_to_see_the_rule_and_is_not_for_links(
    client: Any, admin_client: Any, django_user_model: Any
):
    generator = shop.generator()
    assert admin_client.get(url("panel", generator.pk)).status_code == 405
    client.force_login(django_user_model.objects.create_user("staff", is_staff=True))
    assert client.post(url("panel", generator.pk)).status_code == 403


def test_a_rule_whose_source_is_gone_says_so(admin_client: Any):
    generator = shop.generator()
    type(generator).objects.update(source="demo.vanished")
    answer = admin_client.post(url("panel", generator.pk))
    assert "The source “demo.vanished” is not registered" in answer.content.decode()

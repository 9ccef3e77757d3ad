"""The panel follows the form as it stands, saved or not."""

import re
from typing import Any

import lxml.html
import pytest
from django.urls import reverse

from automation.rules.models import Segment
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
    assert shown(admin_client, generator) == ("2 of 3 carts match now", ["0: 2"])
    unsaved = {
        "conditions-1-field": "customer__country",
        "conditions-1-operator": "field.one_of",
        "conditions-1-value": "DE",
    }
    assert shown(admin_client, generator, **unsaved) == (
        "1 of 3 carts match now",
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
    assert shown(admin_client, generator, **wrong) == ("0 of 1 carts match now", ["0: 0"])
    gone = {"conditions-0-DELETE": "on"}
    assert shown(admin_client, generator, **gone) == ("1 of 1 carts match now", [])


def notes(html: str) -> list[str]:
    """What is said about lines that are left out, and at those lines."""
    page = lxml.html.fromstring(f"<div>{html}</div>")
    said = page.xpath("//p[@class='unfinished']")
    lines = page.xpath("//span[@data-missing]")
    return [
        *(element.text_content() for element in said),
        *(f"{line.get('data-line')}: {line.get('data-missing')}" for line in lines),
    ]


def posted(client: Any, rule: Any, **changed: Any) -> str:
    page = reverse(f"admin:{rule._meta.app_label}_{rule._meta.model_name}_change", args=[rule.pk])
    form = filled(client, page, rule._meta.model_name, **changed)
    answer = client.post(f"{page.removesuffix('change/')}panel/", form)
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({}, []),
        (
            {"conditions-1-field": "total"},
            [
                "1 line is not finished and is left out.",
                "conditions-1: Choose what is asked about it, such as “is”.",
            ],
        ),
        (
            {"conditions-0-value": "lost", "conditions-1-joined_by": "or"},
            [
                "2 lines are not finished and are left out.",
                "conditions-0: “lost” is not one of the choices: open, ordered.",
                "conditions-1: Choose what the line is about, or remove the line.",
            ],
        ),
        ({"conditions-0-value": "lost", "conditions-0-DELETE": "on"}, []),
    ],
)
def test_lines_that_are_not_finished_are_told(
    admin_client: Any, lines: dict[str, str], said: list[str]
):
    segment = Segment.objects.create(name="Big", slug="big", source="demo.cart")
    shop.ask(segment, ("status", "field.one_of", "open"))
    assert notes(posted(admin_client, segment, **lines)) == said


def test_a_segment_that_would_be_made_of_itself_says_so_before_it_is_saved(admin_client: Any):
    segment = Segment.objects.create(name="Big", slug="big", source="demo.cart")
    itself = {
        "conditions-0-field": "segment",
        "conditions-0-operator": "segment.in",
        "conditions-0-value": "big",
    }
    assert "“Big” is made of itself." in posted(admin_client, segment, **itself)


def test_segments_and_history_are_found_in_the_list_of_fields(admin_client: Any):
    page = lxml.html.fromstring(admin_client.get(url("change", shop.generator().pk)).content)
    groups = page.xpath(
        "//select[@name='conditions-0-field']/optgroup[@label='Segments and history']"
    )
    assert [[option.text for option in group] for group in groups] == [
        ["is in a segment", "random share", "events so far"]
    ]


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

"""The page that says why a row matches a rule, or why not, and what else decides."""

from typing import Any

import lxml.html
import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from automation.events.models import EventRecord
from automation.rules.explaining import explain
from automation.rules.models import Segment
from generators import running
from tests import shop

pytestmark = pytest.mark.django_db

OPEN = ("status", "field.one_of", "open")
SWISS = ("customer__country", "field.one_of", "CH")


def url(rule: Any, page: str = "why") -> str:
    opts = rule._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{page}", args=[rule.pk])


def why(client: Any, rule: Any, row: Any) -> Any:
    answer = client.get(url(rule), {"row": str(row)})
    assert answer.status_code == 200
    return lxml.html.fromstring(answer.content.decode()).get_element_by_id("content-main")


def text(found: Any) -> list[str]:
    return [" ".join(element.text_content().split()) for element in found]


def verdict(page: Any) -> str:
    (figure,) = text(page.find_class("figure"))
    return figure


def reasons(page: Any) -> list[list[str]]:
    """Each condition, what the row has, and whether that is what is asked."""
    return [text(row.xpath("th|td")) for row in page.xpath("//table/tbody/tr")]


def gates(page: Any) -> list[str]:
    return text(page.xpath("//ul[@class='gates']/li"))


def told(page: Any) -> list[str]:
    return text(page.xpath("//ul[@class='errorlist']/li|//p[@class='errornote']"))


def segment(*lines: tuple[str, ...], slug: str = "big", source: str = "demo.cart") -> Segment:
    made = Segment.objects.create(name="Big carts", slug=slug, source=source)
    shop.ask(made, *lines)
    return made


# Each condition -----------------------------------------------------------------------------


def test_each_condition_stands_with_what_the_row_has(admin_client):
    ann = shop.customer(country="DE")
    cart = shop.cart(ann)
    shop.order(ann, status="paid")
    generator = shop.generator(OPEN, SWISS, ("paid_orders", "field.at_least", "2"))
    page = why(admin_client, generator, cart.pk)
    assert verdict(page) == f"Cart {cart.pk} does not match now: 2 conditions are not met"
    assert reasons(page) == [
        ["status is Open", "Open", "✓ yes"],
        ["and customer country is Switzerland", "Germany", "✗ no"],
        ["and number of paid orders before is at least 2", "1", "✗ no"],
    ]


def test_a_row_that_matches_is_said_to(admin_client):
    cart = shop.cart()
    assert verdict(why(admin_client, shop.generator(OPEN), cart.pk)) == (
        f"Cart {cart.pk} matches now"
    )


def test_a_line_with_an_alternative_that_is_met_is_no_reason(admin_client):
    cart = shop.cart(shop.customer(country="CH"), status="ordered")
    generator = shop.generator(
        OPEN, (*SWISS, "or"), ("total", "field.more", "500"), ("total", "field.equal", "7", "or")
    )
    page = why(admin_client, generator, cart.pk)
    assert verdict(page).endswith("does not match now: 2 conditions are not met")
    assert [(row[0].split()[0], row[2]) for row in reasons(page)] == [
        ("status", "no, but an alternative is"),
        ("or", "✓ yes"),
        ("and", "✗ no"),
        ("or", "✗ no"),
    ]


@pytest.mark.parametrize(
    ("operator", "total", "shown", "passed"),
    [
        ("in", "100", "is in it", True),
        ("in", "500", "is not in it", False),
        ("not_in", "100", "is in it", False),
        ("not_in", "500", "is not in it", True),
    ],
)
def test_a_segment_is_what_a_row_is_in_or_not(operator, total, shown, passed):
    segment(("total", "field.more", total))  # a cart of the shop's is 129.90
    generator = shop.generator(("segment", f"segment.{operator}", "big"))
    (line,) = explain(generator, shop.cart().pk, shop.NOW) or []
    assert (line.value, line.shown, line.passed) == (None, shown, passed)


@pytest.mark.parametrize("operator", ["had", "had_not", "person_had", "person_had_not"])
def test_an_event_is_what_a_row_has_had_or_not(operator):
    cart = shop.cart(now=timezone.now())
    generator = shop.generator(("event", f"event.{operator}", "cart_left 30 days"))
    said = []
    for _time in range(2):
        (line,) = explain(generator, cart.pk, timezone.now()) or []
        said.append((line.shown, line.passed))
        running.run(shop.generator(), timezone.now())
    is_wanted = not operator.endswith("_not")
    assert said == [("has not had it", not is_wanted), ("has had it", is_wanted)]


# Which row ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        "999",
        "-1",
        "0",
        "8.5",
        "Cart one",
        "9" * 30,
        "9" * 5000,
        "' OR 1=1 --",
        "nobody@example.com",
    ],
)
def test_a_number_or_address_that_is_none_is_told(admin_client, asked):
    shop.cart()
    page = why(admin_client, shop.generator(OPEN), asked)
    assert told(page) == [f"Nothing in Carts has the number or the address “{asked}”."]
    assert page.xpath("//input[@name='row']/@value") == [asked]
    assert page.find_class("figure") == []


def test_what_cannot_be_stored_is_no_number(admin_client):
    (said,) = told(why(admin_client, shop.generator(OPEN), " 8\0 "))
    assert said == "Nothing in Carts has the number or the address “8\ufffd”."


def test_without_a_row_it_only_asks_for_one(admin_client):
    page = why(admin_client, shop.generator(OPEN), "")
    assert (told(page), page.xpath("//input[@name='row']/@value")) == ([], [""])


def test_a_row_is_found_by_the_address_of_its_person(admin_client):
    cart = shop.cart(shop.customer(email="ann@example.com"))
    shop.cart()
    page = why(admin_client, shop.generator(OPEN), "Ann@Example.com")
    assert verdict(page) == f"Cart {cart.pk} matches now"


def test_of_several_rows_with_the_address_one_is_chosen(admin_client):
    ann = shop.customer(email="ann@example.com")
    first, second = shop.cart(ann), shop.cart(ann)
    generator = shop.generator(OPEN)
    page = why(admin_client, generator, "ann@example.com")
    links = page.xpath("//ul[@class='candidates']/li/a")
    assert text(links) == [f"Cart {second.pk}", f"Cart {first.pk}"]
    chosen = admin_client.get(url(generator) + links[1].get("href")).content.decode()
    assert verdict(lxml.html.fromstring(chosen)) == f"Cart {first.pk} matches now"


def test_each_row_that_matches_leads_to_its_reasons(admin_client):
    shop.cart()
    cart = shop.cart()
    answer = admin_client.get(url(generator := shop.generator(OPEN), "preview"))
    links = lxml.html.fromstring(answer.content.decode()).xpath("//tr//a[text()='Why?']/@href")
    assert links[0] == f"{url(generator)}?row={cart.pk}"
    assert len(links) == 2


def test_a_rows_name_is_only_a_name(admin_client):
    row = shop.customer(first_name="<script>alert(1)</script>", last_name="")
    named = segment(("first_name", "field.is_not_empty", ""), source="demo.customer")
    page = why(admin_client, named, row.pk)
    assert verdict(page) == "<script>alert(1)</script> matches now"
    assert reasons(page)[0][1] == "<script>alert(1)</script>"


# What else decides --------------------------------------------------------------------------


def test_a_segment_has_its_reasons_and_nothing_else_decides(admin_client):
    cart = shop.cart()
    page = why(admin_client, segment(("total", "field.more", "500")), cart.pk)
    assert reasons(page) == [["total is more than 500", "129.90", "✗ no"]]
    assert (gates(page), page.xpath("//h2")) == ([], [])


def test_a_generator_that_is_not_armed_is_told(admin_client):
    cart = shop.cart()
    generator = shop.generator(OPEN, armed=False)
    draft = gates(why(admin_client, generator, cart.pk))[0]
    assert draft == "✗ The generator is a draft: it makes no events until it is armed."
    generator.pause("The source is gone.")
    paused = gates(why(admin_client, generator, cart.pk))[0]
    assert paused == (
        "✗ The generator is paused: it makes no events until it is armed again. The source is gone."
    )
    generator.arm(timezone.now())
    armed = gates(why(admin_client, generator, cart.pk))[0]
    assert armed.startswith("✓ The generator is armed. Next run: ")


def test_the_event_that_a_row_had_is_linked(admin_client):
    cart = shop.cart(shop.customer(email="ann@example.com"))
    generator = shop.generator(OPEN)
    page = why(admin_client, generator, cart.pk)
    assert gates(page)[1] == "✓ It has not had its event yet: cart_left for ann@example.com."
    running.run(generator, timezone.now())
    page = why(admin_client, generator, cart.pk)
    said = gates(page)[1]
    assert said.startswith("✗ It has had its event, and each row makes only one: cart_left, ")
    (link,) = page.xpath("//ul[@class='gates']//a/@href")
    assert link == url(EventRecord.objects.get(), "change")


def test_a_row_that_makes_events_again_and_again_has_had_the_one_of_now(admin_client):
    cart = shop.cart()
    generator = shop.generator(OPEN, repeat="day")
    running.run(generator, timezone.now())
    said = gates(why(admin_client, generator, cart.pk))[1]
    assert said.startswith("✗ It has had its event, and makes no other one for now: cart_left")


def test_the_event_of_another_row_with_the_same_key_is_told(admin_client):
    ann = shop.customer()
    carts = [shop.cart(ann), shop.cart(ann)]
    generator = shop.generator(OPEN, repeat="key", key_template="{{ cart.customer.email }}")
    running.run(generator, timezone.now())
    made = EventRecord.objects.get().row_pk
    (other,) = [cart for cart in carts if str(cart.pk) != made]
    said = gates(why(admin_client, generator, other.pk))[1]
    assert said.startswith("✗ Another row with the same key has made its event: cart_left, ")


def test_an_event_that_cannot_be_made_is_told(admin_client):
    cart = shop.cart(shop.customer(last_name=""))
    generator = shop.generator(OPEN, group_template="{{ cart.customer.last_name }}")
    said = gates(why(admin_client, generator, cart.pk))[1]
    assert said == f"✗ Its event cannot be made: The event group is empty. (row {cart.pk})"


def test_a_generator_without_conditions_makes_no_events(admin_client):
    cart = shop.cart()
    generator = shop.generator(OPEN)
    generator.conditions.all().delete()
    page = why(admin_client, generator, cart.pk)
    assert verdict(page) == f"Cart {cart.pk} matches now"
    assert gates(page)[0] == (
        "✗ Add a condition first: without one it would mean every row there is."
    )


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (
            {"source": "demo.vanished"},
            "The source “demo.vanished” is not registered in this project.",
        ),
        ({"time_zone": "Europe/Zuerich"}, "“Europe/Zuerich” is not a time zone."),
    ],
)
def test_a_rule_that_cannot_be_asked_says_so(admin_client, broken, reason):
    cart, generator = shop.cart(), shop.generator(OPEN)
    type(generator).objects.update(**broken)
    (said,) = told(why(admin_client, generator, cart.pk))
    assert said.startswith(reason)


def test_a_field_that_is_gone_says_so(admin_client):
    cart, generator = shop.cart(), shop.generator(OPEN)
    generator.conditions.update(field="vanished")
    (said,) = told(why(admin_client, generator, cart.pk))
    assert said.startswith("“vanished” is not a field of Carts that rules may use.")


# Who may, and what it costs -----------------------------------------------------------------


def test_it_is_for_those_who_may_see_the_rule(client):
    cart, generator = shop.cart(), shop.generator(OPEN)
    row = {"row": cart.pk}
    assert client.get(url(generator), row).status_code == 302
    ann = User.objects.create_user("ann", is_staff=True)
    client.force_login(ann)
    assert client.get(url(generator), row).status_code == 403
    ann.user_permissions.add(Permission.objects.get(codename="view_generator"))
    assert verdict(why(client, generator, cart.pk)) == f"Cart {cart.pk} matches now"
    assert client.get(reverse("admin:generators_generator_why", args=["9" * 30])).status_code == 404


def test_more_conditions_events_and_rows_cost_no_more_queries(admin_client):
    segment(("total", "field.more", "1"))
    lines = [OPEN, ("segment", "segment.in", "big"), ("event", "event.had_not", "welcome 2 days")]
    counts = []
    for times in (1, 6):
        for _number in range(times):
            cart = shop.cart()
        generator = shop.generator(*(lines * times))
        running.run(generator, timezone.now())
        why(admin_client, generator, cart.pk)  # what is read once and kept
        with CaptureQueriesContext(connection) as captured:
            assert len(reasons(why(admin_client, generator, cart.pk))) == 3 * times
        counts.append(len(captured))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("written", ["{pk}", "Cart {pk}", "#{pk}", " cart {pk} "])
def test_a_row_is_found_by_what_the_page_calls_it(admin_client: Any, written: str) -> None:
    cart = shop.cart()
    page = why(admin_client, shop.generator(OPEN), written.format(pk=cart.pk))
    assert told(page) == []
    assert [line[0] for line in reasons(page)] == ["status is Open"]
